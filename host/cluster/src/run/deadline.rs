//! What follows when nothing happens.

use std::time::Duration;

use super::{AttachPhase, LogPhase, Run, start::Verdict};
use crate::{
    attach::AttachEnd,
    error::ClusterError,
    events::{self, Events},
    session::{SessionError, SessionEvent},
};

/// How long an attach may be silent once its container has ended.
const LAST_WORDS: Duration = Duration::from_millis(700);

/// How long the last reading of the log may be silent.
const LAST_READING: Duration = Duration::from_secs(10);

/// How long a cluster that does not say how the pod is is asked.
const PATIENCE: Duration = Duration::from_secs(60);

impl Run<'_> {
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let has_ended = self.ending.is_some();
        let all = [
            self.shown.machine.deadline(),
            self.start.deadline(),
            self.connection.deadline(has_ended, self.is_followed()),
            self.log.deadline(),
            self.stdin.deadline(),
            self.end_of_ending(),
            self.end_of_trouble(),
        ];
        all.into_iter().flatten().min()
    }

    /// The log says what the program writes, and there is nothing to be sent.
    fn is_followed(&self) -> bool {
        self.log.is_followed() && !self.session.stdin
    }

    /// When not to wait any more for what a program that has ended may have written.
    fn end_of_ending(&self) -> Option<Duration> {
        // An attach that is not read, until the log has caught up, is silent for that reason.
        let is_read = self.shown.machine.wants_attach() || !self.connection.is_standing();
        let ending = self.ending.as_ref().filter(|_| is_read)?;
        let silence = if self.connection.is_standing() {
            LAST_WORDS
        } else {
            LAST_READING
        };
        Some(self.last_byte.max(ending.since) + silence)
    }

    /// When to give up on a cluster that does not say how the pod is.
    fn end_of_trouble(&self) -> Option<Duration> {
        let is_alone = self.start.has_started() && self.ending.is_none() && !self.connection.is_standing();
        self.trouble
            .as_ref()
            .filter(|_| is_alone)
            .map(|trouble| trouble.since + PATIENCE)
    }

    pub(super) async fn deadline(&mut self) -> Result<(), SessionError> {
        let now = self.clock.now();
        let has_passed = |deadline: Option<Duration>| deadline.is_some_and(|deadline| now >= deadline);
        self.shown
            .tell(&mut self.clock, |machine, now| machine.tick(now))?;
        self.stdin.tick(now, self.connection.is_standing());
        if has_passed(self.end_of_ending()) {
            if self.connection.is_standing() {
                return self.attach_ended(AttachEnd::Broken);
            }
            self.log.phase = LogPhase::Unreadable;
            return self
                .shown
                .tell(&mut self.clock, |machine, now| machine.log_failed(now));
        }
        let has_ended = self.ending.is_some();
        let lost = self.connection.lost(now, has_ended, self.is_followed());
        if lost.is_some() || has_passed(self.end_of_trouble()) {
            return Err(self.lost(lost.flatten()));
        }
        if self.connection.tick(now, has_ended) {
            self.shown.event(SessionEvent::Reconnecting);
        }
        if self.shown.machine.gives_attach_up() && matches!(self.connection.phase, AttachPhase::Standing(_)) {
            self.attach_ended(AttachEnd::Broken)?;
        }
        self.not_started().await
    }

    fn lost(&mut self, of_attach: Option<ClusterError>) -> SessionError {
        // A cluster that does not answer is the reason why the attach fails as well.
        let of_cluster = self.trouble.take().map(|trouble| trouble.error);
        let error = of_cluster.or(of_attach).unwrap_or_else(|| ClusterError::Broken {
            action: self.session.action(),
            reason: "it was closed".into(),
        });
        SessionError::Lost {
            pod: self.session.pod.clone(),
            container: self.session.container.clone(),
            error,
        }
    }

    /// Fails when there is no hope that the container starts, or when it takes too long.
    async fn not_started(&mut self) -> Result<(), SessionError> {
        let session = self.session;
        match self.start.verdict(self.clock.now()) {
            Verdict::Wait => Ok(()),
            Verdict::ReadEvents => {
                let (uid, container) = (self.container.pod_uid(), &session.container);
                self.events = Some(Events::start(
                    session.cluster.clone(),
                    &session.action(),
                    uid,
                    container,
                ));
                Ok(())
            }
            Verdict::GiveUp(hopeless) => Err(SessionError::Hopeless {
                pod: session.pod.clone(),
                container: session.container.clone(),
                events: self.explanation().await,
                hopeless,
            }),
            Verdict::TimedOut => match self.trouble.take() {
                // Without answers from the cluster nothing is known of the container: that is what has to be said.
                Some(trouble) => Err(trouble.error.into()),
                None => Err(SessionError::TimedOut {
                    pod: session.pod.clone(),
                    container: session.container.clone(),
                    after: session.start_timeout,
                    state: self.start.state().to_owned(),
                    events: self.explanation().await,
                }),
            },
        }
    }

    async fn explanation(&self) -> Vec<String> {
        let session = self.session;
        let uid = self.container.pod_uid();
        events::explain(&session.cluster, &session.action(), uid, &session.container).await
    }
}
