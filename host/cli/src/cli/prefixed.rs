//! The output of one session among many: whole lines, each with the name of its target before it.

use std::io;

use trocar::cluster::{Output, SessionEvent, Stream, is_trouble};

use super::{
    session::{MAX_TOLD, warning},
    ui,
};

/// The longest piece of a line that waits for its end, in bytes. A longer line is cut, and its further pieces say so.
const MAX_PIECE: usize = 64 << 10;

/// Shows the output of one session among many.
pub(super) struct PrefixedOutput {
    target: String,
    streams: [PrefixedLines; 2],
    /// What was told last of what the container waits for, and how often something was.
    told: String,
    times_told: usize,
}

impl PrefixedOutput {
    pub(super) fn new(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            streams: [PrefixedLines::new(target), PrefixedLines::new(target)],
            told: String::new(),
            times_told: 0,
        }
    }
}

impl Output for PrefixedOutput {
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let shown = self.streams[stream as usize].push(bytes);
        if shown.is_empty() {
            return Ok(());
        }
        ui::program_output(stream, &shown)
    }

    fn event(&mut self, event: SessionEvent) {
        if let SessionEvent::Waiting(state) = &event
            && is_trouble(state)
            && self.times_told < MAX_TOLD
            && self.told != *state
        {
            ui::error_line(&format!("[{}] waiting: {state}", self.target));
            self.told.clone_from(state);
            self.times_told += 1;
        }
        let is_usual = matches!(
            event,
            SessionEvent::Waiting(_)
                | SessionEvent::Attached
                | SessionEvent::Reconnecting
                | SessionEvent::Reconnected
                | SessionEvent::InputStaysOpen
                | SessionEvent::OutputFromLog
        );
        if !is_usual {
            ui::warning(&format!("[{}] {}", self.target, warning(&event)));
        }
    }
}

impl Drop for PrefixedOutput {
    fn drop(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = self.streams[stream as usize].end();
            if !rest.is_empty() {
                drop(ui::program_output(stream, &rest));
            }
        }
    }
}

/// Makes prefixed lines of bytes as they come. Each byte is looked at once, and kept until its line ends or is cut.
#[derive(Debug)]
struct PrefixedLines {
    target: String,
    piece: Vec<u8>,
    /// What waits is not the beginning of its line.
    is_continued: bool,
}

impl PrefixedLines {
    fn new(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            piece: Vec::new(),
            is_continued: false,
        }
    }

    /// Takes bytes, and returns the lines and pieces that are complete now.
    fn push(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        while !bytes.is_empty() {
            let room = MAX_PIECE - self.piece.len();
            let near = &bytes[..bytes.len().min(room)];
            let end = near.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(near.len());
            self.piece.extend_from_slice(&near[..taken]);
            bytes = &bytes[taken + usize::from(end.is_some())..];
            if end.is_some() {
                self.show(&mut shown);
                self.is_continued = false;
            } else if self.piece.len() == MAX_PIECE {
                // A letter that is cut would be shown as two that are not valid.
                let rest = self.piece.split_off(whole_letters(&self.piece));
                self.show(&mut shown);
                self.is_continued = true;
                self.piece = rest;
            }
        }
        shown
    }

    /// Returns what waits for an end that does not come.
    fn end(&mut self) -> Vec<u8> {
        let mut shown = Vec::new();
        if !self.piece.is_empty() {
            self.show(&mut shown);
        }
        shown
    }

    fn show(&mut self, shown: &mut Vec<u8>) {
        let mark = if self.is_continued { ", continued" } else { "" };
        shown.extend_from_slice(format!("[{}{mark}] ", self.target).as_bytes());
        shown.append(&mut self.piece);
        shown.push(b'\n');
    }
}

/// How much of a piece can be shown without tearing its last letter apart.
fn whole_letters(piece: &[u8]) -> usize {
    let is_within = |byte: &&u8| **byte & 0xc0 == 0x80;
    let within = piece.iter().rev().take(3).take_while(is_within).count();
    let start = piece.len() - within - 1;
    let length = match piece[start] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return piece.len(),
    };
    if within + 1 < length { start } else { piece.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(shown: Vec<u8>) -> String {
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn whole_lines_are_shown_as_they_end_and_the_last_one_at_the_end() {
        let mut lines = PrefixedLines::new("pod/a");
        assert_eq!(text(lines.push(b"one\ntw")), "[pod/a] one\n");
        assert_eq!(text(lines.push(b"o\n\nthree")), "[pod/a] two\n[pod/a] \n");
        assert_eq!(text(lines.end()), "[pod/a] three\n");
        assert_eq!(text(lines.end()), "");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_its_pieces_are_marked() {
        let mut lines = PrefixedLines::new("pod/a");
        let shown = text(lines.push("x".repeat(2 * MAX_PIECE + 3).as_bytes()));
        let piece = "x".repeat(MAX_PIECE);
        assert_eq!(shown, format!("[pod/a] {piece}\n[pod/a, continued] {piece}\n"));
        assert_eq!(
            text(lines.push(b"y\nnext\n")),
            "[pod/a, continued] xxxy\n[pod/a] next\n"
        );
    }

    #[test]
    fn no_letter_is_torn_apart() {
        for letter in ["ä", "€", "🦀"] {
            for before in 0..5 {
                let line = "x".repeat(before) + &letter.repeat(MAX_PIECE);
                let mut lines = PrefixedLines::new("pod/a");
                let mut shown = text(lines.push(line.as_bytes()));
                shown += &text(lines.end());
                let pieces: String = shown
                    .lines()
                    .map(|line| line.split_once("] ").unwrap().1)
                    .collect();
                assert_eq!(pieces, line);
            }
        }
        let mut lines = PrefixedLines::new("pod/a");
        assert_eq!(
            lines.push(&[0x80; MAX_PIECE]).len(),
            MAX_PIECE + 9,
            "not text at all"
        );
    }

    /// Once all that waited was copied and looked at again for each block: 100 s for 64 MB without a line's end.
    #[test]
    fn what_waits_is_never_more_than_a_piece_however_long_the_line_is() {
        let mut lines = PrefixedLines::new("pod/a");
        let (mut written, mut longest) = (0, 0);
        for _ in 0..64 << 10 {
            written += lines.push(&[b'x'; 1 << 10]).len();
            longest = longest.max(lines.piece.len());
        }
        written += lines.end().len();
        assert!(longest < MAX_PIECE, "{longest}");
        let prefixes = "[pod/a] \n".len() + 1023 * "[pod/a, continued] \n".len();
        assert_eq!(written, (64 << 20) + prefixes);
    }
}
