//! A running program: a thread waits for its exit status, and signals can be sent while it lives.

use std::{
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, environment::CommandOutput, gathered::Gathered};

/// A process that is killed on drop.
pub(crate) struct Process {
    pid: Pid,
    exit: mpsc::Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Process {
    pub(crate) fn new(mut child: Child) -> Self {
        let pid = Pid::from_child(&child);
        let (sender, exit) = mpsc::channel();
        thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for once");
            // Not needed any more at the end of the test.
            sender.send(status).ok();
        });
        Self {
            pid,
            exit,
            status: None,
        }
    }

    pub(crate) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.exit.recv_timeout(patience).ok();
        }
        self.status
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.wait(Duration::ZERO).is_none() {
            kill_process(self.pid, signal).expect("a process of ours that lives takes signals");
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.wait(Duration::ZERO).is_none() {
            kill_process(self.pid, Signal::KILL).ok();
        }
    }
}

/// The exit code as in a shell: 128 plus the signal's number if a signal killed the program.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    let of_signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(of_signal)
}

/// A running program on pipes, whose input and output the test controls.
pub struct Running {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: Gathered,
    stderr: Gathered,
    command_line: String,
    folder: String,
}

impl Running {
    /// Starts a command. Its standard input stays open until [`Running::close_stdin`] or [`Running::finish`].
    pub(crate) fn start(mut command: Command, folder: String) -> Self {
        let command_line = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command_line}: {error}"));
        let stdin = child.stdin.take();
        let stdout = Gathered::start(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Gathered::start(child.stderr.take().expect("stderr is a pipe"));
        Self {
            process: Process::new(child),
            stdin,
            stdout,
            stderr,
            command_line,
            folder,
        }
    }

    /// Waits until the program has written a text to stdout. Returns its output since the last such call.
    pub fn stdout_until(&self, text: &str) -> String {
        self.until(&self.stdout, "stdout", text)
    }

    /// The same for stderr.
    pub fn stderr_until(&self, text: &str) -> String {
        self.until(&self.stderr, "stderr", text)
    }

    fn until(&self, source: &Gathered, name: &str, text: &str) -> String {
        source.until(text, PATIENCE).unwrap_or_else(|_| {
            panic!(
                "{text:?} did not come on {name} of {}\nstdout: {}\nstderr: {}",
                self.command_line,
                self.stdout.text(),
                self.stderr.text()
            )
        })
    }

    /// Writes to the program's standard input. A closed input is not an error.
    pub fn write(&mut self, text: &str) {
        if let Some(stdin) = &mut self.stdin {
            drop(stdin.write_all(text.as_bytes()));
        }
    }

    /// Ends the program's standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the program's standard input and waits for the program.
    pub fn finish(mut self) -> CommandOutput {
        self.stdin = None;
        self.finish_with_open_stdin()
    }

    /// Waits for the program, with its standard input open.
    pub fn finish_with_open_stdin(self) -> CommandOutput {
        let folder = self.folder.clone();
        let (stdout, stderr, code) = self.finish_with_bytes();
        CommandOutput::new(&stdout, &stderr, code, &folder)
    }

    /// The same. Returns the bytes of stdout and of stderr, and the exit code.
    pub fn finish_with_bytes(mut self) -> (Vec<u8>, Vec<u8>, i32) {
        let ended = self.process.wait(PATIENCE);
        let Some(status) = ended else {
            panic!(
                "{} hangs\nstdout: {}\nstderr: {}",
                self.command_line,
                self.stdout.text(),
                self.stderr.text()
            );
        };
        let is_whole = self.stdout.end(PATIENCE) && self.stderr.end(PATIENCE);
        assert!(is_whole, "something holds the output of {}", self.command_line);
        (self.stdout.bytes(), self.stderr.bytes(), exit_code(status))
    }
}
