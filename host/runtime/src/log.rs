//! A guest's log: bounded, split into lines, and escaped for terminals.

use trocar_core::text::plain;

use crate::limits::Limit;

/// The longest error message that is remembered, in bytes.
const MAX_ERROR: usize = 4 << 10;

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Single steps of the plugin.
    Trace,
    /// For the plugin's author.
    Debug,
    /// For users who want to know how a plan came about.
    Info,
    /// Possibly an error.
    Warn,
    /// An error; the last one is the reason if the guest traps.
    Error,
}

/// One line that a guest wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The level.
    pub level: LogLevel,
    /// The text, with control characters escaped.
    pub text: String,
}

/// The log of one call.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Vec<LogLine>,
    limit: u64,
    capacity: u64,
    dropped: u64,
    last_error: Option<String>,
    last_was_error: bool,
}

impl Log {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            lines: Vec::new(),
            limit,
            capacity: limit,
            dropped: 0,
            last_error: None,
            last_was_error: false,
        }
    }

    /// Appends a text, as far as the limit allows.
    pub(crate) fn write(&mut self, level: LogLevel, text: &str) {
        self.remember(level, text);
        // Only what fits is processed, or a guest could keep the host busy beyond the limit.
        let capacity = usize::try_from(self.capacity).unwrap_or(usize::MAX);
        let (fitting, rest) = text.split_at(text.floor_char_boundary(capacity));
        self.dropped += rest.len() as u64;
        for line in fitting.lines() {
            // With the line's end: otherwise empty lines would cost nothing, and a guest could have any number of them kept.
            let size = line.len() as u64 + 1;
            if size > self.capacity {
                self.dropped += size;
                continue;
            }
            self.capacity -= size;
            self.lines.push(LogLine {
                level,
                text: plain(line),
            });
        }
    }

    /// Remembers the last error even beyond the limit: after a flood it is what matters. A panic's message may span several
    /// writes, and of a long text the end is the most telling.
    fn remember(&mut self, level: LogLevel, text: &str) {
        if text.is_empty() {
            return;
        }
        let is_error = level == LogLevel::Error;
        if is_error {
            let before = self.last_error.take().filter(|_| self.last_was_error);
            let start = text.ceil_char_boundary(text.len().saturating_sub(MAX_ERROR));
            let lines = text[start..].lines().map(plain);
            let all: Vec<String> = before.into_iter().chain(lines).collect();
            let all = all.join(" ");
            let start = all.ceil_char_boundary(all.len().saturating_sub(MAX_ERROR));
            self.last_error = Some(all[start..].to_owned());
        }
        self.last_was_error = is_error;
    }

    /// The last error that the guest logged, which is the reason if it trapped.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.clone()
    }

    /// The lines, with a last one about how much was dropped.
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
    fn the_last_error_is_remembered_beyond_the_limit() {
        let mut log = Log::new(10);
        log.write(LogLevel::Error, "old");
        log.write(LogLevel::Info, &"x".repeat(100));
        log.write(LogLevel::Error, "at src/lib.rs:\nno");
        log.write(LogLevel::Error, "more");
        assert_eq!(log.last_error().as_deref(), Some("at src/lib.rs: no more"));
        log.write(LogLevel::Error, &"é\n".repeat(MAX_ERROR));
        let remembered = log.last_error().unwrap();
        assert!(
            remembered.ends_with('é') && remembered.len() <= MAX_ERROR,
            "{remembered}"
        );
    }
}
