//! Where an attach begins in the log.
//!
//! What was written before an attach stood comes before all that it brings, on both streams: of the units of the log that are
//! not decided yet the first so many were missed, and each of the others is the next of one stream or the other. Texts rule out
//! most beginnings. Where lines repeat themselves, lengths tell: what the attach has brought for some time is in the log, and
//! what is in the log for some time the attach has brought, or it was missed.

use std::time::Duration;

use crate::{
    BOTH, CROSS_GRACE, GRACE, Stream,
    end::{end_and_line, other},
    feed::{Feed, Fragment},
    machine::{Machine, Unit},
    text::plain,
};

/// How late the log is, at most, with what the attach has brought.
const LOG_LAG: Duration = Duration::from_millis(100);

/// How long it may take to tell: of a program that repeats itself without a pause it cannot be told.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many units a beginning is tried with.
const MAX_TRIED: usize = 64;

/// The same for each line that both streams have next.
const MAX_TRIED_OFTEN: usize = 16;

/// How many beginnings are tried where texts alone tell.
const MAX_BEGINNINGS: usize = 1 << 13;

/// Whether it is known where the present attach begins in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    /// Not yet. Units wait for it since this time.
    Open(Option<Duration>),
    /// Not yet, but so many units come before it.
    Missed(usize),
    /// The next unit is one that it brings, as all that follow.
    Done,
    /// It cannot be told.
    Unknown,
}

/// What is known of a unit while a stream is within the line in which the attach began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// It is on this stream, which brought it from this byte on.
    Of(Stream, usize),
    /// The attach may still tell.
    Waits,
    No,
}

impl Machine {
    /// Finds out how many units come before those that the attach brings, if it can be found out by now.
    pub(crate) fn place(&mut self) {
        let Placing::Open(since) = self.placing else {
            return;
        };
        if !self.is_placing() || self.units.is_empty() {
            self.placing = Placing::Open(None);
            return;
        }
        let since = since.unwrap_or(self.now);
        let is_late = self.is_read() || self.now >= since + PATIENCE;
        let beginning = match self.beginning() {
            Placing::Open(_) if is_late => self.likely_beginning(),
            known => known,
        };
        self.placing = match beginning {
            Placing::Open(_) => Placing::Open(Some(since)),
            Placing::Missed(missed) if self.has_begun(missed) => Placing::Unknown,
            known => known,
        };
    }

    /// Returns whether one of the first units may be a line of which a part is shown: that one the attach brings, however late.
    fn has_begun(&self, count: usize) -> bool {
        self.units
            .iter()
            .take(count)
            .any(|unit| self.is_partly_shown(unit))
    }

    /// Returns whether a unit may be the line of which a stream has shown a part.
    fn is_partly_shown(&self, unit: &Unit) -> bool {
        let firsts = self.feeds.iter().filter_map(|feed| feed.queue.front());
        let mut begun = firsts.filter(|first| first.shown > 0);
        begun.any(|begun| begun.start_in(&unit.raw, self.setup.piece).is_some())
    }

    /// Returns whether it is not yet known what the log's next unit is. What is left of an earlier attach is dealt with first, and of
    /// one that broke it is not known how much it did not bring.
    pub(crate) fn is_placing(&self) -> bool {
        let is_new = !self.setup.tty && self.feeds.iter().all(|feed| feed.old == 0);
        // Of a line in pieces the next one is the same line's.
        is_new
            && self.within.is_none()
            && (self.may_come() || self.has_finished)
            && matches!(self.placing, Placing::Open(_))
    }

    /// What is known of the log's next unit while a stream is within the line in which the attach began, or where both have it next.
    pub(crate) fn head_in(&self, unit: &Unit) -> Head {
        let is_continuous = self.may_come() || self.has_finished;
        let has_head = BOTH.into_iter().any(|stream| self.has_head(stream));
        let is_next = |feed: &Feed| feed.queue.front().is_some_and(|first| first.is_same(&unit.raw));
        let is_unclear = has_head || (self.within.is_none() && self.feeds.iter().all(is_next));
        if self.placing != Placing::Done || !is_continuous || !is_unclear || self.ahead.has(&plain(&unit.raw))
        {
            return Head::No;
        }
        let count = if has_head { MAX_TRIED } else { MAX_TRIED_OFTEN };
        let may_be = |stream: &Stream| self.goes_on(0, count, Some(*stream), false);
        let streams: Vec<Stream> = BOTH.into_iter().filter(may_be).collect();
        let first = |stream: Stream| self.feeds[stream as usize].queue.front();
        // What a part of is shown is another matter.
        let is_begun = |stream: Stream| first(stream).is_some_and(|first| !first.ends || first.shown > 0);
        if streams.iter().any(|stream| is_begun(*stream)) || self.is_partly_shown(unit) {
            return Head::No;
        }
        let found = streams.iter().filter_map(|stream| {
            let start = first(*stream)?.start_in(&unit.raw, self.setup.piece)?;
            let is_all_brought = self.goes_on(0, count, Some(*stream), true);
            Some(((!is_all_brought, start > 0, first(*stream)?.at), (*stream, start)))
        });
        let is_sure = streams.iter().all(|stream| first(*stream).is_some());
        match found.min_by_key(|(likely, _)| *likely) {
            Some((_, (stream, start))) if is_sure || (start == 0 && self.now >= self.head_at(unit)) => {
                Head::Of(stream, start)
            }
            Some(_) => Head::Waits,
            None => Head::No,
        }
    }

    fn has_head(&self, stream: Stream) -> bool {
        let first = self.feeds[stream as usize].queue.front();
        first.is_some_and(|first| !first.begins && first.ends && first.shown == 0)
    }

    /// When the other stream has brought what is this unit, if it brings it.
    fn head_at(&self, unit: &Unit) -> Duration {
        let brought = self.feeds.iter().filter_map(|feed| Some(feed.queue.front()?.at));
        brought.fold(unit.at, Duration::max) + CROSS_GRACE
    }

    /// When it may be known of which stream the log's next unit is.
    pub(crate) fn head_until(&self) -> Option<Duration> {
        let is_head = BOTH.into_iter().any(|stream| self.has_head(stream));
        let unit = self
            .units
            .front()
            .filter(|_| is_head && self.placing == Placing::Done)?;
        let all = [self.head_at(unit), self.unit_is_old_at(unit)];
        all.into_iter().filter(|at| *at > self.now).min()
    }

    /// When it may be known without anything new.
    pub(crate) fn placed_at(&self) -> Option<Duration> {
        let Placing::Open(Some(since)) = self.placing else {
            return None;
        };
        let units = self.units.iter().take(MAX_TRIED);
        let units = units.map(|unit| self.unit_is_old_at(unit));
        let fragments = self
            .feeds
            .iter()
            .flat_map(|feed| feed.queue.iter().take(MAX_TRIED));
        let fragments = fragments.filter_map(|fragment| self.fragment_is_old_at(fragment));
        let all = units.chain(fragments).chain([since + PATIENCE]);
        all.filter(|at| *at > self.now).min()
    }

    /// What texts and lengths tell.
    fn beginning(&self) -> Placing {
        let is_long = |feed: &Feed| feed.long(self.setup.piece).is_some();
        let has_pieces = self.units.iter().any(|unit| !unit.raw.ends_with(b"\n"));
        // Lines are counted here: pieces, and lines that the log has lost, would put the beginning at a wrong place.
        if has_pieces || self.feeds.iter().any(is_long) || self.has_gap.contains(&true) {
            return Placing::Unknown;
        }
        if self.is_much() {
            return self.likely_beginning();
        }
        let brought = || self.feeds.iter().flat_map(|feed| feed.queue.iter());
        let logged = brought().filter(|fragment| fragment.ends && self.is_logged(fragment));
        // It begins where so many units are left, or before.
        let count = self.units.len();
        let last = count.checked_sub(logged.count());
        let mut beginnings = (0..=count).filter(|start| self.goes_on(*start, MAX_TRIED, None, false));
        let first = beginnings.next().unwrap_or(count);
        let mut is_alone = || {
            beginnings
                .next()
                .is_none_or(|second| last.is_none_or(|last| second > last))
        };
        match first {
            // What the attach has brought for long is not in the log: it is late, or the streams were not attached to at the same
            // moment.
            _ if last.is_none_or(|last| first > last) => Placing::Open(None),
            0 if is_alone() => Placing::Done,
            0 => Placing::Open(None),
            // Nothing of the attach is in the log: it may be late.
            _ if first == count && self.wants_log() && brought().any(|fragment| fragment.ends) => {
                Placing::Open(None)
            }
            missed => Placing::Missed(missed),
        }
    }

    /// What texts alone tell.
    fn likely_beginning(&self) -> Placing {
        let mut all = 0..self.units.len().min(MAX_BEGINNINGS);
        match all.find(|start| self.goes_on(*start, MAX_TRIED, None, true)) {
            None | Some(0) => Placing::Unknown,
            Some(missed) => Placing::Missed(missed),
        }
    }

    /// The attach is not read, so that it does not tell what it did not bring.
    fn is_much(&self) -> bool {
        self.feeds.iter().any(|feed| feed.bytes >= self.setup.limit)
    }

    /// Returns whether so many units from this one on, the first of which may be known to be of a stream, go with what the attach
    /// has brought, and what it may still bring.
    fn goes_on(&self, start: usize, count: usize, first: Option<Stream>, is_all_brought: bool) -> bool {
        // How many of them may be standard output's.
        let mut counts = vec![0_usize];
        for (index, unit) in self.units.iter().skip(start).take(count).enumerate() {
            let may_come = !is_all_brought && self.now < self.unit_is_old_at(unit);
            let is_next = |stream: Stream, number: usize| {
                let brought = self.feeds[stream as usize].queue.get(number);
                let fits = brought.map_or(may_come, |fragment| {
                    !fragment.is_last && self.may_be(stream, fragment, &unit.raw)
                });
                fits && (index > 0 || first.is_none_or(|first| first == stream))
            };
            let mut next = Vec::new();
            for count in counts {
                if is_next(Stream::Stderr, index - count) && next.last() != Some(&count) {
                    next.push(count);
                }
                if is_next(Stream::Stdout, count) {
                    next.push(count + 1);
                }
            }
            counts = next;
            if counts.is_empty() {
                return false;
            }
        }
        true
    }

    /// Returns whether a unit may be this line of a stream, alone or after what the other one ends with.
    fn may_be(&self, stream: Stream, line: &Fragment, unit: &[u8]) -> bool {
        let is_line = line.start_in(unit, self.setup.piece).is_some();
        let last = self.feeds[other(stream) as usize].queue.back();
        let mut last = last.filter(|last| last.is_last && !is_line).into_iter();
        is_line || last.any(|last| end_and_line(last, line, unit).is_some())
    }

    /// From when on an attach that has not brought this unit will not.
    fn unit_is_old_at(&self, unit: &Unit) -> Duration {
        match self.may_come() {
            true => unit.at.max(self.attach_at) + GRACE,
            false => Duration::ZERO,
        }
    }

    /// From when on the log has this fragment.
    fn fragment_is_old_at(&self, fragment: &Fragment) -> Option<Duration> {
        Some(fragment.at.max(self.readable_since?).max(self.held_at) + LOG_LAG)
    }

    fn is_logged(&self, fragment: &Fragment) -> bool {
        let at = self.fragment_is_old_at(fragment);
        self.is_read() || at.is_some_and(|at| self.now >= at)
    }
}
