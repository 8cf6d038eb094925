//! What comes of a case: the verdict, what each policy said, and the plan.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trocar_core::plan::{DebugPlan, PlanChange, ReviewVerdict};
use trocar_sdk::{Diagnostic, Failure};

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
    /// What the strategy said, or why it refused.
    #[serde(skip)]
    pub of_strategy: Vec<Diagnostic>,
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
            of_strategy: of_strategy(plan),
            plan: (verdict != CaseVerdict::Deny).then_some(shown),
        }
    }

    pub(super) fn refused(why: &dyn std::fmt::Display) -> Self {
        Self {
            verdict: CaseVerdict::Refuse,
            refusal: Some(why.to_string()),
            policies: Vec::new(),
            plan: None,
            of_strategy: Vec::new(),
        }
    }

    /// There is no plan, since the strategy refused.
    pub(super) fn refused_by_strategy(failure: &Failure) -> Self {
        let why = Diagnostic::error(&failure.code, failure.message.as_str());
        let found = failure.diagnostics.iter().cloned();
        Self {
            of_strategy: std::iter::once(why).chain(found).collect(),
            ..Self::refused(failure)
        }
    }

    /// All that the policies and the strategy said.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        let of_policies = self.policies.iter().flat_map(|said| &said.diagnostics);
        of_policies.chain(&self.of_strategy)
    }
}

/// What of a plan's diagnostics no policy said.
fn of_strategy(plan: &DebugPlan) -> Vec<Diagnostic> {
    let of_policies = |found: &&Diagnostic| {
        let mut reviews = plan.policies().iter();
        reviews.any(|review| review.diagnostics.contains(found))
    };
    let all = plan.diagnostics().iter();
    all.filter(|found| !of_policies(found)).cloned().collect()
}
