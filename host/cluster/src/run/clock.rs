//! The session's clock: a number that stands still while the output is written, so that a slow reader of it makes nothing late.

use std::time::Duration;

use tokio::time::Instant;

/// Time since the session began.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    held: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            began: Instant::now(),
            held: Duration::ZERO,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.held)
    }

    /// When it will show this time, if nothing holds it.
    pub(super) fn instant(&self, time: Duration) -> Instant {
        // An hour is long enough: after it the deadline is computed again.
        let wait = time.saturating_sub(self.now()).min(Duration::from_secs(3600));
        Instant::now() + wait
    }

    /// Does something that takes no time on this clock.
    pub(super) fn hold<T>(&mut self, act: impl FnOnce() -> T) -> T {
        // A reader that blocks (a pager, a slow pipe) would otherwise let every deadline pass meanwhile.
        let since = Instant::now();
        let done = act();
        self.held += since.elapsed();
        done
    }
}
