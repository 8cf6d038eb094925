//! Remembers how far something had come at earlier times.

use std::{collections::VecDeque, time::Duration};

/// Marks within so short a time are one.
const NEAR: Duration = Duration::from_millis(5);

/// How far something had come, and when. It only ever grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(VecDeque<Mark>);

#[derive(Clone, Copy, Debug)]
struct Mark {
    first: Duration,
    /// Nothing is ever taken for older than it is.
    last: Duration,
    reached: usize,
}

impl Marks {
    /// It has come so far now.
    pub(super) fn set(&mut self, at: Duration, reached: usize) {
        match self.0.back_mut() {
            Some(mark) if mark.reached == reached => {}
            Some(mark) if at.saturating_sub(mark.first) < NEAR => {
                mark.last = at;
                mark.reached = reached;
            }
            _ => self.0.push_back(Mark {
                first: at,
                last: at,
                reached,
            }),
        }
    }

    /// How far it had come by a time, at least.
    pub(super) fn by(&self, at: Duration) -> usize {
        let older = self.0.iter().rev().find(|mark| mark.last <= at);
        older.map_or(0, |mark| mark.reached)
    }

    /// When it went past a place, at the latest.
    pub(super) fn passed(&self, place: usize) -> Option<Duration> {
        let first = self.0.iter().find(|mark| mark.reached > place);
        first.map(|mark| mark.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reached_by_a_time() {
        let at = Duration::from_millis;
        let mut marks = Marks::default();
        for (time, reached) in [(10, 1), (20, 2), (22, 3), (26, 4)] {
            marks.set(at(time), reached);
        }
        assert_eq!(
            [9, 10, 21, 22, 25, 26].map(|time| marks.by(at(time))),
            [0, 1, 1, 3, 3, 4]
        );
        assert_eq!(marks.passed(1), Some(at(22)));
        assert_eq!(marks.passed(4), None);
    }
}
