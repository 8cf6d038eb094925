//! Amends limits into created pods, and denies too many debug containers. Pure.

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

/// The policy's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The seconds after which a created pod has ended.
    pub time_to_live: Option<u64>,
    /// The most debug containers of a pod.
    pub ephemeral_containers: Option<usize>,
    /// The maximum of each resource of a container.
    pub resources: Option<Resources>,
    /// The priority class of node pods.
    pub priority_class: Option<String>,
}

/// The number of ephemeral containers of the target.
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

/// Amends limits into created pods, and denies debug containers beyond the maximum.
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

/// Checks what the schema cannot express: that quantities are valid.
pub fn check(settings: &Settings) -> Vec<Diagnostic> {
    settings.resources.iter().flat_map(resources::check).collect()
}

/// Denies the step that exceeds the maximum.
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

/// All limits of a created pod, in one amendment.
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

/// Sets the priority class of a node pod, and that of the original on a copy. Returns what was changed.
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn decided(settings: Value, target: Value, steps: Value) -> Decision {
        let plan = json!({"target": {"kind": target["kind"], "name": "web"}, "steps": steps});
        let texts = (plan.to_string(), target.to_string(), settings.to_string());
        review(&Review::parse(texts.0, texts.1, "{}", "{}", texts.2, "{}").unwrap()).unwrap()
    }

    #[test]
    fn debug_containers_are_counted_over_all_steps_and_told_once() {
        let add =
            |name: &str| json!({"action": "add-ephemeral-container", "object": {"name": name, "image": "x"}});
        for (there, added, denials) in [
            (0, 1, 0),
            (1, 1, 0),
            (2, 1, 1),
            (5, 1, 1),
            (1, 2, 1),
            (0, 4, 1),
            (3, 3, 1),
        ] {
            let containers: Vec<Value> = (0..there).map(|name| json!({"name": name})).collect();
            let target = json!({"kind": "Pod", "spec": {"ephemeralContainers": containers}});
            let steps: Vec<Value> = (0..added).map(|_| add("dbg")).collect();
            let decision = decided(json!({"ephemeralContainers": 2}), target, steps.into());
            assert_eq!(decision.diagnostics.len(), denials, "{there} and {added}");
        }
        let null = json!({"kind": "Pod", "spec": {"ephemeralContainers": null}});
        let decision = decided(json!({"ephemeralContainers": 0}), null, json!([add("dbg")]));
        assert_eq!(decision.diagnostics[0].code, "too-many-containers");
    }

    #[test]
    fn all_limits_of_a_pod_are_one_change_and_are_kept_by_a_second_look() {
        let settings = || json!({"timeToLive": 30, "priorityClass": "debug", "resources": {"cpu": "1"}});
        let node = || json!({"kind": "Node", "metadata": {"name": "n1"}});
        let created = |spec: &Value| json!([{"action": "create-pod", "object": {"spec": spec}}]);
        let asked = json!({"terminationGracePeriodSeconds": 86400, "priorityClassName": "system-node-critical",
            "containers": [{"name": "x", "image": "x", "resources": {"limits": {"cpu": "64"}}}]});
        let limited = json!({"terminationGracePeriodSeconds": 3, "activeDeadlineSeconds": 27, "priorityClassName": "debug",
            "containers": [{"name": "x", "image": "x", "resources": {"limits": {"cpu": "1"}}}]});
        let decision = decided(settings(), node(), created(&asked));
        let codes: Vec<&str> = decision
            .diagnostics
            .iter()
            .map(|found| found.code.as_str())
            .collect();
        assert_eq!(codes, ["time-to-live", "priority-class", "resources"]);
        for amendment in &decision.amendments {
            let field = amendment.at.rsplit('/').next().unwrap();
            assert_eq!(amendment.value.as_ref(), limited.get(field), "{}", amendment.at);
        }
        assert_eq!(decision.amendments.len(), 4);
        assert_eq!(decided(settings(), node(), created(&limited)), Decision::allow());
    }
}
