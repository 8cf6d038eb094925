//! The log: when it is read and how, and the last reading after the program has ended. Where its text belongs in the output
//! is decided by the transcript.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{AttachState, Attempt, Run};
use crate::{
    error::ClusterError,
    lines::Lines,
    logs::{self, Which},
    output::{LogWish, Wholeness},
    progress::ended_instance,
    session::{Ended, SessionError, SessionEvent},
};

/// How long to wait between two tries to read the log: at first, and in the end.
pub(super) const LOG_PAUSES: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(500));

/// How long to wait before a log that has ended is followed again: most often the program has ended, too.
const AFTER_LOG: Duration = Duration::from_millis(1500);

/// How long a log may not be readable although the container runs.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// How large a log may be to be read again from its beginning.
const LARGE_LOG: u64 = 8 << 20;

/// Why the log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Follow,
    Snapshot,
    /// The program has ended.
    Last {
        previous: bool,
    },
}

/// The reading of the log.
pub(super) enum LogState {
    Off,
    Trying(Reading, Attempt<Lines>),
    /// Of a container that may have been restarted the log is kept, until it is known to be that of ours.
    On(Reading, Lines, Option<Vec<u8>>),
    Checking(Vec<u8>, Attempt<Value>),
}

impl Run<'_> {
    pub(super) fn wants_last_reading(&self) -> bool {
        self.log_may_be_read && self.transcript.wants_last_reading()
    }

    /// How the log should be read now, and not before when.
    fn wanted_log(&self) -> Option<(Reading, Instant)> {
        let now = Instant::now();
        if !self.log_may_be_read {
            return None;
        }
        if self.is_over() {
            let is_followed = matches!(self.log, LogState::On(Reading::Follow, ..));
            if is_followed && self.transcript.log_length() > LARGE_LOG {
                return Some((Reading::Follow, now));
            }
            let previous = self.ending.as_ref().is_some_and(|ending| ending.was_restarted);
            return Some((Reading::Last { previous }, now));
        }
        // The log of what takes the place of our program is not ours.
        if !self.has_started || (self.can_restart && matches!(self.attach, AttachState::Finished(_))) {
            return None;
        }
        match self.transcript.wish() {
            LogWish::Nothing => None,
            LogWish::Follow => Some((Reading::Follow, now)),
            LogWish::Snapshot(not_before) => Some((Reading::Snapshot, self.began + not_before)),
        }
    }

    pub(super) fn arrange_log(&mut self) {
        let wanted = self.wanted_log();
        let present = match &self.log {
            LogState::Off => None,
            LogState::Trying(reading, _) | LogState::On(reading, ..) => Some(*reading),
            LogState::Checking(..) => return,
        };
        if wanted.map(|(reading, _)| reading) == present {
            return;
        }
        if matches!(self.log, LogState::On(..)) {
            self.transcript.log_breaks();
        }
        self.log = match wanted {
            None => LogState::Off,
            Some((reading, not_before)) => {
                let pause = not_before.saturating_duration_since(Instant::now());
                self.log_attempt(reading, pause)
            }
        };
    }

    fn log_attempt(&self, reading: Reading, pause: Duration) -> LogState {
        let session = self.session.clone();
        let which = match reading {
            Reading::Follow => Which::Follow,
            Reading::Snapshot | Reading::Last { previous: false } => Which::Whole,
            Reading::Last { previous: true } => Which::Previous,
        };
        let attempt = Box::pin(async move {
            sleep(pause).await;
            logs::open(&session.cluster, &session.action(), &session.container, which).await
        });
        LogState::Trying(reading, attempt)
    }

    pub(super) fn log_opened(&mut self, lines: Lines) {
        let LogState::Trying(reading, _) = self.log else {
            return;
        };
        self.log_pause = LOG_PAUSES.0;
        self.log_trouble = None;
        let is_kept = self.can_restart && matches!(reading, Reading::Last { .. });
        if !is_kept {
            self.transcript.log_begins(self.began.elapsed());
        }
        self.log = LogState::On(reading, lines, is_kept.then(Vec::new));
    }

    pub(super) fn log_failed(&mut self, error: ClusterError) -> Result<(), SessionError> {
        let LogState::Trying(reading, _) = self.log else {
            return Ok(());
        };
        let since = *self.log_trouble.get_or_insert_with(Instant::now);
        let is_attached = matches!(self.attach, AttachState::On(_)) && self.trouble.is_none();
        let is_hopeless = is_attached && since.elapsed() > LOG_PATIENCE;
        if matches!(error.code(), Some(401 | 403)) || is_hopeless {
            if matches!(self.attach, AttachState::Refused) {
                return Err(error.into());
            }
            self.log_may_be_read = false;
            self.log = LogState::Off;
            self.output.event(SessionEvent::NoLog(error.to_string()));
            return self.shown(|transcript, _, out| transcript.log_fails(out));
        }
        self.log = self.log_attempt(reading, self.log_pause);
        self.log_pause = LOG_PAUSES.1.min(self.log_pause * 2);
        Ok(())
    }

    pub(super) fn log_bytes(
        &mut self,
        bytes: Result<Option<Bytes>, String>,
    ) -> Result<Option<Ended>, SessionError> {
        let LogState::On(reading, _, kept) = &mut self.log else {
            return Ok(None);
        };
        let reading = *reading;
        match (bytes, kept) {
            (Ok(Some(bytes)), Some(kept)) => kept.extend_from_slice(&bytes),
            (Ok(Some(bytes)), None) => {
                self.last_byte = Instant::now();
                self.shown(|transcript, at, out| transcript.log(at, &bytes, out))?;
            }
            (Ok(None), _) => return self.log_ended(reading),
            (Err(_), _) => {
                self.transcript.log_breaks();
                self.log = self.log_attempt(reading, LOG_PAUSES.1);
            }
        }
        Ok(None)
    }

    fn log_ended(&mut self, reading: Reading) -> Result<Option<Ended>, SessionError> {
        match (reading, std::mem::replace(&mut self.log, LogState::Off)) {
            (Reading::Last { .. }, LogState::On(_, _, Some(kept))) => {
                let session = self.session.clone();
                let read = Box::pin(async move { session.cluster.get(&session.action()).await });
                self.log = LogState::Checking(kept, read);
            }
            (Reading::Last { .. }, _) => return self.read_to_the_end(),
            (Reading::Follow, _) if self.is_over() => return self.read_to_the_end(),
            (Reading::Follow, _) => {
                self.transcript.log_breaks();
                self.log = self.log_attempt(reading, AFTER_LOG);
            }
            (Reading::Snapshot, _) => {
                self.shown(|transcript, at, out| transcript.snapshot_ends(at, out))?;
            }
        }
        Ok(None)
    }

    fn read_to_the_end(&mut self) -> Result<Option<Ended>, SessionError> {
        let mut wholeness = Wholeness::Whole;
        self.shown(|transcript, at, out| wholeness = transcript.log_ends(at, out))?;
        self.finish(wholeness)
    }

    /// A log was read of a container that may have been restarted meanwhile: was it that of our program?
    pub(super) fn checked(
        &mut self,
        pod: Result<Value, ClusterError>,
    ) -> Result<Option<Ended>, SessionError> {
        let LogState::Checking(kept, _) = std::mem::replace(&mut self.log, LogState::Off) else {
            return Ok(None);
        };
        let now = pod
            .ok()
            .and_then(|pod| ended_instance(&pod, &self.session.container));
        if let (Some((instance, was_restarted)), Some(ending)) = (now, &mut self.ending)
            && instance == ending.instance
            && was_restarted != ending.was_restarted
        {
            ending.was_restarted = was_restarted;
            return Ok(None);
        }
        self.transcript.log_begins(self.began.elapsed());
        self.shown(|transcript, at, out| transcript.log(at, &kept, out))?;
        self.read_to_the_end()
    }
}
