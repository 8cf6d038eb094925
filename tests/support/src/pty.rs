//! A program on a pseudo-terminal: keys, screen, size, and the state in which the terminal is left.
//!
//! The program gets a new session with the terminal as its controlling one, so that it receives resizes and control keys as
//! usual. That is done by `setsid --ctty` of util-linux.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    os::fd::OwnedFd,
    path::PathBuf,
    process::Command,
    time::Instant,
};

use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::{
    PATIENCE,
    gathered::Gathered,
    in_path,
    process::{Process, exit_code},
};

/// A terminal with a program on it.
///
/// ```no_run
/// use trocar_test_support::Terminal;
/// let mut shell = Terminal::start(std::process::Command::new("sh"), 80, 24);
/// shell.write("stty size\r");
/// shell.read_until("24 80");
/// shell.write("exit 3\r");
/// assert_eq!(shell.wait(), 3);
/// ```
pub struct Terminal {
    master: File,
    screen: Gathered,
    process: Process,
    command_line: String,
}

impl Terminal {
    /// Starts a command on a terminal with a number of columns and rows. The caller sets the command's environment.
    pub fn start(command: Command, columns: u16, rows: u16) -> Self {
        let command_line = format!("{command:?}");
        let (master, slave) = open(columns, rows);
        let child = on_terminal(&command, slave).spawn().unwrap_or_else(|error| {
            panic!("cannot start setsid (of util-linux) for {command_line}: {error}")
        });
        let reader = master.try_clone().expect("a terminal can be shared");
        Self {
            master,
            screen: Gathered::start(reader),
            process: Process::new(child),
            command_line,
        }
    }

    /// Types keys. Return is `\r`, and a control key is its letter masked by `0x1f`: Ctrl-P is `\x10`.
    pub fn write(&mut self, keys: &str) {
        match self.master.write_all(keys.as_bytes()) {
            // The program has ended, which `wait` will report.
            Err(error) if error.raw_os_error() == Some(5) || error.kind() == ErrorKind::BrokenPipe => {}
            written => written.expect("a terminal can be typed on"),
        }
    }

    /// Waits until a text is on the screen. Returns the output since the last call up to its end, with echoed
    /// keys.
    pub fn read_until(&mut self, text: &str) -> String {
        self.screen.until(text, PATIENCE).unwrap_or_else(|screen| {
            panic!(
                "{text:?} did not come on the terminal of {}; what came: {screen:?}",
                self.command_line
            )
        })
    }

    /// All output so far.
    pub fn screen(&self) -> String {
        self.screen.text()
    }

    /// Changes the size. The program gets SIGWINCH.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        set_size(&self.master, columns, rows);
    }

    /// Returns whether the terminal is in canonical mode with echo, as a shell expects.
    pub fn is_sane(&self) -> bool {
        let wanted = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        let settings = tcgetattr(&self.master).expect("a terminal has settings");
        settings.local_modes.contains(wanted)
    }

    /// Waits until the terminal is in canonical mode with echo.
    pub fn becomes_sane(&self) {
        // A terminal does not report changes of its settings.
        let deadline = Instant::now() + PATIENCE;
        while !self.is_sane() {
            assert!(
                Instant::now() < deadline,
                "the terminal of {} stays raw",
                self.command_line
            );
            std::thread::yield_now();
        }
    }

    /// Sends a signal to the program alone.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills the child processes that the program waits for, with SIGKILL.
    pub fn kill_child(&mut self) {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for child in children
            .expect("Linux lists the children of a process")
            .split_whitespace()
        {
            let child = child.parse().ok().and_then(Pid::from_raw);
            kill_process(child.expect("a number of a process"), Signal::KILL)
                .expect("a child that is waited for can be killed");
        }
    }

    /// The program's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the program's end. Returns its exit code, or 128 plus the signal's number.
    pub fn wait(&mut self) -> i32 {
        match self.process.wait(PATIENCE) {
            Some(status) => exit_code(status),
            None => panic!("{} hangs; what came: {:?}", self.command_line, self.screen()),
        }
    }

    /// Waits until no process has the terminal open, including child processes. Returns all output.
    pub fn read_to_end(&mut self) -> String {
        assert!(
            self.screen.end(PATIENCE),
            "the terminal of {} is still held; what came: {:?}",
            self.command_line,
            self.screen()
        );
        self.screen()
    }
}

fn open(columns: u16, rows: u16) -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .expect("the system has pseudo-terminals");
    grantpt(&master).expect("a new pseudo-terminal can be granted");
    unlockpt(&master).expect("a new pseudo-terminal can be unlocked");
    let name = ptsname(&master, Vec::new()).expect("a pseudo-terminal has a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).expect("a new pseudo-terminal can be opened");
    let master = File::from(master);
    set_size(&master, columns, rows);
    (master, slave)
}

fn set_size(master: &File, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).expect("a terminal takes a size");
}

/// The command with the terminal for all streams, as a session leader.
fn on_terminal(command: &Command, slave: OwnedFd) -> Command {
    let share = || slave.try_clone().expect("a terminal can be shared");
    let mut leader = Command::new("setsid");
    leader.arg("--ctty");
    leader.arg(resolved(command));
    leader.args(command.get_args());
    // Whether a command clears its environment cannot be read, so only variables that it sets are passed on.
    leader.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            leader.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        leader.current_dir(folder);
    }
    leader.stdin(share()).stdout(share()).stderr(slave);
    leader
}

/// The program's path, since the search path of the test is not passed on.
fn resolved(command: &Command) -> PathBuf {
    let program = PathBuf::from(command.get_program());
    if program.components().count() > 1 {
        return program;
    }
    in_path(&program).unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Terminal {
        let mut command = Command::new("sh");
        command.env("PATH", "/usr/bin:/bin").env("PS1", "ready> ");
        Terminal::start(command, 80, 24)
    }

    #[test]
    fn a_shell_sees_its_size_and_its_exit_code_comes_back() {
        let mut shell = shell();
        shell.read_until("ready> ");
        shell.write("stty size\r");
        shell.read_until("24 80");
        shell.resize(100, 30);
        shell.write("stty size\r");
        shell.read_until("30 100");
        shell.write("exit 3\r");
        assert_eq!(shell.wait(), 3);
        assert!(shell.is_sane());
    }

    #[test]
    fn a_change_of_size_and_control_keys_reach_the_program() {
        let mut shell = shell();
        shell.read_until("ready> ");
        // A shell runs its traps only while it does not read.
        shell.write("sleep 1000 & trap 'stty size; kill $!' WINCH; echo trapped; wait\r");
        shell.read_until("\r\ntrapped");
        shell.resize(90, 40);
        shell.read_until("40 90");
        shell.write("cat\r\x03");
        // A signal discards what was typed before the shell reads again.
        shell.read_until("^C");
        shell.read_until("ready> ");
        shell.write("stty raw -echo; echo raw\r");
        // No carriage return: that is what raw means.
        shell.read_until("raw\n");
        assert!(!shell.is_sane());
        shell.signal(Signal::KILL);
        assert_eq!(shell.wait(), 137);
    }
}
