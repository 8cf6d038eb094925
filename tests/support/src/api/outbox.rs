//! The queue of outgoing frames of an attached connection, with backpressure: a client that does not read blocks the writer.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::{Shutdown, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use crate::PATIENCE;

/// The capacity of the queue, in addition to the system's buffers.
const ROOM_BYTES: usize = 64 << 10;

/// The queue of a connection. Clones share it.
#[derive(Clone)]
pub(super) struct Outbox(Arc<(Mutex<Queue>, Condvar)>);

#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Sending is paused.
    is_held: bool,
    /// What happens to the connection after the last frame.
    end: Option<Shutdown>,
    /// The client has disconnected.
    is_broken: bool,
}

impl Outbox {
    /// Creates a queue with a thread that sends it over a connection.
    pub(super) fn new(stream: TcpStream) -> Self {
        let outbox = Self(Arc::new((Mutex::new(Queue::default()), Condvar::new())));
        let sending = outbox.clone();
        thread::spawn(move || sending.send(&stream));
        outbox
    }

    /// Waits for capacity, and adds a frame. Panics after a timeout that only a client reaches that never reads.
    pub(super) fn push(&self, frame: Vec<u8>) {
        let (queue, timeout) = self
            .0
            .1
            .wait_timeout_while(self.lock(), PATIENCE, |queue| {
                queue.bytes >= ROOM_BYTES && !queue.is_broken
            })
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        drop(queue);
        assert!(!timeout.timed_out(), "the attached client does not read");
        self.change(|queue| queue.add(frame));
    }

    /// Ends the connection after what is queued and these last bytes.
    pub(super) fn end(&self, last: Vec<u8>, end: Shutdown) {
        self.change(|queue| {
            queue.add(last);
            queue.end = Some(end);
        });
    }

    /// Drops what is queued.
    pub(super) fn clear(&self) {
        self.change(|queue| {
            queue.frames.clear();
            queue.bytes = 0;
        });
    }

    /// Pauses or resumes sending.
    pub(super) fn hold(&self, is_held: bool) {
        self.change(|queue| queue.is_held = is_held);
    }

    /// Closes the queue, since the client has disconnected.
    pub(super) fn break_off(&self) {
        self.change(|queue| queue.is_broken = true);
    }

    fn send(&self, mut stream: &TcpStream) {
        loop {
            let next = self
                .0
                .1
                .wait_while(self.lock(), |queue| {
                    let has_work = !queue.frames.is_empty() || queue.end.is_some();
                    !queue.is_broken && (queue.is_held || !has_work)
                })
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .next();
            self.0.1.notify_all();
            match next {
                Next::Frame(frame) if stream.write_all(&frame).is_ok() => {}
                Next::End(how) => {
                    stream.shutdown(how).ok();
                    return;
                }
                _ => return self.break_off(),
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

enum Next {
    Frame(Vec<u8>),
    End(Shutdown),
    Broken,
}

impl Queue {
    fn add(&mut self, frame: Vec<u8>) {
        if self.end.is_none() && !self.is_broken {
            self.bytes += frame.len();
            self.frames.push_back(frame);
        }
    }

    fn next(&mut self) -> Next {
        if self.is_broken {
            return Next::Broken;
        }
        match (self.frames.pop_front(), self.end) {
            (Some(frame), _) => {
                self.bytes -= frame.len();
                Next::Frame(frame)
            }
            (None, Some(end)) => Next::End(end),
            (None, None) => Next::Broken,
        }
    }
}
