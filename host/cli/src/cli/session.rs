//! A session in front of a person or a script: the terminal, the streams, the signals, and what is said at the end.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use serde_json::Value;
use trocar::{
    Applied, DebugPlan, Deletion, Draft, NodeRuntime, SessionOptions,
    cluster::{
        Doubt, Ended, Hopeless, HopelessKind, Input, InputSender, Output, SessionError, SessionEvent, Stream,
        input_queue, is_trouble, never_joins, nothing_starts,
    },
    plan::Step,
};

use super::{
    args::DebugArgs,
    connect::duration,
    error::CliError,
    exit_code,
    planner::comes_back,
    prefixed::PrefixedOutput,
    removal::{AtEnd, End},
    terminal::{self, DetachKeys, Guard, Modes, RawMode},
    ui, words,
};

/// How often a script is told what a container waits for.
pub(super) const MAX_TOLD: usize = 10;

/// How many blocks of input may wait.
const INPUT_QUEUE: usize = 16;

/// What was typed about sessions.
pub(crate) struct SessionFlags {
    start_timeout: Duration,
    waits_for_nodes: bool,
    detach_keys: DetachKeys,
    quiet: bool,
    stdin: bool,
    tty: bool,
    tail: Option<usize>,
}

impl SessionFlags {
    pub(crate) fn new(args: &DebugArgs, stdin: bool, tty: bool) -> Result<Self, CliError> {
        let quiet = args.debug.quiet.is_some_and(|switch| switch.0);
        let flags = Self::of_attach(args.detach_keys.as_deref(), quiet, stdin, tty)?;
        Ok(Self {
            start_timeout: duration(
                "pod-running-timeout",
                args.pod_running_timeout.as_deref().unwrap_or("1m"),
            )?,
            // What was typed is what is waited for.
            waits_for_nodes: args.pod_running_timeout.is_some(),
            ..flags
        })
    }

    /// Of a session that one comes back to: its container runs already.
    pub(crate) fn of_attach(
        detach_keys: Option<&str>,
        quiet: bool,
        stdin: bool,
        tty: bool,
    ) -> Result<Self, CliError> {
        let keys = DetachKeys::parse(detach_keys.unwrap_or("ctrl-p,ctrl-q"));
        Ok(Self {
            start_timeout: Duration::from_secs(60),
            waits_for_nodes: false,
            detach_keys: keys.map_err(|reason| CliError::usage(format!("--detach-keys: {reason}")))?,
            quiet,
            stdin,
            tty,
            tail: None,
        })
    }

    /// Of a session of which only the last lines are shown that were written before.
    pub(crate) fn with_tail(mut self, tail: Option<usize>) -> Self {
        self.tail = tail;
        self
    }
}

/// Says whether a person watches, who sees one session after the other.
pub(crate) fn has_person() -> bool {
    io::stdout().is_terminal()
}

/// Refuses a session that cannot be, before anything is written for it.
pub(crate) fn check_target(draft: &Draft) -> Result<(), CliError> {
    let mut added = draft.plan().steps().iter().filter_map(|step| match step {
        Step::AddEphemeralContainer(container) => Some(container),
        _ => None,
    });
    let Some(container) = added.next() else {
        return Ok(());
    };
    let pod = Value::Object(draft.target().object().clone());
    let joins = container.get("targetContainerName").and_then(Value::as_str);
    match nothing_starts(&pod, true).or_else(|| never_joins(&pod, joins?)) {
        Some(hopeless) => {
            Err(hopeless_error(&draft.plan().target().to_string(), &hopeless).note("nothing was changed"))
        }
        None => Ok(()),
    }
}

fn hopeless_error(target: &str, hopeless: &Hopeless) -> CliError {
    CliError::new(format!("{target}: {}", hopeless.reason)).hint(words::after_hopeless(hopeless.kind))
}

/// Runs a session with the container that a plan made, and returns the exit code that stands for how it ended.
///
/// One of many marks each line with its target, and reads nothing.
pub(crate) async fn run(
    flags: &SessionFlags,
    is_one_of_many: bool,
    applied: Applied,
    at_end: AtEnd<'_>,
) -> Result<u8, CliError> {
    if applied.plan().attach().is_none() {
        return Ok(0);
    }
    let (deletion, runtime) = (applied.deletion(), applied.runtime());
    let (sender, mut input) = input_queue(INPUT_QUEUE);
    let options = options(flags, is_one_of_many, &applied);
    if is_one_of_many {
        // There is one standard input, and many sessions that would read it.
        sender.try_send(Input::End);
        let mut output = PrefixedOutput::new(&applied.plan().target().to_string());
        let ended = applied.attach(&mut output, &mut input, options).await;
        let deleted = deleted(deletion, &ended).await;
        return outcome(flags, is_one_of_many, &at_end, ended, deleted).await;
    }
    terminal::end_on_signal();
    let mut output = TerminalOutput::new(flags, &options, sender);
    let ended = tokio::select! {
        ended = applied.attach(&mut output, &mut input, options) => ended,
        code = terminal::ending_signal() => {
            output.leave(true);
            say(flags, at_end.settle(End::Signal, true).await);
            return Ok(code);
        }
    };
    let ended = ended.map_err(|error| said_once(error, output.told.take()));
    let has_exited = matches!(ended, Ok(Some(Ended::Exited { .. })));
    output.leave(!has_exited);
    if has_exited && !flags.quiet {
        say(flags, lost_by_runtime(runtime).await);
    }
    let deleted = deleted(deletion, &ended).await;
    outcome(flags, is_one_of_many, &at_end, ended, deleted).await
}

/// How long the end of a session may wait for what is said about its node.
const RUNTIME_PATIENCE: Duration = Duration::from_secs(1);

/// That the container's runtime is known to lose output, which no debug tool can show then.
async fn lost_by_runtime(runtime: Option<NodeRuntime>) -> Vec<String> {
    let Some(runtime) = runtime else {
        return Vec::new();
    };
    let losing = tokio::time::timeout(RUNTIME_PATIENCE, runtime.losing()).await;
    let losing = losing.ok().flatten().into_iter();
    let said = losing.map(|version| {
        format!(
            "Note: {version} on node {} is known to lose what a program writes right before it ends: the container's log lacks it, too.",
            runtime.node()
        )
    });
    said.collect()
}

/// What was told while it lasted is not told again at the end.
fn said_once(mut error: SessionError, told: Option<String>) -> SessionError {
    if let SessionError::Hopeless { hopeless, events, .. } = &mut error
        && told.as_ref() == Some(&hopeless.reason)
    {
        events.retain(|event| words::is_news(&hopeless.reason, event));
        hopeless.reason = "waiting does not change that".to_owned();
    }
    error
}

/// Exit codes of a program that was ended from outside: SIGKILL and SIGTERM.
const KILLED: [i32; 2] = [128 + 9, 128 + 15];

/// Who deleted a created pod, in lines, where it was deleted under its session.
async fn deleted(
    deletion: Option<Deletion>,
    ended: &Result<Option<Ended>, SessionError>,
) -> Option<Vec<String>> {
    let is_suspect = match ended {
        Ok(Some(Ended::Exited { code, .. })) => KILLED.contains(code),
        Err(SessionError::Gone(_)) => true,
        Err(SessionError::Hopeless { hopeless, .. }) => hopeless.kind == HopelessKind::PodDeleted,
        _ => false,
    };
    deletion.filter(|_| is_suspect)?.by().await
}

fn options(flags: &SessionFlags, is_one_of_many: bool, applied: &Applied) -> SessionOptions {
    let has_terminal = applied.container_flag("tty");
    let is_alone = !is_one_of_many;
    // As kubectl: without a terminal of ours none is asked for, although the container has one.
    let tty = flags.tty && io::stdin().is_terminal() && is_alone;
    if flags.tty && !tty && is_alone {
        ui::error_line("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    SessionOptions {
        stdin: flags.stdin,
        tty,
        screen: terminal::screen().filter(|_| is_alone && has_terminal),
        start_timeout: flags.start_timeout,
        waits_for_nodes: flags.waits_for_nodes,
        tail: flags.tail,
    }
}

async fn outcome(
    flags: &SessionFlags,
    is_one_of_many: bool,
    at_end: &AtEnd<'_>,
    ended: Result<Option<Ended>, SessionError>,
    deleted: Option<Vec<String>>,
) -> Result<u8, CliError> {
    let cannot_run = matches!(
        ended,
        Ok(Some(Ended::Exited { .. }))
            | Err(SessionError::InputCut | SessionError::Hopeless { .. } | SessionError::TimedOut { .. })
    );
    let (plan, lines) = (at_end.plan(), at_end.settle(End::of(&ended), !cannot_run).await);
    match ended {
        Ok(None) => Ok(0),
        Ok(Some(Ended::Exited { code, reason })) => {
            if !reason.is_empty() {
                ui::error_line(&format!("The program was ended: {reason}"));
            }
            match &deleted {
                Some(by) => ui::error_line(&in_words(plan, by)),
                None if is_one_of_many => {}
                None => say(flags, lines),
            }
            Ok(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
        }
        Ok(Some(Ended::Detached)) => {
            say(flags, lines);
            Ok(0)
        }
        // The reader of the output has gone away, which is not an error.
        Err(SessionError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            say(flags, lines);
            Ok(exit_code::BROKEN_PIPE)
        }
        // Nothing is left in a pod that is gone.
        Err(error) if deleted.is_some() || matches!(error, SessionError::Gone(_)) => {
            let by = deleted.filter(|by| !by.is_empty());
            let note = by.map(|by| in_words(plan, &by));
            Err(note.into_iter().fold(CliError::from(error), CliError::note))
        }
        Err(error) => {
            let may_start = (may_start(&error) && !at_end.is_removed())
                .then(|| comes_back(plan, "starts later"))
                .flatten();
            let failed = CliError::from(error);
            let notes = lines.into_iter().chain(may_start);
            Err(notes.fold(failed, CliError::note))
        }
    }
}

/// Says whether a container that did not start may do so when nothing waits for it any more: its kubelet tries again and again.
fn may_start(error: &SessionError) -> bool {
    match error {
        SessionError::TimedOut { .. } => true,
        SessionError::Hopeless { hopeless, .. } => matches!(
            hopeless.kind,
            HopelessKind::Pull | HopelessKind::Config | HopelessKind::Unschedulable
        ),
        _ => false,
    }
}

/// That a pod was deleted, and by what.
fn in_words(plan: &DebugPlan, by: &[String]) -> String {
    let pod = plan.debug_pod();
    match by {
        [] => format!("Pod {pod} was deleted meanwhile."),
        by => format!("Pod {pod} was deleted meanwhile: {}.", by.join("; ")),
    }
}

fn say(flags: &SessionFlags, lines: Vec<String>) {
    if !flags.quiet {
        for line in lines {
            ui::error_line(&line);
        }
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        let message = error.to_string();
        match error {
            SessionError::Hopeless { hopeless, events, .. } => events
                .iter()
                .filter(|event| words::is_news(&hopeless.reason, event))
                .fold(Self::new(message), |failed, event| {
                    failed.note(format!("event: {event}"))
                })
                .hint(words::after_hopeless(hopeless.kind)),
            SessionError::TimedOut { state, events, .. } => events
                .iter()
                .filter(|event| words::is_news(&state, event))
                .fold(Self::new(message), |failed, event| {
                    failed.note(format!("event: {event}"))
                })
                .hint("--pod-running-timeout sets how long to wait"),
            SessionError::Cluster(error) => error.into(),
            SessionError::Output(error) => Self::output(message, &error),
            SessionError::Gone(_) => {
                Self::new(message).hint("if a workload owns it, debug the pod that takes its place")
            }
            SessionError::InputCut => Self::new(message).hint("run it again, with all of the input"),
            _ => Self::new(message),
        }
    }
}

/// The output of a debug with one target, on a terminal or a script's pipes.
struct TerminalOutput<'a> {
    flags: &'a SessionFlags,
    stdin: bool,
    tty: bool,
    guard: Option<Guard>,
    raw: Option<RawMode>,
    sender: Option<InputSender>,
    modes: Modes,
    /// The cursor is not at the start of a line.
    is_within_line: bool,
    /// What a script was told last of what the container waits for.
    told: Option<String>,
    times_told: usize,
}

impl<'a> TerminalOutput<'a> {
    fn new(flags: &'a SessionFlags, options: &SessionOptions, sender: InputSender) -> Self {
        Self {
            flags,
            stdin: options.stdin,
            tty: options.tty,
            // Before raw mode: the guard restores the terminal as it finds it.
            guard: options.tty.then(Guard::start).flatten(),
            raw: None,
            sender: Some(sender),
            modes: Modes::default(),
            is_within_line: false,
            told: None,
            times_told: 0,
        }
    }

    fn attached(&mut self) {
        let Some(sender) = self.sender.take() else {
            return;
        };
        ui::live_line("");
        // As kubectl since 1.34: a kubelet logs what a terminal shows, and that includes what is typed.
        if self.stdin && !self.flags.quiet {
            ui::error_line(
                "All commands and output from this session will be recorded in container logs, including credentials and \
                 sensitive information passed through the command prompt.",
            );
            ui::error_line("If you don't see a command prompt, try pressing enter.");
        }
        if self.tty {
            match RawMode::enter(self.guard.take()) {
                Ok(raw) => self.raw = Some(raw),
                Err(error) => ui::warning(&format!("the terminal cannot be put into raw mode: {error}")),
            }
            terminal::watch_size(sender.clone());
        }
        if self.stdin {
            // Piped input may hold the bytes of the keys by chance.
            let keys = self.tty.then(|| self.flags.detach_keys.clone());
            terminal::read_input(sender, keys);
        } else {
            // The receiver must not see an end of input that did not happen.
            self.sender = Some(sender);
        }
    }

    /// Says something in the middle of the program's output.
    fn tell(&mut self, message: &str) {
        if self.raw.is_some() {
            ui::line_between(message);
            self.is_within_line = false;
        } else {
            ui::error_line(message);
        }
    }

    /// Gives the terminal back as it was.
    fn leave(mut self, may_run: bool) {
        ui::live_line("");
        if self.is_within_line && io::stdout().is_terminal() && io::stderr().is_terminal() {
            // What is said from now on must not stand in the program's last line.
            self.undo("\r\n");
        }
        if self.raw.is_some() && may_run {
            let undo = self.modes.undo();
            self.undo(&undo);
        }
    }

    fn undo(&mut self, text: &str) {
        // Without a terminal there is nothing to undo.
        drop(ui::program_output(Stream::Stdout, text.as_bytes()));
    }
}

impl Output for TerminalOutput<'_> {
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        ui::live_line("");
        self.is_within_line = bytes.last().is_some_and(|last| *last != b'\n');
        if self.tty {
            self.modes.see(bytes);
        }
        ui::program_output(stream, bytes)
    }

    fn event(&mut self, event: SessionEvent) {
        match event {
            // A script sees no line that is replaced; what may last is told to it once.
            SessionEvent::Waiting(state) if is_trouble(&state) && !io::stderr().is_terminal() => {
                // Of what changes all the time the first few are enough.
                if self.times_told < MAX_TOLD && self.told.as_ref() != Some(&state) {
                    ui::error_line(&format!("Waiting: {state}"));
                    self.told = Some(state);
                    self.times_told += 1;
                }
            }
            SessionEvent::Waiting(state) => ui::live_line(&format!("waiting: {state}")),
            SessionEvent::Attached => self.attached(),
            SessionEvent::Reconnecting => {
                let leave = if self.raw.is_some() { " Ctrl-C leaves." } else { "" };
                self.tell(&format!("The connection broke and is made again.{leave}"));
            }
            SessionEvent::Reconnected => self.tell("The connection is there again."),
            SessionEvent::OutputFromLog => {
                let is_one_screen = io::stdout().is_terminal() && io::stderr().is_terminal();
                if !(self.flags.quiet || self.tty || is_one_screen) {
                    self.tell(FROM_LOG);
                }
            }
            event => self.tell(&format!("Warning: {}", warning(&event))),
        }
    }
}

/// What is to be said about things that do not go as they should.
pub(super) fn warning(event: &SessionEvent) -> String {
    match event {
        SessionEvent::LogOnly(reason) => format!("couldn't attach, showing the log instead: {reason}"),
        SessionEvent::NoLog(reason) => {
            format!(
                "the log cannot be read, so what the program wrote before we attached is not shown: {reason}"
            )
        }
        SessionEvent::OutputUncertain(doubt) => {
            format!(
                "some of the program's output may be missing: {}",
                reason_of(*doubt)
            )
        }
        SessionEvent::BeginningMissing(text) => {
            format!("a line is shown without its beginning, which was written before the attach: {text}")
        }
        SessionEvent::EndMissing => {
            "the end of a line is missing: the connection broke, and the container's log does not have it"
                .to_owned()
        }
        SessionEvent::LineCut => "a line is shown in two parts, with others between them".to_owned(),
        SessionEvent::InputStaysOpen => {
            "standard input is at its end, which this container cannot be told: its program may wait for more"
                .to_owned()
        }
        SessionEvent::InputCut => {
            "the connection broke before all of standard input was sent: the program failed with a part of it"
                .to_owned()
        }
        other => format!("{other:?}"),
    }
}

/// What is said of lines that only the log has.
const FROM_LOG: &str = "Note: lines that only the container's log has are on standard output, whichever stream they were written to.";

fn reason_of(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::LogRotated => "the container's log was rotated before it was read",
        Doubt::LogUnreadable => "the container's log cannot be read",
        Doubt::LogIncomplete => "the container's log lacks output that the attach brought, and may lack more",
    }
}
