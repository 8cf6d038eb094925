//! The machine's state, what goes into it, and what it asks of the session. How it decides is in `merge.rs`.

use std::{collections::VecDeque, time::Duration};

use crate::{
    BOTH, CROSS_GRACE, Doubt, ENTRY, End, Event, GRACE, KEPT, LIVE_GRACE, LogWish, OVERDUE, Output,
    PART_PATIENCE, PAUSE, PLACED_GRACE, PROMPT_PAUSE, STRUCK, Setup, Stream, TERMINAL_GRACE,
    counts::{Ahead, Recent},
    feed::{Feed, Fragment},
    log::{Log, Torn},
    placing::Placing,
    text::plain,
};

/// How long a log that is followed must be silent to count as read to its end, when the program has ended.
// With `follow` a line arrives within about 10 ms of being written.
const LOG_SILENCE: Duration = Duration::from_millis(100);

/// The same for one so large that it may be rotated, where more of it is to be expected.
// A kubelet rotates a log at 10 MiB by default.
const LARGE_LOG: usize = 4 << 20;
const LARGE_LOG_SILENCE: Duration = Duration::from_secs(2);

/// How much may be missed while an attach stands and brings nothing, in bytes.
const MAX_UNHEARD: usize = 4 << 20;

/// How long a log that is followed may be silent while the attach is held back for it, or brings lines that it should have: a
/// kubelet that misses the rotation of a file follows the old one forever.
const STUCK: Duration = Duration::from_secs(1);

/// How long a log that seems to be rotated may still show that it is not.
const STANDSTILL: Duration = Duration::from_secs(1);

/// By how many times the limit a stream may grow while a line of the log waits for the other one: both come over one
/// connection, so that to stop one is to stop the other.
const STRETCH: usize = 4;

/// The same where a part of what may be that line is shown, and only its end can tell.
const LONG_STRETCH: usize = 64;

/// The same when the program has ended.
const LAST_STRETCH: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attach {
    /// Nothing can come.
    Away,
    /// It was asked for: what is written from now on it may bring.
    Opening,
    Stands,
}

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

/// Whether a stream is within a line, and what will end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Ended,
    /// What the attach brings, or the line of the log that has it.
    ByAttach,
    /// The log's next piece.
    ByLog,
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
    pub(crate) unit_bytes: usize,
    /// Shown from the log; the attach may bring it.
    pub(crate) early: Recent,
    pub(crate) early_at: Duration,
    /// Shown from the attach; the log may bring it.
    pub(crate) ahead: Ahead,
    /// The end of a line that began before the attach, shown without its beginning; the log may bring it.
    pub(crate) cut: Option<Fragment>,
    /// Missed units, which wait for standard output's line to end.
    pub(crate) waiting: VecDeque<Vec<u8>>,
    pub(crate) waiting_bytes: usize,
    pub(crate) waiting_since: Duration,
    /// What was taken for a stream's line when the other might have brought the same, the latest.
    pub(crate) lent: VecDeque<(Option<Stream>, Vec<u8>)>,
    /// Bytes that were missed since the attach brought something.
    pub(crate) unheard: usize,
    attach: Attach,
    /// When it was asked for, and when it began to stand.
    pub(crate) attach_at: Duration,
    pub(crate) placing: Placing,
    /// The last attach ended with the program.
    pub(crate) has_finished: bool,
    /// A unit of the present attach is in the log: what follows it the attach brings.
    pub(crate) is_placed: bool,
    /// The last unit of the log was the end of a long line which the present attach has brought.
    pub(crate) is_at_long: bool,
    /// A terminal that shows at once what the attach brings.
    pub(crate) is_live: bool,
    log: Log,
    /// What it ends with, which has no newline.
    pub(crate) last_text: Vec<u8>,
    reading: Reading,
    log_at: Duration,
    /// When it was not read because too much of it waited.
    pub(crate) held_at: Duration,
    /// It was rotated, and may lack what the attach has brought on a stream.
    pub(crate) has_gap: [bool; 2],
    news_at: Duration,
    /// It was opened again because it brought nothing, and has had nothing new since.
    was_reopened: bool,
    /// It lacks what the attach brings: that is shown without it, until it has confirmed all of it.
    log_lacks_lines: bool,
    /// Since when the log can be read.
    pub(crate) readable_since: Option<Duration>,
    has_ended: bool,
    /// When the program or the attach ended.
    over_at: Duration,
    pub(crate) lines: [Line; 2],
    /// How many bytes at the end of what is to be shown are the terminal's current line, written again.
    pub(crate) redrawn: usize,
    /// The log is within a line of this stream.
    pub(crate) within: Option<Stream>,
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
            early: Recent::default(),
            early_at: Duration::ZERO,
            ahead: Ahead::default(),
            cut: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_since: Duration::ZERO,
            lent: VecDeque::new(),
            unheard: 0,
            attach: Attach::Away,
            attach_at: Duration::ZERO,
            placing: Placing::Done,
            has_finished: false,
            is_placed: false,
            is_at_long: false,
            is_live: false,
            log: Log::new(setup.piece),
            last_text: Vec::new(),
            reading: Reading::Closed,
            log_at: Duration::ZERO,
            held_at: Duration::ZERO,
            has_gap: [false; 2],
            news_at: Duration::ZERO,
            was_reopened: false,
            log_lacks_lines: false,
            readable_since: None,
            has_ended: false,
            over_at: Duration::ZERO,
            lines: [Line::Ended; 2],
            redrawn: 0,
            within: None,
            from_log_told: false,
            doubts: Vec::new(),
            progress: [0; 2],
        }
    }

    /// An attach is asked for.
    pub fn attach_opens(&mut self, at: Duration) {
        self.now = at;
        self.attach = Attach::Opening;
        self.attach_at = at;
        self.placing = Placing::Open(None);
        self.has_finished = false;
        self.is_placed = false;
        self.is_at_long = false;
        self.is_live = false;
        self.log_lacks_lines = false;
        self.progress = [0; 2];
        self.unheard = 0;
        self.feeds.iter_mut().for_each(|feed| feed.attach_began(at));
        self.settle();
    }

    /// The attach stands.
    pub fn attach_began(&mut self, at: Duration) {
        self.now = at;
        self.attach = Attach::Stands;
        self.attach_at = at;
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
        for stream in BOTH {
            let feed = &mut self.feeds[stream as usize];
            feed.attach_ended(end);
            let is_begun = feed.queue.iter().any(|fragment| fragment.shown > 0);
            if self.lines[stream as usize] == Line::ByAttach && !is_begun {
                self.lines[stream as usize] = Line::ByLog;
            }
        }
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
        let mut units = Vec::new();
        self.log.push(bytes, &mut units);
        self.logged(units);
        self.settle();
    }

    fn logged(&mut self, units: Vec<Vec<u8>>) {
        if let Some(torn) = self.log.passed.take() {
            self.passes(torn);
        }
        if std::mem::take(&mut self.log.is_rotated) {
            self.has_gap = BOTH.map(|stream| self.feeds[stream as usize].has_brought());
            self.progress = [0; 2];
            // Whether something of a line in pieces is missing its length tells.
            if self.log.torn.is_none() {
                self.doubt(Doubt::LogRotated);
            }
        }
        if !units.is_empty() {
            self.news_at = self.now;
            self.was_reopened = false;
            // Where lines are equal, what the log lacks is seen only by their number: it stays until all that was shown is confirmed.
            self.log_lacks_lines &= self.ahead.bytes() > 0;
        }
        for raw in units {
            self.progress[1] += raw.len();
            self.push_unit(raw);
        }
    }

    fn push_unit(&mut self, raw: Vec<u8>) {
        self.unit_bytes += raw.len() + ENTRY;
        self.units.push_back(Unit { raw, at: self.now });
    }

    /// A line within which the log was rotated is over.
    fn passes(&mut self, mut torn: Torn) {
        if !self.has_all_of(&torn) {
            self.doubt(Doubt::LogRotated);
        }
        // What an attach does not bring as the log has it, the log shows.
        let is_alone = !self.may_come() && self.feeds.iter().all(|feed| feed.queue.is_empty());
        if torn.is_over && !torn.has_ended && (is_alone || self.torn_fragment().is_some()) {
            torn.rest.push(b'\n');
            self.push_unit(torn.rest);
        }
    }

    /// What an attach brought of a long line that began before it.
    fn torn_fragment(&self) -> Option<&Fragment> {
        self.feeds.iter().find_map(|feed| feed.long(self.setup.piece))
    }

    /// Returns whether nothing of a torn line is missing: an attach has brought all that comes after what was read, or no more
    /// than that.
    fn has_all_of(&self, torn: &Torn) -> bool {
        let is_continuous = self.attach == Attach::Stands || self.has_finished;
        let end = usize::from(torn.is_over && !torn.has_ended);
        // An attach that broke does not show that what it did not bring was not written.
        is_continuous
            && self.torn_fragment().map_or(self.is_at_long, |fragment| {
                let length = torn.read + end;
                self.length_of(fragment) == Some(length) && torn.found <= length
            })
    }

    /// Returns whether what the log has of a torn line is what comes after what was read: together it is what an attach
    /// brought.
    fn is_rest_of(&self, torn: &Torn) -> bool {
        let is_whole = |fragment: &Fragment| {
            self.length_of(fragment) == Some(torn.read + torn.found)
                && plain(&fragment.raw).ends_with(&plain(&torn.last))
        };
        !torn.has_ended && torn.found > 0 && self.torn_fragment().is_some_and(is_whole)
    }

    /// How long a line is of which an attach has brought the end, since it began.
    fn length_of(&self, fragment: &Fragment) -> Option<usize> {
        (fragment.ends || fragment.is_last).then_some(fragment.dropped + fragment.raw.len())
    }

    /// The reading of the log has ended.
    pub fn log_ended(&mut self, at: Duration, end: End) {
        self.now = at;
        let is_complete =
            self.reading == Reading::Last && end == End::Finished && self.attach == Attach::Away;
        // One that is closed because it brings nothing was readable all the time.
        let was_stuck = self.log_is_stuck();
        let was_readable = end == End::Finished || was_stuck;
        self.was_reopened |= was_stuck;
        self.reading = Reading::Closed;
        self.readable_since = self.readable_since.filter(|_| was_readable);
        if end == End::Finished {
            // The place is not in all that there is.
            self.rotated();
            self.settle();
            // No more comes of a program that has ended.
            if self.has_ended && self.units.is_empty() {
                self.log_lacks_lines = true;
                self.settle();
            }
        }
        if is_complete {
            // The lengths prove now that none of it was read before, so it is read once more, and shown.
            if self.log.torn.as_ref().is_some_and(|torn| self.is_rest_of(torn)) {
                return self.log.again();
            }
            self.last_text = self.log.ends();
            self.reading = Reading::Complete;
            self.logged(Vec::new());
            self.settle();
            self.finish();
            if self.log.has_strange_lines {
                self.doubt(Doubt::LogUnreadable);
            }
        }
    }

    fn rotated(&mut self) {
        let mut units = Vec::new();
        self.log.rotated(&mut units);
        self.logged(units);
    }

    /// The log cannot be read, now and later.
    pub fn log_failed(&mut self, at: Duration) {
        self.now = at;
        self.goes_blind(Doubt::LogUnreadable);
        self.settle();
    }

    fn goes_blind(&mut self, doubt: Doubt) {
        if !matches!(self.reading, Reading::Complete | Reading::Failed) {
            self.doubt(doubt);
            self.reading = Reading::Failed;
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
            self.rotated();
        }
        self.settle();
    }

    /// The log is silent although the attach waits for it.
    pub(crate) fn gives_log_up(&mut self) {
        if self.overdue_at().is_some_and(|overdue| self.now >= overdue) {
            if self.is_ahead() {
                self.goes_blind(Doubt::LogIncomplete);
            }
            self.progress = [0; 2];
        }
    }

    /// What is to be written or told next.
    pub fn next_output(&mut self) -> Option<Output> {
        self.redrawn = 0;
        self.out.pop_front()
    }

    /// Whether to read from the attach. One that is not read holds the program up until the log has caught up.
    #[must_use]
    pub fn wants_attach(&self) -> bool {
        let bytes: usize = self.feeds.iter().map(|feed| feed.bytes).sum();
        // Of a program that has ended no more comes than what is on its way.
        let is_last = self.has_ended && bytes < LAST_STRETCH * self.setup.limit;
        self.is_blind() || is_last || !(self.is_ahead() || self.is_behind() || self.is_full())
    }

    /// A stream has brought as much as it may before the log confirms it.
    fn is_full(&self) -> bool {
        let stretch = match self.units.front() {
            None => 1,
            Some(unit) if BOTH.iter().any(|stream| self.is_begun(*stream, &unit.raw)) => LONG_STRETCH,
            Some(_) => STRETCH,
        };
        let is_full = |feed: &Feed| {
            feed.bytes >= stretch * self.setup.limit && feed.queue.iter().any(|fragment| fragment.ends)
        };
        self.feeds.iter().any(is_full)
    }

    /// Of a line that began before the attach and does not end nothing is kept, so it is only the log that has it.
    fn is_behind(&self) -> bool {
        let is_unkept = |feed: &Feed| feed.part().is_some_and(|part| !part.begins);
        self.log.torn.is_none()
            && self.feeds.iter().any(is_unkept)
            && self.progress[0] > self.progress[1] + self.setup.limit.max(8 * self.setup.piece)
    }

    /// More was shown from the attach than the log can be asked to confirm later. What comes before a unit with which the log goes on
    /// after a gap is gone, and the attach has to bring that one, however much it is.
    fn is_ahead(&self) -> bool {
        let is_far = |stream: &Stream| self.ahead.awaited_bytes(*stream) >= self.setup.limit;
        let is_searched = |stream: &Stream| self.has_gap[*stream as usize] && !self.units.is_empty();
        BOTH.iter().any(|stream| is_far(stream) && !is_searched(stream))
    }

    /// When the log should have had what the attach waits for.
    fn overdue_at(&self) -> Option<Duration> {
        let since = self
            .readable_since
            .filter(|_| !self.is_blind() && (self.is_ahead() || self.is_behind()))?;
        Some(
            since
                // Counted from what came last: a log that is slow and moves is not given up.
                .max(self.news_at)
                .max(self.feeds[0].at.max(self.feeds[1].at))
                + OVERDUE,
        )
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

    /// Whether the reading that is open brings nothing of what the log should have: it is to be closed, and opened again.
    #[must_use]
    pub fn log_is_stuck(&self) -> bool {
        !self.was_reopened && self.log_is_silent()
    }

    /// Sees whether a reading that was opened again has shown that the log lacks what the attach brought. Where lines are equal it
    /// would never be seen which of them are gone, and the program would wait for them.
    pub(crate) fn looks_for_lack(&mut self) {
        self.log_lacks_lines |= self.was_reopened && self.log_is_silent();
    }

    fn log_is_silent(&self) -> bool {
        self.stuck_at().is_some_and(|at| self.now >= at)
    }

    fn stuck_at(&self) -> Option<Duration> {
        if self.reading != Reading::Open || self.is_over() || !self.units.is_empty() {
            return None;
        }
        let unconfirmed = self.feeds.iter().filter_map(|feed| feed.queue.front());
        let unconfirmed = unconfirmed.filter(|next| next.is_whole() && !self.is_told(next));
        let since = match self.wants_attach() {
            true => unconfirmed.map(|next| next.at).min()?,
            false => self.feeds[0].at.max(self.feeds[1].at),
        };
        Some(since.max(self.log_at) + STUCK)
    }

    /// When a reading that follows has come to the log's end, where it has to. To begin another one may be too late: the
    /// log may be rotated meanwhile.
    fn ends_at(&self) -> Option<Duration> {
        let is_large = self.progress[1] > LARGE_LOG && !self.has_all_of_attach();
        let silence = if is_large || self.setup.may_be_replaced {
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

    /// Whether the log has had all that an attach brought which ended with the program, but for what no newline ends.
    fn has_all_of_attach(&self) -> bool {
        let mut left = self.feeds.iter().flat_map(|feed| &feed.queue);
        self.has_finished && self.ahead.bytes() == 0 && left.all(|fragment| fragment.is_last)
    }

    pub(crate) fn is_over(&self) -> bool {
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
        let all = [
            self.front_until(),
            self.head_until(),
            self.patience(Stream::Stdout),
            self.patience(Stream::Stderr),
            self.pause(Stream::Stdout),
            self.pause(Stream::Stderr),
            self.log.is_in_doubt().then_some(self.log_at + STANDSTILL),
            self.overdue_at(),
            (self.early.bytes() > 0).then(|| self.kept_until()),
            self.live_at(),
            self.ends_at(),
            self.stuck_at(),
            self.waiting_until(),
        ];
        all.into_iter().flatten().filter(|at| *at > self.now).min()
    }

    /// When standard output's line is cut for what waits for its end.
    pub(crate) fn waiting_until(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(self.waiting_since + PART_PATIENCE)
    }

    /// Until when the attach may be so late that it brings what was shown from the log.
    pub(crate) fn kept_until(&self) -> Duration {
        self.early_at + KEPT
    }

    /// When it is known at the latest what the log's next unit is, if nothing happens.
    fn front_until(&self) -> Option<Duration> {
        match self.is_placing() {
            true => self.placed_at(),
            false => self.units.front().and_then(|unit| self.awaited_until(unit)),
        }
    }

    /// Until when a unit of the log may come from the attach.
    pub(crate) fn awaited_until(&self, unit: &Unit) -> Option<Duration> {
        // Without an attach nothing else can bring the unit.
        if !self.may_come() {
            return None;
        }
        let begun = BOTH.into_iter().filter(|stream| {
            self.is_begun(*stream, &unit.raw) || self.end_before(*stream, &unit.raw).is_some()
        });
        if let Some(at) = begun.map(|stream| self.feeds[stream as usize].at).max() {
            return Some(at.max(unit.at) + PART_PATIENCE);
        }
        if self
            .feeds
            .iter()
            .any(|feed| feed.bytes >= STRETCH * self.setup.limit)
        {
            return None;
        }
        // Of two lines in which an attach broke the next one tells which of them this is.
        if BOTH.iter().all(|stream| self.is_torn(*stream, &unit.raw)) {
            return Some(unit.at + GRACE);
        }
        let streams = if self.setup.tty { &BOTH[..1] } else { &BOTH[..] };
        let (open, decided): (Vec<Stream>, Vec<Stream>) =
            streams.iter().partition(|stream| self.is_undecided(**stream));
        // What the other stream has brought comes after it in the log, and both come over one connection.
        let other = decided
            .iter()
            .filter_map(|stream| self.feeds[*stream as usize].queue.front());
        let other = other.map(|next| next.at).min();
        let grace = match () {
            // From the surest state down: the more is known of the attach, the likelier it is that it is only slow.
            () if self.is_live => LIVE_GRACE,
            () if self.is_placed => PLACED_GRACE,
            () if self.setup.tty => TERMINAL_GRACE,
            () => GRACE,
        };
        let until = |stream: &Stream| {
            let at = self.feeds[*stream as usize].at;
            other.map_or(at.max(unit.at) + grace, |other| at.max(other) + CROSS_GRACE)
        };
        open.iter().map(until).max()
    }

    /// When the first fragment of a stream is dealt with although the log did not confirm it.
    pub(crate) fn patience(&self, stream: Stream) -> Option<Duration> {
        let feed = &self.feeds[stream as usize];
        let fragment = feed.queue.front().filter(|_| feed.part().is_none())?;
        if self.is_blind() || (self.is_live && fragment.ends) {
            return Some(fragment.at);
        }
        let is_lost = self.has_gap[stream as usize] && feed.bytes >= self.setup.limit;
        if is_lost || (self.log_lacks_lines && fragment.is_whole() && !self.is_ahead()) {
            // The log does not bring these lines any more: to wait for them would hold the program up.
            return Some(self.now);
        }
        if !fragment.ends && (fragment.shown > 0 || feed.queue.len() == 1) {
            // The log tells how its line ends, whenever that is.
            return None;
        }
        let is_head = !fragment.begins && fragment.shown == 0;
        if is_head && (feed.queue.len() == 1 || self.news_at < fragment.at) {
            // The log has the line that it is the end of, as soon as it has anything.
            return None;
        }
        if (is_head || self.is_told(fragment)) && self.units.is_empty() {
            return Some(fragment.at.max(self.news_at) + STRUCK);
        }
        Some(fragment.at.max(feed.confirmed_at).max(self.readable_since?) + OVERDUE)
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
        if part.begins {
            return Some(part.at + PAUSE);
        }
        let readable = self.readable_since.filter(|_| self.setup.is_answered)?;
        Some(readable.max(self.log_at).max(part.at) + GRACE)
    }

    /// Whether a terminal is from now on shown what the attach brings at once: nothing was missed, or it was shown.
    pub(crate) fn go_live(&mut self) {
        let is_shown =
            self.units.is_empty() && (self.feeds[0].queue.is_empty() || self.feeds[0].part().is_some());
        let is_silent = self.live_at().is_some_and(|at| self.now >= at);
        if self.live_at().is_some() && (is_silent || (is_shown && self.is_placed)) {
            self.is_live = true;
            // On a live terminal an old text would only strike out a new line that is equal to it.
            self.early = Recent::default();
        }
    }

    /// When a log that stays silent has shown that nothing was missed.
    fn live_at(&self) -> Option<Duration> {
        let since = self.readable_since.unwrap_or(Duration::MAX - TERMINAL_GRACE);
        let is_waiting = self.is_eager() && !self.is_live && self.attach == Attach::Stands;
        is_waiting.then(|| since.max(self.log_at).max(self.feeds[0].at) + TERMINAL_GRACE)
    }

    /// Whether the attach may bring something.
    pub(crate) fn may_come(&self) -> bool {
        self.attach != Attach::Away
    }

    /// A person looks at a terminal, and types: what is written is shown before it is certain what comes before it.
    pub(crate) fn is_eager(&self) -> bool {
        self.setup.tty && self.setup.is_for_person
    }

    /// Nothing more comes from it.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.reading, Reading::Complete | Reading::Failed)
    }

    pub(crate) fn is_blind(&self) -> bool {
        self.reading == Reading::Failed
    }

    pub(crate) fn next_unit(&mut self) -> Vec<u8> {
        if !self.wants_log() {
            self.held_at = self.now;
        }
        let unit = self
            .units
            .pop_front()
            .expect("a unit that was looked at is there");
        self.unit_bytes -= unit.raw.len() + ENTRY;
        self.is_at_long = false;
        self.placing = match self.placing {
            Placing::Missed(1) => Placing::Open(None),
            Placing::Missed(left) => Placing::Missed(left - 1),
            placing => placing,
        };
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

    /// Whether the log is known to lack something.
    pub(crate) fn is_doubted(&self) -> bool {
        self.log.has_strange_lines || !self.doubts.is_empty()
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        let feeds: usize = self.feeds.iter().map(|feed| feed.bytes).sum();
        feeds + self.unit_bytes + self.waiting_bytes + self.ahead.bytes() + self.early.bytes()
    }
}
