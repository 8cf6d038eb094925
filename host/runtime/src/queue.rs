//! A fair queue for a pool of instances: calls wait for free capacity, first in, first out.
//!
//! Wasmtime's pool fails an instantiation when it is full, which is not an error of the plugin. Waiting is bounded, since every
//! running call ends within its time limit.

use std::sync::{Condvar, Mutex, MutexGuard};

/// What an instance takes of a pool, or what is left of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) instances: u32,
    pub(crate) memories: u32,
    pub(crate) tables: u32,
}

impl Capacity {
    fn holds(&self, needed: Self) -> bool {
        self.instances >= needed.instances && self.memories >= needed.memories && self.tables >= needed.tables
    }

    fn take(&mut self, needed: Self) {
        self.instances -= needed.instances;
        self.memories -= needed.memories;
        self.tables -= needed.tables;
    }

    fn give_back(&mut self, taken: Self) {
        self.instances += taken.instances;
        self.memories += taken.memories;
        self.tables += taken.tables;
    }
}

pub(crate) struct Queue {
    queue: Mutex<QueueState>,
    changed: Condvar,
}

struct QueueState {
    free: Capacity,
    next_ticket: u64,
    now_served: u64,
}

impl Queue {
    pub(crate) fn new(pool: Capacity) -> Self {
        Self {
            queue: Mutex::new(QueueState {
                free: pool,
                next_ticket: 0,
                now_served: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for capacity, which is taken until the permit is dropped. `needed` must fit into the empty pool, or this never returns.
    pub(crate) fn acquire(&self, needed: Capacity) -> Permit<'_> {
        let mut queue = self.locked();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        let mut queue = self
            .changed
            .wait_while(queue, |queue| {
                // Strictly in order, even if a later call would fit: otherwise one that needs much of the pool might never run.
                queue.now_served != ticket || !queue.free.holds(needed)
            })
            .expect("no thread panics while it holds the lock");
        queue.now_served += 1;
        queue.free.take(needed);
        self.wake(queue);
        Permit {
            queue: self,
            taken: needed,
        }
    }

    /// Wakes the waiting calls. A system call, so only if there are any.
    fn wake(&self, queue: MutexGuard<'_, QueueState>) {
        let has_waiting = queue.next_ticket != queue.now_served;
        drop(queue);
        if has_waiting {
            // All, since the ticket decides which one goes on, and `notify_one` could wake another.
            self.changed.notify_all();
        }
    }

    fn locked(&self) -> MutexGuard<'_, QueueState> {
        self.queue
            .lock()
            .expect("no thread panics while it holds the lock")
    }
}

/// Capacity of the pool, given back on drop.
pub(crate) struct Permit<'a> {
    queue: &'a Queue,
    taken: Capacity,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut queue = self.queue.locked();
        queue.free.give_back(self.taken);
        self.queue.wake(queue);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use super::*;

    fn capacity(instances: u32, memories: u32) -> Capacity {
        Capacity {
            instances,
            memories,
            tables: 0,
        }
    }

    #[test]
    fn the_pool_is_never_exceeded_and_every_call_runs() {
        let queue = Queue::new(capacity(3, 4));
        let (running, finished) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for number in 0..40 {
                let (queue, running, finished) = (&queue, &running, &finished);
                scope.spawn(move || {
                    let needed = capacity(1, 1 + number % 4);
                    let permit = queue.acquire(needed);
                    let memories = running.fetch_add(needed.memories, Ordering::SeqCst) + needed.memories;
                    assert!(memories <= 4, "{memories} memories of 4 are in use");
                    thread::yield_now();
                    running.fetch_sub(needed.memories, Ordering::SeqCst);
                    drop(permit);
                    finished.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(finished.into_inner(), 40);
        assert_eq!(queue.locked().free, capacity(3, 4));
    }
}
