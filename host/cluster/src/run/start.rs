//! A container that does not run yet: what it waits for, why it never will, and when not to wait any longer.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Run;
use crate::{
    events::{self, Events, Said},
    progress::Hopeless,
    session::{Ended, SessionError, SessionEvent},
};

/// How long a container may take to start before the cluster's events are asked why.
pub(super) const EVENTS_AFTER: Duration = Duration::from_millis(1000);

impl Run<'_> {
    pub(super) fn starts(&mut self) {
        self.has_started = true;
        self.hopeless = None;
        self.event_hopeless = None;
        self.events = None;
    }

    pub(super) fn waits(&mut self, pod: &Value, state: String) {
        if self.has_started {
            return;
        }
        self.hopeless = None;
        if pod["spec"]["nodeName"].is_string() {
            self.try_attach(Duration::ZERO);
        }
        if self.state != state {
            self.state.clone_from(&state);
            self.output.event(SessionEvent::Waiting(state));
        }
    }

    /// An event about the pod or the container.
    pub(super) fn said(&mut self, said: Said) {
        if self.has_started {
            return;
        }
        if let Some(hopeless) = said.hopeless {
            // The first one says most; the later ones only that it was tried again.
            self.event_hopeless
                .get_or_insert_with(|| (hopeless, Instant::now()));
        }
        if self.state != said.text {
            self.state.clone_from(&said.text);
            self.output.event(SessionEvent::Waiting(said.text));
        }
    }

    /// Fails when there is no hope that the container starts, or when it takes too long.
    pub(super) async fn not_started(&mut self) -> Result<Option<Ended>, SessionError> {
        let session = self.session;
        if !self.has_started && self.events.is_none() && self.began.elapsed() >= EVENTS_AFTER {
            let events = Events::start(
                session.cluster.clone(),
                &session.action(),
                &self.uid,
                &session.container,
            );
            self.events = Some(events);
        }
        if let Some(hopeless) = self.lost_hope() {
            return Err(SessionError::Hopeless {
                pod: session.pod.clone(),
                container: session.container.clone(),
                events: self.explanation().await,
                hopeless,
            });
        }
        if !self.has_started && self.began.elapsed() >= session.start_timeout {
            if let Some((_, trouble)) = self.trouble.take() {
                return Err(trouble.into());
            }
            return Err(SessionError::TimedOut {
                pod: session.pod.clone(),
                container: session.container.clone(),
                after: session.start_timeout,
                state: self.state.clone(),
                events: self.explanation().await,
            });
        }
        Ok(None)
    }

    /// Why the container will not start, when that has been so for long enough.
    fn lost_hope(&mut self) -> Option<Hopeless> {
        let told = [&mut self.hopeless, &mut self.event_hopeless];
        let mut passed = told.into_iter().filter(|told| {
            let told = told.as_ref();
            told.is_some_and(|(hopeless, since)| since.elapsed() >= hopeless.grace)
        });
        passed.next().and_then(Option::take).map(|(hopeless, _)| hopeless)
    }

    async fn explanation(&self) -> Vec<String> {
        let session = self.session;
        events::explain(&session.cluster, &session.action(), &self.uid, &session.container).await
    }
}
