//! What is to be done when nothing happens: the next deadline, and what follows when it has passed. What a container's start
//! may take is in `start.rs`.

use std::time::Duration;

use tokio::time::Instant;

use super::{AttachState, LogState, Run, start::EVENTS_AFTER};
use crate::{
    attach::AttachEnd,
    error::ClusterError,
    session::{Ended, SessionError, SessionEvent},
};

/// How long to wait before attaching again to a container of which an attach said that it has ended.
const AFTER_END: Duration = Duration::from_secs(5);

/// How long an attach may be silent once its container has ended.
const LAST_WORDS: Duration = Duration::from_millis(700);

/// How long the last look into the log may take.
const LAST_READING: Duration = Duration::from_secs(10);

/// After how long a broken connection is spoken of.
const BROKEN: Duration = Duration::from_millis(700);

/// How long a broken connection is tried to be made again.
const PATIENCE: Duration = Duration::from_secs(60);

impl Run<'_> {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let of_transcript = self.transcript.deadline().map(|deadline| self.began + deadline);
        let of_start = (!self.has_started).then(|| self.began + self.session.start_timeout);
        let of_hopeless = [&self.hopeless, &self.event_hopeless].into_iter().flatten();
        let of_hopeless = of_hopeless.map(|(hopeless, since)| *since + hopeless.grace).min();
        let reads_events = self.has_started || self.events.is_some();
        let of_events = (!reads_events).then(|| self.began + EVENTS_AFTER);
        let of_input = self.input.end_at.map(|(at, _)| at);
        let of_telling = self.broken.as_ref().filter(|_| !self.broken_told);
        let of_telling = of_telling.map(|(since, _)| *since + BROKEN);
        let of_connection = [
            self.end_of_finish(),
            self.end_of_patience(),
            self.end_of_ending(),
            of_telling,
        ];
        let others = [of_transcript, of_start, of_hopeless, of_events, of_input];
        others.into_iter().chain(of_connection).flatten().min()
    }

    /// When an attach was wrong in saying that the program has ended.
    fn end_of_finish(&self) -> Option<Instant> {
        match self.attach {
            AttachState::Finished(since) if self.ending.is_none() => Some(since + AFTER_END),
            _ => None,
        }
    }

    /// When to give up on a program that runs, as far as anybody knows.
    fn end_of_patience(&self) -> Option<Instant> {
        if !self.has_started || self.ending.is_some() || matches!(self.attach, AttachState::On(_)) {
            return None;
        }
        let of_cluster = self.trouble.as_ref().map(|(since, _)| *since + PATIENCE);
        let is_followed = matches!(self.log, LogState::On(..)) && !self.session.stdin;
        let of_attach = self
            .broken
            .as_ref()
            .filter(|_| !is_followed)
            .map(|(since, _)| *since + PATIENCE);
        of_cluster.into_iter().chain(of_attach).min()
    }

    /// When not to wait any more for what a program that has ended may have said.
    fn end_of_ending(&self) -> Option<Instant> {
        let ending = self.ending.as_ref()?;
        Some(match (&self.attach, &self.log) {
            (AttachState::On(_), _) => self.last_byte + LAST_WORDS,
            (_, LogState::On(..)) => self.last_byte.max(ending.since) + LAST_READING,
            _ => ending.since.max(self.last_byte) + LAST_READING,
        })
    }

    pub(super) async fn deadline(&mut self) -> Result<Option<Ended>, SessionError> {
        let now = Instant::now();
        let has_passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        if has_passed(self.transcript.deadline().map(|deadline| self.began + deadline)) {
            self.shown(|transcript, at, out| transcript.tick(at, out))?;
        }
        if let Some((at, pause)) = self.input.end_at
            && now >= at
        {
            self.press_end(pause);
        }
        if has_passed(self.end_of_ending()) {
            if matches!(self.attach, AttachState::On(_)) {
                self.attach_ended(AttachEnd::Broken)?;
                self.attach = AttachState::Finished(Instant::now());
                return Ok(None);
            }
            let wholeness = self.transcript.ends_without_log();
            self.shown(|transcript, _, out| transcript.log_fails(out))?;
            return self.finish(wholeness);
        }
        if has_passed(self.end_of_finish()) {
            self.attach = AttachState::Off;
            self.try_attach(Duration::ZERO);
        }
        if has_passed(self.end_of_patience()) {
            return Err(self.lost());
        }
        if let Some((since, _)) = &self.broken
            && !self.broken_told
            && *since + BROKEN <= now
        {
            self.broken_told = true;
            if self.ending.is_none() {
                self.output.event(SessionEvent::Reconnecting);
            }
        }
        self.not_started().await
    }

    fn lost(&mut self) -> SessionError {
        let of_cluster = self.trouble.take().map(|(_, error)| error);
        let of_attach = self.broken.take().and_then(|(_, error)| error);
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
}
