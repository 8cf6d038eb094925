//! What is shown before the place is known: to a person all that could be taken back, to a script the rest of a question.

use super::{Joining, Joint, Snapshot};
use crate::output::{
    following::take_back,
    screen::{draws, rows},
    transcript::{Show, Stream, Transcript},
};

/// How much is shown early at the most, in bytes.
const EARLY_MOST: usize = 8 << 10;

/// What is on the screen that is not settled: so much of the log, and behind it so much of the attach.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) log: usize,
    pub(super) chunks: usize,
    /// What the attach's part looks like.
    pub(super) written: Vec<u8>,
    /// The unfinished line before it.
    pub(super) line: Vec<u8>,
    /// No more is shown early.
    pub(super) is_full: bool,
    /// It cannot be taken back.
    pub(super) is_stuck: bool,
}

impl Joining {
    /// Shows a person what the attach brings, as long as it could be taken back; a script the rest of a question.
    pub(super) fn show_early(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) -> Joint {
        while let Some((stream, bytes)) = self.held.get(self.view.chunks).cloned() {
            let is_question = self.view.chunks > 0 && matches!(self.snapshot, Snapshot::TooEarly);
            if self.view.is_full || !(self.is_for_person || is_question) {
                break;
            }
            if let Some(screen) = transcript.screen {
                let is_drawing = draws(&bytes);
                if is_drawing && transcript.tty {
                    self.leave_to_program(transcript, out);
                    return Joint::Found;
                }
                let rows = rows(&self.view.written, screen.columns) + rows(&bytes, screen.columns) + 2;
                let size = self.view.written.len() + bytes.len();
                if is_drawing || size > EARLY_MOST || rows > usize::from(screen.rows) {
                    self.view.is_full = true;
                    break;
                }
            }
            self.view.written.extend_from_slice(&bytes);
            self.view.chunks += 1;
            transcript.emit(stream, bytes, out);
        }
        Joint::NotYet
    }

    /// A program that draws its own screen: nothing can be taken back, and it paints again by itself.
    fn leave_to_program(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) {
        transcript.settled = None;
        for (stream, bytes) in self.held.drain(self.view.chunks..) {
            transcript.emit(stream, bytes, out);
        }
    }

    /// Shows the log up to a place, and the attach behind it again.
    pub(super) fn show_log_to(&mut self, transcript: &mut Transcript, place: usize, out: &mut Vec<Show>) {
        if place <= self.view.log || (self.view.chunks > 0 && self.view.is_stuck) {
            return;
        }
        let shown = std::mem::take(&mut self.view.chunks);
        if shown > 0 {
            take_back(transcript, &self.view.written, &self.view.line, out);
            self.view.written.clear();
        }
        let part = self.log.part(self.view.log, place).to_vec();
        transcript.emit_log(Stream::Stdout, &part, out);
        self.view.log = place;
        self.view.line = last_line(&self.view.line, &part);
        for (stream, bytes) in &self.held[..shown] {
            self.view.written.extend_from_slice(bytes);
            transcript.emit(*stream, bytes.clone(), out);
        }
        self.view.chunks = shown;
    }
}

/// The unfinished line after more text.
fn last_line(line: &[u8], more: &[u8]) -> Vec<u8> {
    match more.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => more[end + 1..].to_vec(),
        None => [line, more].concat(),
    }
}
