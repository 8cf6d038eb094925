//! What of a program's output has been shown, and what is to be shown next.
//!
//! Two sources tell of the same output, and neither alone is whole: an attach gives only what is written after it stands,
//! but at once, stream by stream, byte for byte; the log has everything from the first byte, but some time later, by
//! completed lines, and without saying of which stream. So the place in the log is looked for where the attach begins
//! (`joining`): what the log has before it is shown, and then all that the attach brings. Until that place is certain a
//! script is shown only what is certain, and a person everything at once, to be taken back should the log tell otherwise.
//! When an attach breaks, the log goes on from where we are (`following.rs`); `place.rs` finds where that is in it.

mod place;
mod show;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use self::{
    place::{Base, Reading, SEARCH},
    show::StreamState,
};
use super::{
    following::{Following, take_back},
    joining::{Joining, Joint},
    screen::Screen,
    settled::Settled,
    text::{Plainer, Text},
};

/// Which of a program's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output, and everything where there is a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What is to be done with the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Show {
    /// Write.
    Bytes(Stream, Bytes),
    /// Take back what was written last: go up so many rows and clear to the end.
    TakeBack {
        /// How many rows above the cursor its first byte stands.
        rows: usize,
    },
}

/// How the log should be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum LogWish {
    /// Not at all.
    Nothing,
    /// From its first byte, and on as it grows.
    Follow,
    /// From its first byte to where it ends at that time, not before the time given: then it has what is waited for.
    Snapshot(Duration),
}

/// Whether all of the output was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Wholeness {
    /// It was.
    Whole,
    /// Some of it is lost: the log does not reach back to where the connection broke.
    Missing,
}

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Transcript {
    pub(super) screen: Option<Screen>,
    pub(super) tty: bool,
    /// What was shown for good; none where its place in the log is not known.
    pub(super) settled: Option<Settled>,
    /// How many carriage returns were shown last, which count only with what follows.
    pub(super) returns: usize,
    mode: Mode,
    reading: Reading,
    /// How much of what the attach brings next was shown from the log: it was late.
    pub(super) surplus: usize,
    /// Which streams were written to, and what of their ends does not count yet.
    streams: [StreamState; 2],
    /// The last attach ended as it should and was placed, so it needs no log to confirm it.
    is_trusted: bool,
    /// Some of the output was not to be had.
    pub(super) has_gap: bool,
}

#[derive(Debug)]
enum Mode {
    Following(Following),
    Joining(Box<Joining>),
    Attached,
}

impl Transcript {
    /// A transcript of which nothing was shown. `screen` is the terminal that a person looks at, if one does; `tty` says
    /// whether the program has a terminal, too.
    pub(in super::super) fn new(screen: Option<Screen>, tty: bool) -> Self {
        Self {
            screen,
            tty,
            settled: Some(Settled::default()),
            returns: 0,
            mode: Mode::Following(Following::default()),
            reading: Reading::new(Base::At(0)),
            surplus: 0,
            streams: <[StreamState; 2]>::default(),
            is_trusted: false,
            has_gap: false,
        }
    }

    /// How the log should be read.
    pub(in super::super) fn wish(&self) -> LogWish {
        match &self.mode {
            _ if self.settled.is_none() => LogWish::Nothing,
            Mode::Following(_) => LogWish::Follow,
            Mode::Joining(joining) => joining.wish(),
            Mode::Attached => LogWish::Nothing,
        }
    }

    /// Says whether more of the attach can be taken now. That it cannot holds the program up, until the log has caught up.
    pub(in super::super) fn wants_attach(&self) -> bool {
        match &self.mode {
            Mode::Joining(joining) => joining.has_room(),
            _ => true,
        }
    }

    /// Says whether a last look into the log would tell anything. An attach that ended as it should is no proof: what a
    /// kubelet could not send in time when the program ended it drops.
    pub(in super::super) fn wants_last_reading(&self) -> bool {
        self.settled.is_some()
    }

    /// How many bytes of the log came in its present reading.
    pub(in super::super) fn log_length(&self) -> u64 {
        self.reading.at
    }

    /// An attach connection stands.
    pub(in super::super) fn attach_begins(&mut self, at: Duration, out: &mut Vec<Show>) {
        self.is_trusted = false;
        self.give_up(at, out);
        let mode = std::mem::replace(&mut self.mode, Mode::Attached);
        let (Mode::Following(mut following), true) = (mode, self.settled.is_some()) else {
            return;
        };
        match following.ahead.take() {
            // A question that was shown: the log will have it where it was taken to be.
            Some(ahead) if ahead.is_stuck => self.settle(Stream::Stdout, &ahead.plain),
            Some(ahead) => take_back(self, &ahead.written, &ahead.line, out),
            None => {}
        }
        let line = self.settled.as_ref().map(|settled| settled.line().to_vec());
        let line = line.unwrap_or_default();
        let is_for_person = self.screen.is_some();
        let joining = Joining::new(at, is_for_person, line, following.take_spare())
            .with_log_shown(std::mem::take(&mut self.surplus));
        self.mode = Mode::Joining(Box::new(joining));
        self.text_came(at, &following.take_text(), out);
    }

    /// Bytes came over the attach connection.
    pub(in super::super) fn attached(
        &mut self,
        at: Duration,
        stream: Stream,
        bytes: &Bytes,
        out: &mut Vec<Show>,
    ) {
        match &mut self.mode {
            Mode::Attached => {
                self.count(stream, bytes);
                self.emit_attached(stream, bytes.clone(), out);
            }
            Mode::Joining(_) => {
                let joint = self
                    .with_joining(|transcript, joining| joining.attached(transcript, at, stream, bytes, out));
                self.joined(joint);
            }
            Mode::Following(following) => following.attached(at, stream, bytes),
        }
    }

    /// The attach connection has ended, by itself or broken: what is missing comes from the log.
    pub(in super::super) fn attach_ends(&mut self, at: Duration, is_clean: bool, out: &mut Vec<Show>) {
        match &mut self.mode {
            Mode::Attached => {
                self.is_trusted = is_clean && self.settled.is_some();
                self.mode = Mode::Following(Following::default());
            }
            Mode::Following(_) => {
                if let Mode::Following(mut following) = std::mem::replace(&mut self.mode, Mode::Attached) {
                    following.attach_ends(self, out);
                    self.mode = Mode::Following(following);
                }
            }
            // It is whole, and only its beginning is still to be found.
            Mode::Joining(joining) if is_clean && !joining.is_empty() => joining.attach_is_over(),
            Mode::Joining(_) => self.give_up(at, out),
        }
    }

    /// The place where the attach begins does not matter any more: the log goes on alone.
    fn give_up(&mut self, at: Duration, out: &mut Vec<Show>) {
        match std::mem::replace(&mut self.mode, Mode::Attached) {
            Mode::Joining(joining) => {
                let (following, rest) = joining.give_up(self);
                self.mode = Mode::Following(following);
                self.text_came(at, &rest, out);
            }
            mode => self.mode = mode,
        }
    }

    /// The log is read from its first byte.
    pub(in super::super) fn log_begins(&mut self, at: Duration) {
        let is_first = self.settled.as_ref().is_none_or(|settled| settled.length() == 0);
        self.reading = Reading::new(if is_first { Base::At(0) } else { Base::Compare });
        self.reading.is_open = true;
        self.reading.last_byte = at;
        match &mut self.mode {
            Mode::Joining(joining) => joining.log_begins(at),
            Mode::Following(following) => following.log_begins(),
            Mode::Attached => {}
        }
    }

    /// Bytes of the log came.
    pub(in super::super) fn log(&mut self, at: Duration, bytes: &[u8], out: &mut Vec<Show>) {
        let mut written = vec![b'\r'; std::mem::take(&mut self.reading.returns)];
        written.extend_from_slice(bytes);
        let length = written
            .iter()
            .rposition(|byte| *byte != b'\r')
            .map_or(0, |last| last + 1);
        self.reading.returns = written.len() - length;
        written.truncate(length);
        self.reading.last_byte = at;
        self.log_text(at, &written, out);
    }

    /// The snapshot that was wished for has come to its end.
    pub(in super::super) fn snapshot_ends(&mut self, at: Duration, out: &mut Vec<Show>) {
        self.decide_base(at, out);
        self.reading.is_open = false;
        if matches!(self.mode, Mode::Joining(_)) {
            let joint = self.with_joining(|transcript, joining| joining.snapshot_ends(transcript, at, out));
            self.joined(joint);
        }
    }

    /// The reading of the log broke.
    pub(in super::super) fn log_breaks(&mut self) {
        self.reading.is_open = false;
    }

    /// The log cannot be read: the attach is all that there is.
    pub(in super::super) fn log_fails(&mut self, out: &mut Vec<Show>) {
        self.reading.is_open = false;
        let rest = match std::mem::replace(&mut self.mode, Mode::Attached) {
            Mode::Attached => return,
            Mode::Joining(joining) => joining.not_shown(),
            Mode::Following(mut following) => {
                let spare = following.take_spare();
                if !following.is_beside_attach() {
                    self.mode = Mode::Following(following);
                }
                spare
            }
        };
        self.settled = None;
        for (stream, bytes) in rest {
            self.emit(stream, bytes, out);
        }
    }

    /// The program has ended, and its log was read to the end: says whether all was shown.
    pub(in super::super) fn log_ends(&mut self, at: Duration, out: &mut Vec<Show>) -> Wholeness {
        self.decide_base(at, out);
        self.reading.is_open = false;
        self.look_for_the_last_time(at, out);
        if let Mode::Following(mut following) = std::mem::replace(&mut self.mode, Mode::Attached) {
            following.log_ends(self, out);
            self.mode = Mode::Following(following);
        }
        let returns = vec![b'\r'; std::mem::take(&mut self.reading.returns)];
        if self.settled.is_some() {
            self.emit_log(Stream::Stdout, &returns, out);
        }
        let reached = match self.reading.base {
            Base::At(base) => i128::from(base) + i128::from(self.reading.at),
            _ => 0,
        };
        let is_short = self
            .settled
            .as_ref()
            .is_some_and(|settled| reached < i128::from(settled.length()));
        let is_whole = !self.has_gap && (self.is_trusted || !is_short);
        if is_whole {
            Wholeness::Whole
        } else {
            Wholeness::Missing
        }
    }

    /// There was no way to look into the log once more: says whether that matters.
    pub(in super::super) fn ends_without_log(&self) -> Wholeness {
        if !self.has_gap && (self.is_trusted || self.settled.is_none()) {
            Wholeness::Whole
        } else {
            Wholeness::Missing
        }
    }

    fn look_for_the_last_time(&mut self, at: Duration, out: &mut Vec<Show>) {
        if !matches!(self.mode, Mode::Joining(_)) {
            return;
        }
        let before = self.settled.as_ref().map_or(0, Settled::length);
        let joint = self.with_joining(|transcript, joining| {
            let joint = joining.last_look(transcript, out);
            if let (Joint::Found, Some(settled)) = (joint, &transcript.settled) {
                // Should the attach have ended too early, the log has the rest.
                let settled = usize::try_from(settled.length() - before).unwrap_or(usize::MAX);
                let rest = joining.log_behind(settled);
                let mut plain = Vec::new();
                Plainer::default().push(&rest, &mut plain);
                transcript.settle(Stream::Stdout, &plain);
                transcript.emit_log(Stream::Stdout, &rest, out);
            }
            joint
        });
        if joint == Joint::Found {
            self.joined(joint);
        } else {
            self.give_up(at, out);
        }
    }

    /// When something is to be decided although nothing comes.
    pub(in super::super) fn deadline(&self) -> Option<Duration> {
        let of_search =
            (self.reading.is_open && self.is_searching()).then(|| self.reading.last_byte + SEARCH);
        let of_mode = match &self.mode {
            Mode::Joining(joining) => joining.deadline(self.reading.is_open),
            Mode::Following(following) => following.deadline(),
            Mode::Attached => None,
        };
        of_search.into_iter().chain(of_mode).min()
    }

    /// A deadline has passed.
    pub(in super::super) fn tick(&mut self, at: Duration, out: &mut Vec<Show>) {
        if self.reading.is_open && self.is_searching() && at >= self.reading.last_byte + SEARCH {
            self.decide_base(at, out);
        }
        let is_open = self.reading.is_open;
        match &mut self.mode {
            Mode::Joining(_) => {
                let joint =
                    self.with_joining(|transcript, joining| joining.tick(transcript, at, is_open, out));
                self.joined(joint);
            }
            Mode::Following(following) => {
                if let Some(unfinished) = following.quiet(at) {
                    self.attach_begins(at, out);
                    for (stream, bytes) in unfinished {
                        self.attached(at, stream, &bytes, out);
                    }
                }
            }
            Mode::Attached => {}
        }
    }

    /// A person typed into a terminal that shows it by itself: what is on the screen cannot be taken back any more.
    pub(in super::super) fn typed(&mut self) {
        if let (Mode::Joining(joining), false) = (&mut self.mode, self.tty) {
            joining.screen_moved();
        }
    }

    fn with_joining<T>(&mut self, act: impl FnOnce(&mut Self, &mut Joining) -> T) -> T {
        let Mode::Joining(mut joining) = std::mem::replace(&mut self.mode, Mode::Attached) else {
            unreachable!("only called while joining");
        };
        let result = act(self, &mut joining);
        self.mode = Mode::Joining(joining);
        result
    }

    /// What came of trying to find where the attach begins.
    fn joined(&mut self, joint: Joint) {
        match joint {
            Joint::NotYet => {}
            Joint::Found => {
                let is_over = matches!(&self.mode, Mode::Joining(joining) if joining.is_over());
                self.mode = Mode::Attached;
                if is_over {
                    self.is_trusted = self.settled.is_some();
                    self.mode = Mode::Following(Following::default());
                }
            }
            Joint::NotToBeFound => {
                let Mode::Joining(joining) = std::mem::replace(&mut self.mode, Mode::Attached) else {
                    return;
                };
                self.mode = Mode::Following(joining.fall_back(self));
            }
        }
    }

    /// Text of the log came that was not settled before.
    fn text_came(&mut self, at: Duration, text: &Text, out: &mut Vec<Show>) {
        if text.plain.is_empty() {
            return;
        }
        match &mut self.mode {
            Mode::Attached => {}
            Mode::Joining(_) => {
                let joint =
                    self.with_joining(|transcript, joining| joining.logged(transcript, at, text, out));
                self.joined(joint);
            }
            Mode::Following(_) => {
                let Mode::Following(mut following) = std::mem::replace(&mut self.mode, Mode::Attached) else {
                    return;
                };
                following.logged(self, text, out);
                self.mode = Mode::Following(following);
            }
        }
    }
}
