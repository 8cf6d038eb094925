//! What the pod tells of the container: it waits, it runs, it has ended, it is gone. How long it may take to start is in
//! `start.rs`.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{AttachState, Ending, Run, text};
use crate::{
    progress::{Progress, ended_instance, progress},
    session::{Ended, SessionError},
    watch::Change,
};

impl Run<'_> {
    pub(super) fn changed(&mut self, change: Change) -> Result<Option<Ended>, SessionError> {
        match change {
            Change::Is(pod) if text(&pod["metadata"]["uid"]) != self.uid && !self.uid.is_empty() => {
                self.gone()
            }
            Change::Is(pod) => {
                self.trouble = None;
                self.observe(&pod)?;
                Ok(None)
            }
            Change::Gone => self.gone(),
            Change::Unknown(error) => {
                if !self.has_started && !error.may_pass() {
                    return Err(error.into());
                }
                let since = self.trouble.take().map_or_else(Instant::now, |(since, _)| since);
                self.trouble = Some((since, error));
                Ok(None)
            }
        }
    }

    /// What the pod's status says changes what we hope for.
    pub(super) fn observe(&mut self, pod: &Value) -> Result<(), SessionError> {
        if self.ending.is_some() {
            return Ok(());
        }
        match progress(pod, &self.session.container) {
            Progress::Waiting(state) => self.waits(pod, state),
            Progress::Running => {
                self.starts();
                self.running_since.get_or_insert_with(Instant::now);
                self.try_attach(Duration::ZERO);
            }
            Progress::Ended { code, reason } => {
                self.starts();
                let (instance, was_restarted) =
                    ended_instance(pod, &self.session.container).unwrap_or_default();
                self.ending = Some(Ending {
                    code,
                    reason,
                    instance,
                    was_restarted,
                    since: Instant::now(),
                });
                if let AttachState::Trying(_) | AttachState::Off = self.attach {
                    self.attach = AttachState::Finished(Instant::now());
                    self.shown(|transcript, at, out| transcript.attach_ends(at, false, out))?;
                }
                self.last_byte = Instant::now();
            }
            // A container that we are attached to runs, whatever an older status says.
            Progress::Hopeless(_) if self.has_started => {}
            Progress::Hopeless(hopeless) => {
                let since = self.hopeless.take().map_or_else(Instant::now, |(_, since)| since);
                self.waits(pod, hopeless.reason.clone());
                self.hopeless = Some((hopeless, since));
            }
        }
        Ok(())
    }

    fn gone(&mut self) -> Result<Option<Ended>, SessionError> {
        self.shown(|transcript, _, out| transcript.log_fails(out))?;
        if self.ending.is_some() {
            let wholeness = self.transcript.ends_without_log();
            return self.finish(wholeness);
        }
        Err(SessionError::Gone(self.session.pod.clone()))
    }
}
