//! One plan, from a request to a draft: strategy, guard rails, policies, guard rails again, rights.
//!
//! [`draft`] is the only way to a [`Draft`], and a draft the only way to an [`Approved`] plan, which is all that is ever
//! written to a cluster.

mod draft;
mod error;
mod guests;
mod stored;
mod submitted;
mod time;

pub use draft::{Approved, Draft, NotAgreed};
pub use error::{Blame, Blamed, PlanError};
pub use guests::{Decision, Documents, Guests, Proposal};
pub use stored::{StoredOtherwise, is_stored, judge_stored};
pub use submitted::{EXTERNAL, Submitted, SubmittedInputs, judge_submitted};
pub use time::TimeToLive;

use std::collections::HashSet;

use trocar_sdk::{Actor, Context, DebugOptions};

use crate::{
    bounded::{self, Limits},
    plan::{DebugPlan, Mark, PlanChange, PluginId, Step, check::Violation, check_count},
    policy::{self, Judgement, Outcome, Reviewer},
    target::{Target, TargetKind},
    text::message,
};

/// Everything that a plan is made of, but for the plugins themselves.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// What is debugged.
    pub target: &'a Target,
    /// What the user asked for.
    pub options: &'a DebugOptions,
    /// Time, namespace and random suffix, as data.
    pub context: &'a Context,
    /// Who asks, and why.
    pub actor: &'a Actor,
    /// The strategy that proposes the plan.
    pub strategy: &'a Author,
    /// The policies that review it, in the order in which they are asked.
    pub reviewers: &'a [Reviewer],
    /// How long a created pod may live.
    pub time_to_live: Option<TimeToLive<'a>>,
}

/// A plugin that makes a plan what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Which one, to the byte.
    pub id: PluginId,
    /// It is a default plugin, part of the program.
    pub is_default: bool,
}

/// Makes a plan, lets the policies review it, and checks it.
///
/// # Errors
/// Fails when the strategy refuses, breaks or reaches a limit, when a policy denies the plan, and when the plan breaks a
/// guard rail.
pub fn draft<G: Guests>(inputs: &PlanInputs<'_>, guests: &mut G) -> Result<Draft, PlanError<G::Error>> {
    let documents = Documents::new(inputs.target, inputs.options, inputs.actor, inputs.context);
    let proposal = guests.propose(&documents).map_err(PlanError::Plugin)?;
    let proposal = proposal.map_err(|failure| PlanError::Refused {
        strategy: inputs.strategy.id.clone(),
        failure: Box::new(failure),
    })?;
    let (mut plan, marks) = checked(proposal, inputs)?;
    review(&mut plan, inputs, &documents, guests)?;
    plan.finish(inputs.target, inputs.options, &marks);
    // A policy that changes the plan can give rights as well as its strategy can.
    let is_third_party = !inputs.strategy.is_default || changed_by_third_party(&plan, inputs.reviewers);
    Ok(Draft::new(plan, inputs.target.clone(), is_third_party))
}

fn changed_by_third_party(plan: &DebugPlan, reviewers: &[Reviewer]) -> bool {
    let changers: HashSet<String> = plan.changers().into_iter().collect();
    let others = reviewers.iter().filter(|reviewer| !reviewer.is_default);
    others
        .into_iter()
        .any(|reviewer| changers.contains(&reviewer.name))
}

/// Reads a strategy's steps, limits their time, and holds them against the guard rails. Gives what the host itself marked.
fn checked<E>(proposal: Proposal, inputs: &PlanInputs<'_>) -> Result<(DebugPlan, Vec<Mark>), PlanError<E>> {
    let strategy = &inputs.strategy.id;
    let refused = |violation: Violation| PlanError::GuardRail {
        author: format!("strategy {:?}", strategy.name),
        violation: harmless(violation),
    };
    // Before any of them is parsed, so that their number costs nothing.
    check_count(proposal.steps.len()).map_err(refused)?;
    let (mut steps, mut marks) = (Vec::with_capacity(proposal.steps.len()), Vec::new());
    for (index, (action, object)) in proposal.steps.iter().enumerate() {
        let mut step = Step::parse(action, object).map_err(|error| PlanError::Answer {
            strategy: strategy.clone(),
            problem: message(&format!("step {} {error}", index + 1)),
        })?;
        if let (Step::CreatePod(pod), Some(time)) = (&mut step, inputs.time_to_live) {
            // Before the policies, so that they judge the limits and marks that are stored.
            marks.extend(time::limit(pod, time));
        }
        // A created pod has the stamp.
        if let (Step::AddEphemeralContainer(container), Some(reason)) = (&mut step, &inputs.actor.reason) {
            crate::plan::reason::carry(container, reason);
        }
        steps.push(step);
    }
    let plan = DebugPlan::checked(
        strategy.clone(),
        steps,
        proposal.attach,
        proposal.diagnostics,
        inputs.target,
        inputs.options,
        &inputs.context.namespace,
    );
    Ok((plan.map_err(refused)?, marks))
}

/// Lets the policies that are concerned review a plan; after their changes the guard rails are checked again.
fn review<G: Guests>(
    plan: &mut DebugPlan,
    inputs: &PlanInputs<'_>,
    documents: &Documents<'_>,
    guests: &mut G,
) -> Result<(), PlanError<G::Error>> {
    if inputs.reviewers.is_empty() {
        return Ok(());
    }
    let outcome = reviewed_by(guests, plan, inputs, documents);
    let reviewed = || Box::new(plan.clone());
    match outcome {
        Outcome::Denied => return Err(PlanError::Denied { plan: reviewed() }),
        Outcome::Undecided(policies) => {
            let plan = reviewed();
            return Err(PlanError::Undecided { policies, plan });
        }
        Outcome::Allowed if plan.changers().is_empty() => return Ok(()),
        Outcome::Allowed => {}
    }
    let checked = plan.check(inputs.target, inputs.options, &inputs.context.namespace);
    checked.map_err(|violation| PlanError::GuardRail {
        author: format!("the policies {}", error::quoted(&plan.changers())),
        violation: harmless(violation),
    })
}

/// Lets the policies review a plan, whose text is written once for all that see the same.
fn reviewed_by<G: Guests>(
    guests: &mut G,
    plan: &mut DebugPlan,
    inputs: &PlanInputs<'_>,
    documents: &Documents<'_>,
) -> Outcome {
    let (mut seen, mut text) = (String::new(), String::new());
    policy::review(plan, inputs.target, inputs.reviewers, &mut |index, plan, hash| {
        if seen != hash {
            hash.clone_into(&mut seen);
            text = plan.review_text();
        }
        judgement(guests.evaluate(index, &text, documents)?)
    })
}

/// A violation quotes what the guest wrote.
fn harmless(violation: Violation) -> Violation {
    Violation {
        message: message(&violation.message),
        ..violation
    }
}

/// Reads a policy's answer: the values of its changes are JSON that was not looked at yet.
fn judgement(decision: Decision) -> Judgement {
    let changes = decision.changes.into_iter().map(|(operation, at, value)| {
        let value = value.map(|text| bounded::parse(&text, Limits::STEP)).transpose();
        let value = value.map_err(|error| format!("the value of its change at {at:?} {error}"))?;
        Ok(PlanChange { operation, at, value })
    });
    let changes = changes.collect::<Result<_, String>>()?;
    Ok((decision.verdict, changes, decision.diagnostics))
}

/// The name of the default strategy that fits a target and the options.
pub fn default_strategy(kind: TargetKind, options: &DebugOptions) -> &'static str {
    match (kind, &options.copy_to) {
        (TargetKind::Node, _) => "node",
        (TargetKind::Pod, Some(_)) => "copy",
        (TargetKind::Pod, None) => "ephemeral",
    }
}

/// The names under which policies know a strategy.
///
/// A plugin that is not a default one also counts as the default strategies that could have been used for such a target:
/// another name does not bypass a policy.
pub fn strategy_names(name: &str, is_default: bool, target: TargetKind) -> Vec<&str> {
    let mut names = vec![name];
    if !is_default {
        names.extend(match target {
            TargetKind::Pod => &["ephemeral", "copy"][..],
            TargetKind::Node => &["node"][..],
        });
    }
    names
}
