//! What a policy saw, said and changed: part of the plan that it reviewed. No I/O.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trocar_sdk::{Diagnostic, policy::Operation};

use super::PluginId;
use crate::documents::harmless_json;

/// What a policy's word weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is obeyed.
    #[default]
    Enforce,
    /// It is told to the person, who may go on.
    Warn,
    /// It is only written down.
    Audit,
}

/// What came of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReviewVerdict {
    /// The plan may go ahead as it was.
    Allow,
    /// The plan was changed, or in another mode than `enforce` would have been.
    Amend,
    /// The plan may not go ahead.
    Deny,
    /// The policy failed to judge, which counts as a denial.
    Failed,
}

/// All that one policy had to do with a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReview {
    /// The policy's name in the configuration.
    pub policy: String,
    /// The plugin that judged, to the byte.
    pub plugin: PluginId,
    /// What its word weighs.
    pub mode: Mode,
    /// What it came to.
    pub verdict: ReviewVerdict,
    /// The hash of the plan that it saw last.
    pub saw: String,
    /// What it changed, in the order in which it did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PlanChange>,
    /// What it said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl PolicyReview {
    /// Says whether the plan may not go ahead because of this review.
    pub fn denies(&self) -> bool {
        self.mode == Mode::Enforce && matches!(self.verdict, ReviewVerdict::Deny | ReviewVerdict::Failed)
    }
}

/// One change to a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanChange {
    /// What was done.
    pub operation: Operation,
    /// Where, as an RFC 6901 pointer from the plan's root.
    pub at: String,
    /// The new value; none for a removal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl std::fmt::Display for PlanChange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(out, "{} = {}", self.at, harmless_json(&value.to_string())),
            None => write!(out, "{} removed", self.at),
        }
    }
}
