//! The terminal in front of a person: raw mode that is always undone, its size, what is typed, and the keys that leave.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use bytes::Bytes;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use trocar::cluster::{Input, Screen};

/// The argument that makes the program a guard of a terminal; not for people.
pub(crate) const GUARD: &str = "__restore-terminal";

/// The keys that leave a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<u8>);

impl DetachKeys {
    /// Reads keys as kubectl and docker write them: `ctrl-p,ctrl-q`, letters, and nothing for none.
    pub(crate) fn parse(typed: &str) -> Result<Self, String> {
        let key = |key: &str| match key.strip_prefix("ctrl-").map(str::as_bytes) {
            Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]) => Ok(letter & 0x1f),
            None if key.len() == 1 => Ok(key.as_bytes()[0]),
            _ => Err(format!(
                "{key:?} is no key; keys are letters and ctrl-LETTER, divided by commas"
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

/// Raw mode. Undone when it is dropped, and by the guard process should this one be killed.
pub(crate) struct RawMode {
    before: Termios,
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
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before, guard })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before).ok();
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
        let mut child = Command::new(std::env::current_exe().ok()?)
            .arg(GUARD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
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

    /// The terminal is right again.
    fn dismiss(mut self) {
        drop(self.line.write_all(b"!"));
        drop(self.line);
        drop(self.child.wait());
    }
}

/// The guard's life: remember the terminal, wait for the other end to be closed, set it right unless that was done.
pub(crate) fn guard() {
    let terminal = io::stderr();
    let Ok(before) = termios::tcgetattr(&terminal) else {
        return;
    };
    drop(io::stdout().write_all(b"!").and_then(|()| io::stdout().flush()));
    let mut said = Vec::new();
    drop(io::stdin().lock().read_to_end(&mut said));
    if said.is_empty() {
        termios::tcsetattr(&terminal, OptionalActions::Now, &before).ok();
    }
}

/// Reads standard input on a thread of its own, which ends with the program.
pub(crate) fn read_input(sender: mpsc::Sender<Input>, keys: Option<DetachKeys>) {
    let mut filter = keys
        .filter(|keys| !keys.0.is_empty())
        .map(|keys| DetachFilter { keys, matched: 0 });
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
pub(crate) fn watch_size(sender: mpsc::Sender<Input>) {
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
        assert!(DetachKeys::parse("alt-x").unwrap_err().contains("no key"));
    }
}
