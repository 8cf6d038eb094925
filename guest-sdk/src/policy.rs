//! Reviews and decisions: the input and the answer of policies.
//!
//! Views borrow the plan's JSON and keep unknown fields. Diagnostics and amendments have places in the plan, as RFC 6901
//! pointers from its root.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Actor, Context, DebugOptions, Diagnostic, Failure, Settings,
    diagnostic::pointer,
    pod::{self, ContainerKind, Object, Pod, text},
    request::Target,
};
pub use crate::{document::Document, outline::Outline};

/// A plan under review, with its context. `T` is the type of the policy's settings.
///
/// A [`Document`] is parsed at its first use, so unused ones cost nothing.
#[derive(Clone, Debug, Default)]
pub struct Review<T> {
    /// The plan.
    pub plan: Document<ReviewedPlan>,
    /// The target: a pod or node.
    pub target: Document<Target>,
    /// The user's options; the default if only the result is known, as in an admission webhook.
    pub options: Document<DebugOptions>,
    /// The user, and the reason of the debug.
    pub actor: Document<Actor>,
    /// The policy's settings.
    pub settings: T,
    /// Time and namespace.
    pub context: Document<Context>,
}

impl<T: serde::de::DeserializeOwned> Review<T> {
    /// Creates a review from the documents of the contract, and parses the settings.
    ///
    /// # Errors
    /// Fails when the settings do not match their type. A malformed document is found when it is used:
    /// [`Review::malformed`].
    pub fn parse(
        plan: impl Into<String>,
        target: impl Into<String>,
        options: impl Into<String>,
        actor: impl Into<String>,
        settings: impl Into<String>,
        context: impl Into<String>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            plan: Document::new("plan", plan),
            target: Document::new("target", target),
            options: Document::new("options", options),
            actor: Document::new("actor", actor),
            settings: Settings(settings.into()).read()?,
            context: Document::new("context", context),
        })
    }
}

impl<T> Review<T> {
    /// The error of a document that was used and violates the contract, which is the host's fault. A decision that is based
    /// on it is meaningless.
    pub fn malformed(&self) -> Option<&Failure> {
        let found = self.plan.malformed().or(self.target.malformed());
        let found = found.or(self.options.malformed()).or(self.actor.malformed());
        found.or(self.context.malformed())
    }

    /// The namespace of the debug: the target's, or for a node that of the created pod.
    pub fn namespace(&self) -> &str {
        let of_plan = self.plan.target.namespace.as_deref();
        of_plan.unwrap_or(&self.context.namespace)
    }

    /// The containers that the plan adds or copies from the target, in the plan's order.
    pub fn containers(&self) -> Vec<PlannedContainer<'_>> {
        let mut containers = Vec::new();
        for (index, step) in self.plan.steps.iter().enumerate() {
            let root = format!("/steps/{index}/object");
            match step.action.as_str() {
                "add-ephemeral-container" => containers.push(PlannedContainer {
                    container: &step.object,
                    kind: ContainerKind::Ephemeral,
                    before: None,
                    at: root,
                }),
                "create-pod" => {
                    containers.extend(pod::containers(&step.object).map(|found| PlannedContainer {
                        container: found.container,
                        kind: found.kind,
                        before: self.container_before(found.name()),
                        at: format!("{root}{}", pointer(found.path())),
                    }));
                }
                _ => {}
            }
        }
        containers
    }

    fn container_before(&self, name: &str) -> Option<&Object> {
        let is_pod = self.target.kind() == "Pod";
        let found = pod::container(&self.target.0, name)
            .filter(|found| is_pod && found.kind != ContainerKind::Ephemeral);
        found.map(|found| found.container)
    }

    /// The pods of the debug as they would be after the plan: created ones, and the target with its new
    /// ephemeral container.
    pub fn resulting_pods(&self) -> Vec<ResultingPod> {
        let steps = self.plan.steps.iter().enumerate();
        let pods = steps.filter_map(|(index, step)| match step.action.as_str() {
            "create-pod" => Some(ResultingPod {
                pod: Pod(step.object.clone()),
                step: index,
                ephemeral: None,
            }),
            "add-ephemeral-container" => {
                let mut pod = Pod(self.target.0.clone());
                let ephemeral = pod::containers_of(&pod.0, ContainerKind::Ephemeral).count();
                pod.push_container(ContainerKind::Ephemeral, step.object.clone());
                Some(ResultingPod {
                    pod,
                    step: index,
                    ephemeral: Some(ephemeral),
                })
            }
            _ => None,
        });
        pods.collect()
    }
}

/// A `DebugPlan` document, as far as a policy needs it. Fields of a newer host are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReviewedPlan {
    /// The target.
    pub target: PlanTarget,
    /// The strategy that made the plan.
    pub strategy: PlanStrategy,
    /// The writes, in order.
    pub steps: Vec<ReviewedStep>,
    /// The container to attach to if the user wants a session.
    pub attach: Option<String>,
}

/// The target of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanTarget {
    /// `Pod` or `Node`.
    pub kind: String,
    /// The pod's namespace; none for a node.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The strategy that made a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanStrategy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest of its component: `sha256:…`.
    pub digest: String,
}

/// One write of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReviewedStep {
    /// `add-ephemeral-container`, `create-pod` or `delete-pod`.
    pub action: String,
    /// The ephemeral container, the pod, or the deletion.
    pub object: Object,
}

/// A container of a plan, with its position.
#[derive(Clone, Debug)]
pub struct PlannedContainer<'a> {
    /// The container itself.
    pub container: &'a Object,
    /// The list of a pod's spec that it is in.
    pub kind: ContainerKind,
    /// The target's container of the same name, which was copied; none for a new container.
    pub before: Option<&'a Object>,
    at: String,
}

impl<'a> PlannedContainer<'a> {
    /// The container's name; empty when it has none.
    pub fn name(&self) -> &'a str {
        text(self.container, "name").unwrap_or_default()
    }

    /// The container's image; empty when it has none.
    pub fn image(&self) -> &'a str {
        text(self.container, "image").unwrap_or_default()
    }

    /// The pointer to a field of the container, given as unescaped parts, from the plan's root.
    ///
    /// ```
    /// # use trocar_sdk::policy::{Review, ReviewedPlan};
    /// # let plan: ReviewedPlan = serde_json::from_str(
    /// #     r#"{"steps": [{"action": "add-ephemeral-container", "object": {"name": "dbg", "image": "busybox"}}]}"#).unwrap();
    /// # let review = Review::<()> { plan: plan.into(), ..Review::default() };
    /// assert_eq!(review.containers()[0].at(["image"]), "/steps/0/object/image");
    /// ```
    pub fn at<Part: AsRef<str>>(&self, parts: impl IntoIterator<Item = Part>) -> String {
        format!("{}{}", self.at, pointer(parts))
    }

    /// Amends the container with what the function changes, and adds a diagnostic. Does nothing if it changes nothing.
    ///
    /// Call it once per container and decision, with all changes.
    pub fn change(&self, decision: &mut Decision, why: Diagnostic, edit: impl FnOnce(&mut Object)) {
        let mut after = self.container.clone();
        edit(&mut after);
        decision.change(&self.at, self.container, &after, why);
    }

    /// Returns whether the target has the same container with the same value of a field.
    pub fn keeps(&self, field: &str) -> bool {
        self.before
            .is_some_and(|before| before.get(field) == self.container.get(field))
    }
}

/// A pod as it would be after the plan.
#[derive(Clone, Debug)]
pub struct ResultingPod {
    /// The pod.
    pub pod: Pod,
    /// The step that creates or changes it.
    pub step: usize,
    /// The index of the new ephemeral container, if the plan adds one to the target.
    ephemeral: Option<usize>,
}

impl ResultingPod {
    /// Translates a pointer into the pod to one into the plan; none for a part of the target that the plan does not change.
    pub fn at(&self, pod_pointer: &str) -> Option<String> {
        let root = format!("/steps/{}/object", self.step);
        let Some(ephemeral) = self.ephemeral else {
            return Some(format!("{root}{pod_pointer}"));
        };
        let own = format!("/spec/{}/{ephemeral}", ContainerKind::Ephemeral.field());
        let rest = pod_pointer.strip_prefix(&own)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{root}{rest}"))
    }

    /// The container that the plan adds to the target; none for a created pod.
    pub fn added_container(&self) -> Option<&Object> {
        let containers = pod::containers_of(&self.pod.0, ContainerKind::Ephemeral);
        let mut added = containers.filter(|found| Some(found.index) == self.ephemeral);
        added.next().map(|found| found.container)
    }
}

/// A policy's decision. It starts as `allow`; amendments and denials that are added change it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The changes to the plan.
    pub amendments: Vec<Amendment>,
    /// The reasons, and other messages for the user.
    pub diagnostics: Vec<Diagnostic>,
    denied: bool,
}

/// The verdict about a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The plan is allowed, unchanged.
    Allow,
    /// The plan is allowed with amendments.
    Amend,
    /// The plan is denied.
    Deny,
}

/// One change to a plan: an operation of JSON Patch (RFC 6902).
#[derive(Clone, Debug, PartialEq)]
pub struct Amendment {
    /// The operation.
    pub operation: Operation,
    /// The place, from the plan's root: at or below `/steps/N/object`.
    pub at: String,
    /// The new value; none for a removal.
    pub value: Option<Value>,
}

/// The operation of an amendment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Adds a member or a list item, or replaces an existing member.
    Add,
    /// Removes a member or a list item.
    Remove,
    /// Replaces an existing value.
    Replace,
}

/// The operations that turn one object into another. Lists are replaced as a whole.
fn differences(at: &str, before: &Object, after: &Object, found: &mut Vec<Amendment>) {
    for field in before.keys().filter(|field| !after.contains_key(*field)) {
        found.push(Amendment {
            operation: Operation::Remove,
            at: format!("{at}{}", pointer([field])),
            value: None,
        });
    }
    for (field, value) in after {
        let at = format!("{at}{}", pointer([field]));
        match (before.get(field), value) {
            (Some(Value::Object(before)), Value::Object(after)) => differences(&at, before, after, found),
            (Some(before), after) if before == after => {}
            _ => found.push(Amendment {
                operation: Operation::Add,
                at,
                value: Some(value.clone()),
            }),
        }
    }
}

impl Decision {
    /// Allows the plan, unchanged.
    pub fn allow() -> Self {
        Self::default()
    }

    /// Denies the plan. The diagnostic says why, and what would be allowed.
    pub fn deny(&mut self, why: Diagnostic) -> &mut Self {
        self.denied = true;
        self.diagnostics.push(why);
        self
    }

    /// Sets a member, or replaces it; the diagnostic says why.
    pub fn set(&mut self, at: impl Into<String>, value: impl Into<Value>, why: Diagnostic) -> &mut Self {
        self.amend(Operation::Add, at.into(), Some(value.into()), why)
    }

    /// Removes a member or a list item; the diagnostic says why.
    pub fn remove(&mut self, at: impl Into<String>, why: Diagnostic) -> &mut Self {
        self.amend(Operation::Remove, at.into(), None, why)
    }

    fn amend(
        &mut self,
        operation: Operation,
        at: String,
        value: Option<Value>,
        why: Diagnostic,
    ) -> &mut Self {
        let why = match why.at {
            Some(_) => why,
            None => why.at_pointer(at.clone()),
        };
        self.diagnostics.push(why);
        self.amendments.push(Amendment { operation, at, value });
        self
    }

    /// Amends an object from one value to another: only differences are amended. The diagnostic says why.
    ///
    /// Call it once per object and decision, with all changes: each amendment starts from the plan under review.
    pub fn change(&mut self, at: &str, before: &Object, after: &Object, why: Diagnostic) -> &mut Self {
        let mut amendments = Vec::new();
        differences(at, before, after, &mut amendments);
        if let Some(first) = amendments.first() {
            let why = match why.at {
                Some(_) => why,
                None => why.at_pointer(first.at.clone()),
            };
            self.diagnostics.push(why);
            self.amendments.append(&mut amendments);
        }
        self
    }

    /// Adds a message for the user, whatever the verdict.
    pub fn note(&mut self, note: Diagnostic) -> &mut Self {
        self.diagnostics.push(note);
        self
    }

    /// The verdict of the decision.
    pub fn verdict(&self) -> Verdict {
        match (self.denied, self.amendments.is_empty()) {
            (true, _) => Verdict::Deny,
            (false, false) => Verdict::Amend,
            (false, true) => Verdict::Allow,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn review(plan: Value, target: Value) -> Review<Value> {
        let context = r#"{"namespace": "ops"}"#;
        Review::parse(plan.to_string(), target.to_string(), "{}", "{}", "", context).unwrap()
    }

    fn pod(containers: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": containers,
            "ephemeralContainers": [{"name": "old", "image": "old"}]}})
    }

    #[test]
    fn containers_know_where_they_stand_and_what_they_were() {
        let plan = json!({"target": {"kind": "Pod", "name": "web", "namespace": "shop"}, "steps": [{"action": "create-pod",
            "object": pod(json!([{"name": "app", "image": "a", "tty": true}, {"name": "dbg", "image": "b"}]))}]});
        let review = review(plan, pod(json!([{"name": "app", "image": "a"}])));
        let containers = review.containers();
        assert_eq!(review.namespace(), "shop");
        assert_eq!(
            containers[0].at(["image"]),
            "/steps/0/object/spec/containers/0/image"
        );
        assert!(containers[0].keeps("image") && !containers[0].keeps("tty"));
        assert!(containers[1].before.is_none() && !containers[1].keeps("image"));
    }

    #[test]
    fn a_malformed_document_is_told_when_it_was_looked_at() {
        let review = Review::<Value>::parse("{}", "[]", "{}", "{}", "", "{}").unwrap();
        assert_eq!((review.plan.steps.len(), review.malformed()), (0, None));
        assert_eq!(review.target.kind(), "");
        assert_eq!(review.malformed().unwrap().code, "invalid-document");
        assert!(Review::<Vec<u8>>::parse("{}", "{}", "{}", "{}", "{}", "{}").is_err());
    }

    #[test]
    fn the_resulting_pod_of_an_ephemeral_container_is_the_target_with_it() {
        let plan = json!({"steps": [{"action": "add-ephemeral-container", "object": {"name": "dbg", "image": "b"}}]});
        let review = review(plan, pod(json!([{"name": "app", "image": "a"}])));
        let pods = review.resulting_pods();
        assert_eq!(pods[0].pod.container_names(), ["app", "old", "dbg"]);
        assert_eq!(pods[0].added_container().unwrap()["name"], "dbg");
        for (of_pod, of_plan) in [
            ("/spec/ephemeralContainers/1/image", Some("/steps/0/object/image")),
            ("/spec/ephemeralContainers/1", Some("/steps/0/object")),
            ("/spec/ephemeralContainers/10", None),
            ("/spec/containers/0/image", None),
        ] {
            assert_eq!(pods[0].at(of_pod).as_deref(), of_plan, "{of_pod}");
        }
    }

    #[test]
    fn a_change_amends_only_what_differs() {
        let plan = json!({"steps": [{"action": "add-ephemeral-container",
            "object": {"name": "dbg", "image": "b", "securityContext": {"privileged": true, "runAsUser": 0}}}]});
        let review = review(plan, pod(json!([])));
        let mut decision = Decision::allow();
        review.containers()[0].change(&mut decision, Diagnostic::info("lowered", "less"), |container| {
            pod::object_mut(container, "securityContext").remove("privileged");
            container.insert("image".into(), json!("mirror/b"));
        });
        let amended: Vec<(Operation, &str)> = decision
            .amendments
            .iter()
            .map(|amendment| (amendment.operation, amendment.at.as_str()))
            .collect();
        assert_eq!(
            amended,
            [
                (Operation::Add, "/steps/0/object/image"),
                (Operation::Remove, "/steps/0/object/securityContext/privileged"),
            ]
        );
        assert_eq!(decision.verdict(), Verdict::Amend);
        decision.deny(Diagnostic::error("no", "no"));
        assert_eq!(decision.verdict(), Verdict::Deny);
    }
}
