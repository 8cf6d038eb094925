//! From a plan to a decision: created pods are limited, too many debug containers denied. Pure.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use trocar_sdk::{
    Diagnostic, Failure, Object, Pod,
    pod::{object, text},
    policy::{Decision, Review},
};

use crate::{
    resources::{self, Resources},
    time::limit_time,
};

/// How long, how often and with how much.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// After how many seconds a created pod ends.
    pub time_to_live: Option<u64>,
    /// How many debug containers a pod may have.
    pub ephemeral_containers: Option<usize>,
    /// The most that a container may use, by the names of resources.
    pub resources: Option<Resources>,
    /// The priority class of pods on nodes.
    pub priority_class: Option<String>,
}

/// Of the target, how many ephemeral containers it has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    ephemeral_containers: Option<Vec<IgnoredAny>>,
}

/// Writes the limits into created pods, and denies one debug container too many.
///
/// # Errors
/// Fails when the target is malformed.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let mut decision = Decision::allow();
    let mut added = 0;
    for (index, step) in review.plan.steps.iter().enumerate() {
        match step.action.as_str() {
            "create-pod" => limit_pod(review, index, &step.object, &mut decision),
            "add-ephemeral-container" => {
                added += 1;
                count_containers(review, index, added, &mut decision)?;
            }
            _ => {}
        }
    }
    Ok(decision)
}

/// Checks what no schema can say: that amounts are amounts.
pub fn check(settings: &Settings) -> Vec<Diagnostic> {
    settings.resources.iter().flat_map(resources::check).collect()
}

/// Denies the step that adds one more than there may be.
fn count_containers(
    review: &Review<Settings>,
    step: usize,
    added: usize,
    decision: &mut Decision,
) -> Result<(), Failure> {
    let Some(most) = review.settings.ephemeral_containers else {
        return Ok(());
    };
    let target: Target = review.target.read()?;
    let there = target.spec.and_then(|spec| spec.ephemeral_containers);
    let there = there.map_or(0, |containers| containers.len());
    if there + added == most.max(there) + 1 {
        let message = format!("the pod has {there} debug containers already; {most} are allowed");
        let found =
            Diagnostic::error("too-many-containers", message).at(["steps", &step.to_string(), "object"]);
        decision.deny(found.help("kubectl attach comes back to one that runs; --copy-to=NAME debugs a copy"));
    }
    Ok(())
}

/// All limits of a created pod, in one change.
fn limit_pod(review: &Review<Settings>, step: usize, before: &Object, decision: &mut Decision) {
    let settings = &review.settings;
    let original = (review.plan.target.kind == "Pod").then(|| &review.target.0);
    let mut pod = Pod(before.clone());
    let mut told = Vec::new();
    if let Some(most) = settings.time_to_live
        && limit_time(most, pod.spec_mut())
    {
        told.push(("time-to-live", format!("the pod ends by itself after {most} s")));
    }
    if let Some(class) = &settings.priority_class
        && let Some(message) = limit_priority(class, original, pod.spec_mut())
    {
        told.push(("priority-class", message));
    }
    if let Some(resources) = &settings.resources {
        let bounded = resources.limit(original, &mut pod);
        told.extend(bounded.map(|message| ("resources", message)));
    }
    let at = format!("/steps/{step}/object");
    let mut told = told.into_iter();
    if let Some((code, message)) = told.next() {
        let why = Diagnostic::info(code, message).at_pointer(at.as_str());
        decision.change(&at, before, &pod.0, why);
    }
    for (code, message) in told {
        decision.note(Diagnostic::info(code, message).at_pointer(at.as_str()));
    }
}

/// Gives a pod on a node the priority class, and a copy that of its original. Says what was changed.
fn limit_priority(class: &str, original: Option<&Object>, spec: &mut Object) -> Option<String> {
    let wanted = match original {
        None => Some(class),
        Some(original) => object(original, "spec").and_then(|spec| text(spec, "priorityClassName")),
    };
    let wanted = wanted.filter(|class| !class.is_empty());
    let asked = text(spec, "priorityClassName").filter(|class| !class.is_empty());
    if asked == wanted || original.is_some() && asked == Some(class) {
        return None;
    }
    spec.remove("priority");
    spec.remove("preemptionPolicy");
    match wanted {
        Some(class) => {
            spec.insert("priorityClassName".into(), json!(class));
            Some(format!("the pod has the priority class {class}"))
        }
        None => {
            spec.remove("priorityClassName");
            Some("the pod has no priority class, as its original".to_owned())
        }
    }
}
