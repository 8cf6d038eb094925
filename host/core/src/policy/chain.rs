//! The chain: every policy reviews the plan, and after a change all of them again, until they allow the same bytes.

use std::collections::{BTreeMap, HashSet};

use trocar_sdk::{Diagnostic, Severity, policy::Verdict};

use super::amend::amended;
use crate::{
    plan::{DebugPlan, Mode, PlanChange, PluginId, PolicyReview, ReviewVerdict, Step, normal},
    target::Target,
};

/// How often the chain runs at the most.
const MAX_ROUNDS: usize = 10;

/// A policy, as far as the chain needs to know it.
#[derive(Clone, Debug)]
pub struct Reviewer {
    /// Its name, unique in the configuration.
    pub name: String,
    /// The plugin that judges, to the byte.
    pub plugin: PluginId,
    /// It is a default plugin, part of the program.
    pub is_default: bool,
    /// How its verdict is enforced.
    pub mode: Mode,
}

/// What a policy answered about a plan; or why it could not judge.
pub type Judgement = Result<(Verdict, Vec<PlanChange>, Vec<Diagnostic>), String>;

/// Asks the policy at a place of the chain about a plan with this hash.
pub type Judge<'a> = dyn FnMut(usize, &DebugPlan, &str) -> Judgement + 'a;

/// What the chain comes to. The reviews are in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All allow the plan as it is now.
    Allowed,
    /// At least one denies it.
    Denied,
    /// These undo each other's changes, or never stop changing.
    Undecided(Vec<String>),
}

/// Lets all policies review a plan, which holds their changes and reviews afterwards.
pub fn review(
    plan: &mut DebugPlan,
    target: &Target,
    reviewers: &[Reviewer],
    judge: &mut Judge<'_>,
) -> Outcome {
    let mut reviews: Vec<PolicyReview> = reviewers.iter().map(unheard).collect();
    let outcome = rounds(plan, target, &mut reviews, judge);
    let mut told = Vec::new();
    for review in &reviews {
        tell(review, &mut told);
    }
    plan.set_reviews(reviews, told);
    outcome
}

fn rounds(
    plan: &mut DebugPlan,
    target: &Target,
    reviews: &mut [PolicyReview],
    judge: &mut Judge<'_>,
) -> Outcome {
    // The plans that all have seen, and in which round.
    let mut hash = plan.hash();
    let mut seen = BTreeMap::from([(hash.clone(), 0)]);
    let mut changers: Vec<Vec<String>> = Vec::new();
    for round in 1..=MAX_ROUNDS {
        let mut changed = Vec::new();
        for (index, review) in reviews.iter_mut().enumerate() {
            review.saw.clone_from(&hash);
            let judgement = judge(index, plan, &hash);
            if take(review, plan, target, judgement) {
                changed.push(review.policy.clone());
                hash = plan.hash();
            }
        }
        // Not at the first denial: at the end of a round every policy has given its reasons.
        if reviews.iter().any(PolicyReview::denies) {
            return Outcome::Denied;
        }
        if changed.is_empty() {
            return Outcome::Allowed;
        }
        changers.push(changed);
        // A plan that was there before: the changes undo each other, and more rounds would only repeat it.
        if let Some(before) = seen.insert(hash.clone(), round) {
            return Outcome::Undecided(names(&changers[before..]));
        }
    }
    Outcome::Undecided(names(&changers[MAX_ROUNDS / 2..]))
}

fn names(rounds: &[Vec<String>]) -> Vec<String> {
    let mut known = HashSet::new();
    let names = rounds.iter().flatten().filter(|name| known.insert(*name));
    names.cloned().collect()
}

fn unheard(reviewer: &Reviewer) -> PolicyReview {
    PolicyReview {
        policy: reviewer.name.clone(),
        plugin: reviewer.plugin.clone(),
        mode: reviewer.mode,
        verdict: ReviewVerdict::Allow,
        saw: String::new(),
        changes: Vec::new(),
        diagnostics: Vec::new(),
    }
}

/// Takes one judgement: writes it down, and changes the plan where it is obeyed. Says whether the plan is another now.
fn take(review: &mut PolicyReview, plan: &mut DebugPlan, target: &Target, judgement: Judgement) -> bool {
    let (verdict, changes, diagnostics) = match judgement {
        Ok(judged) => judged,
        Err(problem) => {
            fail(review, &problem);
            return false;
        }
    };
    for found in diagnostics {
        if !review.diagnostics.contains(&found) {
            review.diagnostics.push(found);
        }
    }
    match verdict {
        Verdict::Allow => false,
        Verdict::Deny => {
            review.verdict = ReviewVerdict::Deny;
            false
        }
        Verdict::Amend => match changed(plan, target, &changes) {
            Err(problem) => {
                fail(review, &format!("its change cannot be made: {problem}"));
                false
            }
            Ok(steps) => {
                let differs = steps != plan.steps();
                let obeyed = differs && review.mode == Mode::Enforce;
                if differs {
                    review.verdict = ReviewVerdict::Amend;
                    // A change that is not obeyed is proposed again in every round.
                    if !obeyed {
                        review.changes.clear();
                    }
                    review.changes.extend(changes);
                }
                if obeyed {
                    plan.set_steps(steps);
                }
                obeyed
            }
        },
    }
}

/// The steps after a policy's changes, in normal form.
fn changed(plan: &DebugPlan, target: &Target, changes: &[PlanChange]) -> Result<Vec<Step>, String> {
    let steps = amended(plan.steps(), changes)?;
    normal(steps, target).map_err(|violation| violation.to_string())
}

fn fail(review: &mut PolicyReview, problem: &str) {
    let weight = match review.mode {
        Mode::Enforce => ", which counts as a denial",
        Mode::Warn | Mode::Audit => "",
    };
    let found = Diagnostic::error(
        "policy-failed",
        format!("it could not judge the plan{weight}: {problem}"),
    );
    review.verdict = ReviewVerdict::Failed;
    if !review.diagnostics.contains(&found) {
        review.diagnostics.push(found);
    }
}

/// What people are told of a review that does not deny: the rest is in the plan's document.
fn tell(review: &PolicyReview, told: &mut Vec<Diagnostic>) {
    let name = &review.policy;
    let (lead, least) = match (review.mode, review.verdict) {
        (Mode::Audit, _) => return,
        (Mode::Enforce, ReviewVerdict::Deny | ReviewVerdict::Failed) => return,
        (Mode::Enforce, ReviewVerdict::Allow) => (format!("policy {name}"), None),
        (Mode::Enforce, ReviewVerdict::Amend) => {
            (format!("policy {name} changed the plan"), Some(Severity::Warning))
        }
        (Mode::Warn, ReviewVerdict::Allow) => (format!("policy {name}"), None),
        (Mode::Warn, ReviewVerdict::Amend) => (
            format!("policy {name} would change the plan"),
            Some(Severity::Warning),
        ),
        (Mode::Warn, ReviewVerdict::Deny) => {
            (format!("policy {name} would deny this"), Some(Severity::Warning))
        }
        (Mode::Warn, ReviewVerdict::Failed) => (format!("policy {name}"), Some(Severity::Warning)),
    };
    // Otherwise a policy could change a plan without a word to the user.
    if review.diagnostics.is_empty() && review.verdict != ReviewVerdict::Allow {
        told.push(Diagnostic::warning(
            "policy-silent",
            format!("{lead}, and does not say why"),
        ));
    }
    for found in &review.diagnostics {
        told.push(Diagnostic {
            // Nothing that the plan survives is an error.
            severity: least.unwrap_or(found.severity.max(Severity::Warning)),
            message: format!("{lead}: {}", found.message),
            ..found.clone()
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trocar_sdk::policy::Operation;

    use super::*;

    fn target() -> Target {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}});
        Target::new(pod, "default").unwrap()
    }

    fn plan() -> DebugPlan {
        let container = json!({"name": "dbg", "image": "busybox"});
        let target = target();
        let steps = vec![Step::from_value("add-ephemeral-container", container).unwrap()];
        let options = trocar_sdk::DebugOptions::default();
        DebugPlan::checked(plugin(), steps, None, Vec::new(), &target, &options, "default").unwrap()
    }

    fn plugin() -> PluginId {
        PluginId {
            name: "p".into(),
            version: "1".into(),
            digest: "sha256:0".into(),
            signers: Vec::new(),
        }
    }

    fn image(plan: &DebugPlan) -> Value {
        plan.steps()[0].object()["image"].clone()
    }

    /// A policy that wants one image instead of another.
    fn wants(from: &str, to: &str, plan: &DebugPlan) -> Judgement {
        if image(plan) != from {
            return Ok((Verdict::Allow, Vec::new(), Vec::new()));
        }
        let change = PlanChange {
            operation: Operation::Replace,
            at: "/steps/0/object/image".into(),
            value: Some(json!(to)),
        };
        let why = Diagnostic::info("mirror", "from the mirror");
        Ok((Verdict::Amend, vec![change], vec![why]))
    }

    fn run(modes: &[Mode], judge: &mut Judge<'_>) -> (Outcome, DebugPlan) {
        let reviewers: Vec<Reviewer> = modes
            .iter()
            .enumerate()
            .map(|(index, mode)| Reviewer {
                name: format!("p{index}"),
                plugin: plugin(),
                is_default: true,
                mode: *mode,
            })
            .collect();
        let mut plan = plan();
        let outcome = review(&mut plan, &target(), &reviewers, judge);
        (outcome, plan)
    }

    #[test]
    fn after_a_change_all_policies_see_the_plan_again() {
        let mut asked = Vec::new();
        let (outcome, plan) = run(&[Mode::Enforce; 2], &mut |index, plan, _| {
            asked.push((index, image(plan)));
            match index {
                0 => wants("mirror/busybox", "mirror/busybox@sha256:1", plan),
                _ => wants("busybox", "mirror/busybox", plan),
            }
        });
        assert_eq!(outcome, Outcome::Allowed);
        assert_eq!(image(&plan), "mirror/busybox@sha256:1");
        assert_eq!(asked.len(), 6, "three rounds of two: {asked:?}");
        assert!(plan.policies().iter().all(|review| review.saw == plan.hash()));
        assert_eq!(plan.policies()[1].verdict, ReviewVerdict::Amend);
        assert_eq!(plan.diagnostics().len(), 2);
        assert!(
            plan.diagnostics()[0]
                .message
                .starts_with("policy p0 changed the plan")
        );
    }

    #[test]
    fn policies_that_undo_each_other_are_named_and_others_are_not() {
        let (outcome, _) = run(&[Mode::Enforce; 3], &mut |index, plan, _| match index {
            0 => wants("a", "busybox", plan),
            1 => wants("busybox", "a", plan),
            _ => wants("never", "x", plan),
        });
        assert_eq!(outcome, Outcome::Undecided(vec!["p0".into(), "p1".into()]));
    }

    #[test]
    fn a_policy_that_never_stops_changing_is_named() {
        let mut count = 0;
        let (outcome, _) = run(&[Mode::Enforce], &mut |_, plan, _| {
            count += 1;
            let from = image(plan);
            wants(from.as_str().unwrap(), &format!("image-{count}"), plan)
        });
        assert_eq!(outcome, Outcome::Undecided(vec!["p0".into()]));
        assert!(count <= MAX_ROUNDS);
    }

    #[test]
    fn every_denial_is_heard() {
        let deny = |code: &str| Ok((Verdict::Deny, Vec::new(), vec![Diagnostic::error(code, code)]));
        let (outcome, plan) = run(&[Mode::Enforce; 3], &mut |index, _, _| match index {
            0 => deny("first"),
            1 => Err("it broke".into()),
            _ => Ok((Verdict::Allow, Vec::new(), Vec::new())),
        });
        assert_eq!(outcome, Outcome::Denied);
        let verdicts: Vec<ReviewVerdict> = plan.policies().iter().map(|review| review.verdict).collect();
        assert_eq!(
            verdicts,
            [ReviewVerdict::Deny, ReviewVerdict::Failed, ReviewVerdict::Allow]
        );
        assert_eq!(
            plan.policies()[1].diagnostics[0].message,
            "it could not judge the plan, which counts as a denial: it broke"
        );
    }

    #[test]
    fn outside_of_enforce_nothing_is_changed_and_nothing_denied() {
        for (mode, told) in [(Mode::Warn, 3), (Mode::Audit, 0)] {
            let (outcome, plan) = run(&[mode; 3], &mut |index, plan, _| match index {
                0 => wants("busybox", "x", plan),
                1 => Ok((Verdict::Deny, Vec::new(), vec![Diagnostic::error("no", "no")])),
                _ => Err("broken".into()),
            });
            assert_eq!(outcome, Outcome::Allowed, "{mode:?}");
            assert_eq!(image(&plan), "busybox");
            assert_eq!(plan.diagnostics().len(), told, "{:?}", plan.diagnostics());
            assert!(
                plan.diagnostics()
                    .iter()
                    .all(|found| found.severity == Severity::Warning)
            );
            assert_eq!(
                plan.policies()[0].changes.len(),
                1,
                "what it would change is written down"
            );
        }
    }

    #[test]
    fn a_change_that_breaks_the_plan_is_the_failure_of_the_policy() {
        let (outcome, plan) = run(&[Mode::Enforce], &mut |_, _, _| {
            let change = PlanChange {
                operation: Operation::Remove,
                at: "/steps/0/action".into(),
                value: None,
            };
            Ok((Verdict::Amend, vec![change], Vec::new()))
        });
        assert_eq!(outcome, Outcome::Denied);
        assert_eq!(plan.policies()[0].verdict, ReviewVerdict::Failed);
    }
}
