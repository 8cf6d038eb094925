//! The terminal in front of a person: raw mode that is always undone, its size, what is typed, and the keys that leave.

use std::{
    collections::BTreeSet,
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::fd::AsFd as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, Once},
    thread,
    time::Duration,
};

use bytes::Bytes;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::signal::unix::{SignalKind, signal};
use trocar::cluster::{Input, InputSender, Screen};

/// The argument that makes the program a guard of a terminal; not for people.
pub(crate) const GUARD: &str = "__restore-terminal";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<u8>);

impl DetachKeys {
    /// Reads keys as kubectl and docker write them: `ctrl-p,ctrl-q`, letters, and nothing for none.
    pub(crate) fn parse(typed: &str) -> Result<Self, String> {
        let key = |key: &str| match key.strip_prefix("ctrl-").map(str::as_bytes) {
            // A terminal sends the low five bits of the letter for ctrl.
            Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]) => Ok(letter & 0x1f),
            None if key.len() == 1 => Ok(key.as_bytes()[0]),
            _ => Err(format!(
                "{key:?} is not a key; keys are letters and ctrl-LETTER, separated by commas"
            )),
        };
        let keys: Result<Vec<u8>, String> = typed
            .split(',')
            .filter(|part| !part.is_empty())
            .map(key)
            .collect();
        keys.map(Self)
    }
}

/// Finds the detach keys in what is typed, also when they come one at a time.
#[derive(Debug)]
struct DetachFilter {
    keys: DetachKeys,
    matched: usize,
}

impl DetachFilter {
    /// What may pass, and whether the person wants to leave.
    fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let keys = &self.keys.0;
        let mut passed = Vec::with_capacity(typed.len());
        for byte in typed {
            if keys.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == keys.len() {
                    return (passed, true);
                }
                continue;
            }
            passed.extend_from_slice(&keys[..self.matched]);
            self.matched = usize::from(keys.first() == Some(byte));
            if self.matched == 0 {
                passed.push(*byte);
            }
        }
        (passed, false)
    }
}

/// The size of the terminal that stdout is, if it is one.
pub(crate) fn screen() -> Option<Screen> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let size = termios::tcgetwinsize(io::stdout()).ok()?;
    Some(Screen {
        columns: size.ws_col.max(1),
        rows: size.ws_row.max(1),
    })
}

/// The terminal's original state, for code that has to exit at once.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Raw mode. Undone when it is dropped, and by the guard process should this one be killed.
pub(crate) struct RawMode {
    guard: Option<Guard>,
}

impl RawMode {
    /// Gives every key to the program, as it is typed.
    pub(crate) fn enter(mut guard: Option<Guard>) -> io::Result<Self> {
        // A guard that looks only now would take raw mode for what the terminal was like before.
        if let Some(guard) = &mut guard {
            guard.wait_until_it_knows();
        }
        let before = termios::tcgetattr(io::stdin())?;
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw(&before))?;
        if let Ok(mut kept) = BEFORE.lock() {
            *kept = Some(before);
        }
        Ok(Self { guard })
    }
}

fn raw(before: &Termios) -> Termios {
    let mut raw = before.clone();
    raw.make_raw();
    raw
}

fn restore() {
    let before = BEFORE.lock().ok().and_then(|mut kept| kept.take());
    if let Some(before) = before {
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &before).ok();
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }
}

/// A process that sets the terminal right again when this one dies without having done so.
pub(crate) struct Guard {
    child: Child,
    line: ChildStdin,
}

impl Guard {
    /// Starts the guard while the terminal is still as it should be.
    pub(crate) fn start() -> Option<Self> {
        let terminal = io::stdin().as_fd().try_clone_to_owned().ok()?;
        let mut child = Command::new(std::env::current_exe().ok()?)
            .arg(GUARD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The terminal goes along as standard error: the end of standard input says that this process is gone.
            .stderr(terminal)
            .spawn()
            .ok()?;
        let line = child.stdin.take()?;
        Some(Self { child, line })
    }

    /// Waits until the guard has seen the terminal as it should be.
    fn wait_until_it_knows(&mut self) {
        if let Some(knows) = &mut self.child.stdout {
            drop(knows.read(&mut [0]));
        }
    }

    fn dismiss(mut self) {
        drop(self.line.write_all(b"!"));
        drop(self.line);
        drop(self.child.wait());
    }
}

/// The guard's life: remember the terminal, which is its standard error, say so, wait for the other end to be closed, and set
/// it right unless that has been done.
pub(crate) fn guard() {
    let terminal = io::stderr();
    // In a session of its own it gets no signal from the terminal, and may change it although it is in no foreground there.
    rustix::process::setsid().ok();
    let Ok(before) = termios::tcgetattr(&terminal) else {
        return;
    };
    drop(io::stdout().write_all(b"!").and_then(|()| io::stdout().flush()));
    let mut said = Vec::new();
    drop(io::stdin().lock().read_to_end(&mut said));
    // A shell may have set the terminal already: only a terminal that is still raw is changed.
    let is_raw = termios::tcgetattr(&terminal).is_ok_and(|now| {
        let raw = raw(&before);
        now.local_modes == raw.local_modes && now.input_modes == raw.input_modes
    });
    if said.is_empty() && is_raw {
        termios::tcsetattr(&terminal, OptionalActions::Now, &before).ok();
    }
}

/// Reads standard input on a thread of its own, which ends with the program.
pub(crate) fn read_input(sender: InputSender, keys: Option<DetachKeys>) {
    let mut filter = keys
        .filter(|keys| !keys.0.is_empty())
        .map(|keys| DetachFilter { keys, matched: 0 });
    // A blocking read of a terminal cannot be cancelled, so it must not hold the runtime.
    thread::spawn(move || {
        let mut buffer = vec![0; 32 << 10];
        loop {
            let count = match io::stdin().lock().read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let (bytes, leaves) = match &mut filter {
                Some(filter) => filter.pass(&buffer[..count]),
                None => (buffer[..count].to_vec(), false),
            };
            if !bytes.is_empty() && sender.blocking_send(Input::Bytes(Bytes::from(bytes))).is_err() {
                return;
            }
            if leaves {
                drop(sender.blocking_send(Input::Detach));
                return;
            }
        }
        drop(sender.blocking_send(Input::End));
    });
}

/// Tells of every change of the terminal's size.
pub(crate) fn watch_size(sender: InputSender) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return;
    };
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            let Some(screen) = screen() else { return };
            if sender.send(Input::Size(screen)).await.is_err() {
                return;
            }
        }
    });
}

/// Lets a write that goes beyond the largest size of a file fail, as one on a full disk does, instead of ending the program.
/// Must be called within a tokio runtime.
pub(crate) fn survive_full_files() {
    // The handler stays when the stream is dropped. Where there is none, the program ends as it did.
    drop(signal(SignalKind::from_raw(
        rustix::process::Signal::XFSZ.as_raw(),
    )));
}

/// How long the program may take to end in good order after a signal.
const GOOD_ORDER: Duration = Duration::from_secs(2);

/// Waits for a signal that ends the program, and gives the exit code that stands for it.
pub(crate) async fn ending_signal() -> u8 {
    let signals = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let mut waits: Vec<_> = Vec::new();
    for kind in signals {
        if let Ok(mut stream) = signal(kind) {
            waits.push(Box::pin(async move {
                stream.recv().await;
                // As shells say it.
                u8::try_from(128 + kind.as_raw_value()).unwrap_or(u8::MAX)
            }));
        }
    }
    if waits.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(waits).await.0
}

/// Ends the program after a signal, even when its output is blocked because it has no reader.
#[expect(
    clippy::disallowed_methods,
    reason = "no other thread may be able to return, and the terminal was put right"
)]
pub(crate) fn end_on_signal() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            if let Ok(runtime) = runtime {
                let code = runtime.block_on(ending_signal());
                thread::sleep(GOOD_ORDER);
                restore();
                std::process::exit(code.into());
            }
        });
    });
}

/// What a program has changed about the terminal, to be undone when it is left running.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    /// What came of a sequence that has not ended.
    sequence: Vec<u8>,
    /// The modes that are not as a shell wants them, with how to say so again.
    changed: BTreeSet<u16>,
}

/// The modes that spoil a terminal for a shell: keys that send other codes, a cursor that is not seen, the mouse, another
/// screen, and marks around what is pasted. With each, whether it is usually on.
const MODES: [(u16, bool); 12] = [
    (1, false),
    (7, true),
    (25, true),
    (47, false),
    (1000, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1006, false),
    (1047, false),
    (1049, false),
    (2004, false),
];

impl Modes {
    pub(crate) fn see(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.sequence.len(), byte) {
                (_, 0x1b) => self.sequence = vec![0x1b],
                (1, b'[') | (2, b'?') => self.sequence.push(*byte),
                (3..32, b'0'..=b'9' | b';') => self.sequence.push(*byte),
                (4.., b'h' | b'l') => self.set(*byte == b'h'),
                _ => self.sequence.clear(),
            }
        }
    }

    fn set(&mut self, on: bool) {
        let sequence = std::mem::take(&mut self.sequence);
        for mode in sequence[3..].split(|byte| *byte == b';') {
            let mode = std::str::from_utf8(mode).ok().and_then(|mode| mode.parse().ok());
            let known = MODES.iter().find(|(known, _)| Some(*known) == mode);
            match known {
                Some((mode, usual)) if *usual == on => self.changed.remove(mode),
                Some((mode, _)) => self.changed.insert(*mode),
                None => false,
            };
        }
    }

    /// What sets the terminal right again.
    pub(crate) fn undo(&self) -> String {
        let usual = |mode: &u16| MODES.iter().any(|(known, usual)| known == mode && *usual);
        let undo = |mode: &u16| format!("\x1b[?{mode}{}", if usual(mode) { 'h' } else { 'l' });
        self.changed.iter().map(undo).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(keys: &str) -> DetachFilter {
        DetachFilter {
            keys: DetachKeys::parse(keys).unwrap(),
            matched: 0,
        }
    }

    #[test]
    fn detach_keys_are_found_one_at_a_time_and_never_passed() {
        let mut filter = filter("ctrl-p,ctrl-q");
        assert_eq!(filter.pass(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(filter.pass(b"x"), (b"\x10x".to_vec(), false));
        assert_eq!(filter.pass(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(filter.pass(b"\x11rest"), (vec![], true));
    }

    #[test]
    fn keys_are_letters_and_control_letters() {
        assert_eq!(DetachKeys::parse("ctrl-a,d"), Ok(DetachKeys(vec![1, b'd'])));
        assert_eq!(DetachKeys::parse(""), Ok(DetachKeys(vec![])));
        assert!(DetachKeys::parse("alt-x").unwrap_err().contains("is not a key"));
    }

    #[test]
    fn what_a_program_did_to_the_terminal_is_undone() {
        let mut modes = Modes::default();
        modes.see(b"\x1b[?1049h\x1b[?25l\x1b[?20");
        modes.see(b"04htext\x1b[31m\x1b[?1;1000h");
        assert_eq!(modes.undo(), "\x1b[?1l\x1b[?25h\x1b[?1000l\x1b[?1049l\x1b[?2004l");
        modes.see(b"\x1b[?1;1000;1049;2004l\x1b[?25h");
        assert_eq!(modes.undo(), "");
    }
}
