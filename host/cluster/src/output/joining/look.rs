//! Looking for the place in a whole snapshot, and what follows when it is not certain. What is done once it is known is in
//! `join.rs`.

use std::time::Duration;

use super::{
    ATTACH_LAG, Joining, Joint, LOG_LAG, LOG_MOST, Snapshot,
    side::{Side, lines},
};
use crate::output::{
    align::{Fit, Overlap, fit, occurrences},
    transcript::{Show, Stream, Transcript},
};

/// How long to wait before the next snapshot when one did not tell, and how many to take.
const PAUSE: Duration = Duration::from_millis(250);
const TRIES: u32 = 3;

/// How much of a first line is enough to find it again.
const LINE_MOST: usize = 4 << 10;

/// Why the place is not known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doubt {
    /// There are several; this one is the most likely.
    Several(usize),
    /// The log does not have what it must have: it was rotated.
    Nowhere,
}

impl Joining {
    /// Looks for the place in a whole snapshot.
    pub(super) fn look(&mut self, transcript: &mut Transcript, at: Duration, out: &mut Vec<Show>) -> Joint {
        let Snapshot::Read { at: read, least } = self.snapshot else {
            return Joint::NotYet;
        };
        let is_last_look = at >= read + ATTACH_LAG;
        if least == [0, 0] {
            return self.ask(transcript, at, out);
        }
        let with_lines: Vec<usize> = (0..2).filter(|side| self.sides[*side].completed > 0).collect();
        if self.is_other_log || self.log_read < self.log.plain.len() {
            return self.undecided(transcript, at, Doubt::Nowhere, out);
        }
        let [side] = with_lines.as_slice() else {
            return self.look_for_both(transcript, at, least, is_last_look, out);
        };
        let attach = &self.sides[*side].plain;
        let overlap = Overlap {
            least: least[*side].max(1),
            most: if is_last_look { attach.len() } else { usize::MAX },
        };
        match fit(attach, &self.log.plain, overlap) {
            Fit::At(place) => self.join(transcript, place, true, out),
            Fit::Several(place) if is_last_look => self.undecided(transcript, at, Doubt::Several(place), out),
            Fit::Nowhere if is_last_look => match self.shown_before(transcript, *side, least[*side]) {
                Some(shown) => self.join_behind(transcript, shown, out),
                None => self.undecided(transcript, at, Doubt::Nowhere, out),
            },
            _ => Joint::NotYet,
        }
    }

    /// The program waits for an answer: shows its unfinished line, which no log has.
    fn ask(&mut self, transcript: &mut Transcript, at: Duration, out: &mut Vec<Show>) -> Joint {
        if self.has_line() {
            self.snapshot = Snapshot::Wanted {
                not_before: at + LOG_LAG,
            };
            return Joint::NotYet;
        }
        self.snapshot = Snapshot::TooEarly;
        self.show_log_to(transcript, self.log.plain.len(), out);
        for (stream, bytes) in &self.held[self.view.chunks..] {
            self.view.written.extend_from_slice(bytes);
            transcript.emit(*stream, bytes.clone(), out);
        }
        self.view.chunks = self.held.len();
        Joint::NotYet
    }

    /// Two streams, whose lines the log mixes.
    fn look_for_both(
        &mut self,
        transcript: &mut Transcript,
        at: Duration,
        least: [usize; 2],
        is_last_look: bool,
        out: &mut Vec<Show>,
    ) -> Joint {
        if !is_last_look {
            return Joint::NotYet;
        }
        let completed = self.sides.iter().map(|side| side.completed).sum::<usize>();
        let by_length = self.log.plain.len().saturating_sub(completed);
        if completed == least.iter().sum::<usize>() && self.has_same_lines(by_length) {
            return self.join(transcript, by_length, true, out);
        }
        if self.join_by_first_lines(transcript, out) == Joint::Found {
            return Joint::Found;
        }
        let is_missing = |side: &Side, least: usize| least > 0 && self.places_of(side).is_empty();
        let is_rotated = is_missing(&self.sides[0], least[0]) || is_missing(&self.sides[1], least[1]);
        let doubt = if is_rotated {
            Doubt::Nowhere
        } else {
            Doubt::Several(by_length)
        };
        self.undecided(transcript, at, doubt, out)
    }

    /// The place cannot be told. A person is shown what is likely, a script what is certain.
    pub(super) fn undecided(
        &mut self,
        transcript: &mut Transcript,
        at: Duration,
        doubt: Doubt,
        out: &mut Vec<Show>,
    ) -> Joint {
        self.tries += 1;
        let is_enough = self.tries >= TRIES || self.log.plain.len() > LOG_MOST;
        match doubt {
            Doubt::Several(likely) if self.is_for_person => self.join(transcript, likely, true, out),
            Doubt::Several(_) if is_enough || !self.has_room() => Joint::NotToBeFound,
            Doubt::Nowhere if is_enough => self.join_with_gap(transcript, out),
            _ => {
                self.is_other_log = false;
                self.snapshot = Snapshot::Wanted {
                    not_before: at + PAUSE,
                };
                Joint::NotYet
            }
        }
    }

    /// How much of what the attach brought was shown from the log before the attach was known to stand: the log was
    /// sooner. None where its beginning is not the end of what was shown. Of the attach, `least` bytes must be in the log.
    pub(super) fn shown_before(&self, transcript: &Transcript, side: usize, least: usize) -> Option<usize> {
        let tail = transcript.settled.as_ref()?.tail();
        let (attach, log) = (&self.sides[side].plain, &self.log.plain);
        (1..=tail.len().min(attach.len())).rev().find(|shown| {
            let rest = &attach[*shown..];
            let common = rest.len().min(log.len());
            tail.ends_with(&attach[..*shown]) && rest[..common] == log[..common] && shown + log.len() >= least
        })
    }

    /// Where in the log the first line of a stream stands, two places at the most.
    fn places_of(&self, side: &Side) -> Vec<usize> {
        let end = side.plain.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(side.plain.len(), |end| end + 1).min(LINE_MOST);
        occurrences(&side.plain[..end], &self.log.plain)
    }

    /// Each stream begins where its first line stands, if that is one place.
    pub(super) fn join_by_first_lines(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) -> Joint {
        let places = [0, 1].map(|side| self.places_of(&self.sides[side]));
        let (&[stdout], &[stderr]) = (places[0].as_slice(), places[1].as_slice()) else {
            return Joint::NotYet;
        };
        let (first, other) = (stdout.min(stderr), stdout.max(stderr));
        let first_side = usize::from(stdout > stderr);
        self.show_log_to(transcript, first, out);
        for line in self.lines_without(first_side, first, other) {
            transcript.emit_log(Stream::Stdout, &line, out);
            transcript.settle(Stream::Stdout, &line);
        }
        self.join(transcript, first, true, out)
    }

    /// Says whether the log has the same lines from a place on as the attach, in whatever order.
    pub(super) fn has_same_lines(&self, place: usize) -> bool {
        let mut of_log: Vec<&[u8]> = lines(&self.log.plain[place..]).collect();
        let end = |side: &Side| {
            if self.is_over {
                side.plain.len()
            } else {
                side.completed
            }
        };
        let sides = self.sides.iter().flat_map(|side| lines(&side.plain[..end(side)]));
        let mut of_attach: Vec<&[u8]> = sides.collect();
        of_log.sort_unstable();
        of_attach.sort_unstable();
        of_log == of_attach
    }

    /// The lines of the log between two places that are not those of one stream of the attach.
    fn lines_without(&self, side: usize, from: usize, to: usize) -> Vec<Vec<u8>> {
        let mut expected = lines(&self.sides[side].plain).peekable();
        let mut others = Vec::new();
        for line in lines(&self.log.plain[from..to]) {
            if expected.peek() == Some(&line) {
                expected.next();
            } else {
                others.push(line.to_vec());
            }
        }
        others
    }
}
