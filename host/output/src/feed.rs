//! What an attach brought on one stream and the log did not confirm yet: fragments, in order.

use std::{collections::VecDeque, time::Duration};

use crate::{
    ENTRY, End,
    text::{Cutter, find, same, without_end, without_returns},
};

/// A longer text is not searched for within a unit.
// Without its beginning and its end a text may stand anywhere: the search costs the product of both lengths.
const MAX_SEARCHED: usize = 1 << 10;

/// A unit as an attach brought it: all of it, or the part after the attach began, or before it broke.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) raw: Vec<u8>,
    /// How many bytes came before those that are kept.
    pub(crate) dropped: usize,
    pub(crate) shown: usize,
    /// It is known to begin where the unit begins.
    pub(crate) begins: bool,
    /// The unit's end was brought.
    pub(crate) ends: bool,
    /// The attach ended with the program: it is how the stream ends.
    pub(crate) is_last: bool,
    pub(crate) at: Duration,
}

impl Fragment {
    /// Returns whether it is a whole unit.
    pub(crate) fn is_whole(&self) -> bool {
        self.begins && self.ends
    }

    /// Returns whether it is this unit of the log, as far as that can be seen.
    pub(crate) fn is_same(&self, unit: &[u8]) -> bool {
        self.ends && same(&self.raw, unit)
    }

    /// How many bytes of a unit of the log come before it, if it may be a part of that unit.
    pub(crate) fn start_in(&self, unit: &[u8], piece: usize) -> Option<usize> {
        match (self.begins, self.ends) {
            (true, true) => same(&self.raw, unit).then_some(0),
            (true, false) => begins_with(unit, &self.raw).then_some(0),
            (false, true) if self.raw.len() > piece && same(ending(&self.raw, unit.len()), unit) => Some(0),
            (false, true) => {
                let start = without_end(unit).strip_suffix(without_end(&self.raw))?.len();
                (unit.ends_with(b"\n") == self.raw.ends_with(b"\n")).then_some(start)
            }
            (false, false) if self.raw.len() > MAX_SEARCHED => None,
            (false, false) => (0..unit.len()).find(|start| begins_with(&unit[*start..], &self.raw)),
        }
    }

    /// Returns whether it is longer than a unit of the log, but for carriage returns.
    pub(crate) fn is_longer_than(&self, unit: &[u8]) -> bool {
        without_end(&self.raw).len() > without_end(unit).len()
    }

    /// Returns whether a text that was shown may be what this is the beginning of.
    pub(crate) fn may_be_of(&self, text: &[u8]) -> bool {
        let raw = without_returns(&self.raw);
        if self.begins {
            text.starts_with(raw)
        } else {
            find(text, raw).is_some()
        }
    }
}

fn ending(text: &[u8], length: usize) -> &[u8] {
    &text[text.len().saturating_sub(length)..]
}

/// Returns whether a unit of the log, which may have left out carriage returns before its newline, begins with this.
fn begins_with(unit: &[u8], text: &[u8]) -> bool {
    let begun = without_returns(text);
    unit.starts_with(text)
        || (!begun.is_empty()
            && unit
                .strip_prefix(begun)
                .is_some_and(|end| without_end(end).is_empty() && end.ends_with(b"\n")))
}

/// One stream of the attaches.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    pub(crate) queue: VecDeque<Fragment>,
    pub(crate) bytes: usize,
    /// How many of the queue earlier attaches brought.
    pub(crate) old: usize,
    /// The last fragment grows.
    pub(crate) is_open: bool,
    /// The present attach has brought something.
    pub(crate) is_used: bool,
    /// The next fragment may have begun before the attach.
    is_cut: bool,
    cutter: Cutter,
    /// When the attach brought something, or began.
    pub(crate) at: Duration,
    /// When the log confirmed something of it.
    pub(crate) confirmed_at: Duration,
}

impl Feed {
    pub(crate) fn attach_began(&mut self, at: Duration) {
        self.at = at;
        self.is_cut = true;
        self.is_used = false;
        self.cutter = Cutter::default();
        // What an earlier attach brought comes before what this one brings, on either stream.
        self.old = self.queue.len();
    }

    pub(crate) fn attach_ended(&mut self, end: End) {
        let Some(last) = self.queue.back_mut().filter(|_| self.is_open) else {
            return;
        };
        self.is_open = false;
        last.is_last = end == End::Finished;
        // What has neither a beginning nor an end tells nothing.
        if !last.begins && !last.is_last && last.shown == 0 {
            self.bytes -= last.raw.len() + ENTRY;
            self.queue.pop_back();
        }
    }

    pub(crate) fn push(&mut self, at: Duration, bytes: &[u8], piece: usize) {
        self.at = at;
        self.is_used |= !bytes.is_empty();
        let mut rest = bytes;
        while !rest.is_empty() {
            let is_new = !self.is_open;
            if is_new {
                let begins = !std::mem::take(&mut self.is_cut);
                self.queue.push_back(Fragment {
                    raw: Vec::new(),
                    dropped: 0,
                    shown: 0,
                    begins,
                    ends: false,
                    is_last: false,
                    at,
                });
                self.is_open = true;
            }
            let last = self.queue.back_mut().expect("an open fragment is in the queue");
            let end = match last.begins {
                // Of a line whose beginning was missed it is not known where the log cuts it, so it is not cut.
                true => self.cutter.end(rest, piece),
                false => rest.iter().position(|byte| *byte == b'\n').map(|end| end + 1),
            };
            let length = end.unwrap_or(rest.len());
            last.raw.extend_from_slice(&rest[..length]);
            last.at = at;
            last.ends = end.is_some();
            self.bytes += length + if is_new { ENTRY } else { 0 };
            // Of a long line that began before the attach, the end is enough to find it in the log.
            if !last.begins && last.raw.len() > 4 * piece {
                let surplus = last.raw.len() - 2 * piece;
                last.raw.drain(..surplus);
                last.dropped += surplus;
                last.shown = last.shown.saturating_sub(surplus);
                self.bytes -= surplus;
            }
            self.is_open = end.is_none();
            rest = &rest[length..];
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Fragment> {
        let fragment = self.queue.pop_front()?;
        self.old = self.old.saturating_sub(1);
        self.is_open &= !self.queue.is_empty();
        self.bytes -= fragment.raw.len() + ENTRY;
        Some(fragment)
    }

    /// The present unit, if nothing is before it.
    pub(crate) fn part(&self) -> Option<&Fragment> {
        self.queue
            .front()
            .filter(|_| self.is_open && self.queue.len() == 1)
    }

    /// Whether the log may lack something that it has brought.
    pub(crate) fn has_brought(&self) -> bool {
        self.is_used || !self.queue.is_empty()
    }

    /// The first fragment, if nothing is added to it any more.
    pub(crate) fn closed(&self) -> Option<&Fragment> {
        self.queue
            .front()
            .filter(|_| !self.is_open || self.queue.len() > 1)
    }

    /// A long line that began before the attach. Before it ends, the attach brings none of the units that the log has.
    pub(crate) fn long(&self, piece: usize) -> Option<&Fragment> {
        self.queue
            .front()
            .filter(|next| !next.begins && next.raw.len() > piece)
    }
}
