//! From a plan to a decision: what is above the ceiling is found, and lowered or denied. Pure.

use trocar_sdk::{
    Diagnostic, Failure, Object,
    policy::{Decision, ResultingPod, Review},
};

use crate::{
    ceiling::{self, Ceiling},
    level,
    settings::{OnExcess, Settings},
};

/// Denies a plan that gives more than the ceiling, or amends it down.
///
/// # Errors
/// Never fails.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let ceiling = Ceiling::new(&review.settings, review);
    let mut decision = Decision::allow();
    for pod in review.resulting_pods() {
        judge(review, &ceiling, &pod, &mut decision);
    }
    Ok(decision)
}

/// Judges one pod. It is lowered only when nothing that remains is above the ceiling: half a refusal helps nobody.
fn judge(review: &Review<Settings>, ceiling: &Ceiling, planned: &ResultingPod, decision: &mut Decision) {
    let found = above(review, ceiling, planned);
    if found.is_empty() {
        return;
    }
    if review.settings.on_excess == OnExcess::Amend {
        let mut lowered = planned.clone();
        ceiling::lower(review, ceiling, &mut lowered);
        level::lower(review, &mut lowered);
        let remains = above(review, ceiling, &lowered);
        if remains.is_empty() {
            amend(planned, &lowered, &found, decision);
            return;
        }
        return deny(review, remains, decision);
    }
    deny(review, found, decision);
}

/// All that is above the ceiling, and all that breaks the level.
fn above(review: &Review<Settings>, ceiling: &Ceiling, planned: &ResultingPod) -> Vec<Diagnostic> {
    let mut found = ceiling::above(review, ceiling, planned);
    found.extend(level::above(review, planned));
    found
}

fn amend(planned: &ResultingPod, lowered: &ResultingPod, found: &[Diagnostic], decision: &mut Decision) {
    let (Some(before), Some(after)) = (written(planned), written(lowered)) else {
        return;
    };
    let at = format!("/steps/{}/object", planned.step);
    let told: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
    let why = Diagnostic::info(
        "lowered",
        format!("lowered to what is allowed: {}", told.join("; ")),
    );
    decision.change(&at, before, after, why);
}

/// What the plan writes of a pod: the new container, or all of a created pod.
fn written(pod: &ResultingPod) -> Option<&Object> {
    match pod.added_container() {
        Some(container) => Some(container),
        None => Some(&pod.pod.0),
    }
}

fn deny(review: &Review<Settings>, found: Vec<Diagnostic>, decision: &mut Decision) {
    for found in found {
        let help = match &found.help {
            Some(_) => found,
            None => match allowed(&review.settings) {
                Some(allowed) => found.help(allowed),
                None => found,
            },
        };
        decision.deny(help);
    }
}

/// What a person could ask for instead.
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
