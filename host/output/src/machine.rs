//! The machine's state, what goes into it, and what it asks of the session. How it decides is in `merge.rs`.

use std::{collections::VecDeque, time::Duration};

use crate::{
    BOTH, CROSS_GRACE, Doubt, ENTRY, End, Event, GRACE, KEPT, LIVE_GRACE, LogWish, OVERDUE, Output,
    PART_PATIENCE, PATIENCE, PAUSE, PROMPT_PAUSE, Setup, Stream,
    counts::Recent,
    feed::{Feed, Fragment},
    log::Log,
};

/// How long a log that is followed must be silent to count as read to its end, when the program has ended.
const LOG_SILENCE: Duration = Duration::from_millis(100);

/// The same for one so large that it may be rotated.
const LARGE_LOG: usize = 4 << 20;
const LARGE_LOG_SILENCE: Duration = Duration::from_secs(2);

/// How much may be missed while an attach stands and brings nothing, in bytes.
const MAX_UNHEARD: usize = 4 << 20;

/// How long a log that seems to be rotated may still show that it is not.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The attach's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attach {
    /// Nothing can come.
    Away,
    /// It was asked for: what is written from now on it may bring.
    Opening,
    Stands,
}

/// The reading of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Closed,
    Open,
    /// All that the program wrote is in it.
    Last,
    /// It was read to its last byte.
    Complete,
    /// It cannot be read: the attach is all that there is.
    Failed,
}

/// A unit of the log that is not decided yet.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) raw: Vec<u8>,
    pub(crate) at: Duration,
}

/// See the crate.
#[derive(Debug)]
pub struct Machine {
    pub(crate) setup: Setup,
    pub(crate) now: Duration,
    pub(crate) out: VecDeque<Output>,
    pub(crate) feeds: [Feed; 2],
    pub(crate) units: VecDeque<Unit>,
    unit_bytes: usize,
    /// Shown from the attach, not told by the log yet.
    pub(crate) ahead: Recent,
    /// How many bytes of those the log will not have: it was rotated.
    pub(crate) lost_ahead: usize,
    /// Shown from the log; the attach may bring it.
    pub(crate) early: Recent,
    /// When a text was added to those ahead.
    pub(crate) ahead_at: Duration,
    /// When the attach was last not read.
    pub(crate) blocked_at: Duration,
    /// Texts that were taken for this stream's when the other might have brought the same.
    pub(crate) lent: VecDeque<(Option<Stream>, Vec<u8>)>,
    /// Bytes of those since the attach brought something.
    pub(crate) unheard: usize,
    /// When a text was added to those.
    pub(crate) early_at: Duration,
    /// Units that were begun before an attach, and were shown without their beginnings.
    pub(crate) cut: Vec<Fragment>,
    attach: Attach,
    /// The last attach ended with the program.
    pub(crate) has_finished: bool,
    /// A unit of the present attach is in the log: what follows it the attach brings.
    pub(crate) is_placed: bool,
    /// A terminal that shows at once what the attach brings.
    is_live: bool,
    log: Log,
    reading: Reading,
    log_at: Duration,
    /// It was rotated, and may lack what the attach has brought on a stream.
    pub(crate) has_gap: [bool; 2],
    /// When it had something new.
    news_at: Duration,
    /// Since when the log can be read.
    readable_since: Option<Duration>,
    has_ended: bool,
    /// When the program or the attach ended.
    over_at: Duration,
    /// A piece of a long line was shown last on a stream, and whether the log alone had it.
    pub(crate) piece_on: [Option<bool>; 2],
    /// The streams that are within a line.
    pub(crate) open: [bool; 2],
    pub(crate) from_log_told: bool,
    doubts: Vec<Doubt>,
    /// Bytes that came since the attach was asked for, from it and from the log.
    progress: [usize; 2],
}

impl Machine {
    /// A machine to which nothing has happened yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            now: Duration::ZERO,
            out: VecDeque::new(),
            feeds: Default::default(),
            units: VecDeque::new(),
            unit_bytes: 0,
            ahead: Recent::default(),
            lost_ahead: 0,
            early: Recent::default(),
            ahead_at: Duration::ZERO,
            blocked_at: Duration::ZERO,
            lent: VecDeque::new(),
            unheard: 0,
            early_at: Duration::ZERO,
            cut: Vec::new(),
            attach: Attach::Away,
            has_finished: false,
            is_placed: false,
            is_live: false,
            log: Log::new(setup.piece),
            reading: Reading::Closed,
            log_at: Duration::ZERO,
            has_gap: [false; 2],
            news_at: Duration::ZERO,
            readable_since: None,
            has_ended: false,
            over_at: Duration::ZERO,
            piece_on: [None; 2],
            open: [false; 2],
            from_log_told: false,
            doubts: Vec::new(),
            progress: [0; 2],
        }
    }

    /// An attach is asked for.
    pub fn attach_opens(&mut self, at: Duration) {
        self.now = at;
        self.attach = Attach::Opening;
        self.has_finished = false;
        self.is_placed = false;
        self.is_live = false;
        self.progress = [0; 2];
        self.unheard = 0;
        self.feeds.iter_mut().for_each(|feed| feed.attach_began(at));
        self.settle();
    }

    /// The attach stands.
    pub fn attach_began(&mut self, at: Duration) {
        self.now = at;
        self.attach = Attach::Stands;
        self.feeds.iter_mut().for_each(|feed| feed.at = at);
        self.settle();
    }

    /// The attach brought bytes.
    pub fn attach_bytes(&mut self, at: Duration, stream: Stream, bytes: &[u8]) {
        self.now = at;
        self.progress[0] += bytes.len();
        self.unheard = 0;
        self.feeds[stream as usize].push(at, bytes, self.setup.piece);
        self.settle();
    }

    /// The attach has ended. Call it also when one that was asked for does not come to stand, or is given up.
    pub fn attach_ended(&mut self, at: Duration, end: End) {
        self.now = at;
        self.attach = Attach::Away;
        self.has_finished = end == End::Finished;
        self.over_at = at;
        self.is_live = false;
        self.feeds.iter_mut().for_each(|feed| feed.attach_ended(end));
        self.settle();
    }

    /// A reading of the log was opened, as `log_wish` has it.
    pub fn log_began(&mut self, at: Duration) {
        self.now = at;
        self.log_at = at;
        self.readable_since.get_or_insert(at);
        self.reading = if self.is_over() {
            Reading::Last
        } else {
            Reading::Open
        };
        self.log.begins();
    }

    /// The log brought bytes.
    pub fn log_bytes(&mut self, at: Duration, bytes: &[u8]) {
        self.now = at;
        self.log_at = at;
        self.progress[1] += bytes.len();
        let mut units = Vec::new();
        self.log.push(bytes, &mut units);
        self.logged(units);
        self.settle();
    }

    fn logged(&mut self, units: Vec<Vec<u8>>) {
        if std::mem::take(&mut self.log.is_rotated) {
            self.has_gap = BOTH.map(|stream| self.feeds[stream as usize].is_used);
            self.doubt(Doubt::LogRotated);
        }
        if !units.is_empty() {
            self.news_at = self.now;
        }
        for raw in units {
            self.unit_bytes += raw.len() + ENTRY;
            self.units.push_back(Unit { raw, at: self.now });
        }
    }

    /// The reading of the log has ended.
    pub fn log_ended(&mut self, at: Duration, end: End) {
        self.now = at;
        let is_complete =
            self.reading == Reading::Last && end == End::Finished && self.attach == Attach::Away;
        self.reading = Reading::Closed;
        self.readable_since = self.readable_since.filter(|_| end == End::Finished);
        if end == End::Finished {
            // The place is not in all that there is.
            let mut units = Vec::new();
            self.log.rotated(&mut units);
            self.logged(units);
            self.settle();
        }
        if is_complete {
            let rest = self.log.ends();
            self.reading = Reading::Complete;
            self.settle();
            self.finish(&rest);
            if self.log.has_strange_lines {
                self.doubt(Doubt::LogUnreadable);
            }
        }
    }

    /// The log cannot be read, now and later.
    pub fn log_failed(&mut self, at: Duration) {
        self.now = at;
        if !matches!(self.reading, Reading::Complete | Reading::Failed) {
            self.doubt(Doubt::LogUnreadable);
            self.reading = Reading::Failed;
            self.settle();
        }
    }

    /// The program has ended; an attach may still bring what it wrote.
    pub fn program_ended(&mut self, at: Duration) {
        self.now = at;
        self.has_ended = true;
        self.over_at = at;
    }

    /// Time has passed: call it when `deadline` has come.
    pub fn tick(&mut self, at: Duration) {
        self.now = at;
        if self.log.is_in_doubt() && at >= self.log_at + STANDSTILL {
            let mut units = Vec::new();
            self.log.rotated(&mut units);
            self.logged(units);
        }
        if self.overdue_at().is_some_and(|overdue| at >= overdue) {
            self.lost_ahead = self.ahead.bytes();
            self.doubt(Doubt::LogIncomplete);
        }
        self.settle();
    }

    /// What is to be written or told next.
    pub fn next_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Whether to read from the attach. One that is not read holds the program up until the log has caught up.
    #[must_use]
    pub fn wants_attach(&self) -> bool {
        let limit = self.setup.limit;
        // Of a line that began before the attach and does not end nothing is kept, so it is only the log that has it.
        let is_unkept = BOTH.iter().any(|stream| {
            self.feeds[*stream as usize]
                .part()
                .is_some_and(|part| !part.begins)
        });
        let is_behind = is_unkept && self.progress[0] > self.progress[1] + limit.max(8 * self.setup.piece);
        self.is_blind()
            || !(self.is_ahead()
                || is_behind
                || self
                    .feeds
                    .iter()
                    .any(|feed| feed.bytes >= limit && feed.queue.iter().any(|fragment| fragment.ends)))
    }

    /// When the log should have had what the attach is ahead of it.
    fn overdue_at(&self) -> Option<Duration> {
        let since = self.readable_since.filter(|_| self.is_ahead())?;
        Some(since.max(self.news_at).max(self.ahead_at) + OVERDUE)
    }

    fn is_ahead(&self) -> bool {
        self.ahead.bytes().saturating_sub(self.lost_ahead) >= self.setup.limit
            && !self.is_blind()
            && !self.has_gap.contains(&true)
    }

    /// Whether to read from the log that is open.
    #[must_use]
    pub fn wants_log(&self) -> bool {
        self.unit_bytes < self.setup.limit
    }

    /// Whether the attach is so far behind the log that what it may still bring cannot be remembered: to be given up, and
    /// begun again.
    #[must_use]
    pub fn gives_attach_up(&self) -> bool {
        self.attach == Attach::Stands && self.unheard > MAX_UNHEARD && self.wants_attach()
    }

    /// How the log is to be read while no reading of it is open, and whether the one that is open is still of use.
    #[must_use]
    pub fn log_wish(&self) -> Option<LogWish> {
        let is_done = matches!(self.reading, Reading::Complete | Reading::Failed);
        (!is_done).then(|| LogWish {
            follow: !self.is_over() || self.ends_at().is_some_and(|at| self.now < at),
            since: self.log.since(),
        })
    }

    /// When a reading that follows has come to the log's end, where it has to. To begin another one may be too late: the
    /// log may be rotated meanwhile.
    fn ends_at(&self) -> Option<Duration> {
        let silence = if self.progress[1] > LARGE_LOG {
            LARGE_LOG_SILENCE
        } else {
            LOG_SILENCE
        };
        let is_read = self.reading == Reading::Open && self.is_over();
        let at = if self.wants_log() {
            self.log_at.max(self.over_at)
        } else {
            self.now
        };
        is_read.then_some(at + silence)
    }

    fn is_over(&self) -> bool {
        self.has_ended && self.attach == Attach::Away
    }

    /// Whether the program has ended and all of its output was dealt with.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_over() && matches!(self.reading, Reading::Complete | Reading::Failed)
    }

    /// When to call `tick`, unless something happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let unit = self.units.front().and_then(|unit| self.awaited_until(unit.at));
        let fragments = BOTH.into_iter().filter_map(|stream| self.patience(stream));
        let parts = BOTH.into_iter().filter_map(|stream| self.pause(stream));
        let doubt = self.log.is_in_doubt().then_some(self.log_at + STANDSTILL);
        let overdue = self.overdue_at();
        let waits = self.units.front().map(|unit| unit.at + PATIENCE);
        let held = (self.early.bytes() > 0).then(|| self.kept_until());
        let all = unit
            .into_iter()
            .chain(fragments)
            .chain(parts)
            .chain(doubt)
            .chain(overdue)
            .chain(held)
            .chain(self.live_at())
            .chain(self.ends_at())
            .chain(waits);
        all.filter(|at| *at > self.now).min()
    }

    /// Until when the attach may be so late that it brings what was shown from the log.
    pub(crate) fn kept_until(&self) -> Duration {
        self.early_at.max(self.blocked_at) + KEPT
    }

    /// Until when a unit of the log may come from the attach.
    pub(crate) fn awaited_until(&self, came_at: Duration) -> Option<Duration> {
        let streams = if self.setup.tty { &BOTH[..1] } else { &BOTH[..] };
        let (open, decided): (Vec<Stream>, Vec<Stream>) =
            streams.iter().partition(|stream| self.is_undecided(**stream));
        // What the other stream has brought comes after it in the log, and both come over one connection.
        let other = decided
            .iter()
            .filter_map(|stream| self.feeds[*stream as usize].queue.front())
            .map(|next| next.at);
        let until = |stream: &Stream| {
            let at = self.feeds[*stream as usize].at;
            let grace = if self.is_live { LIVE_GRACE } else { GRACE };
            other
                .clone()
                .map(|other| at.max(other) + CROSS_GRACE)
                .min()
                .unwrap_or(at.max(came_at) + grace)
        };
        open.iter().map(until).max().filter(|_| self.may_come())
    }

    /// When the first fragment of a stream is dealt with although the log did not confirm it.
    pub(crate) fn patience(&self, stream: Stream) -> Option<Duration> {
        let feed = &self.feeds[stream as usize];
        let fragment = feed.queue.front().filter(|_| feed.part().is_none())?;
        let is_shown_cut = self.is_eager() && fragment.ends && fragment.shown > 0;
        if self.is_blind() || (self.is_live && (fragment.is_whole() || is_shown_cut)) {
            return Some(fragment.at);
        }
        let since = if self.is_eager() {
            Some(fragment.at)
        } else {
            self.readable_since
        };
        let wait = if fragment.is_whole() || is_shown_cut {
            PATIENCE
        } else {
            PART_PATIENCE
        };
        // A line in which an attach broke may not have ended before the next attach has brought an end.
        let owed_since = if fragment.ends {
            fragment.at
        } else {
            feed.queue.iter().find(|next| next.ends)?.at
        };
        Some(owed_since.max(feed.confirmed_at).max(since?) + wait)
    }

    /// When the part of a line that a stream has is shown.
    pub(crate) fn pause(&self, stream: Stream) -> Option<Duration> {
        let part = self.feeds[stream as usize]
            .part()
            .filter(|part| part.raw.len() > part.shown)?;
        if self.is_live || self.is_blind() {
            return Some(part.at);
        }
        if self.is_eager() {
            return Some(part.at + PROMPT_PAUSE);
        }
        if !self.units.is_empty() {
            return None;
        }
        let may_be_question = || {
            Some(
                self.readable_since
                    .filter(|_| self.setup.is_answered)?
                    .max(self.log_at)
                    .max(part.at)
                    + GRACE,
            )
        };
        if part.begins {
            Some(part.at + PAUSE)
        } else {
            may_be_question()
        }
    }

    /// Whether a terminal is from now on shown what the attach brings at once: nothing was missed, or it was shown.
    pub(crate) fn go_live(&mut self) {
        let is_shown =
            self.units.is_empty() && (self.feeds[0].queue.is_empty() || self.feeds[0].part().is_some());
        let is_silent = self.live_at().is_some_and(|at| self.now >= at);
        if self.live_at().is_some() && (is_silent || (is_shown && self.is_placed)) {
            self.is_live = true;
            self.early = Recent::default();
        }
    }

    /// When a log that stays silent has shown that nothing was missed.
    fn live_at(&self) -> Option<Duration> {
        let since = self.readable_since.unwrap_or(Duration::MAX - GRACE);
        let is_waiting = self.is_eager() && !self.is_live && self.attach == Attach::Stands;
        is_waiting.then(|| since.max(self.log_at).max(self.feeds[0].at) + GRACE)
    }

    /// Whether the attach may bring something.
    pub(crate) fn may_come(&self) -> bool {
        self.attach != Attach::Away
    }

    /// A person looks at a terminal, and types: what is written is shown before it is certain what comes before it.
    pub(crate) fn is_eager(&self) -> bool {
        self.setup.tty && self.setup.is_for_person
    }

    pub(crate) fn is_blind(&self) -> bool {
        self.reading == Reading::Failed
    }

    pub(crate) fn next_unit(&mut self) -> Vec<u8> {
        let unit = self
            .units
            .pop_front()
            .expect("a unit that was looked at is there");
        self.unit_bytes -= unit.raw.len() + ENTRY;
        unit.raw
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    pub(crate) fn doubt(&mut self, doubt: Doubt) {
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
            self.event(Event::Uncertain(doubt));
        }
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        let feeds: usize = self.feeds.iter().map(|feed| feed.bytes).sum();
        feeds + self.unit_bytes + self.ahead.bytes() + self.early.bytes()
    }
}
