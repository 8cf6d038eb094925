//! Policies: who is asked about which plan, what a change may touch, and how many reviews come to one verdict.
//!
//! Pure. Which component judges is the engine's business.

mod amend;
mod chain;
mod matching;

pub(crate) use chain::{Judgement, Outcome, Reviewer, review};
pub use matching::Match;

use crate::{plan::Mode, plugin::Plugin};

/// A policy as it is configured.
#[derive(Debug)]
pub struct PolicyRule {
    /// Its name, unique in the configuration.
    pub name: String,
    /// The plugin that judges.
    pub plugin: Plugin,
    /// What its word weighs.
    pub mode: Mode,
    /// The plans that it is asked about.
    pub matches: Match,
    /// The plugin's settings, as JSON text.
    pub settings: String,
}
