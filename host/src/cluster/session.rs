//! A session with a container: wait until it starts, attach as early as can be, lose nothing, say how it ended.
//!
//! What is shown is decided in `transcript.rs`, whether there is hope in `progress.rs`; here they meet the connections.

use std::{future::Future, io, pin::Pin, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{
    attach::{Attached, Outgoing, Streams},
    client::Cluster,
    error::{Action, ClusterError, plain},
    lines::Lines,
    logs,
    progress::{Hopeless, Progress, progress},
    transcript::{Screen, Show, Stream, Transcript},
    watch::{Change, Watch},
};
use crate::reference::Kind;

/// How long both sources must be silent before they are joined: several times what a log lags behind.
const QUIET: Duration = Duration::from_millis(80);

/// After how much silence an unfinished line is taken for a question.
const QUESTION: Duration = Duration::from_millis(300);

/// How long to wait between two tries to attach: at first, and when the container takes its time.
const ATTACH_PAUSES: [(Duration, Duration); 2] = [
    (Duration::from_secs(5), Duration::from_millis(15)),
    (Duration::from_secs(u64::MAX), Duration::from_millis(75)),
];

/// How long to wait between two tries to read the log.
const LOG_PAUSE: Duration = Duration::from_millis(40);

/// How long an attach may take to end once its container has, and a log to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What goes into the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Bytes(Bytes),
    /// Standard input is at its end.
    End,
    /// The terminal has this size now.
    Size(Screen),
    /// The person wants to leave, and the program to go on.
    Detach,
}

/// What a session tells on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The container does not run yet; what it waits for.
    Waiting(String),
    /// Attached: from now on input reaches the program.
    Attached,
    /// The connection broke and is made again.
    Reconnecting,
    /// Attaching is not possible; the log is shown instead.
    LogOnly(String),
    /// The log cannot be read, so what was written before the attach is missing.
    NoLog(String),
}

/// Where a session shows what it gets.
pub trait Output {
    /// Writes bytes of the program.
    ///
    /// # Errors
    /// Fails when nobody reads them any more.
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;

    /// Takes back what was shown: goes up so many rows and clears to the end of the screen.
    ///
    /// # Errors
    /// Fails as `show` does.
    fn take_back(&mut self, rows: usize) -> io::Result<()>;

    /// Something happened.
    fn event(&mut self, event: SessionEvent);
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The program has ended.
    Exited {
        /// Its exit code.
        code: i32,
        /// Why, where that was not its own doing.
        reason: String,
    },
    /// The person left, and the program goes on.
    Detached,
}

/// Why there was no session, or not a whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The container will not start.
    #[error("container {container:?} of pod {pod:?} does not start: {}", hopeless.reason)]
    Hopeless {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Why.
        hopeless: Hopeless,
        /// What the cluster's events say.
        events: Vec<String>,
    },
    /// The container did not start in time.
    #[error("container {container:?} of pod {pod:?} did not start within {} s: {state}", after.as_secs_f32())]
    TimedOut {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// How long we waited.
        after: Duration,
        /// What it waited for.
        state: String,
        /// What the cluster's events say.
        events: Vec<String>,
    },
    /// The pod was deleted.
    #[error("pod {0:?} was deleted")]
    Gone(String),
    /// The cluster failed us.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Nobody reads the output any more.
    #[error("cannot write the program's output: {0}")]
    Output(#[source] io::Error),
}

/// What a session is with.
#[derive(Clone)]
pub struct Session {
    /// The cluster.
    pub cluster: Cluster,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The container has standard input, and we have something for it.
    pub stdin: bool,
    /// The container's standard input ends with the first attach's.
    pub stdin_once: bool,
    /// The container has a terminal, and so have we.
    pub tty: bool,
    /// The terminal that a person looks at, where one does.
    pub screen: Option<Screen>,
    /// How long the container may take to start.
    pub start_timeout: Duration,
}

impl Session {
    /// Runs the session to its end. `known` is the pod as the last write returned it.
    ///
    /// Dropping the future leaves: the connections are closed and the program goes on.
    ///
    /// # Errors
    /// Fails when the container does not start, when the pod goes away, when the cluster does not answer for longer than
    /// another try can mend, and when the output cannot be written.
    pub async fn run(
        &self,
        known: &Value,
        input: &mut mpsc::Receiver<Input>,
        output: &mut dyn Output,
    ) -> Result<Ended, SessionError> {
        let mut run = Run::new(self, known, output);
        run.observe(known)?;
        loop {
            if let Some(ended) = run.step(input).await? {
                return Ok(ended);
            }
        }
    }

    fn action(&self) -> Action {
        Action {
            verb: "get",
            kind: Kind::Pod,
            subresource: "",
            namespace: Some(self.namespace.clone()),
            name: self.pod.clone(),
        }
    }
}

type Attempt<T> = Pin<Box<dyn Future<Output = Result<T, ClusterError>> + Send>>;

/// The connection over which the program's streams come.
enum AttachState {
    /// Not to be had, or not wanted any more.
    Off,
    Trying(Attempt<Attached>),
    On(Attached),
}

/// The reading of the log.
enum LogState {
    Off,
    Trying(Attempt<Lines>),
    On(Lines),
}

struct Run<'a> {
    session: &'a Session,
    output: &'a mut dyn Output,
    watch: Watch,
    transcript: Transcript,
    attach: AttachState,
    log: LogState,
    log_may_be_read: bool,
    /// The log is read for the last time: the program has ended.
    is_last_reading: bool,
    pending: Option<Outgoing>,
    screen: Option<Screen>,
    began: Instant,
    has_started: bool,
    hopeless: Option<(Hopeless, Instant)>,
    state: String,
    uid: String,
    ended: Option<Ended>,
    last_words_until: Option<Instant>,
    last_byte: Instant,
    silence_told: u8,
}

/// What happened next.
enum Event {
    Pod(Change),
    Attach(Result<Attached, ClusterError>),
    Bytes(Option<(Stream, Bytes)>),
    Sent,
    Log(Result<Lines, ClusterError>),
    LogBytes(Result<Option<Bytes>, String>),
    Input(Option<Input>),
    Silence,
    Deadline,
}

impl<'a> Run<'a> {
    fn new(session: &'a Session, known: &Value, output: &'a mut dyn Output) -> Self {
        let now = Instant::now();
        Self {
            session,
            output,
            watch: Watch::new(session.cluster.clone(), session.action(), known),
            transcript: Transcript::new(session.screen, session.tty),
            attach: AttachState::Off,
            log: LogState::Off,
            log_may_be_read: true,
            is_last_reading: false,
            pending: None,
            screen: session.screen,
            began: now,
            has_started: false,
            hopeless: None,
            state: String::new(),
            uid: known["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            ended: None,
            last_words_until: None,
            last_byte: now,
            silence_told: 0,
        }
    }

    async fn step(&mut self, input: &mut mpsc::Receiver<Input>) -> Result<Option<Ended>, SessionError> {
        self.open_log();
        match self.next(input).await? {
            Event::Pod(Change::Is(pod)) => self.observe(&pod)?,
            Event::Pod(Change::Gone) => return self.gone(),
            Event::Attach(Ok(attached)) => self.attached(attached).await,
            Event::Attach(Err(error)) => self.not_attached(error)?,
            Event::Bytes(Some((stream, bytes))) => {
                self.heard();
                self.shown(|transcript, out| transcript.attached(stream, &bytes, out))?;
            }
            Event::Bytes(None) => self.attach_ended(),
            Event::Sent => {}
            Event::Log(Ok(lines)) => {
                self.transcript.log_begins();
                self.log = LogState::On(lines);
                self.heard();
            }
            Event::Log(Err(error)) => self.log_failed(error)?,
            Event::LogBytes(Ok(Some(bytes))) => {
                self.heard();
                self.shown(|transcript, out| transcript.log(&bytes, out))?;
            }
            Event::LogBytes(Ok(None)) if self.is_last_reading => return self.finish(),
            Event::LogBytes(_) => self.log = LogState::Off,
            Event::Input(Some(Input::Detach)) => return Ok(Some(Ended::Detached)),
            Event::Input(input) => self.take_input(input),
            Event::Silence => self.silence()?,
            Event::Deadline => return self.deadline().await,
        }
        Ok(None)
    }

    /// Waits for whatever comes first.
    async fn next(&mut self, input: &mut mpsc::Receiver<Input>) -> Result<Event, SessionError> {
        let silence = self.next_silence();
        let deadline = self.next_deadline();
        let (mut trying_attach, mut attached) = (None, None);
        match &mut self.attach {
            AttachState::Off => {}
            AttachState::Trying(attempt) => trying_attach = Some(attempt),
            AttachState::On(on) => attached = Some(on),
        }
        let (mut trying_log, mut log) = (None, None);
        match &mut self.log {
            LogState::Off => {}
            LogState::Trying(attempt) => trying_log = Some(attempt),
            LogState::On(lines) => log = Some(lines),
        }
        let is_attached = attached.is_some();
        let outgoing = attached.as_ref().map(|attached| attached.sender());
        let has_pending = self.pending.is_some();
        let watches = self.ended.is_none();
        tokio::select! {
            biased;
            bytes = receive(attached) => Ok(Event::Bytes(bytes)),
            permit = reserve(outgoing), if has_pending => {
                if let (Some(permit), Some(pending)) = (permit, self.pending.take()) {
                    permit.send(pending);
                }
                Ok(Event::Sent)
            }
            bytes = chunk(log) => Ok(Event::LogBytes(bytes)),
            attached = attempt(trying_attach) => Ok(Event::Attach(attached)),
            lines = attempt(trying_log) => Ok(Event::Log(lines)),
            input = input.recv(), if is_attached && !has_pending => Ok(Event::Input(input)),
            change = self.watch.change(), if watches => Ok(Event::Pod(change?)),
            () = sleep_until(silence.unwrap_or(deadline)), if silence.is_some() => Ok(Event::Silence),
            () = sleep_until(deadline) => Ok(Event::Deadline),
        }
    }

    fn heard(&mut self) {
        self.last_byte = Instant::now();
        self.silence_told = 0;
    }

    /// Lets the transcript decide and carries it out.
    fn shown(&mut self, decide: impl FnOnce(&mut Transcript, &mut Vec<Show>)) -> Result<(), SessionError> {
        let mut out = Vec::new();
        decide(&mut self.transcript, &mut out);
        for show in out {
            let written = match show {
                Show::Bytes(stream, bytes) => self.output.show(stream, &bytes),
                Show::TakeBack { rows } => self.output.take_back(rows),
            };
            written.map_err(SessionError::Output)?;
        }
        Ok(())
    }

    fn next_silence(&self) -> Option<Instant> {
        let is_on = matches!(self.log, LogState::On(_)) && self.transcript.wants_log();
        match self.silence_told {
            0 if is_on => Some(self.last_byte + QUIET),
            1 if is_on => Some(self.last_byte + QUESTION),
            _ => None,
        }
    }

    fn silence(&mut self) -> Result<(), SessionError> {
        self.silence_told += 1;
        let is_question = self.silence_told > 1;
        self.shown(|transcript, out| {
            if is_question {
                transcript.waiting(out);
            } else {
                transcript.quiet(out);
            }
        })
    }

    /// What the pod's status says changes what we hope for.
    fn observe(&mut self, pod: &Value) -> Result<(), SessionError> {
        match progress(pod, &self.session.container) {
            Progress::Waiting(state) => self.waits(pod, state),
            Progress::Running => {
                self.has_started = true;
                self.hopeless = None;
                self.try_attach();
            }
            Progress::Ended { code, reason } => {
                self.has_started = true;
                self.hopeless = None;
                self.ended = Some(Ended::Exited { code, reason });
                self.last_words();
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

    fn waits(&mut self, pod: &Value, state: String) {
        if self.has_started {
            return;
        }
        self.hopeless = None;
        if pod["spec"]["nodeName"].is_string() {
            self.try_attach();
        }
        if self.state != state {
            self.state.clone_from(&state);
            self.output.event(SessionEvent::Waiting(state));
        }
    }

    fn try_attach(&mut self) {
        if matches!(self.attach, AttachState::Off) && self.ended.is_none() {
            self.attach = AttachState::Trying(self.attach_attempt(Duration::ZERO));
        }
    }

    fn attach_attempt(&self, pause: Duration) -> Attempt<Attached> {
        let session = self.session.clone();
        Box::pin(async move {
            sleep(pause).await;
            let streams = Streams {
                container: &session.container,
                stdin: session.stdin,
                tty: session.tty,
            };
            Attached::open(&session.cluster, &session.action(), &streams).await
        })
    }

    async fn attached(&mut self, attached: Attached) {
        if let Some(screen) = self.screen.filter(|_| self.session.tty) {
            // A change of size makes the program draw its prompt again, which it wrote before anybody could see it.
            attached
                .send(Outgoing::Size(screen.columns, screen.rows + 1))
                .await;
            attached.send(Outgoing::Size(screen.columns, screen.rows)).await;
        }
        self.attach = AttachState::On(attached);
        self.has_started = true;
        self.hopeless = None;
        self.heard();
        self.transcript.attach_begins();
        self.output.event(SessionEvent::Attached);
    }

    /// Until the kubelet knows the container, it refuses; a refusal of the API server's is final.
    fn not_attached(&mut self, error: ClusterError) -> Result<(), SessionError> {
        if matches!(error.code(), Some(401 | 403)) {
            if !self.log_may_be_read {
                return Err(error.into());
            }
            self.output.event(SessionEvent::LogOnly(error.to_string()));
            self.attach = AttachState::Off;
            self.session_without_attach();
            return Ok(());
        }
        if matches!(
            error,
            ClusterError::Untrusted { .. } | ClusterError::Credentials(_)
        ) {
            return Err(error.into());
        }
        let waited = self.began.elapsed();
        let pause = ATTACH_PAUSES.iter().find(|(until, _)| waited < *until);
        let pause = pause.map_or(Duration::from_secs(1), |(_, pause)| *pause);
        self.attach = AttachState::Trying(self.attach_attempt(pause));
        Ok(())
    }

    /// Nothing goes in, and what comes out is read from the log.
    fn session_without_attach(&mut self) {
        self.attach = AttachState::Trying(Box::pin(std::future::pending()));
    }

    fn attach_ended(&mut self) {
        self.transcript.attach_ends();
        self.pending = None;
        self.attach = AttachState::Off;
        if self.ended.is_some() {
            self.last_words();
        } else {
            // Most often the program has ended and the status does not say so yet.
            self.attach = AttachState::Trying(self.attach_attempt(ATTACH_PAUSES[1].1));
        }
    }

    fn take_input(&mut self, input: Option<Input>) {
        self.pending = match input {
            Some(Input::Bytes(bytes)) => Some(Outgoing::Input(bytes)),
            Some(Input::Size(screen)) => {
                self.screen = Some(screen);
                Some(Outgoing::Size(screen.columns, screen.rows))
            }
            // Only where the container's input ends with ours: elsewhere it would end our output instead.
            Some(Input::End) if self.session.stdin_once => Some(Outgoing::End),
            _ => None,
        };
    }

    /// Starts to read the log where it is needed.
    fn open_log(&mut self) {
        let is_time = self.has_started && self.log_may_be_read && matches!(self.log, LogState::Off);
        if is_time && self.transcript.wants_log() {
            self.log = LogState::Trying(self.log_attempt(Duration::ZERO));
        }
    }

    fn log_attempt(&self, pause: Duration) -> Attempt<Lines> {
        let session = self.session.clone();
        let follow = !self.is_last_reading;
        Box::pin(async move {
            sleep(pause).await;
            logs::open(&session.cluster, &session.action(), &session.container, follow).await
        })
    }

    fn log_failed(&mut self, error: ClusterError) -> Result<(), SessionError> {
        if matches!(error.code(), Some(401 | 403)) {
            self.log_may_be_read = false;
            self.log = LogState::Off;
            self.output.event(SessionEvent::NoLog(error.to_string()));
            self.shown(Transcript::log_fails)?;
            if self.ended.is_some() {
                self.last_words();
            }
            return Ok(());
        }
        self.log = LogState::Trying(self.log_attempt(LOG_PAUSE));
        Ok(())
    }

    /// The program has ended: what it said last is on its way, or in the log.
    fn last_words(&mut self) {
        if matches!(self.attach, AttachState::On(_)) {
            self.last_words_until
                .get_or_insert_with(|| Instant::now() + LAST_WORDS);
            return;
        }
        self.attach = AttachState::Off;
        self.transcript.attach_ends();
        if !self.is_last_reading {
            self.is_last_reading = true;
            self.log = LogState::Off;
            self.last_words_until = Some(Instant::now() + 20 * LAST_WORDS);
        }
    }

    fn next_deadline(&self) -> Instant {
        let never = Instant::now() + Duration::from_secs(86_400);
        if let Some(until) = self.last_words_until {
            return until;
        }
        if self.ended.is_some() && !self.log_may_be_read {
            return Instant::now();
        }
        let start = if self.has_started {
            never
        } else {
            self.began + self.session.start_timeout
        };
        match &self.hopeless {
            Some((hopeless, since)) => start.min(*since + hopeless.grace),
            None => start,
        }
    }

    async fn deadline(&mut self) -> Result<Option<Ended>, SessionError> {
        if self.ended.is_some() {
            if matches!(self.attach, AttachState::On(_)) {
                self.last_words_until = None;
                self.attach_ended();
                return Ok(None);
            }
            return self.finish();
        }
        let session = self.session;
        if let Some((hopeless, since)) = self.hopeless.take() {
            if since.elapsed() >= hopeless.grace {
                return Err(SessionError::Hopeless {
                    pod: session.pod.clone(),
                    container: session.container.clone(),
                    events: self.events().await,
                    hopeless,
                });
            }
            self.hopeless = Some((hopeless, since));
        }
        if !self.has_started && self.began.elapsed() >= session.start_timeout {
            if let Some(trouble) = self.watch.trouble.take() {
                return Err(trouble.into());
            }
            return Err(SessionError::TimedOut {
                pod: session.pod.clone(),
                container: session.container.clone(),
                after: session.start_timeout,
                state: self.state.clone(),
                events: self.events().await,
            });
        }
        Ok(None)
    }

    fn gone(&mut self) -> Result<Option<Ended>, SessionError> {
        if self.ended.is_some() {
            return self.finish();
        }
        self.shown(Transcript::log_fails)?;
        Err(SessionError::Gone(self.session.pod.clone()))
    }

    fn finish(&mut self) -> Result<Option<Ended>, SessionError> {
        if self.log_may_be_read && matches!(self.log, LogState::On(_)) {
            self.shown(Transcript::log_ends)?;
        } else {
            self.shown(Transcript::log_fails)?;
        }
        Ok(self.ended.take())
    }

    /// What the cluster's events say about the pod, the newest last. Nobody fails for want of an explanation.
    async fn events(&self) -> Vec<String> {
        let action = Action {
            verb: "list",
            kind: Kind::Event,
            name: String::new(),
            ..self.session.action()
        };
        let selector = format!("involvedObject.uid={},type=Warning", self.uid);
        let query = [("fieldSelector", selector.as_str())];
        let listed = self.session.cluster.list(&action, &query);
        let listed = tokio::time::timeout(Duration::from_secs(2), listed).await;
        let Ok(Ok(mut events)) = listed else {
            return Vec::new();
        };
        let time = |event: &Value| event["lastTimestamp"].as_str().unwrap_or_default().to_owned();
        events.retain(|event| {
            let field = event["involvedObject"]["fieldPath"].as_str().unwrap_or_default();
            field.is_empty() || field.contains(&format!("{{{}}}", self.session.container))
        });
        events.sort_by_key(time);
        let mut lines: Vec<String> = Vec::new();
        for event in events.iter().rev() {
            let part = |field: &str| plain(event[field].as_str().unwrap_or_default());
            let line = format!("{}: {}", part("reason"), part("message"));
            if !lines.contains(&line) && lines.len() < 3 {
                lines.insert(0, line);
            }
        }
        lines
    }
}

/// These wait for ever where there is nothing to wait for.
async fn receive(attached: Option<&mut Attached>) -> Option<(Stream, Bytes)> {
    match attached {
        Some(attached) => attached.receive().await,
        None => std::future::pending().await,
    }
}

async fn reserve(sender: Option<mpsc::Sender<Outgoing>>) -> Option<mpsc::OwnedPermit<Outgoing>> {
    match sender {
        Some(sender) => sender.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
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
