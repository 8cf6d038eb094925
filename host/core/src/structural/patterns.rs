//! The patterns of a schema: compiled by an engine whose time is linear in the text, with a bound on its states, since those
//! are the factor.

use regex_lite::{Regex, RegexBuilder};

/// The size of a compiled pattern in bytes: some hundred letters and classes, repetitions multiplied out.
const MAX_COMPILED: usize = 32 << 10;

/// How deep groups lie in one another.
const MAX_NESTING: u32 = 20;

/// The most bytes of text that one check holds against patterns. Together with the size of a pattern it bounds the time.
pub(super) const MAX_MATCHED: usize = 256 << 10;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, regex_lite::Error> {
        RegexBuilder::new(pattern)
            .size_limit(MAX_COMPILED)
            .nest_limit(MAX_NESTING)
            .build()
            .map(Self)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    pub(super) fn text(&self) -> &str {
        self.0.as_str()
    }
}
