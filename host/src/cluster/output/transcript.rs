//! What of a program's output has been shown, and what is to be shown next.
//!
//! Two sources tell of the same output, and neither alone is whole: an attach gives only what is written after it stands,
//! but at once, stream by stream, byte for byte; the log has everything from the first byte, but some time later, by
//! completed lines, and without saying of which stream. So the place in the log is looked for where the attach begins
//! (`joining.rs`): what the log has before it is shown, and then all that the attach brings. Until that place is certain a
//! script is shown only what is certain, and a person everything at once, to be taken back should the log tell otherwise.
//! When an attach breaks, the log goes on from where we are (`following.rs`).

use std::time::Duration;

use bytes::Bytes;

use super::{
    following::{Following, take_back},
    joining::{Joining, Joint},
    screen::Screen,
    settled::{Settled, hashed, unhashed},
    text::{Plainer, Text, with_returns, without_questions, written_length},
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

/// How long a log may take to be found that goes on where we are.
const SEARCH: Duration = Duration::from_secs(1);

/// How much of a log is kept to find the place where it goes on, in bytes.
const SEARCHED_MOST: usize = 64 << 20;

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

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamState {
    pub(super) is_used: bool,
    pub(super) plainer: Plainer,
}

/// The present reading of the log, from its first byte.
#[derive(Debug)]
struct Reading {
    is_open: bool,
    /// Carriage returns at the end of what came, which wait for what follows.
    returns: usize,
    /// How many plain bytes came, and their hash.
    at: u64,
    hash: u64,
    base: Base,
    searched: Text,
    last_byte: Duration,
}

/// Where in the output the log begins: not at its first byte once it was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// So many bytes after the output's first one; it may be before, when more is there than was ever shown.
    At(i64),
    /// Not known before its beginning is compared with what was shown.
    Compare,
    /// It is another beginning: looking for the end of what was shown.
    Search,
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

    /// Counts what the attach brought as the log will have it.
    pub(super) fn count(&mut self, stream: Stream, bytes: &[u8]) {
        let mut plain = Vec::new();
        let state = &mut self.streams[stream as usize];
        state.plainer.push(bytes, &mut plain);
        self.settle(stream, &plain);
    }

    /// What was shown on a stream is shown for good.
    pub(super) fn settle(&mut self, stream: Stream, plain: &[u8]) {
        if plain.is_empty() {
            return;
        }
        self.streams[stream as usize].is_used = true;
        let is_mixed = self.streams.iter().all(|state| state.is_used);
        if let Some(settled) = &mut self.settled {
            if is_mixed {
                settled.mix();
            }
            settled.push(plain);
        }
    }

    /// The streams go on from where a join left them.
    pub(super) fn take_over(&mut self, plainers: [Plainer; 2]) {
        for (state, plainer) in self.streams.iter_mut().zip(plainers) {
            state.plainer = plainer;
        }
    }

    /// Shows bytes of the program.
    pub(super) fn emit(&mut self, stream: Stream, bytes: Bytes, out: &mut Vec<Show>) {
        if bytes.is_empty() {
            return;
        }
        let returns = bytes.iter().rev().take_while(|byte| **byte == b'\r').count();
        self.returns = if returns == bytes.len() {
            self.returns + returns
        } else {
            returns
        };
        out.push(Show::Bytes(stream, bytes));
    }

    /// Shows what the attach brought, but for what the log had already.
    pub(super) fn emit_attached(&mut self, stream: Stream, bytes: Bytes, out: &mut Vec<Show>) {
        if self.surplus == 0 {
            return self.emit(stream, bytes, out);
        }
        let mut plain = Vec::new();
        Plainer::default().push(&bytes, &mut plain);
        let known = self.surplus.min(plain.len());
        self.surplus -= known;
        self.emit(stream, bytes.slice(written_length(&bytes, known)..), out);
    }

    /// Shows text of the log as the program wrote it.
    pub(super) fn emit_log(&mut self, stream: Stream, mut text: &[u8], out: &mut Vec<Show>) {
        // An attach may have ended within a line's end.
        for _ in 0..self.returns {
            text = text.strip_prefix(b"\r").unwrap_or(text);
        }
        if self.tty {
            let written = with_returns(text, self.returns > 0);
            let written = match self.screen {
                Some(_) => without_questions(&written).into_owned(),
                None => written,
            };
            self.emit(stream, written.into(), out);
        } else {
            self.emit(stream, Bytes::copy_from_slice(text), out);
        }
    }

    fn is_searching(&self) -> bool {
        self.reading.base == Base::Search
    }

    /// Text of the log came, of which the last byte is no carriage return.
    fn log_text(&mut self, at: Duration, written: &[u8], out: &mut Vec<Show>) {
        if written.is_empty() || self.settled.is_none() {
            return;
        }
        match self.reading.base {
            Base::At(base) => self.placed_text(at, base, written, out),
            Base::Compare => self.compare(at, written, out),
            Base::Search => self.search(at, written, out),
        }
    }

    /// Text came whose place in the output is known.
    fn placed_text(&mut self, at: Duration, base: i64, written: &[u8], out: &mut Vec<Show>) {
        let mut text = Text::default();
        text.push(written);
        let Some(settled) = &self.settled else {
            return;
        };
        let start = i128::from(base) + i128::from(self.reading.at);
        let known = (i128::from(settled.length()) - start).clamp(0, text.plain.len() as i128);
        let known = usize::try_from(known).unwrap_or(0);
        let was_all_known = start < i128::from(settled.length());
        self.reading.at += text.plain.len() as u64;
        let hash = hashed(self.reading.hash, &text.plain[..known]);
        self.reading.hash = hashed(hash, &text.plain[known..]);
        let is_past = known < text.plain.len() || start + (known as i128) == i128::from(settled.length());
        if base == 0 && was_all_known && is_past && !settled.is(hash) {
            // This is not the log of what was shown. What ended as it should needs no log.
            if self.is_trusted {
                self.reading.base = Base::At(i64::MIN / 2);
                return;
            }
            self.has_gap = true;
        }
        if known == text.plain.len() {
            return;
        }
        let rest = if known == 0 {
            text
        } else {
            let mut rest = Text::default();
            rest.push(text.part(known, text.plain.len()));
            rest
        };
        self.text_came(at, &rest, out);
    }

    /// Compares the log's beginning with that of what was shown.
    fn compare(&mut self, at: Duration, written: &[u8], out: &mut Vec<Show>) {
        self.reading.searched.push(written);
        let head = self.settled.as_ref().and_then(Settled::head).unwrap_or_default();
        let common = head.len().min(self.reading.searched.plain.len());
        let is_same = head[..common] == self.reading.searched.plain[..common];
        if is_same && common < head.len() {
            return;
        }
        if is_same {
            self.go_on_from(at, 0, out);
        } else {
            self.reading.base = Base::Search;
            self.search(at, &[], out);
        }
    }

    /// Looks for the end of what was shown in a log that begins later.
    fn search(&mut self, at: Duration, written: &[u8], out: &mut Vec<Show>) {
        let Some(settled) = &self.settled else {
            return;
        };
        let tail = settled.tail();
        let already = self.reading.searched.plain.len();
        self.reading.searched.push(written);
        let from = already.saturating_sub(tail.len());
        let from = if written.is_empty() { 0 } else { from };
        let found = super::align::occurrences(tail, &self.reading.searched.plain[from..]);
        let length = i64::try_from(settled.length()).unwrap_or(i64::MAX);
        if let Some(place) = found.first() {
            let end = i64::try_from(from + place + tail.len()).unwrap_or(i64::MAX);
            self.go_on_from(at, length - end, out);
        } else if self.reading.searched.plain.len() > SEARCHED_MOST {
            self.decide_base(at, out);
        }
    }

    /// The log's place is known: what was kept of it is dealt with.
    fn go_on_from(&mut self, at: Duration, base: i64, out: &mut Vec<Show>) {
        self.reading.base = Base::At(base);
        let searched = std::mem::take(&mut self.reading.searched);
        self.placed_text(at, base, &searched.written, out);
    }

    /// Says whether the log, in which the end of what was shown was not found, has less than that: it began anew just now.
    /// Of two streams the order may be another one, so nothing can be told.
    fn is_end_of_shown(&self) -> bool {
        let settled = self.settled.as_ref();
        settled.is_some_and(|settled| {
            settled.head().is_none() || settled.tail().ends_with(&self.reading.searched.plain)
        })
    }

    /// No more comes of this reading for now, and if it was not found where it goes on, it is all new.
    fn decide_base(&mut self, at: Duration, out: &mut Vec<Show>) {
        match self.reading.base {
            Base::At(_) => {}
            // It is shorter than what was shown, and the same so far.
            Base::Compare => self.go_on_from(at, 0, out),
            Base::Search if self.is_trusted && self.is_end_of_shown() => {
                self.reading.base = Base::At(i64::MIN / 2);
            }
            Base::Search => {
                self.has_gap = true;
                let length = self.settled.as_ref().map_or(0, Settled::length);
                self.go_on_from(at, i64::try_from(length).unwrap_or(i64::MAX), out);
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

impl Reading {
    fn new(base: Base) -> Self {
        Self {
            is_open: false,
            returns: 0,
            at: 0,
            hash: unhashed(),
            base,
            searched: Text::default(),
            last_byte: Duration::ZERO,
        }
    }
}

#[cfg(test)]
#[path = "transcript_tests.rs"]
mod tests;
