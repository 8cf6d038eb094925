//! The log: how it is to be read, and when. Pure as `connection.rs` is; what its text means is for the machine.

use std::time::Duration;

use crate::error::ClusterError;

/// The pause between two tries to read the log: at first, and at most.
// The log can be read 0.3 to 1.1 s after the program has started.
const PAUSES: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(500));

/// The pause before a log that has ended is followed again, if it had something: it was rotated.
const AFTER_ROTATION: Duration = Duration::from_millis(100);

/// The same if it had nothing: most often the program has ended, too.
const AFTER_END: Duration = Duration::from_millis(1500);

/// How long a log may not be readable although the container runs.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// On as it grows.
    Follow,
    /// To its end: the program has ended.
    Last {
        /// The container was restarted: its log is that of the instance before.
        previous: bool,
    },
}

#[derive(Debug)]
pub(super) enum Phase<A, O, C> {
    Off,
    /// It is opened at this time.
    Paused(Reading, Duration),
    /// It is opened.
    Opening(Reading, A),
    Open(Reading, O),
    /// It was read; whether it is that of our program is being asked.
    Checking(C),
    /// It may not be read, or cannot be.
    Unreadable,
}

#[derive(Debug)]
pub(super) struct Log<A, O, C> {
    pub(super) phase: Phase<A, O, C>,
    pause: Duration,
    unreadable_since: Option<Duration>,
    /// The present reading has brought something.
    has_brought: bool,
}

/// What is to be done about a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// The one that is open is of no use any more.
    Close,
    Open(Reading),
}

impl<A, O, C> Log<A, O, C> {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Off,
            pause: PAUSES.0,
            unreadable_since: None,
            has_brought: false,
        }
    }

    pub(super) fn may_be_read(&self) -> bool {
        !matches!(self.phase, Phase::Unreadable)
    }

    pub(super) fn is_followed(&self) -> bool {
        matches!(self.phase, Phase::Open(Reading::Follow, _))
    }

    /// What is to be done so that the log is read as it is wanted.
    pub(super) fn task(&mut self, now: Duration, wanted: Option<Reading>) -> Option<Task> {
        let present = match &self.phase {
            Phase::Checking(_) | Phase::Unreadable => return None,
            Phase::Off => None,
            Phase::Paused(reading, until) if Some(*reading) == wanted => {
                return (now >= *until).then_some(Task::Open(*reading));
            }
            Phase::Paused(..) => {
                self.phase = Phase::Off;
                None
            }
            Phase::Opening(reading, _) => Some((*reading, false)),
            Phase::Open(reading, _) => Some((*reading, true)),
        };
        if present.map(|(reading, _)| reading) == wanted {
            return None;
        }
        self.phase = wanted.map_or(Phase::Off, |reading| Phase::Paused(reading, now));
        match present {
            Some((_, true)) => Some(Task::Close),
            _ => wanted.map(Task::Open),
        }
    }

    pub(super) fn opened(&mut self, log: O) {
        if let Phase::Opening(reading, _) = self.phase {
            self.phase = Phase::Open(reading, log);
            self.pause = PAUSES.0;
            self.unreadable_since = None;
            self.has_brought = false;
        }
    }

    /// The present reading brought something.
    pub(super) fn brings(&mut self) {
        self.has_brought = true;
    }

    /// A reading could not be opened. Returns whether there is no hope that one can. `is_attached` says whether the program is
    /// known to run, and the cluster to answer.
    pub(super) fn fails(&mut self, now: Duration, error: &ClusterError, is_attached: bool) -> bool {
        let Phase::Opening(reading, _) = self.phase else {
            return false;
        };
        let since = *self.unreadable_since.get_or_insert(now);
        let is_overdue = is_attached && now > since + PATIENCE;
        // A Role without `pods/log` refuses every try.
        if matches!(error.code(), Some(401 | 403)) || is_overdue {
            self.phase = Phase::Unreadable;
            return true;
        }
        self.phase = Phase::Paused(reading, now + self.pause);
        self.pause = PAUSES.1.min(self.pause * 2);
        false
    }

    /// What was read was not the log: it is tried again.
    pub(super) fn again(&mut self, now: Duration, reading: Reading) {
        self.phase = Phase::Paused(reading, now + PAUSES.1);
    }

    pub(super) fn breaks(&mut self, now: Duration) {
        if let Phase::Open(reading, _) = self.phase {
            self.again(now, reading);
        }
    }

    /// The reading came to its end. Returns which. The log of a container that `is_replaced` may be that of its next instance,
    /// so it is not read on at once.
    pub(super) fn ends(&mut self, now: Duration, is_replaced: bool) -> Option<Reading> {
        let Phase::Open(reading, _) = self.phase else {
            return None;
        };
        self.phase = match reading {
            Reading::Follow if self.has_brought && !is_replaced => {
                Phase::Paused(reading, now + AFTER_ROTATION)
            }
            Reading::Follow => Phase::Paused(reading, now + AFTER_END),
            Reading::Last { .. } => Phase::Off,
        };
        Some(reading)
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Paused(_, until) => Some(until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Log<(), (), ()>;

    const LAST: Reading = Reading::Last { previous: false };

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn not_yet() -> ClusterError {
        ClusterError::Unreachable {
            server: "https://cluster".into(),
            proxy: None,
            reason: "it does not answer".into(),
        }
    }

    fn open(reading: Reading) -> Read {
        let mut log = Read::new();
        assert_eq!(log.task(at(0), Some(reading)), Some(Task::Open(reading)));
        log.phase = Phase::Opening(reading, ());
        log.opened(());
        log
    }

    #[test]
    fn a_log_that_cannot_be_read_yet_is_tried_again() {
        let mut log = Read::new();
        for (now, next) in [
            (0, 30),
            (30, 90),
            (90, 210),
            (210, 450),
            (450, 930),
            (930, 1430),
            (1430, 1930),
        ] {
            assert_eq!(
                log.task(at(now), Some(Reading::Follow)),
                Some(Task::Open(Reading::Follow))
            );
            log.phase = Phase::Opening(Reading::Follow, ());
            assert!(!log.fails(at(now), &not_yet(), true));
            assert_eq!(log.deadline(), Some(at(next)));
            assert_eq!(log.task(at(next - 1), Some(Reading::Follow)), None);
        }
    }

    #[test]
    fn a_log_is_given_up_when_its_program_runs_and_it_cannot_be_read_for_long() {
        for (is_attached, wanted) in [(true, true), (false, false)] {
            let mut log = Read::new();
            log.phase = Phase::Opening(Reading::Follow, ());
            assert!(!log.fails(at(0), &not_yet(), is_attached));
            log.phase = Phase::Opening(Reading::Follow, ());
            assert_eq!(log.fails(at(10_001), &not_yet(), is_attached), wanted);
            assert_eq!(log.may_be_read(), !wanted);
        }
    }

    #[test]
    fn the_last_reading_takes_the_place_of_one_that_follows() {
        let mut log = open(Reading::Follow);
        assert_eq!(log.task(at(1), Some(Reading::Follow)), None);
        assert_eq!(log.task(at(2), Some(LAST)), Some(Task::Close));
        assert_eq!(log.task(at(2), Some(LAST)), Some(Task::Open(LAST)));
        let mut log = open(LAST);
        assert_eq!(log.ends(at(3), false), Some(LAST));
        assert_eq!(log.deadline(), None);
    }

    #[test]
    fn a_reading_that_breaks_or_ends_is_opened_again_later() {
        let mut log = open(Reading::Follow);
        log.breaks(at(100));
        assert_eq!(log.deadline(), Some(at(600)));
        let mut log = open(Reading::Follow);
        assert_eq!(log.task(at(100), None), Some(Task::Close));
        assert_eq!(
            log.task(at(100), Some(Reading::Follow)),
            Some(Task::Open(Reading::Follow)),
            "one that is of no use is closed, and opened again at once"
        );
        assert_eq!(log.deadline(), Some(at(100)));
        let mut log = open(Reading::Follow);
        log.brings();
        assert_eq!(log.ends(at(100), false), Some(Reading::Follow));
        assert_eq!(log.deadline(), Some(at(200)), "it was rotated");
        for is_replaced in [false, true] {
            let mut log = open(Reading::Follow);
            if is_replaced {
                log.brings();
            }
            assert_eq!(log.ends(at(100), is_replaced), Some(Reading::Follow));
            assert_eq!(log.deadline(), Some(at(1600)));
        }
        let mut log = open(Reading::Follow);
        log.ends(at(100), false);
        assert_eq!(
            log.task(at(200), Some(LAST)),
            Some(Task::Open(LAST)),
            "what else is wanted is opened at once"
        );
    }
}
