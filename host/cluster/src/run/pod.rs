//! What the pod tells of the container: it waits, it runs, it has ended, it is gone.

use std::time::Duration;

use serde_json::Value;

use super::Run;
use crate::{
    error::ClusterError,
    events::PodWarning,
    progress::{Instance, Progress, can_restart, ended_instance, progress, was_started},
    session::{Ended, SessionError, SessionEvent},
    watch::Change,
};
use trocar_output::End;

/// Which container the session is with.
pub(super) struct Container {
    pod_uid: String,
    /// It is started again when its program has ended.
    pub(super) can_restart: bool,
    /// It waits for its first start on a node.
    waits_for_first_start: bool,
    /// A log that was read, and may be that of another instance.
    pub(super) held_log: Vec<u8>,
}

impl Container {
    pub(super) fn new(pod: &Value, container: &str) -> Self {
        Self {
            pod_uid: uid(pod).to_owned(),
            can_restart: can_restart(pod, container),
            waits_for_first_start: false,
            held_log: Vec::new(),
        }
    }

    /// Whether its log is asked for before its status says that it runs. Of a program that ends at once, a kubelet keeps what it
    /// wrote only until the container was started again and ended again, which may be before the status says anything.
    pub(super) fn log_cannot_wait(&self) -> bool {
        self.can_restart && self.waits_for_first_start
    }

    pub(super) fn pod_uid(&self) -> &str {
        &self.pod_uid
    }
}

pub(super) struct Ending {
    pub(super) code: i32,
    pub(super) reason: String,
    /// Which instance of the container it was of.
    pub(super) instance: Instance,
    pub(super) since: Duration,
}

/// The cluster does not say how the pod is.
pub(super) struct Trouble {
    pub(super) since: Duration,
    pub(super) error: ClusterError,
}

impl Run<'_> {
    pub(super) fn changed(&mut self, change: Change) -> Result<Option<Ended>, SessionError> {
        match change {
            // A StatefulSet makes a pod of the same name again: with another uid it is not ours.
            Change::Is(pod) if uid(&pod) != self.container.pod_uid && !self.container.pod_uid.is_empty() => {
                self.gone()
            }
            Change::Is(pod) => {
                self.trouble = None;
                self.observe(&pod)?;
                Ok(None)
            }
            Change::Gone => self.gone(),
            Change::Unknown(error) => {
                // A session that runs goes on by its attach and its log; before the start there is only the status.
                if !self.start.has_started() && !error.may_pass() {
                    return Err(error.into());
                }
                let since = self
                    .trouble
                    .take()
                    .map_or_else(|| self.clock.now(), |trouble| trouble.since);
                self.trouble = Some(Trouble { since, error });
                Ok(None)
            }
        }
    }

    /// What the pod's status says changes what is to be done.
    pub(super) fn observe(&mut self, pod: &Value) -> Result<(), SessionError> {
        // A container that is restarted runs again: what its status says from now on is of the next instance.
        if self.ending.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        match progress(pod, &self.session.container) {
            Progress::Waiting(state) => self.waits(pod, state, None),
            Progress::Running => {
                self.events = None;
                self.start.runs(now);
                self.connection.is_wanted(now);
            }
            Progress::Ended { code, reason } => {
                self.starts();
                let instance = ended_instance(pod, &self.session.container).unwrap_or_default();
                self.ending = Some(Ending {
                    code,
                    reason,
                    instance,
                    since: now,
                });
                self.last_byte = now;
                let gives_up = self.connection.program_ended(now);
                self.shown.tell(&mut self.clock, |machine, now| {
                    machine.program_ended(now);
                    if gives_up {
                        machine.attach_ended(now, End::Broken);
                    }
                })?;
            }
            Progress::Hopeless(hopeless) => self.waits(pod, hopeless.reason.clone(), Some(hopeless)),
        }
        Ok(())
    }

    fn waits(&mut self, pod: &Value, state: String, hopeless: Option<crate::progress::Hopeless>) {
        // A container that is attached to runs, whatever an older status says.
        if self.start.has_started() {
            return;
        }
        let now = self.clock.now();
        if pod["spec"]["nodeName"].is_string() {
            self.container.waits_for_first_start = !was_started(pod, &self.session.container);
            // The status lags the start by 0.3 to 1.1 s; an attach tried from here on stands 20 to 50 ms after it.
            self.connection.is_wanted(now);
        }
        if let Some(state) = self.start.waits(now, state, hopeless) {
            self.shown.event(SessionEvent::Waiting(state));
        }
    }

    pub(super) fn starts(&mut self) {
        self.start.started();
        self.events = None;
    }

    pub(super) fn said(&mut self, said: PodWarning) {
        if let Some(state) = self.start.said(self.clock.now(), said) {
            self.shown.event(SessionEvent::Waiting(state));
        }
    }

    fn gone(&mut self) -> Result<Option<Ended>, SessionError> {
        // The kubelet removes a pod's logs with the pod.
        if self.start.has_started() {
            self.shown
                .tell(&mut self.clock, |machine, now| machine.log_failed(now))?;
        }
        if self.ending.is_some() {
            return self.finish();
        }
        Err(SessionError::Gone(self.session.pod.clone()))
    }
}

fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}
