//! A session as it runs: its events, and the parts that handle them.
//!
//! Each part has an owner that decides about it: the container's start (`start.rs`), the attach (`connection.rs`), the log
//! (`log.rs`), standard input (`input.rs`), and what is shown (`shown.rs`). They know no clock but a number, and nothing of each
//! other. Here they are joined: `mod.rs` has the loop, `attach.rs` and `reading.rs` what concerns the attach and the log,
//! `pod.rs` what the pod's status tells, `deadline.rs` what follows when nothing happens.

mod attach;
mod clock;
mod connection;
mod deadline;
mod input;
mod log;
mod pod;
mod reading;
mod shown;
mod start;
mod wait;

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::sync::mpsc;

use self::{
    clock::Clock,
    connection::{Connection, Phase as AttachPhase},
    input::{Kind as StdinKind, Stdin},
    log::{Log, Phase as LogPhase},
    pod::{Container, Ending, Trouble},
    reading::OpenLog,
    shown::Shown,
    start::Start,
};
use super::{
    attach::{Attached, Received},
    error::ClusterError,
    events::{Events, PodWarning},
    lines::Lines,
    session::{Ended, Input, Output, Session, SessionError, SessionEvent},
    watch::{Change, Watch},
};

type Attempt<T> = Pin<Box<dyn Future<Output = Result<T, ClusterError>> + Send>>;

/// See the module.
pub(super) struct Run<'a> {
    session: &'a Session,
    clock: Clock,
    watch: Watch,
    /// The cluster's events, which are read when a container takes its time.
    events: Option<Events>,
    container: Container,
    start: Start,
    connection: Connection<Attempt<Attached>, Attached>,
    log: Log<Attempt<Lines>, OpenLog, Attempt<Value>>,
    stdin: Stdin,
    shown: Shown<'a>,
    /// The cluster does not say how the pod is.
    trouble: Option<Trouble>,
    ending: Option<Ending>,
    /// When output came last, or may first have come: when the attach stood, and when the program ended.
    last_byte: Duration,
}

enum Event {
    Pod(Change),
    PodWarning(PodWarning),
    Attach(Result<Attached, ClusterError>),
    Received(Received),
    Sent,
    Log(Result<Lines, ClusterError>),
    LogBytes(Result<Option<Bytes>, String>),
    Checked(Result<Value, ClusterError>),
    Input(Option<Input>),
    Deadline,
}

impl<'a> Run<'a> {
    /// A session of which nothing has happened yet. `known` is the pod as the last write returned it.
    pub(super) fn new(
        session: &'a Session,
        known: &Value,
        output: &'a mut dyn Output,
    ) -> Result<Self, SessionError> {
        let stdin = StdinKind {
            is_open: session.stdin,
            once: session.stdin_once,
            is_terminal: session.has_terminal,
        };
        let container = Container::new(known, &session.container);
        let mut run = Self {
            session,
            clock: Clock::start(),
            watch: Watch::start(session.cluster.clone(), session.action(), known),
            events: None,
            shown: Shown::new(session, container.can_restart, output),
            container,
            start: Start::new(session.start_timeout, session.waits_for_nodes),
            connection: Connection::new(),
            log: Log::new(),
            stdin: Stdin::new(stdin, session.screen),
            trouble: None,
            ending: None,
            last_byte: Duration::ZERO,
        };
        run.observe(known)?;
        Ok(run)
    }

    /// Deals with the next thing that happens. Returns the end of the session when it has come.
    pub(super) async fn step(
        &mut self,
        input: &mut mpsc::Receiver<Input>,
    ) -> Result<Option<Ended>, SessionError> {
        // Asked before the wait: once all is shown, no further event need come.
        if self.is_over() && self.shown.machine.is_done() {
            return self.finish();
        }
        // What is wanted is arranged before each wait, since any event may have changed it.
        self.arrange_attach()?;
        self.arrange_log()?;
        self.arrange_input();
        match self.next(input).await {
            Event::Pod(change) => {
                // An attach that stands by now brings what the program wrote; the program's end would give it up.
                if let AttachPhase::Opening(attempt) = &mut self.connection.phase
                    && let Some(attached) = attempt.as_mut().now_or_never()
                {
                    self.attach_tried(attached).await?;
                }
                return self.changed(change);
            }
            Event::PodWarning(said) => self.said(said),
            Event::Attach(attached) => self.attach_tried(attached).await?,
            Event::Received(Received::Bytes(stream, bytes)) => {
                self.last_byte = self.clock.now();
                self.shown.tell(&mut self.clock, |machine, now| {
                    machine.attach_bytes(now, stream, &bytes);
                })?;
            }
            Event::Received(Received::End(end)) => self.attach_ended(end)?,
            Event::Sent => {}
            Event::Log(Ok(lines)) => self.log_opened(lines)?,
            Event::Log(Err(error)) => self.log_not_opened(error)?,
            Event::LogBytes(bytes) => self.log_bytes(bytes)?,
            Event::Checked(pod) => self.checked(pod)?,
            Event::Input(Some(Input::Detach)) => {
                self.leaves().await;
                return Ok(Some(Ended::Detached));
            }
            Event::Input(Some(Input::Bytes(bytes))) if self.wants_out(&bytes) => {
                return Ok(Some(Ended::Detached));
            }
            Event::Input(input) => self.stdin.came(input),
            Event::Deadline => self.deadline().await?,
        }
        Ok(None)
    }

    /// Waits for whatever comes first. None of it may starve another.
    async fn next(&mut self, input: &mut mpsc::Receiver<Input>) -> Event {
        let deadline = self.next_deadline().map(|time| self.clock.instant(time));
        let wants_attach = self.shown.machine.wants_attach();
        let wants_log = self.shown.machine.wants_log();
        let (mut trying_attach, mut attached) = (None, None);
        match &mut self.connection.phase {
            AttachPhase::Opening(attempt) => trying_attach = Some(attempt),
            AttachPhase::Standing(standing) => attached = Some(standing),
            _ => {}
        }
        let (mut trying_log, mut log, mut checking) = (None, None, None);
        match &mut self.log.phase {
            LogPhase::Opening(_, attempt) => trying_log = Some(attempt),
            LogPhase::Open(_, open) => log = Some(&mut open.lines),
            LogPhase::Checking(attempt) => checking = Some(attempt),
            _ => {}
        }
        let outgoing = attached.as_ref().map(|attached| attached.sender());
        let has_pending = self.stdin.has_next();
        let takes_input = self.stdin.takes_more() && self.connection.count > 0;
        tokio::select! {
            // An attach that is not read holds the program up, so that the log can catch up.
            received = wait::receive(attached), if wants_attach => Event::Received(received),
            // Input is taken only once the queue has room: a branch that `select!` drops then loses nothing.
            permit = wait::reserve(outgoing), if has_pending => {
                if let Some(next) = self.stdin.take_next() {
                    permit.send(next);
                }
                Event::Sent
            }
            bytes = wait::burst(log), if wants_log => Event::LogBytes(bytes),
            attached = wait::attempt(trying_attach) => Event::Attach(attached),
            lines = wait::attempt(trying_log) => Event::Log(lines),
            pod = wait::attempt(checking) => Event::Checked(pod),
            input = input.recv(), if takes_input => Event::Input(input),
            change = self.watch.change() => Event::Pod(change),
            said = wait::said(self.events.as_mut()) => Event::PodWarning(said),
            () = wait::until(deadline) => Event::Deadline,
        }
    }

    /// The program has ended, and nothing more comes but what the log has.
    fn is_over(&self) -> bool {
        self.ending.is_some() && !self.connection.is_standing()
    }

    /// A program that fails without having read its input may reset the connection as well: its exit code says more than ours.
    fn finish(&mut self) -> Result<Option<Ended>, SessionError> {
        if self.stdin.is_cut() {
            if self.ending.as_ref().is_none_or(|ending| ending.code == 0) {
                return Err(SessionError::InputCut);
            }
            self.shown.event(SessionEvent::InputCut);
        }
        Ok(self.ending.take().map(|ending| Ended::Exited {
            code: ending.code,
            reason: ending.reason,
        }))
    }
}
