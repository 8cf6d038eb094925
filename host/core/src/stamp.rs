//! The marks on everything that trocar creates: who made it, when, by which rules. `trocar.dev/` is the host's alone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trocar_sdk::{Actor, Context, Object, pod::object};

use crate::plan::{DebugPlan, PluginId, Step};

/// The prefix of the labels and annotations that only the host sets.
pub const PREFIX: &str = "trocar.dev/";

/// The label that tells by which program a pod is managed.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The label that tells of which session a pod is.
const SESSION: &str = "trocar.dev/session";

/// Labels and annotations of a created pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// Annotations.
    pub annotations: Vec<(String, String)>,
}

impl Stamp {
    /// The marks of one plan. The session's name is the context's suffix.
    pub fn new(plan: &DebugPlan, actor: &Actor, context: &Context) -> Self {
        let plugin = |plugin: &PluginId| format!("{}@{} {}", plugin.name, plugin.version, plugin.digest);
        let policies: Vec<String> = plan
            .policies()
            .iter()
            .map(|review| plugin(&review.plugin))
            .collect();
        let annotations = [
            ("strategy", Some(plugin(plan.strategy()))),
            ("plan", Some(plan.hash())),
            ("target", Some(plan.target().to_string())),
            ("time", Some(context.time.clone())),
            ("policies", Some(policies.join(", "))),
            ("requester", Some(actor.user.clone())),
            ("reason", actor.reason.clone()),
            ("container", plan.attach().map(str::to_owned)),
            ("replaces", replaces_target(plan).then(|| "true".to_owned())),
            ("expires", expiry(plan, &context.time)),
        ];
        let annotations = annotations.into_iter().filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some((format!("{PREFIX}{name}"), value))
        });
        Self {
            labels: vec![
                (MANAGED_BY.into(), "trocar".into()),
                (SESSION.into(), context.suffix.clone()),
            ],
            annotations: annotations.collect(),
        }
    }

    /// Returns true if a pod that was stored has these marks.
    pub fn is_on(&self, pod: &Value) -> bool {
        let annotations = &pod["metadata"]["annotations"];
        let session = &pod["metadata"]["labels"][SESSION];
        let wanted = self.labels.iter().find(|(name, _)| name == SESSION);
        let mut marks = self.annotations.iter();
        wanted.is_some_and(|(_, value)| session == value)
            && marks.all(|(name, value)| annotations[name] == *value)
    }

    /// A pod as it is created: with its stamp, instead of whatever the plan had under these names.
    pub fn on(&self, mut pod: Value) -> Value {
        for (field, marks) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            for (name, value) in marks {
                let present = &mut pod["metadata"][field];
                if !present.is_object() {
                    *present = json!({});
                }
                // A pod may be managed by something else; what is below our prefix is ours.
                if name.starts_with(PREFIX) || present[name].is_null() {
                    present[name] = json!(value);
                }
            }
        }
        pod
    }
}

/// Drops from a copy in normal form the marks that its target has from an earlier session: what is true of the target was
/// not done by the person who makes the copy.
///
/// Marks with other values stay, for the guard rails to refuse.
pub(crate) fn drop_inherited(pod: &mut Object, target: &Object) {
    let targets = object(target, "metadata");
    let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    for field in ["labels", "annotations"] {
        let targets = targets.and_then(|metadata| object(metadata, field));
        let Some(marks) = metadata.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        let is_targets = |name: &str, value: &Value| targets.and_then(|marks| marks.get(name)) == Some(value);
        marks.retain(|name, value| !name.starts_with(PREFIX) || !is_targets(name, value));
        if marks.is_empty() {
            metadata.remove(field);
        }
    }
}

/// Whether what is created takes the place of its target.
pub fn replaces_target(plan: &DebugPlan) -> bool {
    plan.steps().iter().any(|step| matches!(step, Step::DeletePod(_)))
}

/// When a created pod ends by itself, if it does.
fn expiry(plan: &DebugPlan, time: &str) -> Option<String> {
    let seconds = plan.steps().iter().find_map(|step| match step {
        Step::CreatePod(pod) => pod.spec()?.get("activeDeadlineSeconds")?.as_i64(),
        _ => None,
    })?;
    let time: jiff::Timestamp = time.parse().ok()?;
    let expires = time.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()?;
    Some(expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_forges_no_stamp_and_keeps_its_other_labels() {
        let stamp = Stamp {
            labels: vec![(MANAGED_BY.into(), "trocar".into())],
            annotations: vec![("trocar.dev/plan".into(), "sha256:0".into())],
        };
        let pod = json!({"metadata": {"name": "p", "labels": {MANAGED_BY: "me"}, "annotations": {"trocar.dev/plan": "forged"}}});
        let stamped = stamp.on(pod);
        assert_eq!(stamped["metadata"]["labels"][MANAGED_BY], "me");
        assert_eq!(stamped["metadata"]["annotations"]["trocar.dev/plan"], "sha256:0");
    }
}
