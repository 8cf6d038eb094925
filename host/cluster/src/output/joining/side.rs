//! One stream of the attach, as the log will have it.

use std::time::Duration;

use crate::output::{marks::Marks, text::Plainer};

/// A log gets a line that does not end in pieces of half this size or less.
const LONGEST_PIECE: usize = 32 << 10;

/// One stream of the attach.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) plainer: Plainer,
    pub(super) plain: Vec<u8>,
    /// How many bytes of it the log gets without waiting for more: whole lines, and pieces of long ones. And when that was so.
    pub(super) completed: usize,
    pub(super) marks: Marks,
}

impl Side {
    pub(super) fn push(&mut self, at: Duration, bytes: &[u8]) {
        let before = self.plain.len();
        self.plainer.push(bytes, &mut self.plain);
        let end = self.plain[before..].iter().rposition(|byte| *byte == b'\n');
        let of_lines = end.map_or(self.completed, |end| before + end + 1);
        self.completed = of_lines.max(self.plain.len().saturating_sub(LONGEST_PIECE));
        if self.completed > 0 {
            self.marks.set(at, self.completed);
        }
    }
}

/// The lines of a text, each with its end.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}
