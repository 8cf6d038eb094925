//! What concerns the log, and what its readings bring.

use bytes::Bytes;
use serde_json::Value;

use super::{
    AttachPhase, LogPhase, Run,
    log::{Reading, Task},
};
use crate::{
    error::ClusterError,
    lines::Lines,
    logs::{self, LogRequest},
    progress::log_of,
    session::{SessionError, SessionEvent},
};
use trocar_output::End;

/// How much of a log is held back until it is known whose it is.
// A kubelet rotates a log at 10 MiB by default (`containerLogMaxSize`); time stamps come on top.
const MAX_HELD_BYTES: usize = 16 << 20;

/// What a kubelet sends instead of a log that it cannot read.
const NO_LOG: &[u8] = b"unable to retrieve container logs for ";

pub(super) struct OpenLog {
    pub(super) lines: Lines,
    /// What it brought, of a container that may have been restarted: whether it is that of our program is asked at its end.
    held: Option<Vec<u8>>,
}

impl Run<'_> {
    /// How the log is to be read now.
    fn wanted_log(&self) -> Option<Reading> {
        // A reading that is stuck is not wanted; when it is closed, another one is.
        if self.shown.machine.log_is_stuck() {
            return None;
        }
        let wish = self.shown.machine.log_wish()?;
        // The log of what takes the place of our program is not ours.
        let is_replaced = self.container.can_restart && matches!(self.connection.phase, AttachPhase::Over(_));
        match &self.ending {
            Some(ending) if !wish.follow => Some(Reading::Last {
                // A kubelet gives the log of the instance before the present one only under `previous=true`.
                previous: ending.instance.was_restarted,
            }),
            _ => {
                let is_there = self.start.has_started() || self.container.log_cannot_wait();
                (is_there && !is_replaced).then_some(Reading::Follow)
            }
        }
    }

    pub(super) fn arrange_log(&mut self) -> Result<(), SessionError> {
        // What is wanted changes when a reading is closed, and nothing else may happen after it for long.
        while let Some(task) = self.log.task(self.clock.now(), self.wanted_log()) {
            match task {
                Task::Close => {
                    self.shown.tell(&mut self.clock, |machine, now| {
                        machine.log_ended(now, End::Broken);
                    })?;
                }
                Task::Open(reading) => {
                    self.log.phase = LogPhase::Opening(reading, self.attempt(reading));
                    break;
                }
            }
        }
        Ok(())
    }

    fn attempt(&self, reading: Reading) -> super::Attempt<Lines> {
        let session = self.session.clone();
        let request = LogRequest {
            follow: reading == Reading::Follow,
            previous: reading == Reading::Last { previous: true },
            since: self.shown.machine.log_wish().and_then(|wish| wish.since),
        };
        // What answers to the name may by now be another instance of the container, which is not ours.
        let checks = request.follow && self.container.can_restart && request.since.is_some();
        Box::pin(async move {
            if checks && session.has_ended().await? {
                // Nothing is to be opened: the status is about to say that the program has ended.
                return std::future::pending().await;
            }
            logs::open(&session.cluster, &session.action(), &session.container, &request).await
        })
    }

    /// That a log can be read does not mean that its container ran: a kubelet also gives the empty log of one that could not be started.
    pub(super) fn log_opened(&mut self, lines: Lines) -> Result<(), SessionError> {
        let is_last = matches!(self.log.phase, LogPhase::Opening(Reading::Last { .. }, _));
        let held = (self.container.can_restart && is_last).then(Vec::new);
        let is_held = held.is_some();
        self.log.opened(OpenLog { lines, held });
        if is_held {
            return Ok(());
        }
        self.shown
            .tell(&mut self.clock, |machine, now| machine.log_began(now))
    }

    pub(super) fn log_not_opened(&mut self, error: ClusterError) -> Result<(), SessionError> {
        let is_attached = self.connection.is_standing() && self.trouble.is_none();
        if !self.log.fails(self.clock.now(), &error, is_attached) {
            return Ok(());
        }
        if matches!(self.connection.phase, AttachPhase::Refused) {
            return Err(error.into());
        }
        self.shown.event(SessionEvent::NoLog(error.to_string()));
        self.shown
            .tell(&mut self.clock, |machine, now| machine.log_failed(now))
    }

    pub(super) fn log_bytes(&mut self, bytes: Result<Option<Bytes>, String>) -> Result<(), SessionError> {
        let LogPhase::Open(_, open) = &mut self.log.phase else {
            return Ok(());
        };
        if open.held.is_none() {
            self.last_byte = self.clock.now();
        }
        match bytes {
            Ok(Some(bytes)) => match &mut open.held {
                Some(held) => {
                    held.extend_from_slice(&bytes);
                    if held.len() > MAX_HELD_BYTES {
                        // A log so long is not that of an instance that has only just been started.
                        let held = open.held.take().unwrap_or_default();
                        self.shown.tell(&mut self.clock, |machine, now| {
                            machine.log_began(now);
                            machine.log_bytes(now, &held);
                        })?;
                    }
                }
                None => {
                    self.starts();
                    self.log.brings();
                    self.shown
                        .tell(&mut self.clock, |machine, now| machine.log_bytes(now, &bytes))?;
                }
            },
            Ok(None) => return self.log_ended(),
            Err(_) => {
                let is_held = open.held.is_some();
                self.log.breaks(self.clock.now());
                if !is_held {
                    self.shown.tell(&mut self.clock, |machine, now| {
                        machine.log_ended(now, End::Broken);
                    })?;
                }
            }
        }
        Ok(())
    }

    fn log_ended(&mut self) -> Result<(), SessionError> {
        if let LogPhase::Open(_, OpenLog { held: Some(held), .. }) = &mut self.log.phase {
            self.container.held_log = std::mem::take(held);
            let session = self.session.clone();
            // The kubelet is ahead of its status, so which instance the log was of is asked after the log was read.
            let read = Box::pin(async move { session.cluster.get(&session.action()).await });
            self.log.phase = LogPhase::Checking(read);
            return Ok(());
        }
        self.log.ends(self.clock.now(), self.container.can_restart);
        self.shown.tell(&mut self.clock, |machine, now| {
            machine.log_ended(now, End::Finished);
        })
    }

    /// A log was read of a container that may have been restarted meanwhile: was it that of our program?
    pub(super) fn checked(&mut self, pod: Result<Value, ClusterError>) -> Result<(), SessionError> {
        self.log.phase = LogPhase::Off;
        let held = std::mem::take(&mut self.container.held_log);
        let Some(ending) = &mut self.ending else {
            return Ok(());
        };
        let found = pod.map(|pod| log_of(&pod, &self.session.container, &ending.instance.id));
        let is_ours = ending.instance.may_have_written(&held);
        if held.starts_with(NO_LOG) || !is_ours {
            // Which log is which is settled only when the container has been started again.
            if !is_ours {
                ending.instance.was_restarted = true;
            } else if let Ok(Some(previous)) = found {
                ending.instance.was_restarted = previous;
            }
            let reading = Reading::Last {
                previous: ending.instance.was_restarted,
            };
            self.log.again(self.clock.now(), reading);
            return Ok(());
        }
        match found.unwrap_or(Some(ending.instance.was_restarted)) {
            Some(previous) if previous != ending.instance.was_restarted => {
                // It is read again, as that of the instance before.
                ending.instance.was_restarted = previous;
                Ok(())
            }
            // A kubelet keeps the logs of the present instance and of the one before: this one's is gone.
            None => {
                self.log.phase = LogPhase::Unreadable;
                self.shown
                    .tell(&mut self.clock, |machine, now| machine.log_failed(now))
            }
            Some(_) => self.shown.tell(&mut self.clock, |machine, now| {
                machine.log_began(now);
                machine.log_bytes(now, &held);
                machine.log_ended(now, End::Finished);
            }),
        }
    }
}
