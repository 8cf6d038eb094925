//! The patterns of a schema: compiled by an engine whose time is linear in the text, with a bound on its states, since those
//! are the factor.

use regex_lite::{Regex, RegexBuilder};

/// The sizes that a compiled pattern may have, in bytes. The largest has room for some hundred letters and classes, repetitions
/// multiplied out.
const SIZES: [usize; 6] = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10];

/// How deep groups lie in one another.
const MAX_NESTING: u32 = 20;

/// The most work that one check does for patterns: the sum of text times pattern, in bytes. The worst pattern that was found
/// takes a quarter of a second for it.
pub(super) const MAX_WORK: usize = 1 << 29;

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// The smallest of [`SIZES`] in which it has room.
    size: usize,
}

impl Pattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, regex_lite::Error> {
        let [smaller @ .., largest] = SIZES;
        let compiled_in = |size| {
            let mut builder = RegexBuilder::new(pattern);
            builder.size_limit(size).nest_limit(MAX_NESTING);
            builder.build().map(|regex| Self { regex, size })
        };
        // The engine does not say how large a pattern is, so that the sizes are tried.
        let small = smaller.into_iter().find_map(|size| compiled_in(size).ok());
        small.map_or_else(|| compiled_in(largest), Ok)
    }

    /// Whether the pattern is found in a text. None when that is more work than is left.
    pub(super) fn is_match(&self, text: &str, work_left: &mut usize) -> Option<bool> {
        // The product, since both sides count: with a bound on the pattern alone, 256 KiB of text took four seconds.
        let work = self.size.saturating_mul(text.len());
        *work_left = work_left.checked_sub(work)?;
        Some(self.regex.is_match(text))
    }

    pub(super) fn text(&self) -> &str {
        self.regex.as_str()
    }
}
