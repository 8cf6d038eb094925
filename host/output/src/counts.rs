//! Texts that one source brought and the other did not yet, and how often each.

use std::collections::HashMap;

use crate::{BOTH, ENTRY, Stream};

/// Counted texts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    counts: HashMap<Vec<u8>, usize>,
    bytes: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, text: &[u8], times: usize) {
        match self.counts.get_mut(text) {
            Some(count) => *count += times,
            None => {
                self.bytes += text.len() + ENTRY;
                self.counts.insert(text.to_vec(), times);
            }
        }
    }

    /// Takes one out. Returns whether there was one.
    pub(crate) fn take(&mut self, text: &[u8]) -> bool {
        let Some(count) = self.counts.get_mut(text) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(text);
            self.bytes -= text.len() + ENTRY;
        }
        true
    }

    pub(crate) fn has(&self, text: &[u8]) -> bool {
        self.counts.contains_key(text)
    }
}

/// How much of recent texts is counted, in bytes, at least.
const MAX_RECENT: usize = 2 << 20;

/// Counted texts, of which the oldest are forgotten when there are many.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    new: Counts,
    old: Counts,
}

impl Recent {
    pub(crate) fn add(&mut self, text: &[u8], times: usize) {
        if self.new.bytes > MAX_RECENT {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.add(text, times);
    }

    pub(crate) fn take(&mut self, text: &[u8]) -> bool {
        self.old.take(text) || self.new.take(text)
    }

    pub(crate) fn has(&self, text: &[u8]) -> bool {
        self.old.has(text) || self.new.has(text)
    }

    pub(crate) fn any(&self, is_it: impl FnMut(&Vec<u8>) -> bool) -> bool {
        self.old.counts.keys().chain(self.new.counts.keys()).any(is_it)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.old.bytes + self.new.bytes
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Where a text was found that the log was to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// It was awaited of this stream.
    Of(Stream),
    /// It was taken for gone.
    FromBeforeAGap,
}

/// Texts that were shown of each stream and that the log did not have yet. Those from before a gap of the log are most likely gone:
/// they are still known, as long as there are not many, and not waited for.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    awaited: [Recent; 2],
    from_before_a_gap: Recent,
}

impl Ahead {
    pub(crate) fn add(&mut self, stream: Stream, text: &[u8]) {
        self.awaited[stream as usize].add(text, 1);
    }

    /// Takes one out, if there is one.
    pub(crate) fn take(&mut self, text: &[u8]) -> Option<Awaited> {
        if self.from_before_a_gap.take(text) {
            return Some(Awaited::FromBeforeAGap);
        }
        let of = BOTH
            .into_iter()
            .find(|stream| self.awaited[*stream as usize].take(text));
        of.map(Awaited::Of)
    }

    pub(crate) fn has(&self, text: &[u8]) -> bool {
        self.from_before_a_gap.has(text) || self.awaited.iter().any(|texts| texts.has(text))
    }

    /// The log goes on after a gap of a stream.
    pub(crate) fn gap_ends(&mut self, stream: Stream) {
        let texts = std::mem::take(&mut self.awaited[stream as usize]);
        for (text, count) in texts.old.counts.into_iter().chain(texts.new.counts) {
            self.from_before_a_gap.add(&text, count);
        }
    }

    /// How many bytes of a stream the log is to have yet.
    pub(crate) fn awaited_bytes(&self, stream: Stream) -> usize {
        self.awaited[stream as usize].bytes()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.awaited.iter().map(Recent::bytes).sum::<usize>() + self.from_before_a_gap.bytes()
    }
}
