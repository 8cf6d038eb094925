//! Text as both sources can be compared, and as it is shown.
//!
//! A *unit* is what is compared: a line with its end, or a piece of a line that is longer than the kubelet keeps in one.

use std::borrow::Cow;

/// Finds where units end. Both sources are cut by it, so that they can be compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cutter {
    length: usize,
    /// Carriage returns of which it is not known yet whether a line's end follows.
    returns: usize,
}

impl Cutter {
    /// How many of these bytes belong to the present unit, if it ends within them.
    pub(crate) fn end(&mut self, bytes: &[u8], piece: usize) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' => self.length = piece,
                // Counted only once no line end follows: containerd leaves it out before one, and both sources have to be
                // cut at the same places.
                b'\r' if self.returns < piece => self.returns += 1,
                _ => self.length += std::mem::take(&mut self.returns) + 1,
            }
            if self.length >= piece {
                *self = Self::default();
                return Some(index + 1);
            }
        }
        None
    }
}

/// A unit without the carriage returns before its line's end: some container runtimes keep them in the log, some do not,
/// and some keep all but one.
pub(crate) fn plain(raw: &[u8]) -> Cow<'_, [u8]> {
    match raw.strip_suffix(b"\r\n") {
        Some(text) => Cow::Owned([without_returns(text), b"\n"].concat()),
        None => Cow::Borrowed(raw),
    }
}

/// Returns whether two units are the same but for carriage returns before their ends.
pub(crate) fn same(one: &[u8], two: &[u8]) -> bool {
    if one == two {
        return true;
    }
    let (Some(one), Some(two)) = (one.strip_suffix(b"\n"), two.strip_suffix(b"\n")) else {
        return false;
    };
    without_returns(one) == without_returns(two)
}

/// Without the carriage returns at its end.
pub(crate) fn without_returns(text: &[u8]) -> &[u8] {
    let returns = text.iter().rev().take_while(|byte| **byte == b'\r').count();
    &text[..text.len() - returns]
}

/// A unit without its line's end, and the carriage returns before it.
pub(crate) fn without_end(unit: &[u8]) -> &[u8] {
    unit.strip_suffix(b"\n").map_or(unit, without_returns)
}

/// Where a part stands in a text.
pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    match part.first() {
        Some(_) => text.windows(part.len()).position(|window| window == part),
        None => Some(0),
    }
}

/// A log's text as the program's terminal wrote it: with a carriage return before each line's end.
pub(crate) fn with_returns(text: &[u8], mut after_return: bool) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len() + 1);
    for byte in text {
        if *byte == b'\n' && !after_return {
            written.push(b'\r');
        }
        after_return = *byte == b'\r';
        written.push(*byte);
    }
    written
}

/// Text that was for a terminal some time ago, without what would make a terminal answer now (where is the cursor, what are
/// you, what is your state): the program would take the answer for input.
pub(crate) fn without_questions(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(byte) = rest.first() {
        let end = rest
            .strip_prefix(b"\x1b[")
            .and_then(|parameters| parameters.iter().position(|byte| (0x40..=0x7e).contains(byte)))
            .map(|end| end + 2);
        match end {
            Some(end) if b"cnx".contains(&rest[end]) => rest = &rest[end + 1..],
            Some(end) => {
                kept.extend_from_slice(&rest[..=end]);
                rest = &rest[end + 1..];
            }
            None => {
                kept.push(*byte);
                rest = &rest[1..];
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(chunks: &[&[u8]], piece: usize) -> Vec<String> {
        let (mut cutter, mut unit, mut units) = (Cutter::default(), Vec::new(), Vec::new());
        for chunk in chunks {
            let mut rest = *chunk;
            while let Some(end) = cutter.end(rest, piece) {
                unit.extend_from_slice(&rest[..end]);
                units.push(String::from_utf8(std::mem::take(&mut unit)).unwrap());
                rest = &rest[end..];
            }
            unit.extend_from_slice(rest);
        }
        units.push(String::from_utf8(unit).unwrap());
        units
    }

    #[test]
    fn a_line_ends_at_its_newline_or_where_it_grows_too_long() {
        assert_eq!(units(&[b"a\nbc", b"d\n\ne"], 4), ["a\n", "bcd\n", "\n", "e"]);
        assert_eq!(units(&[b"abcdef", b"ghij\n"], 4), ["abcd", "efgh", "ij\n", ""]);
        assert_eq!(units(&[b"abcd\n"], 4), ["abcd", "\n", ""]);
    }

    #[test]
    fn a_log_without_carriage_returns_is_cut_at_the_same_places() {
        assert_eq!(
            units(&[b"abc\r\nabcd\r\r\n"], 4),
            ["abc\r\n", "abcd", "\r\r\n", ""]
        );
        assert_eq!(units(&[b"abc\nabcd\n"], 4), ["abc\n", "abcd", "\n", ""]);
        assert_eq!(*plain(b"abc\r\r\n"), *b"abc\n");
        assert_eq!(*plain(b"a\rb\r"), *b"a\rb\r");
    }

    #[test]
    fn old_questions_to_the_terminal_are_not_asked_again() {
        assert_eq!(
            without_questions(b"/ # \x1b[6nls\x1b[0m\x1b[c\n"),
            b"/ # ls\x1b[0m\n"
        );
        assert_eq!(without_questions(b"plain\x1b["), b"plain\x1b[");
    }
}
