//! Texts that one source brought and the other did not yet, and how often each.

use std::collections::HashMap;

use crate::ENTRY;

/// Counted texts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    counts: HashMap<Vec<u8>, usize>,
    bytes: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, text: &[u8]) {
        match self.counts.get_mut(text) {
            Some(count) => *count += 1,
            None => {
                self.bytes += text.len() + ENTRY;
                self.counts.insert(text.to_vec(), 1);
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
    pub(crate) fn add(&mut self, text: &[u8]) {
        if self.new.bytes > MAX_RECENT {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.add(text);
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
