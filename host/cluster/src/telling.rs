//! A task that tells things for as long as somebody listens. What it does and tells is its own affair.

use std::future::Future;

use tokio::{sync::mpsc, task::JoinHandle};

/// The listener. The task ends when it is dropped.
pub(super) struct Telling<T> {
    told: mpsc::Receiver<T>,
    task: JoinHandle<()>,
}

impl<T> Telling<T> {
    /// Starts the task. What it tells waits until it is heard, so many things at the most.
    pub(super) fn start<F>(most: usize, task: impl FnOnce(mpsc::Sender<T>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, told) = mpsc::channel(most);
        Self {
            told,
            task: tokio::spawn(task(sender)),
        }
    }

    /// What is told next; for ever, when the task has no more to tell. Safe to cancel.
    pub(super) async fn next(&mut self) -> T {
        match self.told.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }
}

impl<T> Drop for Telling<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
