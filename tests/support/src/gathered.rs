//! Collects a program's output on a thread, so that a test can wait for a text.

use std::{
    io::Read,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// The output of one source so far.
#[derive(Clone)]
pub(crate) struct Gathered(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// The number of bytes that `until` has returned.
    given: usize,
    ended: bool,
}

impl Gathered {
    /// Starts reading. An error counts as the end: a terminal reports one when its other side is closed.
    pub(crate) fn start(mut source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let gathered = Self(shared.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = match source.read(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Ok(count) if count > 0 => count,
                    _ => break,
                };
                let mut state = shared.state.lock().unwrap();
                state.bytes.extend_from_slice(&buffer[..count]);
                shared.changed.notify_all();
            }
            shared.state.lock().unwrap().ended = true;
            shared.changed.notify_all();
        });
        gathered
    }

    /// Waits for a text in output that was not returned before. Returns everything up to its end. Fails with the whole output at
    /// the source's end or after a timeout.
    pub(crate) fn until(&self, text: &str, patience: Duration) -> Result<String, String> {
        let found = self.wait(patience, |state| {
            let rest = &state.bytes[state.given..];
            let end = find(rest, text.as_bytes())? + text.len();
            let given = String::from_utf8_lossy(&rest[..end]).into_owned();
            state.given += end;
            Some(given)
        });
        found.ok_or_else(|| self.text())
    }

    /// Waits for the end of the source. Returns whether it came in time.
    pub(crate) fn end(&self, patience: Duration) -> bool {
        self.wait(patience, |state| state.ended.then_some(())).is_some()
    }

    /// The output so far.
    pub(crate) fn text(&self) -> String {
        let state = self.0.state.lock().unwrap();
        String::from_utf8_lossy(&state.bytes).into_owned()
    }

    /// The output so far, as bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.state.lock().unwrap().bytes.clone()
    }

    fn wait<T>(&self, patience: Duration, mut wanted: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.0.state.lock().unwrap();
        loop {
            if let Some(found) = wanted(&mut state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}
