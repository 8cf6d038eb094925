//! The connection over which the program's streams come: made, broken and made again. What they bring is shown by the
//! transcript.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Attempt, Run};
use crate::{
    attach::{AttachEnd, Attached, Outgoing, Streams},
    error::ClusterError,
    progress::{Progress, progress},
    session::{SessionError, SessionEvent},
};

/// How long to wait between two tries to attach, by how long it has been tried.
const ATTACH_PAUSES: [(Duration, Duration); 3] = [
    (Duration::from_secs(3), Duration::from_millis(20)),
    (Duration::from_secs(20), Duration::from_millis(75)),
    (Duration::MAX, Duration::from_millis(500)),
];

/// How long a container may run without our being attached before that is said.
const ATTACH_PATIENCE: Duration = Duration::from_secs(3);

/// The connection over which the program's streams come.
pub(super) enum AttachState {
    Off,
    Trying(Attempt<Attached>),
    On(Attached),
    /// It has said that the program has ended.
    Finished(Instant),
    /// It is forbidden.
    Refused,
}

impl Run<'_> {
    pub(super) fn try_attach(&mut self, pause: Duration) {
        if !matches!(self.attach, AttachState::Off) || self.ending.is_some() {
            return;
        }
        let session = self.session.clone();
        // A container that takes its input only once does not take it again.
        let stdin = session.stdin && !(session.stdin_once && self.attaches > 0);
        // What answers may by now be another instance of the container, which is not ours.
        let checks = self.can_restart && self.attaches > 0;
        self.attach = AttachState::Trying(Box::pin(async move {
            sleep(pause).await;
            if checks {
                let pod = session.cluster.get(&session.action()).await?;
                if let Progress::Ended { .. } = progress(&pod, &session.container) {
                    return std::future::pending().await;
                }
            }
            let streams = Streams {
                container: &session.container,
                stdin,
                tty: session.has_terminal,
            };
            Attached::open(&session.cluster, &session.action(), &streams).await
        }));
    }

    pub(super) async fn attached(&mut self, attached: Attached) -> Result<(), SessionError> {
        if let Some(screen) = self.screen.filter(|_| self.session.tty) {
            // A change of size makes the program draw its prompt again, which it wrote before anybody could see it.
            attached
                .send(Outgoing::Size(screen.columns, screen.rows + 1))
                .await;
            attached.send(Outgoing::Size(screen.columns, screen.rows)).await;
        }
        self.attach = AttachState::On(attached);
        self.attaches += 1;
        self.starts();
        self.broken = None;
        self.last_byte = Instant::now();
        self.shown(|transcript, at, out| transcript.attach_begins(at, out))?;
        if self.attaches == 1 {
            self.output.event(SessionEvent::Attached);
        }
        if std::mem::take(&mut self.broken_told) {
            self.output.event(SessionEvent::Reconnected);
        }
        Ok(())
    }

    /// Until the kubelet knows the container, it refuses; a refusal of the API server's is final.
    pub(super) fn not_attached(&mut self, error: ClusterError) -> Result<(), SessionError> {
        self.attach = AttachState::Off;
        if matches!(error.code(), Some(401 | 403)) {
            if !self.log_may_be_read {
                return Err(error.into());
            }
            self.output.event(SessionEvent::LogOnly(error.to_string()));
            self.attach = AttachState::Refused;
            return Ok(());
        }
        let is_final = matches!(
            error,
            ClusterError::Untrusted { .. } | ClusterError::Credentials(_)
        );
        if is_final && !self.has_started {
            return Err(error.into());
        }
        let waited = match &mut self.broken {
            Some((since, last)) => {
                *last = Some(error);
                since.elapsed()
            }
            None => {
                let is_late = |since: Instant| since.elapsed() >= ATTACH_PATIENCE;
                if self.attaches == 0 && !self.broken_told && self.running_since.is_some_and(is_late) {
                    self.broken_told = true;
                    self.output.event(SessionEvent::LogOnly(error.to_string()));
                }
                self.began.elapsed()
            }
        };
        let pause = ATTACH_PAUSES.iter().find(|(until, _)| waited < *until);
        self.try_attach(pause.map_or(ATTACH_PAUSES[2].1, |(_, pause)| *pause));
        Ok(())
    }

    pub(super) fn attach_ended(&mut self, end: AttachEnd) -> Result<(), SessionError> {
        let is_clean = end == AttachEnd::Finished;
        self.attach = AttachState::Off;
        self.shown(|transcript, at, out| transcript.attach_ends(at, is_clean, out))?;
        if is_clean {
            // Almost always the program has ended and the status does not say so yet.
            self.attach = AttachState::Finished(Instant::now());
            return Ok(());
        }
        if end == AttachEnd::Broken && self.ending.is_none() {
            let session = self.session;
            self.input.is_cut |= session.stdin && session.stdin_once && !self.input.was_ended;
            self.broken = Some((Instant::now(), None));
        }
        self.try_attach(ATTACH_PAUSES[1].1);
        Ok(())
    }
}
