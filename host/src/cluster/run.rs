//! A session as it runs: connections made, broken and made again, and what to do about each thing that happens.

use std::{collections::VecDeque, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{
    attach::{AttachEnd, Attached, Outgoing, Received, Streams},
    error::ClusterError,
    events::{self, Events, Said},
    lines::Lines,
    logs::{self, Which},
    output::{LogWish, Screen, Show, Transcript, Wholeness},
    progress::{Hopeless, Progress, can_restart, ended_instance, progress},
    session::{Ended, Input, Output, Session, SessionError, SessionEvent},
    watch::{Change, Watch},
};

/// How long to wait between two tries to attach, by how long it has been tried.
const ATTACH_PAUSES: [(Duration, Duration); 3] = [
    (Duration::from_secs(3), Duration::from_millis(20)),
    (Duration::from_secs(20), Duration::from_millis(75)),
    (Duration::MAX, Duration::from_millis(500)),
];

/// How long to wait before attaching again to a container of which an attach said that it has ended.
const AFTER_END: Duration = Duration::from_secs(5);

/// How long to wait between two tries to read the log: at first, and in the end.
const LOG_PAUSES: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(500));

/// How long to wait before a log that has ended is followed again: most often the program has ended, too.
const AFTER_LOG: Duration = Duration::from_millis(1500);

/// How long a log may not be readable although the container runs.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// How long a container may run without our being attached before that is said.
const ATTACH_PATIENCE: Duration = Duration::from_secs(3);

/// How long an attach may be silent once its container has ended.
const LAST_WORDS: Duration = Duration::from_millis(700);

/// How long the last look into the log may take.
const LAST_READING: Duration = Duration::from_secs(10);

/// After how long a broken connection is spoken of.
const BROKEN: Duration = Duration::from_millis(700);

/// How long a container may take to start before the cluster's events are asked why.
const EVENTS_AFTER: Duration = Duration::from_millis(1000);

/// How long a broken connection is tried to be made again.
const PATIENCE: Duration = Duration::from_secs(60);

/// How large a log may be to be read again from its beginning.
const LARGE_LOG: u64 = 8 << 20;

/// How much input waits for a connection.
const INPUT_MOST: usize = 32;

/// The key that ends a terminal's input, and how long to wait before it is pressed again.
const END_OF_INPUT: u8 = 0x04;
const END_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// The key with which a person wants out.
const INTERRUPT: u8 = 0x03;

type Attempt<T> = Pin<Box<dyn Future<Output = Result<T, ClusterError>> + Send>>;

/// The connection over which the program's streams come.
enum AttachState {
    Off,
    Trying(Attempt<Attached>),
    On(Attached),
    /// It has said that the program has ended.
    Finished(Instant),
    /// It is forbidden.
    Refused,
}

/// Why the log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Follow,
    Snapshot,
    /// The program has ended.
    Last {
        previous: bool,
    },
}

/// The reading of the log.
enum LogState {
    Off,
    Trying(Reading, Attempt<Lines>),
    /// Of a container that may have been restarted the log is kept, until it is known to be that of ours.
    On(Reading, Lines, Option<Vec<u8>>),
    Checking(Vec<u8>, Attempt<Value>),
}

/// What is known of how the program ended.
struct Ending {
    code: i32,
    reason: String,
    instance: String,
    was_restarted: bool,
    since: Instant,
}

/// What goes in.
struct InputState {
    is_open: bool,
    queue: VecDeque<Input>,
    /// What the connection takes next.
    pending: Option<Outgoing>,
    /// The container was told that there is no more.
    was_ended: bool,
    /// The container takes no more, and did not get all.
    is_cut: bool,
    /// The last line that was typed has ended.
    ends_line: bool,
    /// When the end is to be said to a terminal, and how long to wait then.
    end_at: Option<(Instant, Duration)>,
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
    pub(super) fn new(session: &'a Session, known: &Value, output: &'a mut dyn Output) -> Self {
        let now = Instant::now();
        Self {
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
            input: InputState {
                is_open: true,
                queue: VecDeque::new(),
                pending: None,
                was_ended: false,
                is_cut: false,
                ends_line: true,
                end_at: None,
            },
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
        }
    }

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
        let takes_input = self.input.is_open && self.input.queue.len() < INPUT_MOST && self.attaches > 0;
        tokio::select! {
            received = receive(attached), if wants_attach => Event::Received(received),
            permit = reserve(outgoing), if has_pending => {
                if let Some(pending) = self.input.pending.take() {
                    permit.send(pending);
                }
                Event::Sent
            }
            bytes = chunk(log) => Event::LogBytes(bytes),
            attached = attempt(trying_attach) => Event::Attach(attached),
            lines = attempt(trying_log) => Event::Log(lines),
            pod = attempt(checking) => Event::Checked(pod),
            input = input.recv(), if takes_input => Event::Input(input),
            change = self.watch.change() => Event::Pod(change),
            said = said(self.events.as_mut()) => Event::Said(said),
            () = until(deadline) => Event::Deadline,
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

    fn wants_last_reading(&self) -> bool {
        self.log_may_be_read && self.transcript.wants_last_reading()
    }

    // The pod.

    fn changed(&mut self, change: Change) -> Result<Option<Ended>, SessionError> {
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

    fn starts(&mut self) {
        self.has_started = true;
        self.hopeless = None;
        self.event_hopeless = None;
        self.events = None;
    }

    /// An event about the pod or the container.
    fn said(&mut self, said: Said) {
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

    fn waits(&mut self, pod: &Value, state: String) {
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

    fn gone(&mut self) -> Result<Option<Ended>, SessionError> {
        self.shown(|transcript, _, out| transcript.log_fails(out))?;
        if self.ending.is_some() {
            let wholeness = self.transcript.ends_without_log();
            return self.finish(wholeness);
        }
        Err(SessionError::Gone(self.session.pod.clone()))
    }

    // The attach.

    fn try_attach(&mut self, pause: Duration) {
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

    async fn attached(&mut self, attached: Attached) -> Result<(), SessionError> {
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
    fn not_attached(&mut self, error: ClusterError) -> Result<(), SessionError> {
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

    fn attach_ended(&mut self, end: AttachEnd) -> Result<(), SessionError> {
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

    // What goes in.

    /// While nobody listens to a person, the key that interrupts leaves.
    fn wants_out(&self, typed: &[u8]) -> bool {
        let is_on = matches!(self.attach, AttachState::On(_));
        self.session.tty && !is_on && typed.contains(&INTERRUPT)
    }

    /// Gives the connection what it takes next.
    fn arrange_input(&mut self) {
        while self.input.pending.is_none() && matches!(self.attach, AttachState::On(_)) {
            let Some(next) = self.input.queue.pop_front() else {
                break;
            };
            if self.input.is_cut && !matches!(next, Input::Size(_)) {
                continue;
            }
            self.input.pending = match next {
                Input::Bytes(bytes) => {
                    self.input.ends_line = bytes.last() == Some(&b'\n');
                    self.transcript.typed();
                    Some(Outgoing::Input(bytes))
                }
                Input::Size(screen) => {
                    self.screen = Some(screen);
                    Some(Outgoing::Size(screen.columns, screen.rows))
                }
                Input::End => self.end_input(),
                Input::Detach => None,
            };
        }
    }

    /// Our input is at its end: the program has to know.
    fn end_input(&mut self) -> Option<Outgoing> {
        if !self.session.stdin || self.input.was_ended {
            return None;
        }
        self.input.was_ended = true;
        if self.session.stdin_once {
            return Some(Outgoing::End);
        }
        if self.session.has_terminal {
            self.input.end_at = Some((Instant::now(), END_PAUSES.0));
        } else {
            self.output.event(SessionEvent::InputStaysOpen);
        }
        None
    }

    /// A terminal is told by a key. A program that was not reading lines then does not see it, so it is pressed again.
    fn press_end(&mut self, pause: Duration) {
        let next = END_PAUSES.1.min(pause * 2);
        self.input.end_at = Some((Instant::now() + pause, next));
        if self.input.pending.is_none() && matches!(self.attach, AttachState::On(_)) {
            // The first one sends a line that has no end.
            let keys = if self.input.ends_line { 1 } else { 2 };
            self.input.ends_line = true;
            self.input.pending = Some(Outgoing::Input(vec![END_OF_INPUT; keys].into()));
        }
    }

    // The log.

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

    fn arrange_log(&mut self) {
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

    fn log_opened(&mut self, lines: Lines) {
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

    fn log_failed(&mut self, error: ClusterError) -> Result<(), SessionError> {
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

    fn log_bytes(&mut self, bytes: Result<Option<Bytes>, String>) -> Result<Option<Ended>, SessionError> {
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
    fn checked(&mut self, pod: Result<Value, ClusterError>) -> Result<Option<Ended>, SessionError> {
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

    // Time.

    fn next_deadline(&self) -> Option<Instant> {
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

    async fn deadline(&mut self) -> Result<Option<Ended>, SessionError> {
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

    /// Fails when there is no hope that the container starts, or when it takes too long.
    async fn not_started(&mut self) -> Result<Option<Ended>, SessionError> {
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
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// These wait for ever where there is nothing to wait for.
async fn receive(attached: Option<&mut Attached>) -> Received {
    match attached {
        Some(attached) => attached.receive().await,
        None => std::future::pending().await,
    }
}

async fn reserve(sender: Option<mpsc::Sender<Outgoing>>) -> mpsc::OwnedPermit<Outgoing> {
    if let Some(sender) = sender
        && let Ok(permit) = sender.reserve_owned().await
    {
        return permit;
    }
    std::future::pending().await
}

async fn chunk(log: Option<&mut Lines>) -> Result<Option<Bytes>, String> {
    match log {
        Some(log) => log.chunk().await,
        None => std::future::pending().await,
    }
}

async fn attempt<T>(trying: Option<&mut Attempt<T>>) -> Result<T, ClusterError> {
    match trying {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

async fn said(events: Option<&mut Events>) -> Said {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
