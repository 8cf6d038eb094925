//! What a guest wrote: bounded, line by line, harmless on a terminal.

use trocar_core::text::plain;

use crate::limits::Limit;

/// The longest mistake that is remembered, in bytes.
const LONGEST_ERROR: usize = 4 << 10;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For the plugin's author.
    Debug,
    /// For the curious user.
    Info,
    /// Perhaps a mistake.
    Warn,
    /// A mistake.
    Error,
}

/// One line that a guest wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: LogLevel,
    /// The text, without control characters.
    pub text: String,
}

/// The lines of one call.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Vec<LogLine>,
    limit: u64,
    room: u64,
    dropped: u64,
    last_error: Option<String>,
    last_was_error: bool,
}

impl Log {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            lines: Vec::new(),
            limit,
            room: limit,
            dropped: 0,
            last_error: None,
            last_was_error: false,
        }
    }

    /// Keeps a text as far as there is room.
    pub(crate) fn write(&mut self, level: LogLevel, text: &str) {
        self.remember(level, text);
        // What there is no room for is not looked at, else a guest could keep the host busy with it.
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let (looked_at, rest) = text.split_at(text.floor_char_boundary(room));
        self.dropped += rest.len() as u64;
        for line in looked_at.lines() {
            let size = line.len() as u64 + 1;
            if size > self.room {
                self.dropped += size;
                continue;
            }
            self.room -= size;
            self.lines.push(LogLine {
                level,
                text: plain(line),
            });
        }
    }

    /// Remembers the last mistake, whether there is room for it or not: after a flood it is what matters. A panic's
    /// message may span several writes; of a long text the end says what happened.
    fn remember(&mut self, level: LogLevel, text: &str) {
        if text.is_empty() {
            return;
        }
        let is_error = level == LogLevel::Error;
        if is_error {
            let before = self.last_error.take().filter(|_| self.last_was_error);
            let start = text.ceil_char_boundary(text.len().saturating_sub(LONGEST_ERROR));
            let lines = text[start..].lines().map(plain);
            let all: Vec<String> = before.into_iter().chain(lines).collect();
            let all = all.join(" ");
            let start = all.ceil_char_boundary(all.len().saturating_sub(LONGEST_ERROR));
            self.last_error = Some(all[start..].to_owned());
        }
        self.last_was_error = is_error;
    }

    /// The last mistake that the guest reported, which is why it trapped if it did.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.clone()
    }

    /// All lines, with a last one that says how much was dropped.
    pub(crate) fn into_lines(mut self) -> Vec<LogLine> {
        if self.dropped > 0 {
            self.lines.push(LogLine {
                level: LogLevel::Warn,
                text: format!(
                    "({} more bytes of log were dropped: the limit {:?} is {})",
                    self.dropped,
                    Limit::Log.name(),
                    Limit::Log.amount(self.limit)
                ),
            });
        }
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut log = Log::new(10);
        log.write(LogLevel::Info, "12345\n6789\nab");
        let lines = log.into_lines();
        assert_eq!(lines[0].text, "12345");
        assert!(lines[1].text.starts_with("(8 more bytes"), "{}", lines[1].text);
    }

    #[test]
    fn the_last_mistake_is_remembered_even_when_there_is_no_room() {
        let mut log = Log::new(10);
        log.write(LogLevel::Error, "old");
        log.write(LogLevel::Info, &"x".repeat(100));
        log.write(LogLevel::Error, "at src/lib.rs:\nno");
        log.write(LogLevel::Error, "more");
        assert_eq!(log.last_error().as_deref(), Some("at src/lib.rs: no more"));
        log.write(LogLevel::Error, &"é\n".repeat(LONGEST_ERROR));
        let remembered = log.last_error().unwrap();
        assert!(
            remembered.ends_with('é') && remembered.len() <= LONGEST_ERROR,
            "{remembered}"
        );
    }
}
