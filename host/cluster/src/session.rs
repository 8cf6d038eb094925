//! A session with a container: wait until it starts, attach as early as can be, lose nothing, say how it ended.
//!
//! What a session is and what it tells. How it runs is in `run`, what is shown is decided by `trocar-output`, and whether there
//! is hope in `progress.rs`.

use std::{io, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    progress::{Hopeless, Progress, progress},
    run::Run,
};
pub use trocar_output::{Doubt, Stream};

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

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

/// Where input for a session is put in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InputSender(mpsc::Sender<Input>);

/// Input on its way to a session.
#[derive(Debug)]
pub struct InputQueue(pub(crate) mpsc::Receiver<Input>);

/// The session has ended, and takes no more input.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended")]
pub struct SessionEnded(());

/// Makes a queue for input, in which so many blocks may wait.
pub fn input_queue(blocks: usize) -> (InputSender, InputQueue) {
    let (sender, receiver) = mpsc::channel(blocks);
    (InputSender(sender), InputQueue(receiver))
}

impl InputQueue {
    /// A queue for a session without input.
    pub fn closed() -> Self {
        let (sender, queue) = input_queue(1);
        sender.try_send(Input::End);
        queue
    }
}

impl InputSender {
    /// Puts input in; waits, without a thread, until there is room.
    ///
    /// # Errors
    /// Fails when the session has ended.
    pub async fn send(&self, input: Input) -> Result<(), SessionEnded> {
        self.0.send(input).await.map_err(|_| SessionEnded(()))
    }

    /// Puts input in, and blocks the thread until there is room.
    ///
    /// # Errors
    /// Fails when the session has ended.
    pub fn blocking_send(&self, input: Input) -> Result<(), SessionEnded> {
        self.0.blocking_send(input).map_err(|_| SessionEnded(()))
    }

    /// Puts input in where there is room now. Returns false if there is none, or the session has ended.
    pub fn try_send(&self, input: Input) -> bool {
        self.0.try_send(input).is_ok()
    }
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
    /// The connection is there again.
    Reconnected,
    /// Attaching is not possible; the log is shown instead.
    LogOnly(String),
    /// The log cannot be read, so what was written before the attach is missing.
    NoLog(String),
    /// Lines are shown that only the log has, which does not tell the streams apart: they are on standard output.
    OutputFromLog,
    /// Whether all of the output was shown is not known.
    OutputUncertain(Doubt),
    /// A line was shown without its beginning, which was written before the attach. This is what it begins with.
    BeginningMissing(String),
    /// The end of a line is in no log; its beginning was shown.
    EndMissing,
    /// A line was shown in two parts, because another one came between.
    LineCut,
    /// Our standard input is at its end, which the container cannot be told: its program may wait for more.
    InputStaysOpen,
}

/// Where a session shows what it gets.
pub trait Output {
    /// Writes bytes of the program.
    ///
    /// # Errors
    /// Fails when nobody reads them any more.
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;

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

impl Ended {
    /// The exit code that stands for it: the program's own, or 0 where the person left.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Exited { code, .. } => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
            Self::Detached => 0,
        }
    }
}

/// Writes a session's output to this program's, as it comes, and its events nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOutput;

impl Output for WriteOutput {
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => io::Write::write_all(&mut io::stdout(), bytes),
            Stream::Stderr => io::Write::write_all(&mut io::stderr(), bytes),
        }
    }

    fn event(&mut self, _event: SessionEvent) {}
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
    /// The cluster does not answer any more, and the program may still run.
    #[error("the connection to container {container:?} of pod {pod:?} was lost: {error}")]
    Lost {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// What the last try came to.
        error: ClusterError,
    },
    /// The connection broke before all of standard input was sent, and the container takes no more.
    #[error("the connection broke before all of standard input was sent: the program did not get the rest")]
    InputCut,
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
    /// The container has a terminal.
    pub has_terminal: bool,
    /// So have we, and it is the container's.
    pub tty: bool,
    /// The terminal that a person looks at, where one does.
    pub screen: Option<Screen>,
    /// How long the container may take to start.
    pub start_timeout: Duration,
    /// A pod that no node takes is waited for as long as others, also where only another pod or other nodes help.
    pub waits_for_nodes: bool,
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
        input: &mut InputQueue,
        output: &mut dyn Output,
    ) -> Result<Ended, SessionError> {
        if self.stdin {
            self.cluster.take_stdin();
        }
        let mut run = Run::new(self, known, output)?;
        loop {
            if let Some(ended) = run.step(&mut input.0).await? {
                return Ok(ended);
            }
        }
    }

    /// Whether the container's program has ended, as the cluster has it now.
    pub(super) async fn has_ended(&self) -> Result<bool, ClusterError> {
        let pod = self.cluster.get(&self.action()).await?;
        Ok(matches!(progress(&pod, &self.container), Progress::Ended { .. }))
    }

    pub(super) fn action(&self) -> Action {
        Action::of_pod("get", "", Some(&self.namespace), &self.pod)
    }
}
