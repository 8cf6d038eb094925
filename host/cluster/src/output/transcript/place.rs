//! Where the log goes on in what was shown: from its first byte, or, once it was rotated, from where the end of what was shown
//! is found in it. What the text that follows means is decided in `mod.rs`.

use std::time::Duration;

use super::{Show, Transcript};
use crate::output::{
    align::occurrences,
    settled::{Settled, hashed, unhashed},
    text::Text,
};

/// How long a log may take to be found that goes on where we are.
pub(super) const SEARCH: Duration = Duration::from_secs(1);

/// How much of a log is kept to find the place where it goes on, in bytes.
const SEARCHED_MOST: usize = 64 << 20;

/// The present reading of the log, from its first byte.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) is_open: bool,
    /// Carriage returns at the end of what came, which wait for what follows.
    pub(super) returns: usize,
    /// How many plain bytes came, and their hash.
    pub(super) at: u64,
    hash: u64,
    pub(super) base: Base,
    searched: Text,
    pub(super) last_byte: Duration,
}

/// Where in the output the log begins: not at its first byte once it was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// So many bytes after the output's first one; it may be before, when more is there than was ever shown.
    At(i64),
    /// Not known before its beginning is compared with what was shown.
    Compare,
    /// It is another beginning: looking for the end of what was shown.
    Search,
}

impl Reading {
    pub(super) fn new(base: Base) -> Self {
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

impl Transcript {
    /// Text of the log came, of which the last byte is no carriage return.
    pub(super) fn log_text(&mut self, at: Duration, written: &[u8], out: &mut Vec<Show>) {
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
        let found = occurrences(tail, &self.reading.searched.plain[from..]);
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

    pub(super) fn is_searching(&self) -> bool {
        self.reading.base == Base::Search
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
    pub(super) fn decide_base(&mut self, at: Duration, out: &mut Vec<Show>) {
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
}
