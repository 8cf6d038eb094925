//! What comes of a case: the verdict, what each policy said, and the plan.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trocar_core::plan::{DebugPlan, PlanChange, ReviewVerdict};
use trocar_sdk::Diagnostic;

/// What comes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseVerdict {
    /// The plan may go ahead as the strategy made it.
    Allow,
    /// The plan may go ahead, changed.
    Amend,
    /// The plan may not go ahead.
    Deny,
    /// There is no plan to judge: the strategy or the guard rails refuse.
    Refuse,
}

/// What a case came to, as it is kept in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The verdict of all policies together.
    pub verdict: CaseVerdict,
    /// Why there is no plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What each policy said that was asked.
    pub policies: Vec<Said>,
    /// The steps of the plan and what a session is with, where the plan may go ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
}

/// What one policy said and changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// The policy's name.
    pub policy: String,
    /// What it came to.
    pub verdict: ReviewVerdict,
    /// What it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PlanChange>,
    /// What it said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    pub(super) fn of(plan: &DebugPlan, verdict: Option<CaseVerdict>) -> Self {
        let changed = !plan.changers().is_empty();
        let otherwise = if changed {
            CaseVerdict::Amend
        } else {
            CaseVerdict::Allow
        };
        let verdict = verdict.unwrap_or(otherwise);
        let said = plan.policies().iter().map(|review| Said {
            policy: review.policy.clone(),
            verdict: review.verdict,
            changes: review.changes.clone(),
            diagnostics: review.diagnostics.clone(),
        });
        let shown = json!({"steps": plan.steps(), "attach": plan.attach()});
        Self {
            verdict,
            refusal: None,
            policies: said.collect(),
            plan: (verdict != CaseVerdict::Deny).then_some(shown),
        }
    }

    pub(super) fn refused(why: &dyn std::fmt::Display) -> Self {
        Self {
            verdict: CaseVerdict::Refuse,
            refusal: Some(why.to_string()),
            policies: Vec::new(),
            plan: None,
        }
    }

    /// All that the policies said.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.policies.iter().flat_map(|said| &said.diagnostics)
    }
}
