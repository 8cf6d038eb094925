//! A kubelet as its sources tell of it: a log that has completed lines, and an attach that has what comes after it stands.

use std::collections::VecDeque;

use crate::Stream;

/// Milliseconds.
pub(super) type Time = u64;

/// A little generator, so that one number tells all delays of a case.
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// One record of a log file.
#[derive(Clone, Debug)]
pub(super) struct Record {
    nanoseconds: u64,
    /// When a reading may have it.
    visible: Time,
    stream: usize,
    pub(super) text: Vec<u8>,
}

/// The log of a container.
#[derive(Debug)]
pub(super) struct Log {
    piece: usize,
    /// Carriage returns before a line's end are left out, as some runtimes do.
    drops_returns: bool,
    records: Vec<Record>,
    /// The first record of the present file.
    file: usize,
    unfinished: [Vec<u8>; 2],
    /// Another stream's line stands within a long one: the text alone cannot tell them apart.
    pub(super) is_mixed: bool,
    within: Option<usize>,
}

impl Log {
    pub(super) fn new(piece: usize, drops_returns: bool) -> Self {
        Self {
            piece,
            drops_returns,
            records: Vec::new(),
            file: 0,
            unfinished: Default::default(),
            is_mixed: false,
            within: None,
        }
    }

    pub(super) fn write(&mut self, now: Time, stream: Stream, bytes: &[u8], lag: Time) {
        for byte in bytes {
            let line = &mut self.unfinished[stream as usize];
            line.push(*byte);
            let is_line = *byte == b'\n';
            if is_line || line.len() > self.piece {
                let rest = if is_line { Vec::new() } else { vec![*byte] };
                let mut text = std::mem::replace(line, rest);
                if is_line && self.drops_returns {
                    let end = text
                        .iter()
                        .rposition(|byte| !b"\r\n".contains(byte))
                        .map_or(0, |last| last + 1);
                    text.truncate(end);
                    text.push(b'\n');
                } else if !is_line {
                    text.pop();
                }
                self.record(now, stream as usize, text, lag);
            }
        }
    }

    fn record(&mut self, now: Time, stream: usize, text: Vec<u8>, lag: Time) {
        self.is_mixed |= self.within.is_some_and(|within| within != stream);
        if text.ends_with(b"\n") {
            self.within = self.within.filter(|within| *within != stream);
        } else {
            self.within = Some(stream);
        }
        let last = self.records.last();
        // Now and then two records have one time stamp.
        let is_apart = self.file == self.records.len() || self.piece < 1000;
        let step = if is_apart { 1 } else { lag % 2 };
        let nanoseconds = (now * 1_000_000).max(last.map_or(0, |last| last.nanoseconds + step));
        let visible = (now + lag).max(last.map_or(0, |last| last.visible));
        self.records.push(Record {
            nanoseconds,
            visible,
            stream,
            text,
        });
    }

    /// The program has ended: what has no end is written as well. Where the ends are mixed, what one stream ends with comes before
    /// what the other one has written last.
    pub(super) fn end(&mut self, now: Time, first: usize, are_ends_mixed: bool) {
        let was_mixed = self.is_mixed;
        let is_late = |record: &Record| record.nanoseconds >= now * 1_000_000;
        let of_other = |record: &&Record| record.stream != first && is_late(record);
        let late = self.records.iter().rev().take_while(of_other).count();
        let late = if are_ends_mixed { late } else { 0 };
        let last = self.records.split_off(self.records.len() - late);
        for stream in [first, 1 - first] {
            let rest = std::mem::take(&mut self.unfinished[stream]);
            if !rest.is_empty() {
                self.record(now, stream, rest, 0);
            }
            if stream == first {
                let begun = self.records.last().map_or(0, |last| last.nanoseconds);
                self.records.extend(last.iter().cloned().map(|record| Record {
                    nanoseconds: record.nanoseconds.max(begun),
                    ..record
                }));
            }
        }
        self.is_mixed = was_mixed || self.records.iter().any(|record| record.text.len() == self.piece);
    }

    /// The file is put away, and what is written from now on is in a new one.
    pub(super) fn rotate(&mut self) {
        self.file = self.records.len();
    }

    /// The records from this one that are in no file any more.
    pub(super) fn gone(&self, from: usize) -> &[Record] {
        self.records.get(from..self.file).unwrap_or_default()
    }

    /// Says whether the record before this one can still be told: of a line in pieces by the first one's time.
    pub(super) fn has_before(&self, record: usize) -> bool {
        let is_end = |before: &usize| self.records[*before].text.ends_with(b"\n");
        let begin = (0..record.saturating_sub(1))
            .rev()
            .find(is_end)
            .map_or(0, |end| end + 1);
        // Lines with one time stamp are told apart by counting.
        let stamp = (record > 0).then(|| self.records[begin].nanoseconds);
        let first = self
            .records
            .iter()
            .position(|record| Some(record.nanoseconds) == stamp);
        first.is_none_or(|first| first >= self.file)
    }

    /// The text of the first records.
    pub(super) fn text(&self, end: usize) -> Vec<u8> {
        self.records[..end]
            .iter()
            .flat_map(|record| record.text.clone())
            .collect()
    }

    pub(super) fn length(&self) -> usize {
        self.records.len()
    }
}

/// A reading of a log.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) follow: bool,
    /// The next record, and where in its text.
    pub(super) next: usize,
    /// Where it ends, when it does not follow, or has missed that the log was rotated.
    end: usize,
    since: u64,
    is_new_line: bool,
    rest: VecDeque<u8>,
    /// Where each record of the rest ends.
    ends: VecDeque<usize>,
}

impl Reading {
    pub(super) fn open(log: &Log, follow: bool, since: Option<&str>) -> Self {
        let seconds = since.map_or(0, |since| {
            since[14..16].parse::<u64>().unwrap() * 60 + since[17..19].parse::<u64>().unwrap()
        });
        Self {
            follow,
            next: log.file,
            end: if follow { usize::MAX } else { log.length() },
            since: seconds * 1_000_000_000,
            is_new_line: true,
            rest: VecDeque::new(),
            ends: VecDeque::new(),
        }
    }

    /// The first record that was not given whole.
    pub(super) fn given(&self) -> usize {
        self.next - self.ends.len()
    }

    /// It brings nothing of what comes after the file that is there now.
    pub(super) fn stays(&mut self, log: &Log) {
        self.end = self.end.min(log.length());
    }

    /// When there is more of it to be had.
    pub(super) fn due(&self, log: &Log) -> Option<Time> {
        if !self.rest.is_empty() {
            return Some(0);
        }
        log.records[..self.end.min(log.length())]
            .get(self.next)
            .map(|record| record.visible)
    }

    /// The next bytes, at most so many.
    pub(super) fn read(&mut self, log: &Log, now: Time, most: usize) -> Vec<u8> {
        while self.rest.len() < most
            && let Some(record) = log.records[..self.end.min(log.length())].get(self.next)
            && record.visible <= now
        {
            self.next += 1;
            if record.nanoseconds < self.since {
                continue;
            }
            if self.is_new_line {
                let seconds = record.nanoseconds / 1_000_000_000;
                let stamp = format!(
                    "2026-01-31T12:{:02}:{:02}.{:09}Z ",
                    seconds / 60,
                    seconds % 60,
                    record.nanoseconds % 1_000_000_000
                );
                self.rest.extend(stamp.into_bytes());
            }
            self.rest.extend(&record.text);
            self.is_new_line = record.text.ends_with(b"\n");
            self.ends.push_back(self.rest.len());
        }
        let length = most.min(self.rest.len());
        self.ends
            .iter_mut()
            .for_each(|end| *end = end.saturating_sub(length));
        self.ends.retain(|end| *end > 0);
        self.rest.drain(..length).collect()
    }
}

/// An attach that stands: for each stream what was written and is on its way.
#[derive(Debug, Default)]
pub(super) struct Attach {
    pub(super) ways: [VecDeque<(Time, Vec<u8>)>; 2],
}

impl Attach {
    pub(super) fn write(&mut self, now: Time, stream: Stream, bytes: &[u8], lag: Time) {
        let way = &mut self.ways[stream as usize];
        let due = (now + lag).max(way.back().map_or(0, |(due, _)| *due));
        way.push_back((due, bytes.to_vec()));
    }

    /// When the next bytes arrive, and on which stream.
    pub(super) fn due(&self) -> Option<(Time, Stream)> {
        let due = |stream: Stream| Some((self.ways[stream as usize].front()?.0, stream));
        [due(Stream::Stdout), due(Stream::Stderr)]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due)
    }

    /// Takes some of the next bytes.
    pub(super) fn take(&mut self, stream: Stream, most: usize) -> Vec<u8> {
        let way = &mut self.ways[stream as usize];
        let Some((due, mut bytes)) = way.pop_front() else {
            return Vec::new();
        };
        if bytes.len() > most {
            let rest = bytes.split_off(most);
            way.push_front((due, rest));
        }
        bytes
    }
}
