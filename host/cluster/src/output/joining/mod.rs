//! An attach stands: where does it begin in the log?
//!
//! A log is read to its end after the attach has brought a whole line (`LogWish::Snapshot`): then that line is in it, and the
//! text tells the place, unless it repeats itself. Then lengths tell, once both sources have said all that they had: what
//! the attach brought some time before the log was read is in the log, and what the log had is brought by the attach some
//! time after.
//!
//! Here is what comes and when to look. What is shown before the place is known is in `early.rs`, the search in `look.rs`,
//! and what follows when it is found in `join.rs`.

mod early;
mod join;
mod look;
mod side;

use std::time::Duration;

use bytes::Bytes;

use self::{early::View, look::Doubt, side::Side};
use super::{
    align::{Fit, Overlap, fit},
    following::{Ahead, Following},
    marks::Marks,
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

/// How much an attach may bring before its place is known; then the program has to wait.
const HELD_MOST: usize = 4 << 20;

/// How much of a log is kept to find the place. Far more than a log grows to.
const LOG_MOST: usize = 64 << 20;

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

    pub(super) fn logged(
        &mut self,
        transcript: &mut Transcript,
        at: Duration,
        text: &Text,
        out: &mut Vec<Show>,
    ) -> Joint {
        self.spare.clear();
        // What is known of another log is not kept, so that more of it may have been read than is here.
        let before = self.log.plain.get(self.log_read..).unwrap_or_default();
        let known = before.len().min(text.plain.len());
        self.is_other_log |= before[..known] != text.plain[..known];
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
