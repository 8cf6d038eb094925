//! A debug plan: what a strategy proposed, what was said about it, and what the host will write. No I/O.

pub mod after;
pub mod check;
mod concerns;
pub(crate) mod reason;
mod review;
pub mod rights;

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trocar_sdk::{
    DebugOptions, Diagnostic, Object, Pod, Severity,
    options::API_VERSION,
    pod::{ContainerKind, text},
};

use self::check::Violation;
use crate::{
    bounded::{self, Limits},
    kubernetes::{Refused, normalize_container, normalize_pod},
    request::ignored_flags,
    stamp, strict,
    target::{Target, TargetId, TargetKind},
};
pub(crate) use check::check_count;
pub use reason::{REASON_VARIABLE, reason_in};
pub use review::{Mode, PlanChange, PolicyReview, ReviewVerdict};
pub use rights::{Right, RightKind};

/// One write, as the host understands it.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Adds an ephemeral container to the target pod.
    AddEphemeralContainer(Object),
    /// Creates a pod.
    CreatePod(Pod),
    /// Deletes the target pod.
    DeletePod(Deletion),
}

/// Why a step cannot be read: what is said after its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StepError(String);

/// Which pod is deleted, and how quickly. The fields are in alphabetical order, since a plan's hash is of their text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// How long it may take to end, in seconds; none for its own grace period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<u32>,
    /// The pod's name.
    pub name: String,
}

/// How much is shown of an action that does not exist, in bytes.
const MAX_NAME: usize = 256;

impl Step {
    /// Reads a step as a guest wrote it.
    ///
    /// # Errors
    /// Fails when the action is unknown or the object is not the JSON that it needs.
    pub fn parse(action: &str, object: &str) -> Result<Self, StepError> {
        let value = bounded::parse(object, Limits::STEP).map_err(|error| StepError(error.to_string()))?;
        Self::from_value(action, value)
    }

    /// Reads a step from an action and its object.
    ///
    /// # Errors
    /// Fails when the action is unknown or the object is not what it needs.
    pub fn from_value(action: &str, value: Value) -> Result<Self, StepError> {
        let object = |value: Value| match value {
            Value::Object(object) => Ok(object),
            _ => Err(StepError("is not a JSON object".to_owned())),
        };
        match action {
            "add-ephemeral-container" => Ok(Self::AddEphemeralContainer(object(value)?)),
            "create-pod" => Ok(Self::CreatePod(Pod(object(value)?))),
            "delete-pod" => strict::from_value(&value)
                .map(Self::DeletePod)
                .map_err(|error| StepError(error.to_string())),
            unknown => {
                // A name of megabytes is not escaped as a whole only to be cut.
                let name = &unknown[..unknown.floor_char_boundary(MAX_NAME)];
                let cut = if name.len() < unknown.len() { " …" } else { "" };
                Err(StepError(format!(
                    "has the unknown action {name:?}{cut}; known are add-ephemeral-container, create-pod and delete-pod"
                )))
            }
        }
    }

    /// The action's name in the contract.
    pub fn action(&self) -> &'static str {
        match self {
            Self::AddEphemeralContainer(_) => "add-ephemeral-container",
            Self::CreatePod(_) => "create-pod",
            Self::DeletePod(_) => "delete-pod",
        }
    }

    /// The object that the action is about, as JSON.
    pub fn object(&self) -> Value {
        match self {
            Self::AddEphemeralContainer(container) => Value::Object(container.clone()),
            Self::CreatePod(pod) => Value::Object(pod.0.clone()),
            Self::DeletePod(deletion) => json!(deletion),
        }
    }

    /// The step in normal form: the one way in which the API server reads its object.
    ///
    /// # Errors
    /// Fails at what the API does not know or take.
    pub(crate) fn into_normal(self, target: &Target) -> Result<Self, Refused> {
        Ok(match self {
            Self::AddEphemeralContainer(container) => {
                Self::AddEphemeralContainer(normalize_container(container, ContainerKind::Ephemeral, None)?)
            }
            Self::CreatePod(pod) => {
                let original = (target.id().kind == TargetKind::Pod).then(|| target.object());
                let mut pod = normalize_pod(pod.0, original)?;
                if let Some(original) = original {
                    stamp::drop_inherited(&mut pod, original);
                }
                Self::CreatePod(Pod(pod))
            }
            Self::DeletePod(deletion) => Self::DeletePod(deletion),
        })
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut step = serializer.serialize_struct("Step", 2)?;
        step.serialize_field("action", self.action())?;
        match self {
            Self::AddEphemeralContainer(container) => step.serialize_field("object", container)?,
            Self::CreatePod(pod) => step.serialize_field("object", pod)?,
            Self::DeletePod(deletion) => step.serialize_field("object", deletion)?,
        }
        step.end()
    }
}

/// A session with a container that runs already: it is judged, and nothing is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// What kind of session.
    pub kind: ConnectionKind,
    /// The container, the command and the streams, as in `PodExecOptions` and `PodAttachOptions`.
    pub options: Object,
}

/// A kind of session with a container that runs already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionKind {
    /// Another program is run in it.
    Exec,
    /// Its own program is attached to.
    Attach,
}

impl ConnectionKind {
    /// The action's name in the contract.
    pub fn action(self) -> &'static str {
        match self {
            Self::Exec => "connect-exec",
            Self::Attach => "connect-attach",
        }
    }
}

impl Serialize for Connection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut step = serializer.serialize_struct("Step", 2)?;
        step.serialize_field("action", self.kind.action())?;
        step.serialize_field("object", &self.options)?;
        step.end()
    }
}

/// Which plugin, to the byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginId {
    /// Its name.
    pub name: String,
    /// Its version; none for `external`, which is not a plugin.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The digest of its component: `sha256:…`; none for `external`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Who signed it, as far as the configuration asks for that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
}

/// A label or annotation that the host itself puts on a created pod, before policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// `labels` or `annotations`.
    pub(crate) field: &'static str,
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

impl Mark {
    fn is(&self, right: &Right) -> bool {
        let kind = match self.field {
            "labels" => RightKind::Label,
            _ => RightKind::Annotation,
        };
        right.kind == kind && right.value.as_deref() == Some(self.name)
    }
}

/// A plan that was checked: the `DebugPlan` document.
///
/// Its one constructor is the check of the guard rails, and nothing outside of this crate changes it.
///
/// ```compile_fail,E0451
/// fn forged(plan: trocar_core::plan::DebugPlan) -> trocar_core::plan::DebugPlan {
///     trocar_core::plan::DebugPlan { steps: Vec::new(), ..plan }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DebugPlan {
    target: TargetId,
    strategy: PluginId,
    steps: Vec<Step>,
    /// What is judged instead of steps, of which there are none then. No strategy plans it.
    connection: Option<Connection>,
    attach: Option<String>,
    policies: Vec<PolicyReview>,
    beyond_options: Vec<Right>,
    diagnostics: Vec<Diagnostic>,
}

impl DebugPlan {
    /// Makes a plan of what a strategy proposed, which is held against the guard rails.
    ///
    /// `namespace` is where pods for targets without a namespace go.
    pub(crate) fn checked(
        strategy: PluginId,
        steps: Vec<Step>,
        attach: Option<String>,
        diagnostics: Vec<Diagnostic>,
        target: &Target,
        options: &DebugOptions,
        namespace: &str,
    ) -> Result<Self, Violation> {
        let plan = Self {
            target: target.id().clone(),
            strategy,
            steps: normal(steps, target)?,
            connection: None,
            attach,
            policies: Vec::new(),
            beyond_options: Vec::new(),
            diagnostics,
        };
        plan.check(target, options, namespace)?;
        Ok(plan)
    }

    /// Makes a plan of what another program planned, which is judged and never carried out.
    pub(crate) fn submitted(
        strategy: PluginId,
        steps: Vec<Step>,
        connection: Option<Connection>,
        attach: Option<String>,
        target: &Target,
    ) -> Self {
        Self {
            target: target.id().clone(),
            strategy,
            steps,
            connection,
            attach,
            policies: Vec::new(),
            beyond_options: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Holds the plan against the guard rails again, after policies changed it.
    pub(crate) fn check(
        &self,
        target: &Target,
        options: &DebugOptions,
        namespace: &str,
    ) -> Result<(), Violation> {
        check::check(&self.steps, self.attach.as_deref(), target, options, namespace)
    }

    fn has(&self, mark: &Mark) -> bool {
        self.steps.iter().any(|step| match step {
            Step::CreatePod(pod) => {
                let marks = pod
                    .metadata()
                    .and_then(|metadata| trocar_sdk::pod::object(metadata, mark.field));
                marks.and_then(|marks| trocar_sdk::pod::text(marks, mark.name)) == Some(&mark.value)
            }
            _ => false,
        })
    }

    /// Takes the steps that a policy made of it, in normal form.
    pub(crate) fn set_steps(&mut self, steps: Vec<Step>) {
        self.steps = steps;
    }

    /// The same plan with another object in a step, which no policy has seen: what a server stored.
    pub(crate) fn with_object(&self, step: usize, object: Object) -> Self {
        let mut plan = self.clone();
        plan.policies = Vec::new();
        match plan.steps.get_mut(step) {
            Some(Step::AddEphemeralContainer(container)) => *container = object,
            Some(Step::CreatePod(pod)) => pod.0 = object,
            _ => {}
        }
        plan
    }

    /// Takes what the policies saw, said and changed.
    pub(crate) fn set_reviews(&mut self, reviews: Vec<PolicyReview>, diagnostics: Vec<Diagnostic>) {
        self.policies = reviews;
        self.diagnostics.extend(diagnostics);
    }

    /// Notes what is known once nothing changes any more: rights beyond the options, and options without an effect.
    pub(crate) fn finish(&mut self, target: &Target, options: &DebugOptions, own: &[Mark]) {
        let mut beyond = rights::rights_beyond(&self.steps, self.attach.as_deref(), target, options);
        // What the host itself put on the pod is not the plugin's doing, and needs no consent.
        beyond.retain(|right| !own.iter().any(|mark| mark.is(right) && self.has(mark)));
        self.beyond_options = beyond;
        let is_node = target.id().kind == TargetKind::Node;
        self.diagnostics.extend(ignored_flags(options, is_node));
        let copies = self.steps.iter().filter_map(|step| match step {
            Step::CreatePod(pod) if !is_node => Some(pod),
            _ => None,
        });
        let concerns: Vec<Diagnostic> = copies
            .flat_map(|copy| concerns::of_copy(target, copy, options))
            .collect();
        self.diagnostics.extend(concerns);
    }

    /// What is debugged.
    pub fn target(&self) -> &TargetId {
        &self.target
    }

    /// The strategy that proposed it.
    pub fn strategy(&self) -> &PluginId {
        &self.strategy
    }

    /// What is written, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The container to attach to when a session is wanted.
    pub fn attach(&self) -> Option<&str> {
        self.attach.as_deref()
    }

    /// What the policies saw, said and changed.
    pub fn policies(&self) -> &[PolicyReview] {
        &self.policies
    }

    /// What the plan gives beyond what the options ask for.
    pub fn beyond_options(&self) -> &[Right] {
        &self.beyond_options
    }

    /// What people should know.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The digest of what will be written where, and who proposed it: what a review, an approval or an audit names.
    ///
    /// What was said about the plan is not part of it.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(json_text(&Written::of(self)));
        format!("sha256:{digest:x}")
    }

    /// The digest of what an ephemeral container is made of: the strategy that proposed it, and the container but for its name.
    /// None where the plan adds none.
    ///
    /// Two containers in one pod with the same recipe are alike. The reason is not part of it: it is that of a session.
    pub fn recipe(&self) -> Option<String> {
        let container = self.steps.iter().find_map(|step| match step {
            Step::AddEphemeralContainer(container) => Some(container),
            _ => None,
        })?;
        let mut unnamed = container.clone();
        unnamed.remove("name");
        reason::remove(&mut unnamed);
        // Without the signers: rules that ask for some make no other container.
        let recipe = json!({"strategy": SortedId::of(&self.strategy), "container": unnamed});
        let digest = Sha256::digest(recipe.to_string());
        Some(format!("sha256:{digest:x}"))
    }

    /// The document that policies review: what will be written where, and who proposed it.
    pub fn under_review(&self) -> Value {
        json!(ReviewDocument::of(self))
    }

    /// The same as text.
    pub(crate) fn review_text(&self) -> String {
        json_text(&ReviewDocument::of(self))
    }

    /// The document, as `-o yaml` shows it.
    pub fn document(&self) -> Value {
        let mut document = self.under_review();
        document["hash"] = json!(self.hash());
        if !self.policies.is_empty() {
            document["policies"] = json!(self.policies);
        }
        if !self.beyond_options.is_empty() {
            document["beyondOptions"] = json!(self.beyond_options);
        }
        if !self.diagnostics.is_empty() {
            document["diagnostics"] = json!(self.diagnostics);
        }
        document
    }

    /// The diagnostics of one severity.
    pub fn diagnostics_of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics
            .iter()
            .filter(move |found| found.severity == severity)
    }

    /// The reviews that deny the plan.
    pub fn denials(&self) -> impl Iterator<Item = &PolicyReview> {
        self.policies.iter().filter(|review| review.denies())
    }

    /// The policies that changed the plan.
    pub fn changers(&self) -> Vec<String> {
        let obeyed = |review: &&PolicyReview| review.mode == Mode::Enforce && !review.changes.is_empty();
        let changed = self.policies.iter().filter(obeyed);
        changed.map(|review| review.policy.clone()).collect()
    }

    /// The pod that the debug container is in once the plan is carried out: its name.
    pub fn debug_pod(&self) -> &str {
        let created = self.steps.iter().find_map(|step| match step {
            Step::CreatePod(pod) => Some(pod.name()),
            _ => None,
        });
        created.unwrap_or(&self.target.name)
    }

    /// The namespace of that pod.
    pub fn debug_namespace(&self) -> Option<&str> {
        let created = self.steps.iter().find_map(|step| match step {
            Step::CreatePod(pod) => pod.namespace(),
            _ => None,
        });
        created.or(self.target.namespace.as_deref())
    }
}

/// What a plan's hash is of. The fields are in alphabetical order, as they are in a [`Value`].
#[derive(Serialize)]
struct Written<'a> {
    attach: Option<&'a str>,
    steps: Steps<'a>,
    strategy: SortedId<'a>,
    target: &'a TargetId,
}

/// The steps, and what is judged in their place.
struct Steps<'a>(&'a DebugPlan);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.connection {
            Some(connection) => [connection].serialize(serializer),
            None => self.0.steps.serialize(serializer),
        }
    }
}

impl<'a> Written<'a> {
    fn of(plan: &'a DebugPlan) -> Self {
        Self {
            attach: plan.attach.as_deref(),
            steps: Steps(plan),
            strategy: SortedId::of(&plan.strategy),
            target: &plan.target,
        }
    }
}

/// What policies see of a plan. The fields are in alphabetical order, as they are in a [`Value`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewDocument<'a> {
    api_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attach: Option<&'a str>,
    kind: &'static str,
    steps: Steps<'a>,
    strategy: SortedId<'a>,
    target: &'a TargetId,
}

impl<'a> ReviewDocument<'a> {
    fn of(plan: &'a DebugPlan) -> Self {
        Self {
            api_version: API_VERSION,
            attach: plan.attach.as_deref(),
            kind: "DebugPlan",
            steps: Steps(plan),
            strategy: SortedId::with_signers(&plan.strategy),
            target: &plan.target,
        }
    }
}

/// A [`PluginId`] with its fields in alphabetical order.
#[derive(Serialize)]
struct SortedId<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    digest: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    signers: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
}

impl<'a> SortedId<'a> {
    /// The bytes alone, which do not depend on who is asked to have signed them.
    fn of(id: &'a PluginId) -> Self {
        Self {
            digest: &id.digest,
            name: &id.name,
            signers: &[],
            version: &id.version,
        }
    }

    fn with_signers(id: &'a PluginId) -> Self {
        Self {
            signers: &id.signers,
            ..Self::of(id)
        }
    }
}

/// Writes a document of ours.
fn json_text(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("a document of ours can be written")
}

/// Steps in normal form.
pub(crate) fn normal(steps: Vec<Step>, target: &Target) -> Result<Vec<Step>, Violation> {
    let steps = steps.into_iter().enumerate().map(|(index, step)| {
        step.into_normal(target).map_err(|refused| Violation {
            step: Some(index),
            message: refused.to_string(),
            option: None,
        })
    });
    steps.collect()
}

/// The objects that the plan writes, fit for `kubectl apply` and `kubectl patch --subresource=ephemeralcontainers`.
pub fn manifests(plan: &DebugPlan) -> Vec<Value> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            // For files and people. The write itself is a JSON Patch, in which no content is a directive.
            Step::AddEphemeralContainer(container) => Some(ephemeral_patch(&plan.target, container)),
            Step::CreatePod(pod) => Some(json!(pod)),
            Step::DeletePod(_) => None,
        })
        .collect()
}

/// The strategic merge patch that adds an ephemeral container, complete enough to stand in a file.
pub fn ephemeral_patch(target: &TargetId, container: &Object) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": target.name, "namespace": target.namespace},
        "spec": {"ephemeralContainers": [container]},
    })
}

/// The name of a container object; empty when it has none.
pub(crate) fn container_name(container: &Object) -> &str {
    text(container, "name").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plans_text_and_hash_are_those_of_its_document() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "uid": "u"},
            "spec": {"containers": [{"name": "app", "image": "a"}]}});
        let target = Target::new(pod, "shop").unwrap();
        let copy = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "image": "a"}]}});
        let delete = json!({"name": "web", "gracePeriodSeconds": 0});
        let steps = vec![
            Step::from_value("create-pod", copy).unwrap(),
            Step::from_value("delete-pod", delete).unwrap(),
        ];
        let options = DebugOptions {
            replace: true,
            ..DebugOptions::default()
        };
        let strategy = PluginId {
            name: "copy".into(),
            version: "1".into(),
            digest: "sha256:0".into(),
            signers: Vec::new(),
        };
        for attach in [None, Some("app".to_owned())] {
            let plan = DebugPlan::checked(
                strategy.clone(),
                steps.clone(),
                attach.clone(),
                Vec::new(),
                &target,
                &options,
                "ops",
            )
            .unwrap();
            assert_eq!(plan.review_text(), plan.under_review().to_string());
            assert_eq!(plan.under_review()["attach"], json!(attach));
            let written = json!({"target": plan.target, "strategy": plan.strategy, "steps": plan.steps, "attach": attach});
            let digest = Sha256::digest(written.to_string());
            assert_eq!(plan.hash(), format!("sha256:{digest:x}"));
        }
    }
}
