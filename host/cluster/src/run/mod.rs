//! A session as it runs: connections made, broken and made again, and what to do about each thing that happens.
//!
//! Here are what is known and the loop. Each thing that happens has a file: the pod (`pod.rs`) and a container that takes its
//! time (`start.rs`), the attach (`connection.rs`), the log (`log.rs`), the input (`input.rs`), and nothing at all
//! (`deadlines.rs`).

mod connection;
mod deadlines;
mod input;
mod log;
mod pod;
mod start;
mod wait;

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use self::{
    connection::AttachState,
    input::InputState,
    log::{LOG_PAUSES, LogState},
};
use super::{
    attach::{Attached, Received},
    error::ClusterError,
    events::{Events, Said},
    lines::Lines,
    output::{Screen, Show, Transcript, Wholeness},
    progress::{Hopeless, can_restart},
    session::{Ended, Input, Output, Session, SessionError, SessionEvent},
    watch::{Change, Watch},
};

type Attempt<T> = Pin<Box<dyn Future<Output = Result<T, ClusterError>> + Send>>;

/// What is known of how the program ended.
struct Ending {
    code: i32,
    reason: String,
    instance: String,
    was_restarted: bool,
    since: Instant,
}

/// See the module.
pub(super) struct Run<'a> {
    session: &'a Session,
    output: &'a mut dyn Output,
    watch: Watch,
    transcript: Transcript,
    began: Instant,
    uid: String,
    can_restart: bool,
    attach: AttachState,
    attaches: usize,
    /// Since when there is no connection that ought to be there; what the last try came to; whether that was said.
    broken: Option<(Instant, Option<ClusterError>)>,
    broken_told: bool,
    log: LogState,
    log_may_be_read: bool,
    log_pause: Duration,
    /// Since when the log cannot be read.
    log_trouble: Option<Instant>,
    input: InputState,
    screen: Option<Screen>,
    has_started: bool,
    running_since: Option<Instant>,
    hopeless: Option<(Hopeless, Instant)>,
    /// The same as the cluster's events tell it, which are read when a container takes its time.
    events: Option<Events>,
    event_hopeless: Option<(Hopeless, Instant)>,
    state: String,
    trouble: Option<(Instant, ClusterError)>,
    ending: Option<Ending>,
    last_byte: Instant,
}

/// What happened next.
enum Event {
    Pod(Change),
    Said(Said),
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
        let now = Instant::now();
        let mut run = Self {
            session,
            output,
            watch: Watch::start(session.cluster.clone(), session.action(), known),
            transcript: Transcript::new(session.screen, session.has_terminal),
            began: now,
            uid: text(&known["metadata"]["uid"]),
            can_restart: can_restart(known, &session.container),
            attach: AttachState::Off,
            attaches: 0,
            broken: None,
            broken_told: false,
            log: LogState::Off,
            log_may_be_read: true,
            log_pause: LOG_PAUSES.0,
            log_trouble: None,
            input: InputState::new(),
            screen: session.screen,
            has_started: false,
            running_since: None,
            hopeless: None,
            events: None,
            event_hopeless: None,
            state: String::new(),
            trouble: None,
            ending: None,
            last_byte: now,
        };
        run.observe(known)?;
        Ok(run)
    }
}

impl Run<'_> {
    /// Deals with the next thing that happens. Gives the end of the session when it has come.
    pub(super) async fn step(
        &mut self,
        input: &mut mpsc::Receiver<Input>,
    ) -> Result<Option<Ended>, SessionError> {
        if self.is_over() && !self.wants_last_reading() {
            let wholeness = self.transcript.ends_without_log();
            return self.finish(wholeness);
        }
        self.arrange_log();
        self.arrange_input();
        match self.next(input).await {
            Event::Pod(change) => return self.changed(change),
            Event::Said(said) => self.said(said),
            Event::Attach(Ok(attached)) => self.attached(attached).await?,
            Event::Attach(Err(error)) => self.not_attached(error)?,
            Event::Received(Received::Bytes(stream, bytes)) => {
                self.last_byte = Instant::now();
                self.shown(|transcript, at, out| transcript.attached(at, stream, &bytes, out))?;
            }
            Event::Received(Received::End(end)) => self.attach_ended(end)?,
            Event::Sent => {}
            Event::Log(Ok(lines)) => self.log_opened(lines),
            Event::Log(Err(error)) => self.log_failed(error)?,
            Event::LogBytes(bytes) => return self.log_bytes(bytes),
            Event::Checked(pod) => return self.checked(pod),
            Event::Input(Some(Input::Detach)) => return Ok(Some(Ended::Detached)),
            Event::Input(Some(Input::Bytes(bytes))) if self.wants_out(&bytes) => {
                return Ok(Some(Ended::Detached));
            }
            Event::Input(Some(input)) => self.input.queue.push_back(input),
            Event::Input(None) => self.input.is_open = false,
            Event::Deadline => return self.deadline().await,
        }
        Ok(None)
    }

    /// Waits for whatever comes first. None of it may starve another.
    async fn next(&mut self, input: &mut mpsc::Receiver<Input>) -> Event {
        let deadline = self.next_deadline();
        let wants_attach = self.transcript.wants_attach();
        let (mut trying_attach, mut attached) = (None, None);
        match &mut self.attach {
            AttachState::Trying(attempt) => trying_attach = Some(attempt),
            AttachState::On(on) => attached = Some(on),
            _ => {}
        }
        let (mut trying_log, mut log, mut checking) = (None, None, None);
        match &mut self.log {
            LogState::Off => {}
            LogState::Trying(_, attempt) => trying_log = Some(attempt),
            LogState::On(_, lines, _) => log = Some(lines),
            LogState::Checking(_, attempt) => checking = Some(attempt),
        }
        let outgoing = attached.as_ref().map(|attached| attached.sender());
        let has_pending = self.input.pending.is_some();
        let takes_input = self.input.takes_more() && self.attaches > 0;
        tokio::select! {
            received = wait::receive(attached), if wants_attach => Event::Received(received),
            permit = wait::reserve(outgoing), if has_pending => {
                if let Some(pending) = self.input.pending.take() {
                    permit.send(pending);
                }
                Event::Sent
            }
            bytes = wait::chunk(log) => Event::LogBytes(bytes),
            attached = wait::attempt(trying_attach) => Event::Attach(attached),
            lines = wait::attempt(trying_log) => Event::Log(lines),
            pod = wait::attempt(checking) => Event::Checked(pod),
            input = input.recv(), if takes_input => Event::Input(input),
            change = self.watch.change() => Event::Pod(change),
            said = wait::said(self.events.as_mut()) => Event::Said(said),
            () = wait::until(deadline) => Event::Deadline,
        }
    }

    /// Lets the transcript decide and carries it out.
    fn shown(
        &mut self,
        decide: impl FnOnce(&mut Transcript, Duration, &mut Vec<Show>),
    ) -> Result<(), SessionError> {
        let mut out = Vec::new();
        decide(&mut self.transcript, self.began.elapsed(), &mut out);
        for show in out {
            let written = match show {
                Show::Bytes(stream, bytes) => self.output.show(stream, &bytes),
                Show::TakeBack { rows } => self.output.take_back(rows),
            };
            written.map_err(SessionError::Output)?;
        }
        Ok(())
    }

    /// The program has ended, and nothing more comes but what the log has.
    fn is_over(&self) -> bool {
        self.ending.is_some() && !matches!(self.attach, AttachState::On(_))
    }

    fn finish(&mut self, wholeness: Wholeness) -> Result<Option<Ended>, SessionError> {
        if wholeness == Wholeness::Missing {
            self.output.event(SessionEvent::OutputMissing);
        }
        if self.input.is_cut {
            return Err(SessionError::InputCut);
        }
        Ok(self.ending.take().map(|ending| Ended::Exited {
            code: ending.code,
            reason: ending.reason,
        }))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
