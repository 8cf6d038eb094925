//! The outcome of a case: the verdict, what each policy returned, and the plan.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trocar_core::plan::{DebugPlan, PlanChange, ReviewVerdict};
use trocar_sdk::{Diagnostic, Failure};

/// The verdict of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseVerdict {
    /// The plan is allowed, unchanged.
    Allow,
    /// The plan is allowed, changed.
    Amend,
    /// The plan is denied.
    Deny,
    /// There is no plan to judge: the strategy or the guard rails refuse.
    Refuse,
}

/// The outcome of a case, as in snapshots.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The verdict of all policies together.
    pub verdict: CaseVerdict,
    /// Why there is no plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The outcome of each policy that was asked.
    pub policies: Vec<PolicyOutcome>,
    /// The plan's steps and its session's container; none if the plan is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
    /// The strategy's diagnostics, with the reason if it refused.
    #[serde(skip)]
    pub of_strategy: Vec<Diagnostic>,
}

/// The outcome of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyOutcome {
    /// The policy's name.
    pub policy: String,
    /// Its verdict, as enforced.
    pub verdict: ReviewVerdict,
    /// Its amendments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PlanChange>,
    /// Its diagnostics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    pub(super) fn of(plan: &DebugPlan, verdict: Option<CaseVerdict>) -> Self {
        let changed = !plan.changers().is_empty();
        let default = if changed {
            CaseVerdict::Amend
        } else {
            CaseVerdict::Allow
        };
        let verdict = verdict.unwrap_or(default);
        let policies = plan.policies().iter().map(|review| PolicyOutcome {
            policy: review.policy.clone(),
            verdict: review.verdict,
            changes: review.changes.clone(),
            diagnostics: review.diagnostics.clone(),
        });
        let shown = json!({"steps": plan.steps(), "attach": plan.attach()});
        Self {
            verdict,
            refusal: None,
            policies: policies.collect(),
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

    /// The outcome if the strategy refused.
    pub(super) fn refused_by_strategy(failure: &Failure) -> Self {
        let why = Diagnostic::error(&failure.code, failure.message.as_str());
        let found = failure.diagnostics.iter().cloned();
        Self {
            of_strategy: std::iter::once(why).chain(found).collect(),
            ..Self::refused(failure)
        }
    }

    /// The diagnostics of all policies and of the strategy.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        let of_policies = self.policies.iter().flat_map(|policy| &policy.diagnostics);
        of_policies.chain(&self.of_strategy)
    }
}

/// The diagnostics of a plan that are not a policy's.
fn of_strategy(plan: &DebugPlan) -> Vec<Diagnostic> {
    let of_policies = |found: &&Diagnostic| {
        let mut reviews = plan.policies().iter();
        reviews.any(|review| review.diagnostics.contains(found))
    };
    let all = plan.diagnostics().iter();
    all.filter(|found| !of_policies(found)).cloned().collect()
}
