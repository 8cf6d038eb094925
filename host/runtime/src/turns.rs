//! Whose turn it is at a pool of instances: a call waits until there is room for it, first come, first served.
//!
//! Without this, the call that finds the pool full would fail, through nobody's fault. Every call ends within its time
//! limit, so nobody waits for ever.

use std::sync::{Condvar, Mutex, MutexGuard};

/// What a component takes of a pool while it runs, or what is left of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) instances: u32,
    pub(crate) memories: u32,
    pub(crate) tables: u32,
}

impl Room {
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

/// The queue before a pool.
pub(crate) struct Turns {
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    free: Room,
    next_ticket: u64,
    now_served: u64,
}

impl Turns {
    pub(crate) fn new(pool: Room) -> Self {
        Self {
            queue: Mutex::new(Queue {
                free: pool,
                next_ticket: 0,
                now_served: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for room; the room is taken until the turn is dropped. What is asked for must fit into the pool.
    pub(crate) fn wait_for(&self, needed: Room) -> Turn<'_> {
        let mut queue = self.locked();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        let mut queue = self
            .changed
            .wait_while(queue, |queue| {
                queue.now_served != ticket || !queue.free.holds(needed)
            })
            .expect("nothing panics while it holds the queue");
        queue.now_served += 1;
        queue.free.take(needed);
        self.call_next(queue);
        Turn {
            turns: self,
            taken: needed,
        }
    }

    /// Lets those who wait look again; a call into the system, so only where there is someone.
    fn call_next(&self, queue: MutexGuard<'_, Queue>) {
        let somebody_waits = queue.next_ticket != queue.now_served;
        drop(queue);
        if somebody_waits {
            self.changed.notify_all();
        }
    }

    fn locked(&self) -> MutexGuard<'_, Queue> {
        self.queue
            .lock()
            .expect("nothing panics while it holds the queue")
    }
}

/// Room in the pool, for as long as this lives.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    taken: Room,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.turns.locked();
        queue.free.give_back(self.taken);
        self.turns.call_next(queue);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use super::*;

    fn room(instances: u32, memories: u32) -> Room {
        Room {
            instances,
            memories,
            tables: 0,
        }
    }

    #[test]
    fn never_more_run_than_fit_and_all_of_them_run() {
        let turns = Turns::new(room(3, 4));
        let (running, finished) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for number in 0..40 {
                let (turns, running, finished) = (&turns, &running, &finished);
                scope.spawn(move || {
                    let needed = room(1, 1 + number % 4);
                    let turn = turns.wait_for(needed);
                    let memories = running.fetch_add(needed.memories, Ordering::SeqCst) + needed.memories;
                    assert!(memories <= 4, "{memories} memories of 4 are in use");
                    thread::yield_now();
                    running.fetch_sub(needed.memories, Ordering::SeqCst);
                    drop(turn);
                    finished.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(finished.into_inner(), 40);
        assert_eq!(turns.locked().free, room(3, 4));
    }
}
