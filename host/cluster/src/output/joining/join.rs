//! The place is known: what the log has before it is shown, and behind it what the attach brought.

use super::{Joining, Joint};
use crate::output::{
    following::take_back,
    transcript::{Show, Stream, Transcript},
};

impl Joining {
    /// The attach begins at this place of the log.
    pub(super) fn join(
        &mut self,
        transcript: &mut Transcript,
        place: usize,
        does_fit: bool,
        out: &mut Vec<Show>,
    ) -> Joint {
        let is_elsewhere = place != self.view.log && !(transcript.tty && self.is_redrawn(place));
        if is_elsewhere && self.view.chunks > 0 {
            if self.view.is_stuck {
                self.say_again(transcript, place, out);
            } else {
                take_back(transcript, &self.view.written, &self.view.line, out);
                self.view.chunks = 0;
            }
        }
        if is_elsewhere && self.view.chunks == 0 {
            self.show_log_to(transcript, place, out);
        }
        if self.view.chunks == 0 {
            transcript.surplus = self.view.log.saturating_sub(place);
        }
        transcript.settle(Stream::Stdout, &self.log.plain[..place]);
        self.settle_attach(transcript, 0, out);
        if !does_fit {
            transcript.settled = None;
        }
        Joint::Found
    }

    /// The attach begins so far before the end of what was settled.
    pub(super) fn join_behind(
        &mut self,
        transcript: &mut Transcript,
        shown: usize,
        out: &mut Vec<Show>,
    ) -> Joint {
        if self.view.chunks > 0 && !self.view.is_stuck {
            take_back(transcript, &self.view.written, &self.view.line, out);
            self.view.chunks = 0;
        }
        if self.view.chunks == 0 {
            transcript.surplus = shown + self.view.log;
        }
        self.settle_attach(transcript, shown, out);
        Joint::Found
    }

    /// The log does not reach back to where the attach begins: what there is is shown, and that something may be missing is
    /// told in the end.
    pub(super) fn join_with_gap(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) -> Joint {
        transcript.has_gap = true;
        self.join(transcript, self.view.log, false, out)
    }

    /// Says whether what the log has before the attach is the beginning of a line that the program drew again.
    fn is_redrawn(&self, place: usize) -> bool {
        let first_letter = self.view.written.iter().find(|byte| **byte != b'\r');
        let begins_anew = self.view.chunks > 0
            && self.view.written.first() == Some(&b'\r')
            && first_letter.is_some_and(|letter| *letter != b'\n');
        begins_anew && place > self.view.log && !self.log.plain[self.view.log..place].contains(&b'\n')
    }

    /// A part of a line was shown that cannot be taken back, and there was something before it: shows the whole line.
    fn say_again(&mut self, transcript: &mut Transcript, place: usize, out: &mut Vec<Show>) {
        if place < self.view.log {
            return;
        }
        let rest = self.log.plain[place..].iter().position(|byte| *byte == b'\n');
        let end = rest.map_or(self.log.plain.len(), |rest| place + rest + 1);
        let line = self.log.part(self.view.log, end).to_vec();
        transcript.emit_log(Stream::Stdout, &line, out);
        // Of what was not shown yet, the rest of that line has been now.
        let mut shown = false;
        while let (Some((_, bytes)), false) = (self.held.get(self.view.chunks).cloned(), shown) {
            match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.held[self.view.chunks].1 = bytes.slice(end + 1..);
                    shown = true;
                }
                None => self.view.chunks += 1,
            }
        }
    }

    /// What the attach brought is shown for good; so much of its beginning is settled already.
    fn settle_attach(&mut self, transcript: &mut Transcript, mut settled: usize, out: &mut Vec<Show>) {
        for (stream, side) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&self.sides) {
            let known = settled.min(side.plain.len());
            settled -= known;
            transcript.settle(stream, &side.plain[known..]);
        }
        transcript.take_over([self.sides[0].plainer, self.sides[1].plainer]);
        for (stream, bytes) in self.held.drain(self.view.chunks..) {
            transcript.emit_attached(stream, bytes, out);
        }
    }
}
