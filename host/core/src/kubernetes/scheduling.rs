//! Where a pod runs: the fields that decide on its node.

use std::collections::HashSet;

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{list, object, text},
};

use super::normalize_target;

/// The scheduler of a pod that names none.
const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The fields of a spec that the scheduler obeys, but for those with rules of their own: `nodeName`, `schedulerName` and
/// `tolerations`.
const OBEYED: [&str; 5] = [
    "affinity",
    "nodeSelector",
    "schedulingGates",
    "schedulingGroup",
    "topologySpreadConstraints",
];

/// Returns true for a field of a spec that decides on the node, but for the node itself.
pub(crate) fn is_scheduling(field: &str) -> bool {
    OBEYED.contains(&field) || ["schedulerName", "tolerations"].contains(&field)
}

/// Finds the field by which a pod in normal form could be scheduled onto a node that another pod could not be, or could be
/// sent to one of them. The node that they are bound to is not looked at.
///
/// Fewer tolerations are allowed: they exclude nodes, and the API server adds those that every pod has.
pub(crate) fn scheduled_otherwise(pod: &Object, original: &Object) -> Option<&'static str> {
    let spec = object(pod, "spec")?;
    let nothing = Object::new();
    // Most often nothing differs from what was read, and that is found without another copy of it.
    different(spec, object(original, "spec").unwrap_or(&nothing))?;
    let original = normalize_target(original);
    let original = original.as_ref().and_then(|original| object(original, "spec"));
    different(spec, original.unwrap_or(&nothing))
}

fn different(spec: &Object, original: &Object) -> Option<&'static str> {
    if let Some(field) = OBEYED
        .into_iter()
        .find(|field| spec.get(*field) != original.get(*field))
    {
        return Some(field);
    }
    let scheduler = |spec| {
        text(spec, "schedulerName")
            .unwrap_or(DEFAULT_SCHEDULER)
            .to_owned()
    };
    if scheduler(spec) != scheduler(original) {
        return Some("schedulerName");
    }
    // A set: with each compared to each, 4,000 tolerations would take 16 million comparisons.
    let tolerated: HashSet<String> = list(original, "tolerations")
        .iter()
        .map(Value::to_string)
        .collect();
    let mut tolerations = list(spec, "tolerations").iter();
    let is_new = |toleration: &Value| !tolerated.contains(&toleration.to_string());
    tolerations.any(is_new).then_some("tolerations")
}
