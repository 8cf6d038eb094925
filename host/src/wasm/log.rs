//! What a guest wrote: bounded, line by line, harmless on a terminal.

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
    room: u64,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            lines: Vec::new(),
            room: limit,
            dropped: 0,
        }
    }

    /// Keeps a text as far as there is room.
    pub(crate) fn write(&mut self, level: LogLevel, text: &str) {
        for line in text.lines() {
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

    /// The last mistake that the guest reported, which is why it trapped if it did.
    pub(crate) fn last_error(&self) -> Option<String> {
        let last = self
            .lines
            .iter()
            .rposition(|line| line.level == LogLevel::Error)?;
        // A panic's message spans lines: where, and what.
        let first = self.lines[..=last]
            .iter()
            .rposition(|line| line.level != LogLevel::Error)
            .map_or(0, |before| before + 1);
        let texts: Vec<&str> = self.lines[first..=last]
            .iter()
            .map(|line| line.text.as_str())
            .collect();
        Some(texts.join(" "))
    }

    /// All lines, with a last one that says how much was dropped.
    pub(crate) fn into_lines(mut self) -> Vec<LogLine> {
        if self.dropped > 0 {
            self.lines.push(LogLine {
                level: LogLevel::Warn,
                text: format!(
                    "({} more bytes of log were dropped; raise with --limit log=1Mi)",
                    self.dropped
                ),
            });
        }
        self.lines
    }
}

/// Text that cannot move a cursor, change a colour or reorder what stands around it: control characters and
/// direction overrides are written as escapes.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        let hidden = letter.is_control() && letter != '\t'
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
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
        assert_eq!(lines[1].text, "ab");
        assert!(lines[2].text.starts_with("(5 more bytes"), "{}", lines[2].text);
    }

    #[test]
    fn nothing_in_a_line_reaches_the_terminal_as_a_command() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\td"), "a\\u{1b}[31mb\\u{202e}c\td");
    }
}
