//! Policies: who is asked about which plan, what a change may touch, and how many reviews come to one verdict.
//!
//! Pure. Which component judges is the engine's business.

mod amend;
mod chain;
mod edits;
mod matching;

pub use chain::{Judge, Judgement, Outcome, Reviewer, review};
pub use matching::{Match, Subject};
