//! Reviews of plans that are written out as JSON, for tests.

use serde_json::{Value, json};
use trocar_sdk::policy::{Decision, Review, Verdict};

use crate::review;

/// The target of most tests.
pub(crate) fn target() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

pub(crate) fn node() -> Value {
    json!({"kind": "Node", "metadata": {"name": "n1"}})
}

/// A target with another spec beside its container.
pub(crate) fn target_with(spec: Value) -> Value {
    merged(target(), json!({"spec": spec}))
}

/// A document with another merged over it; null takes away.
pub(crate) fn merged(mut document: Value, patch: Value) -> Value {
    match (&mut document, patch) {
        (Value::Object(fields), Value::Object(patch)) => {
            for (name, value) in patch {
                let before = fields.remove(&name).unwrap_or_default();
                if !value.is_null() {
                    fields.insert(name, merged(before, value));
                }
            }
            document
        }
        (_, patch) => patch,
    }
}

fn decided(settings: Value, target: &Value, steps: Value) -> Decision {
    let metadata = &target["metadata"];
    let plan = json!({"target": {"kind": target["kind"], "name": metadata["name"], "namespace": metadata["namespace"]},
        "steps": steps});
    let texts = (plan.to_string(), target.to_string(), settings.to_string());
    let reviewed = Review::parse(texts.0, texts.1, "{}", "{}", texts.2, "{}").unwrap();
    let decision = review(&reviewed).unwrap();
    assert_eq!(reviewed.malformed(), None);
    decision
}

/// The decision about an ephemeral container.
pub(crate) fn added(settings: Value, target: &Value, container: Value) -> Decision {
    decided(
        settings,
        target,
        json!([{"action": "add-ephemeral-container", "object": container}]),
    )
}

/// The decision about a created pod.
pub(crate) fn created(settings: Value, target: &Value, pod: Value) -> Decision {
    decided(settings, target, json!([{"action": "create-pod", "object": pod}]))
}

/// The codes and messages of a denial; none where the plan may go ahead.
pub(crate) fn reasons(decision: &Decision) -> Vec<(String, String)> {
    assert_ne!(decision.verdict(), Verdict::Amend, "{decision:?}");
    let found = decision.diagnostics.iter();
    found
        .map(|found| (found.code.clone(), found.message.clone()))
        .collect()
}

pub(crate) fn codes(decision: &Decision) -> Vec<String> {
    reasons(decision).into_iter().map(|(code, _)| code).collect()
}
