//! An attach stands: where does it begin in the log?
//!
//! A log is read to its end after the attach has brought a whole line (`LogWish::Snapshot`): then that line is in it, and the
//! text tells the place, unless it repeats itself. Then lengths tell, once both sources have said all that they had: what
//! the attach brought some time before the log was read is in the log, and what the log had is brought by the attach some
//! time after.

use std::time::Duration;

use bytes::Bytes;

use super::{
    align::{Fit, Overlap, fit, occurrences},
    following::{Ahead, Following, take_back},
    marks::Marks,
    screen::{draws, rows},
    text::{Plainer, Text},
    transcript::{LogWish, Show, Stream, Transcript},
};

/// How much later than an attach a log may get the same text. It is written by the same program at the same moment, and
/// asking for the log takes some time as well.
const LOG_LAG: Duration = Duration::from_millis(40);

/// How much later than a log an attach may bring the same text: it comes a longer way.
const ATTACH_LAG: Duration = Duration::from_millis(200);

/// The same before a person, where a mistake can be taken back.
const ATTACH_LAG_SEEN: Duration = Duration::from_millis(60);

/// After how much silence an unfinished line is taken for a question.
const QUESTION: Duration = Duration::from_millis(300);

/// How long to wait before the next snapshot when one did not tell, and how many to take.
const PAUSE: Duration = Duration::from_millis(250);
const TRIES: u32 = 3;

/// How much an attach may bring before its place is known; then the program has to wait.
const HELD_MOST: usize = 4 << 20;

/// How much of a log is kept to find the place. Far more than a log grows to.
const LOG_MOST: usize = 64 << 20;

/// How much is shown early at the most, in bytes.
const EARLY_MOST: usize = 8 << 10;

/// A log gets a line that does not end in pieces of half this size or less.
const LONGEST_PIECE: usize = 32 << 10;

/// How much of a first line is enough to find it again.
const LINE_MOST: usize = 4 << 10;

/// What came of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    NotYet,
    /// What the log has before the attach was shown, and what the attach brought: it goes on alone.
    Found,
    /// The text repeats itself and does not pause.
    NotToBeFound,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Joining {
    is_for_person: bool,
    /// What an attach before this one brought and was not shown.
    spare: Vec<(Stream, Bytes)>,
    /// What this one brought, from its beginning.
    held: Vec<(Stream, Bytes)>,
    held_size: usize,
    sides: [Side; 2],
    last_byte: Duration,
    /// What the log has beyond what was settled when the attach began.
    log: Text,
    log_marks: Marks,
    /// How much of that came in the present reading, which begins from the log's first byte.
    log_read: usize,
    /// The log is not the one that was read before: it was rotated.
    is_other_log: bool,
    snapshot: Snapshot,
    tries: u32,
    view: View,
    /// The attach has ended as it should: nothing is missing from its beginning to the program's end.
    is_over: bool,
}

/// One stream of the attach.
#[derive(Debug, Default)]
struct Side {
    plainer: Plainer,
    plain: Vec<u8>,
    /// How many bytes of it the log gets without waiting for more: whole lines, and pieces of long ones. And when that was so.
    completed: usize,
    marks: Marks,
}

/// Why the place is not known.
#[derive(Clone, Copy, Debug)]
enum Doubt {
    /// There are several; this one is the most likely.
    Several(usize),
    /// The log does not have what it must have: it was rotated.
    Nowhere,
}

/// The reading of the log that tells the place.
#[derive(Clone, Copy, Debug)]
enum Snapshot {
    /// There is no whole line yet to be found in it.
    TooEarly,
    Wanted {
        not_before: Duration,
    },
    /// Each stream had so many bytes of whole lines that must be in it.
    Begun {
        least: [usize; 2],
    },
    /// It has ended and the text alone did not tell.
    Read {
        at: Duration,
        least: [usize; 2],
    },
}

/// What is on the screen that is not settled: so much of the log, and behind it so much of the attach.
#[derive(Debug, Default)]
struct View {
    log: usize,
    chunks: usize,
    /// What the attach's part looks like.
    written: Vec<u8>,
    /// The unfinished line before it.
    line: Vec<u8>,
    /// No more is shown early.
    is_full: bool,
    /// It cannot be taken back.
    is_stuck: bool,
}

impl Joining {
    /// An attach begins. `line` is the unfinished line that was shown last.
    pub(super) fn new(at: Duration, is_for_person: bool, line: Vec<u8>, spare: Vec<(Stream, Bytes)>) -> Self {
        Self {
            is_for_person,
            spare,
            held: Vec::new(),
            held_size: 0,
            sides: <[Side; 2]>::default(),
            last_byte: at,
            log: Text::default(),
            log_marks: Marks::default(),
            log_read: 0,
            is_other_log: false,
            is_over: false,
            snapshot: Snapshot::TooEarly,
            tries: 0,
            view: View {
                line,
                is_stuck: !is_for_person,
                ..View::default()
            },
        }
    }

    /// So much of the log is on the screen already.
    pub(super) fn with_log_shown(mut self, length: usize) -> Self {
        self.view.log = length;
        self
    }

    pub(super) fn wish(&self) -> LogWish {
        match self.snapshot {
            Snapshot::TooEarly => LogWish::Follow,
            Snapshot::Wanted { not_before } => LogWish::Snapshot(not_before),
            Snapshot::Begun { .. } => LogWish::Snapshot(Duration::ZERO),
            Snapshot::Read { .. } => LogWish::Nothing,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.held_size < HELD_MOST
    }

    pub(super) fn screen_moved(&mut self) {
        self.view.is_full = true;
        self.view.is_stuck |= self.view.chunks > 0;
    }

    pub(super) fn log_begins(&mut self, at: Duration) {
        self.log_read = 0;
        if !matches!(self.snapshot, Snapshot::TooEarly) {
            let least = |side: &Side| side.marks.by(at.saturating_sub(LOG_LAG));
            self.snapshot = Snapshot::Begun {
                least: [least(&self.sides[0]), least(&self.sides[1])],
            };
        }
    }

    pub(super) fn attached(
        &mut self,
        transcript: &mut Transcript,
        at: Duration,
        stream: Stream,
        bytes: &Bytes,
        out: &mut Vec<Show>,
    ) -> Joint {
        self.held.push((stream, bytes.clone()));
        self.held_size += bytes.len();
        self.last_byte = at;
        self.sides[stream as usize].push(at, bytes);
        if self.has_line() && matches!(self.snapshot, Snapshot::TooEarly) {
            self.snapshot = Snapshot::Wanted {
                not_before: at + LOG_LAG,
            };
        }
        self.show_early(transcript, out)
    }

    fn has_line(&self) -> bool {
        self.sides.iter().any(|side| side.completed > 0)
    }

    /// Shows a person what the attach brings, as long as it could be taken back; a script the rest of a question.
    fn show_early(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) -> Joint {
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

    pub(super) fn logged(
        &mut self,
        transcript: &mut Transcript,
        at: Duration,
        text: &Text,
        out: &mut Vec<Show>,
    ) -> Joint {
        self.spare.clear();
        let known = self
            .log
            .plain
            .len()
            .saturating_sub(self.log_read)
            .min(text.plain.len());
        self.is_other_log |= self.log.plain[self.log_read..][..known] != text.plain[..known];
        self.log_read += text.plain.len();
        if self.is_other_log {
            return Joint::NotYet;
        }
        self.log.push(text.part(known, text.plain.len()));
        self.log_marks.set(at, self.log.plain.len());
        if self.log.plain.len() > LOG_MOST {
            return self.undecided(transcript, at, Doubt::Nowhere, out);
        }
        if self.is_for_person && self.view.chunks == 0 && matches!(self.snapshot, Snapshot::TooEarly) {
            // The attach has no whole line, so the log has nothing of it.
            self.show_log_to(transcript, self.log.plain.len(), out);
        }
        Joint::NotYet
    }

    /// Shows the log up to a place, and the attach behind it again.
    fn show_log_to(&mut self, transcript: &mut Transcript, place: usize, out: &mut Vec<Show>) {
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

    pub(super) fn snapshot_ends(
        &mut self,
        transcript: &mut Transcript,
        at: Duration,
        out: &mut Vec<Show>,
    ) -> Joint {
        if let Snapshot::Begun { least } = self.snapshot {
            self.snapshot = Snapshot::Read { at, least };
        }
        self.look(transcript, at, out)
    }

    pub(super) fn deadline(&self, is_log_open: bool) -> Option<Duration> {
        match self.snapshot {
            Snapshot::TooEarly => {
                let can_insert = self.view.chunks == 0 || !self.view.is_stuck;
                let is_unsaid = !self.is_for_person && self.view.chunks < self.held.len() && is_log_open;
                match self.log_marks.passed(self.view.log) {
                    Some(passed) if can_insert => Some(passed + self.attach_lag()),
                    _ => is_unsaid.then(|| self.last_byte + QUESTION),
                }
            }
            Snapshot::Read { at, .. } => Some(at + ATTACH_LAG),
            _ => None,
        }
    }

    fn attach_lag(&self) -> Duration {
        if self.is_for_person {
            ATTACH_LAG_SEEN
        } else {
            ATTACH_LAG
        }
    }

    pub(super) fn tick(
        &mut self,
        transcript: &mut Transcript,
        at: Duration,
        is_log_open: bool,
        out: &mut Vec<Show>,
    ) -> Joint {
        match self.snapshot {
            Snapshot::TooEarly => {
                // What the attach did not bring by now, it will not bring.
                let place = self.log_marks.by(at.saturating_sub(self.attach_lag()));
                self.show_log_to(transcript, place, out);
                let is_unsaid = !self.is_for_person && self.view.chunks < self.held.len() && is_log_open;
                if is_unsaid && at >= self.last_byte + QUESTION {
                    // What the log has by now comes before the question.
                    self.snapshot = Snapshot::Wanted { not_before: at };
                }
                Joint::NotYet
            }
            Snapshot::Read { at: read, .. } if at >= read + ATTACH_LAG => self.look(transcript, at, out),
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

    /// Looks for the place in a whole snapshot.
    fn look(&mut self, transcript: &mut Transcript, at: Duration, out: &mut Vec<Show>) -> Joint {
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

    /// How much of what the attach brought was shown from the log before the attach was known to stand: the log was
    /// sooner. None where its beginning is not the end of what was shown. Of the attach, `least` bytes must be in the log.
    fn shown_before(&self, transcript: &Transcript, side: usize, least: usize) -> Option<usize> {
        let tail = transcript.settled.as_ref()?.tail();
        let (attach, log) = (&self.sides[side].plain, &self.log.plain);
        (1..=tail.len().min(attach.len())).rev().find(|shown| {
            let rest = &attach[*shown..];
            let common = rest.len().min(log.len());
            tail.ends_with(&attach[..*shown]) && rest[..common] == log[..common] && shown + log.len() >= least
        })
    }

    /// The attach begins so far before the end of what was settled.
    fn join_behind(&mut self, transcript: &mut Transcript, shown: usize, out: &mut Vec<Show>) -> Joint {
        if self.view.chunks > 0 && !self.view.is_stuck {
            take_back(transcript, &self.view.written, &self.view.line, out);
            self.view.chunks = 0;
        }
        if self.view.chunks == 0 {
            transcript.surplus = shown + self.view.log;
        }
        let mut left = shown;
        for (stream, side) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&self.sides) {
            let known = left.min(side.plain.len());
            left -= known;
            transcript.settle(stream, &side.plain[known..]);
        }
        transcript.take_over([self.sides[0].plainer, self.sides[1].plainer]);
        for (stream, bytes) in self.held.drain(self.view.chunks..) {
            transcript.emit_attached(stream, bytes, out);
        }
        Joint::Found
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

    /// Where in the log the first line of a stream stands, two places at the most.
    fn places_of(&self, side: &Side) -> Vec<usize> {
        let end = side.plain.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(side.plain.len(), |end| end + 1).min(LINE_MOST);
        occurrences(&side.plain[..end], &self.log.plain)
    }

    /// Each stream begins where its first line stands, if that is one place.
    fn join_by_first_lines(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) -> Joint {
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
    fn has_same_lines(&self, place: usize) -> bool {
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

    /// The place cannot be told. A person is shown what is likely, a script what is certain.
    fn undecided(
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

    /// The log does not reach back to where the attach begins: what there is is shown, and that something may be missing is
    /// told in the end.
    fn join_with_gap(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) -> Joint {
        transcript.has_gap = true;
        self.join(transcript, self.view.log, false, out)
    }

    /// The attach has ended as it should.
    pub(super) fn attach_is_over(&mut self) {
        self.is_over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Says whether the attach brought anything.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Attach and log are both whole: looks for the last time.
    pub(super) fn last_look(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) -> Joint {
        if self.is_other_log || self.log_read < self.log.plain.len() {
            return self.join_with_gap(transcript, out);
        }
        let [stdout, stderr] = [&self.sides[0].plain, &self.sides[1].plain];
        let length = stdout.len() + stderr.len();
        let joint = if stdout.is_empty() || stderr.is_empty() {
            let attach = if stdout.is_empty() { stderr } else { stdout };
            let by_length = Overlap {
                least: length,
                most: length,
            };
            let by_text = Overlap {
                least: 1,
                most: usize::MAX,
            };
            let fits = [by_length, by_text].map(|overlap| fit(attach, &self.log.plain, overlap));
            match fits {
                [Fit::At(place), _] | [_, Fit::At(place) | Fit::Several(place)] => {
                    self.join(transcript, place, true, out)
                }
                _ => match self.shown_before(transcript, usize::from(stdout.is_empty()), length) {
                    Some(shown) => self.join_behind(transcript, shown, out),
                    None => self.join_with_gap(transcript, out),
                },
            }
        } else {
            let by_length = self.log.plain.len().saturating_sub(length);
            if self.has_same_lines(by_length) {
                self.join(transcript, by_length, true, out)
            } else {
                self.join_by_first_lines(transcript, out)
            }
        };
        if joint != Joint::Found {
            return Joint::NotToBeFound;
        }
        joint
    }

    /// What the log has behind all that was settled from it and the attach.
    pub(super) fn log_behind(&self, settled: usize) -> Vec<u8> {
        let end = self.log.plain.len();
        self.log.part(settled.min(end), end).to_vec()
    }

    /// The attach begins at this place of the log.
    fn join(
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
        self.settle(transcript, place);
        for (stream, bytes) in self.held.drain(self.view.chunks..) {
            transcript.emit_attached(stream, bytes, out);
        }
        if !does_fit {
            transcript.settled = None;
        }
        Joint::Found
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

    /// The log up to a place, and the attach, are shown for good.
    fn settle(&mut self, transcript: &mut Transcript, place: usize) {
        transcript.settle(Stream::Stdout, &self.log.plain[..place]);
        for (stream, side) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&self.sides) {
            transcript.settle(stream, &side.plain);
        }
        transcript.take_over([self.sides[0].plainer, self.sides[1].plainer]);
    }

    /// What the attach brought and was not shown.
    pub(super) fn not_shown(mut self: Box<Self>) -> Vec<(Stream, Bytes)> {
        self.spare.extend(self.held.drain(self.view.chunks..));
        self.spare
    }

    /// The attach has ended: the log goes on alone, from what is given.
    pub(super) fn give_up(mut self: Box<Self>, transcript: &mut Transcript) -> (Following, Text) {
        let shown = self.view.log.min(self.log.plain.len());
        let mut rest = Text::default();
        // What the present reading has not come to yet, it will bring.
        rest.push(self.log.part(shown, self.log_read.max(shown)));
        transcript.settle(Stream::Stdout, &self.log.plain[..shown]);
        let ahead = self.ahead();
        (Following::after(ahead, self.not_shown()), rest)
    }

    /// The place is not to be found: the log goes on, and the attach tells the streams.
    pub(super) fn fall_back(mut self: Box<Self>, transcript: &mut Transcript) -> Following {
        let shown = self.view.log.min(self.log.plain.len());
        transcript.settle(Stream::Stdout, &self.log.plain[..shown]);
        Following::beside(self.ahead(), self.last_byte, &self.held)
    }

    fn ahead(&mut self) -> Option<Ahead> {
        (self.view.chunks > 0).then(|| {
            let mut plain = Vec::new();
            Plainer::default().push(&self.view.written, &mut plain);
            Ahead {
                plain,
                written: std::mem::take(&mut self.view.written),
                line: std::mem::take(&mut self.view.line),
                is_stuck: self.view.is_stuck,
            }
        })
    }
}

impl Side {
    fn push(&mut self, at: Duration, bytes: &[u8]) {
        let before = self.plain.len();
        self.plainer.push(bytes, &mut self.plain);
        let end = self.plain[before..].iter().rposition(|byte| *byte == b'\n');
        let of_lines = end.map_or(self.completed, |end| before + end + 1);
        self.completed = of_lines.max(self.plain.len().saturating_sub(LONGEST_PIECE));
        if self.completed > 0 {
            self.marks.set(at, self.completed);
        }
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

/// The unfinished line after more text.
fn last_line(line: &[u8], more: &[u8]) -> Vec<u8> {
    match more.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => more[end + 1..].to_vec(),
        None => [line, more].concat(),
    }
}
