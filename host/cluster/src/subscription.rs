//! A task that sends values for as long as there is a receiver.

use std::future::Future;

use tokio::{sync::mpsc, task::JoinHandle};

/// The receiver. The task ends when it is dropped.
pub(super) struct Subscription<T> {
    values: mpsc::Receiver<T>,
    task: JoinHandle<()>,
}

impl<T> Subscription<T> {
    /// Starts the task. Up to `capacity` values wait for the receiver.
    pub(super) fn start<F>(capacity: usize, task: impl FnOnce(mpsc::Sender<T>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, values) = mpsc::channel(capacity);
        Self {
            values,
            task: tokio::spawn(task(sender)),
        }
    }

    /// The next value. Pending forever once the task has ended. Safe to cancel.
    pub(super) async fn next(&mut self) -> T {
        match self.values.recv().await {
            Some(value) => value,
            None => std::future::pending().await,
        }
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
