//! Decides about a plan: finds rights above the ceiling, and denies or removes them. Pure.

use trocar_sdk::{
    Diagnostic, Failure,
    pod_security::Level,
    policy::{Decision, Outline, Review},
};

use crate::{
    ceiling::{self, Ceiling},
    finding, level,
    planned::Planned,
    settings::{OnExcess, Settings},
};

/// Denies a plan that grants more than the ceiling, or amends it to grant less.
///
/// # Errors
/// Fails when the target is malformed.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let settings = &review.settings;
    let plan = &review.plan;
    let is_node = plan.target.kind == "Node";
    let ceiling = Ceiling::new(settings, is_node);
    let mut decision = Decision::allow();
    // An added container is compared with the pod's own fields only, unless a level judges the whole pod.
    let creates = plan.steps.iter().any(|step| step.action == "create-pod");
    let level = settings.level.filter(|level| *level != Level::Privileged);
    let outline;
    let target = match creates && !is_node || level.is_some() {
        true => &review.target.0,
        false if is_node => &trocar_sdk::Object::new(),
        false => {
            outline = review.target.read::<Outline>()?;
            &outline.0
        }
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let (pod, added) = match step.action.as_str() {
            "create-pod" => (&step.object, None),
            "add-ephemeral-container" => (target, Some(&step.object)),
            _ => continue,
        };
        let planned = Planned {
            step: index,
            pod,
            added,
            original: (!is_node).then_some(target),
        };
        judge(settings, &ceiling, &planned, &mut decision);
    }
    Ok(decision)
}

/// Judges one pod. It is amended only if nothing above the ceiling remains: else it is denied anyway.
fn judge(settings: &Settings, ceiling: &Ceiling, planned: &Planned<'_>, decision: &mut Decision) {
    let mut found = above(settings, ceiling, planned);
    if found.is_empty() {
        return;
    }
    if settings.on_excess == OnExcess::Amend {
        let mut lowered = ceiling::lower(ceiling, planned);
        level::lower(settings.level.unwrap_or(Level::Privileged), planned, &mut lowered);
        let remains = above(settings, ceiling, &planned.with(&lowered));
        if remains.is_empty() {
            let told: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
            let message = format!("lowered to what is allowed: {}", told.join("; "));
            let why = Diagnostic::info("lowered", message);
            decision.change(&planned.root(), planned.written(), &lowered, why);
            return;
        }
        found = remains;
    }
    deny(settings, found, decision);
}

/// All rights above the ceiling, and all violations of the level.
fn above(settings: &Settings, ceiling: &Ceiling, planned: &Planned<'_>) -> Vec<Diagnostic> {
    let mut found = finding::told(ceiling::above(ceiling, planned));
    let level = settings.level.filter(|level| *level != Level::Privileged);
    found.extend(level.into_iter().flat_map(|level| level::above(level, planned)));
    found
}

/// Denies for these reasons. The hint is added once, to the last reason that the user can do something about.
fn deny(settings: &Settings, mut found: Vec<Diagnostic>, decision: &mut Decision) {
    if let Some(last) = found.iter_mut().rfind(|found| found.help.is_none()) {
        last.help = allowed(settings);
    }
    for found in found {
        decision.deny(found);
    }
}

/// The hint: what the user could request instead.
fn allowed(settings: &Settings) -> Option<String> {
    let by_level = settings
        .level
        .map(|level| format!("the Pod Security level {} is allowed", level.name()));
    let by_profile = settings
        .profile
        .map(|profile| format!("allowed is up to --profile={}", profile.name()));
    let parts: Vec<String> = by_profile.into_iter().chain(by_level).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
