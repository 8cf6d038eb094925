//! A session with a container: waits for its start, attaches as early as possible, shows all output, returns the exit code.
//!
//! Here are the types that callers see. `run` has the state machine, `trocar-output` decides what is shown, and `progress.rs`
//! whether a container can still start.

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

/// Input for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Bytes for the program's standard input.
    Bytes(Bytes),
    /// End of standard input.
    End,
    /// The terminal was resized.
    Size(Screen),
    /// Detach: the session ends, the program goes on.
    Detach,
}

/// The sending half of a session's input. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InputSender(mpsc::Sender<Input>);

/// The receiving half of a session's input.
#[derive(Debug)]
pub struct InputQueue(pub(crate) mpsc::Receiver<Input>);

/// The error of sending input to a session that has ended.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended")]
pub struct SessionEnded(());

/// Creates a session's input queue, with room for so many [`Input`]s.
pub fn input_queue(blocks: usize) -> (InputSender, InputQueue) {
    let (sender, receiver) = mpsc::channel(blocks);
    (InputSender(sender), InputQueue(receiver))
}

impl InputQueue {
    /// Creates the queue of a session without input.
    pub fn closed() -> Self {
        let (sender, queue) = input_queue(1);
        sender.try_send(Input::End);
        queue
    }
}

impl InputSender {
    /// Sends input; waits asynchronously for room in the queue.
    ///
    /// # Errors
    /// Fails when the session has ended.
    pub async fn send(&self, input: Input) -> Result<(), SessionEnded> {
        self.0.send(input).await.map_err(|_| SessionEnded(()))
    }

    /// Sends input; blocks the thread until there is room in the queue.
    ///
    /// # Errors
    /// Fails when the session has ended.
    pub fn blocking_send(&self, input: Input) -> Result<(), SessionEnded> {
        self.0.blocking_send(input).map_err(|_| SessionEnded(()))
    }

    /// Sends input without waiting. Returns false if the queue is full or the session has ended.
    pub fn try_send(&self, input: Input) -> bool {
        self.0.try_send(input).is_ok()
    }
}

/// A change in a session that a user may want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The container has not started; the text is what it waits for, such as its image.
    Waiting(String),
    /// Attached: input reaches the program from here on.
    Attached,
    /// The connection broke, and is being made again.
    Reconnecting,
    /// The connection was made again.
    Reconnected,
    /// Attaching failed, for this reason; the log is followed instead.
    LogOnly(String),
    /// The log cannot be read, for this reason. Output from before the attach is missing.
    NoLog(String),
    /// Some lines are from the log alone. It does not say which stream they were on, so they go to standard output.
    OutputFromLog,
    /// It is uncertain whether all output was shown.
    OutputUncertain(Doubt),
    /// A line was shown without its beginning, which was written before the attach. The text is how the line begins.
    BeginningMissing(String),
    /// The beginning of a line was shown, and its end is not in the log.
    EndMissing,
    /// A line was shown in two parts, with another one in between.
    LineCut,
    /// Our standard input has ended, but the container's cannot be closed (`stdinOnce` is not set): its program may wait for more.
    InputStaysOpen,
    /// The connection broke before all of standard input was sent, and the program has failed, for that reason or another one.
    InputCut,
}

/// The receiver of a session's output and events.
pub trait Output {
    /// Writes bytes of the program.
    ///
    /// # Errors
    /// Fails when the output cannot be written, such as for a closed pipe. The session then ends.
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;

    /// Handles an event.
    fn event(&mut self, event: SessionEvent);
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The program has ended.
    Exited {
        /// Its exit code.
        code: i32,
        /// The reason from the container's status where the program did not exit by itself, such as `OOMKilled`; else empty.
        reason: String,
    },
    /// The user detached, and the program goes on.
    Detached,
}

impl Ended {
    /// The exit code to pass on: the program's own, or 0 after a detach.
    pub fn exit_code(&self) -> u8 {
        match self {
            // An exit code has eight bits here; that of a Windows container has 32.
            Self::Exited { code, .. } => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
            Self::Detached => 0,
        }
    }
}

/// Writes a session's output to our standard output and error, and ignores its events.
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

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The container cannot start, so waiting for it was given up early.
    #[error("container {container:?} of pod {pod:?} does not start: {}", hopeless.reason)]
    Hopeless {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Why it cannot start.
        hopeless: Hopeless,
        /// Messages of the pod's events.
        events: Vec<String>,
    },
    /// The container did not start in time.
    #[error("container {container:?} of pod {pod:?} did not start within {} s: {state}", after.as_secs_f32())]
    TimedOut {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// The timeout.
        after: Duration,
        /// What the container waited for.
        state: String,
        /// Messages of the pod's events.
        events: Vec<String>,
    },
    /// The pod was deleted.
    #[error("pod {0:?} was deleted")]
    Gone(String),
    /// A request to the cluster failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The connection could not be made again. The program may still run.
    #[error("the connection to container {container:?} of pod {pod:?} was lost: {error}")]
    Lost {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// The error of the last attempt.
        error: ClusterError,
    },
    /// The connection broke before all of standard input was sent, a new one cannot send the rest, and the program has ended as if
    /// it had got all.
    #[error("the connection broke before all of standard input was sent: the program did not get the rest")]
    InputCut,
    /// The output cannot be written.
    #[error("cannot write the program's output: {0}")]
    Output(#[source] io::Error),
}

/// A container to attach to, and how.
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
    /// The container has `stdin` set, and our input is sent to it.
    pub stdin: bool,
    /// The container has `stdinOnce` set: its standard input closes with the first attach.
    pub stdin_once: bool,
    /// The container has `tty` set.
    pub has_terminal: bool,
    /// The attach asks for a terminal, since we have one as well.
    pub tty: bool,
    /// The size of the user's terminal; none where output goes to no terminal.
    pub screen: Option<Screen>,
    /// The time within which the container has to start.
    pub start_timeout: Duration,
    /// Waits the full `start_timeout` for an unschedulable pod, rather than failing when only another pod or other nodes could help.
    pub waits_for_nodes: bool,
}

impl Session {
    /// Runs the session to its end. `known` is the pod as the last write returned it, which saves a read.
    ///
    /// Dropping the future detaches: the connections are closed and the program goes on.
    ///
    /// # Errors
    /// Fails when the container does not start, when the pod is deleted, when the connection is lost and cannot be made again,
    /// and when the output cannot be written.
    pub async fn run(
        &self,
        known: &Value,
        input: &mut InputQueue,
        output: &mut dyn Output,
    ) -> Result<Ended, SessionError> {
        // A credential plugin that inherits standard input would read the program's input away.
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

    /// Returns whether the container's program has ended, by a fresh read of the pod.
    pub(super) async fn has_ended(&self) -> Result<bool, ClusterError> {
        let pod = self.cluster.get(&self.action()).await?;
        Ok(matches!(progress(&pod, &self.container), Progress::Ended { .. }))
    }

    pub(super) fn action(&self) -> Action {
        Action::of_pod("get", "", Some(&self.namespace), &self.pod)
    }
}
