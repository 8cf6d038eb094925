//! What bytes do to a terminal, as far as it must be known to take them back.

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// Says whether bytes move the cursor otherwise than by writing: then what they drew cannot be taken back.
pub(super) fn draws(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|byte| *byte == 0x1b) {
        rest = &rest[start + 1..];
        let is_harmless = match rest {
            [] => true,
            [b'[', sequence @ ..] => is_harmless(sequence),
            // Titles and the like; keypad modes; character sets.
            [b']' | b'=' | b'>' | b'(' | b')', ..] => true,
            _ => false,
        };
        if !is_harmless {
            return true;
        }
    }
    false
}

fn is_harmless(sequence: &[u8]) -> bool {
    let Some(end) = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        return true;
    };
    let parameters = &sequence[..end];
    match sequence[end] {
        // Colours, clearing, moving and inserting within the line, asking where the cursor is.
        b'm' | b'J' | b'K' | b'C' | b'D' | b'P' | b'@' | b'X' | b'n' | b'c' => true,
        // Modes, but for those that change to another screen.
        b'h' | b'l' => !matches!(parameters, b"?47" | b"?1047" | b"?1049"),
        _ => false,
    }
}

/// How many rows further down the cursor is after bytes that do not draw.
pub(super) fn rows(bytes: &[u8], columns: u16) -> usize {
    let columns = usize::from(columns.max(1));
    let (mut row, mut column) = (0, 0_usize);
    let mut escape = Escape::None;
    for byte in bytes {
        escape = escape.next(*byte);
        if escape != Escape::None {
            continue;
        }
        match byte {
            b'\n' => (row, column) = (row + 1, 0),
            b'\r' => column = 0,
            0x08 => column = column.saturating_sub(1),
            b'\t' => column = (column / 8 + 1) * 8,
            // Only the first byte of a letter takes a cell.
            byte if *byte >= 0x20 && *byte != 0x7f && (*byte & 0xc0) != 0x80 => {
                if column >= columns {
                    (row, column) = (row + 1, 0);
                }
                column += 1;
            }
            _ => {}
        }
    }
    row
}

/// Where in an escape sequence a byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Start,
    /// `ESC [`, up to a letter.
    Control,
    /// `ESC ]`, up to a bell or `ESC \`.
    Command,
    /// One more byte.
    One,
    /// The last byte of a sequence.
    Last,
}

impl Escape {
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::None | Self::Last, 0x1b) | (Self::Command, 0x1b) => Self::Start,
            (Self::None | Self::Last, _) => Self::None,
            (Self::Start, b'[') => Self::Control,
            (Self::Start, b']') => Self::Command,
            (Self::Start, b'(' | b')') => Self::One,
            (Self::Control, 0x40..=0x7e) | (Self::Command, 0x07) | (Self::Start | Self::One, _) => Self::Last,
            (Self::Control | Self::Command, _) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_a_terminal_wraps() {
        for (text, columns, wanted) in [
            ("abc", 80, 0),
            ("abc\r\nd", 80, 1),
            (&*"x".repeat(81), 80, 1),
            (&*"x".repeat(80), 80, 0),
            ("\u{1b}[31mä\u{1b}[0m", 1, 0),
            ("\u{1b}]0;a long title\u{7}x", 2, 0),
            ("\u{1b}(Bx", 1, 0),
        ] {
            assert_eq!(rows(text.as_bytes(), columns), wanted, "{text:?}");
        }
    }

    #[test]
    fn shells_write_and_full_screen_programs_draw() {
        for text in [
            "/ # \u{1b}[6n",
            "\r/ # \u{1b}[J",
            "\u{1b}[?2004h$ ",
            "\u{1b}]0;title\u{7}$ ",
            "\u{1b}[C",
        ] {
            assert!(!draws(text.as_bytes()), "{text:?}");
        }
        for text in [
            "\u{1b}[?1049h",
            "\u{1b}[2;5H",
            "\u{1b}[A",
            "\u{1b}7",
            "\u{1b}[1;24r",
        ] {
            assert!(draws(text.as_bytes()), "{text:?}");
        }
    }
}
