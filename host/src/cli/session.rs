//! A session in front of a person or a script: the terminal, the streams, the signals, and what is said at the end.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::mpsc;
use trocar::{
    DebugPlan, Target,
    cluster::{
        Cluster, Ended, Hopeless, Input, Output, Session, SessionError, SessionEvent, Stream, nothing_starts,
    },
    plan::Step,
};

use super::{
    args::DebugArgs,
    connect::duration,
    error::CliError,
    terminal::{self, DetachKeys, Guard, RawMode},
    ui,
};

/// How many blocks of input may wait.
const INPUT_QUEUE: usize = 16;

/// What was typed about sessions.
pub(crate) struct SessionFlags {
    start_timeout: Duration,
    detach_keys: DetachKeys,
    quiet: bool,
    stdin: bool,
    tty: bool,
}

impl SessionFlags {
    pub(crate) fn new(args: &DebugArgs, stdin: bool, tty: bool) -> Result<Self, CliError> {
        let detach_keys = DetachKeys::parse(args.detach_keys.as_deref().unwrap_or("ctrl-p,ctrl-q"))
            .map_err(|reason| CliError::usage(format!("--detach-keys: {reason}")))?;
        Ok(Self {
            start_timeout: duration(
                "pod-running-timeout",
                args.pod_running_timeout.as_deref().unwrap_or("1m"),
            )?,
            detach_keys,
            quiet: args.debug.quiet.is_some_and(|switch| switch.0),
            stdin,
            tty,
        })
    }
}

/// Says whether a person watches, who sees one session after the other.
pub(crate) fn has_person() -> bool {
    io::stdout().is_terminal()
}

/// Refuses a session that cannot be, before anything is written for it.
pub(crate) fn check_target(plan: &DebugPlan, target: &Target) -> Result<(), CliError> {
    let is_ephemeral = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::AddEphemeralContainer(_)));
    if !is_ephemeral {
        return Ok(());
    }
    let pod = Value::Object(target.object().clone());
    match nothing_starts(&pod, true) {
        Some(hopeless) => {
            Err(hopeless_error(&plan.target.to_string(), &hopeless).note("nothing was changed"))
        }
        None => Ok(()),
    }
}

fn hopeless_error(target: &str, hopeless: &Hopeless) -> CliError {
    let failed = CliError::new(format!("{target}: {}", hopeless.reason));
    match &hopeless.advice {
        Some(advice) => failed.hint(advice),
        None => failed,
    }
}

/// With whom a session is, and as one of how many.
pub(crate) struct Company<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) flags: &'a SessionFlags,
    /// The session's output is one among many: each line is marked with its target, and nothing is read.
    pub(crate) is_one_of_many: bool,
}

/// Runs a session with the container that a plan made, and says how it ended: the exit code that stands for it.
pub(crate) async fn run(company: &Company<'_>, plan: &DebugPlan, pod: &Value) -> Result<u8, CliError> {
    let Some(container) = plan.attach.as_deref() else {
        return Ok(0);
    };
    let flags = company.flags;
    let stdin = flags.stdin && !company.is_one_of_many;
    let is_terminal = io::stdin().is_terminal() && !company.is_one_of_many;
    let tty = flags.tty && is_terminal;
    if flags.tty && !tty && !company.is_one_of_many {
        ui::error_line("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    let session = Session {
        cluster: company.cluster.clone(),
        namespace: plan.debug_namespace().unwrap_or_default().to_owned(),
        pod: plan.debug_pod().to_owned(),
        container: container.to_owned(),
        stdin,
        stdin_once: container_flag(pod, container, "stdinOnce"),
        tty,
        screen: terminal::screen().filter(|_| !company.is_one_of_many),
        start_timeout: flags.start_timeout,
    };
    let (sender, mut input) = mpsc::channel(INPUT_QUEUE);
    let ended = if company.is_one_of_many {
        let mut output = Marked::new(&plan.target.to_string());
        session.run(pod, &mut input, &mut output).await
    } else {
        let mut output = Front {
            flags,
            stdin,
            tty,
            guard: tty.then(Guard::start).flatten(),
            raw: None,
            sender: Some(sender),
        };
        tokio::select! {
            ended = session.run(pod, &mut input, &mut output) => ended,
            code = terminal::ending_signal() => {
                drop(output);
                ui::live_line("");
                say_what_stays(flags, plan, true);
                return Ok(code);
            }
        }
    };
    ui::live_line("");
    outcome(flags, plan, ended, company.is_one_of_many)
}

fn outcome(
    flags: &SessionFlags,
    plan: &DebugPlan,
    ended: Result<Ended, SessionError>,
    is_one_of_many: bool,
) -> Result<u8, CliError> {
    match ended {
        Ok(Ended::Exited { code, reason }) => {
            if !reason.is_empty() {
                ui::error_line(&format!("The program was ended: {reason}"));
            }
            if !is_one_of_many {
                say_what_stays(flags, plan, false);
            }
            Ok(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
        }
        Ok(Ended::Detached) => {
            say_what_stays(flags, plan, true);
            Ok(0)
        }
        Err(error) => {
            let failed = CliError::from(error);
            Err(what_stays(plan, true, flags)
                .into_iter()
                .fold(failed, CliError::note))
        }
    }
}

fn container_flag(pod: &Value, name: &str, flag: &str) -> bool {
    ["ephemeralContainers", "containers", "initContainers"]
        .into_iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten()
        .any(|container| container["name"] == name && container[flag] == true)
}

fn say_what_stays(flags: &SessionFlags, plan: &DebugPlan, may_run: bool) {
    if !flags.quiet {
        for line in what_stays(plan, may_run, flags) {
            ui::error_line(&line);
        }
    }
}

/// What a debug leaves behind, and the command that removes it or comes back to it.
fn what_stays(plan: &DebugPlan, may_run: bool, flags: &SessionFlags) -> Vec<String> {
    let (pod, namespace) = (plan.debug_pod(), plan.debug_namespace().unwrap_or_default());
    let mut lines = Vec::new();
    for step in &plan.steps {
        match step {
            Step::AddEphemeralContainer(container) => {
                let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
                lines.push(format!(
                    "Container {name} stays listed in pod {pod} of namespace {namespace}: Kubernetes cannot remove \
                     ephemeral containers."
                ));
            }
            Step::CreatePod(_) => lines.push(format!(
                "Pod {pod} stays in namespace {namespace}. Remove it with: kubectl delete pod {pod} -n {namespace}"
            )),
            Step::DeletePod(deletion) => lines.push(format!("Pod {} was deleted.", deletion.name)),
        }
    }
    if let (Some(container), true) = (&plan.attach, may_run) {
        let streams = match (flags.stdin, flags.tty) {
            (true, true) => " -i -t",
            (true, false) => " -i",
            _ => "",
        };
        lines.push(format!(
            "If it still runs, come back with: kubectl attach {pod} -c {container} -n {namespace}{streams}"
        ));
    }
    lines
}

/// What is left after a failure in the middle of several writes.
pub(crate) fn remains(plan: &DebugPlan, pod: &Value) -> Option<String> {
    let name = pod["metadata"]["name"].as_str()?;
    let namespace = plan.debug_namespace().unwrap_or_default();
    Some(format!(
        "pod {name:?} was created before that and stays; remove it with: kubectl delete pod {name} -n {namespace}"
    ))
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        let message = error.to_string();
        match error {
            SessionError::Hopeless { hopeless, events, .. } => {
                let failed = events.into_iter().fold(Self::new(message), |failed, event| {
                    failed.note(format!("event: {event}"))
                });
                match hopeless.advice {
                    Some(advice) => failed.hint(advice),
                    None => failed,
                }
            }
            SessionError::TimedOut { events, .. } => events
                .into_iter()
                .fold(Self::new(message), |failed, event| {
                    failed.note(format!("event: {event}"))
                })
                .hint("--pod-running-timeout sets how long to wait"),
            SessionError::Cluster(error) => error.into(),
            SessionError::Output(error) => Self::output(message, &error),
            SessionError::Gone(_) => {
                Self::new(message).hint("if a workload owns it, debug the pod that takes its place")
            }
            _ => Self::new(message),
        }
    }
}

/// The one session in front of a person or a script.
struct Front<'a> {
    flags: &'a SessionFlags,
    stdin: bool,
    tty: bool,
    guard: Option<Guard>,
    raw: Option<RawMode>,
    sender: Option<mpsc::Sender<Input>>,
}

impl Front<'_> {
    fn attached(&mut self) {
        let Some(sender) = self.sender.take() else {
            return;
        };
        ui::live_line("");
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
            let keys = self.tty.then(|| self.flags.detach_keys.clone());
            terminal::read_input(sender, keys);
        } else {
            // The receiver must not see an end of input that nobody has.
            self.sender = Some(sender);
        }
    }
}

impl Output for Front<'_> {
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        ui::program_output(stream, bytes)
    }

    fn take_back(&mut self, rows: usize) -> io::Result<()> {
        ui::take_back(rows)
    }

    fn event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Waiting(state) => ui::live_line(&format!("waiting: {state}")),
            SessionEvent::Attached => self.attached(),
            SessionEvent::LogOnly(reason) => {
                ui::live_line("");
                ui::warning(&format!("couldn't attach, showing the log instead: {reason}"));
            }
            SessionEvent::NoLog(reason) => ui::warning(&format!(
                "the log may not be read, so what the program wrote before we attached is not shown: {reason}"
            )),
            SessionEvent::Reconnecting => {}
        }
    }
}

/// One session among many: whole lines, each with the target that it is of.
struct Marked {
    mark: String,
    rest: [Vec<u8>; 2],
}

impl Marked {
    fn new(target: &str) -> Self {
        Self {
            mark: format!("[{target}] "),
            rest: [Vec::new(), Vec::new()],
        }
    }

    fn line(&self, stream: Stream, line: &[u8]) -> io::Result<()> {
        let mut marked = self.mark.clone().into_bytes();
        marked.extend_from_slice(line);
        marked.push(b'\n');
        ui::program_output(stream, &marked)
    }
}

impl Output for Marked {
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut rest = std::mem::take(&mut self.rest[stream as usize]);
        rest.extend_from_slice(bytes);
        let mut lines = rest.split(|byte| *byte == b'\n').peekable();
        let mut last = Vec::new();
        while let Some(line) = lines.next() {
            if lines.peek().is_some() {
                self.line(stream, line)?;
            } else {
                last = line.to_vec();
            }
        }
        self.rest[stream as usize] = last;
        Ok(())
    }

    fn take_back(&mut self, _rows: usize) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: SessionEvent) {
        if let SessionEvent::LogOnly(reason) | SessionEvent::NoLog(reason) = event {
            ui::warning(&format!("{}{reason}", self.mark));
        }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.rest[stream as usize]);
            if !rest.is_empty() {
                drop(self.line(stream, &rest));
            }
        }
    }
}
