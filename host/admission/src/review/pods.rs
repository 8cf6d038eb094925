//! Pods that are created: which are judged, what they debug, and how a change of them is written.
//!
//! Marks, labels and owner references never exempt a pod: its author writes them.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use trocar::{
    Actor, Context, Submitted, SubmittedRequest, Target,
    capability::{ClusterReader, ObjectRef, ReadError},
    config::{AdmissionEntry, JudgedPods},
    plan::{RightKind, Step},
    policy::Subject,
    reason_in,
};

use super::judge::Door;

/// The groups of all service accounts and nodes, which no person is in.
const NOT_PEOPLE: [&str; 2] = ["system:serviceaccounts", "system:nodes"];

/// Parts of the control plane that have no group of their own.
const CONTROL_PLANE: [&str; 2] = ["system:kube-controller-manager", "system:kube-scheduler"];

/// The annotation of a kubelet's copy of its static pod.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The annotation by which a created pod says why it is wanted.
const REASON: &str = "trocar.dev/reason";

/// How long a node may take to be read.
const READING: Duration = Duration::from_secs(1);

/// Says whether a pod is judged, as far as that is decided by who creates it and how it is marked.
pub(super) fn is_judged(pod: &Map<String, Value>, actor: &Actor, admission: &AdmissionEntry) -> bool {
    let is_in = |group: &str| actor.groups.iter().any(|own| own == group);
    // Both: the annotation alone is written by the author of a pod.
    if is_in("system:nodes") && annotation(pod, MIRROR).is_some() {
        // The API server lets a node create nothing but the copies of its static pods, and those run already.
        return false;
    }
    let is_person = !NOT_PEOPLE.into_iter().any(is_in)
        && !CONTROL_PLANE.contains(&actor.user.as_str())
        && !admission.exempt_groups.iter().any(|group| is_in(group));
    match admission.pods {
        JudgedPods::All => true,
        // Copies that kubectl makes have no label, so that a mark cannot be asked for.
        JudgedPods::People | JudgedPods::Rights => is_person,
        JudgedPods::Marked => is_person && is_marked(pod),
    }
}

/// Says whether a pod is judged by its rights, where they decide.
pub(super) fn has_rights_enough(pod: &Map<String, Value>, submitted: &Submitted, door: &Door<'_>) -> bool {
    // A mark is never an exemption, since its author writes it. Here it can only add to what is judged.
    if door.admission.pods != JudgedPods::Rights || is_marked(pod) {
        return true;
    }
    // On a node, the rights of the default profile would be asked for.
    let Bound::Nowhere(target) = nowhere(pod, "default") else {
        return true;
    };
    let unknown = Actor::default();
    let unjudged = door.engine.judge_submitted(&SubmittedRequest {
        submitted,
        target: &target,
        subject: Subject {
            strategies: &[],
            kinds: &[],
            target: None,
            namespace: "",
            actor: &unknown,
        },
        context: &Context::default(),
        actor: &unknown,
        // No policy is asked: the list of rights is all that is wanted.
        policies: &[],
        reader: None,
    });
    let mut rights = unjudged.plan.beyond_options().iter();
    rights.any(|right| {
        matches!(
            right.kind,
            RightKind::Privileged
                | RightKind::HostNamespace
                | RightKind::HostPath
                | RightKind::HostProcess
                | RightKind::LinuxCapability
                | RightKind::Unconfined
                | RightKind::HostPort
                | RightKind::Sysctl
        ) && right.value.as_deref() != Some("default")
    })
}

fn is_marked(pod: &Map<String, Value>) -> bool {
    let labels = pod.get("metadata").map(|metadata| &metadata["labels"]);
    labels.is_some_and(|labels| {
        // `kubectl debug` labels the pods that it creates on nodes.
        let manager = labels["app.kubernetes.io/managed-by"].as_str();
        matches!(manager, Some("kubectl-debug" | "trocar")) || !labels["trocar.dev/session"].is_null()
    })
}

fn annotation<'a>(pod: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    pod.get("metadata")?["annotations"][name].as_str()
}

/// Why a pod is wanted: its annotation, or the one value that its containers give.
pub(super) fn reason(pod: &Map<String, Value>) -> Option<String> {
    if let Some(reason) = annotation(pod, REASON).filter(|reason| !reason.is_empty()) {
        return Some(reason.to_owned());
    }
    let spec = pod.get("spec")?;
    let lists = ["initContainers", "containers"].into_iter();
    let containers = lists.flat_map(|list| spec[list].as_array().into_iter().flatten());
    let mut reasons: Vec<String> = containers
        .filter_map(Value::as_object)
        .filter_map(reason_in)
        .collect();
    // Two different reasons are none: which one holds would be a guess.
    reasons.dedup();
    match reasons.len() {
        1 => reasons.pop(),
        _ => None,
    }
}

/// What a pod debugs, as far as that can be known.
pub(super) enum Bound {
    /// It is bound to this node.
    Node(Target),
    /// It is bound to no node: a copy of a pod that is not known, for which an empty pod stands.
    Nowhere(Target),
    /// It is bound to a node that cannot be read.
    Unknown(String),
}

/// The node that a pod is bound to.
pub(super) fn node(pod: &Map<String, Value>) -> Option<&str> {
    let node = pod.get("spec")?["nodeName"].as_str();
    node.filter(|node| !node.is_empty())
}

pub(super) fn bound(
    pod: &Map<String, Value>,
    namespace: &str,
    reader: Option<&Arc<dyn ClusterReader>>,
) -> Bound {
    match node(pod) {
        Some(node) => on_node(node, reader),
        None => nowhere(pod, namespace),
    }
}

fn nowhere(pod: &Map<String, Value>, namespace: &str) -> Bound {
    let source = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name(pod), "namespace": namespace},
        "spec": {"containers": []}});
    match Target::new(source, namespace) {
        Ok(target) => Bound::Nowhere(target),
        Err(error) => Bound::Unknown(format!("the pod has no name that a pod can have: {error}")),
    }
}

/// The name of a pod, or what its name will begin with.
fn name(pod: &Map<String, Value>) -> String {
    let text = |field: &str| pod.get("metadata").and_then(|metadata| metadata[field].as_str());
    let name = text("name").filter(|name| !name.is_empty());
    // With `generateName`, the API server makes the name only after the webhooks.
    let prefix = || text("generateName").map(|prefix| prefix.trim_end_matches(['-', '.']));
    let name = name.or_else(prefix).filter(|name| !name.is_empty());
    name.unwrap_or("pod").to_owned()
}

fn on_node(node: &str, reader: Option<&Arc<dyn ClusterReader>>) -> Bound {
    let Some(reader) = reader else {
        return Bound::Unknown(format!(
            "node {node} cannot be read: this server has no access to the API"
        ));
    };
    let object = ObjectRef {
        api_version: "v1".into(),
        kind: "Node".into(),
        namespace: None,
        name: node.to_owned(),
    };
    let read = match reader.get(&object, READING) {
        // No kubelet runs what is bound to a node that is not there.
        Err(ReadError::NotFound) => {
            Ok(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}))
        }
        other => other,
    };
    let read = read.map_err(|error| error.to_string());
    let target = read.and_then(|node| Target::new(node, "default").map_err(|error| error.to_string()));
    match target {
        Ok(target) => Bound::Node(target),
        Err(problem) => Bound::Unknown(format!("node {node} cannot be read: {problem}")),
    }
}

/// The operations that make of a pod what the policies changed it to.
pub(super) fn patch(
    pod: &Map<String, Value>,
    changed: &Map<String, Value>,
    before: &Step,
) -> Result<Vec<Value>, String> {
    let before = before.object();
    let mut operations = Vec::new();
    let empty = json!({});
    let metadata = |pod: &Value| pod.get("metadata").cloned().unwrap_or_else(|| empty.clone());
    let (old, new) = (metadata(&before), metadata(&Value::Object(changed.clone())));
    for field in ["labels", "annotations"] {
        if let Some(value) = changed_marks(pod, &old[field], &new[field], field) {
            operations.push(json!({"op": "add", "path": format!("/metadata/{field}"), "value": value}));
        }
    }
    let others = |metadata: &Value| {
        let mut others = metadata.as_object().cloned().unwrap_or_default();
        others.retain(|field, _| field != "labels" && field != "annotations");
        others
    };
    if others(&old) != others(&new) {
        return Err("a policy changes more of the pod's metadata than a webhook can".to_owned());
    }
    if changed.get("spec") != Some(&before["spec"]) {
        operations.push(json!({"op": "replace", "path": "/spec", "value": changed.get("spec")}));
    }
    Ok(operations)
}

/// The labels or annotations of a pod after a change; none where nothing was changed in them.
fn changed_marks(pod: &Map<String, Value>, old: &Value, new: &Value, field: &str) -> Option<Value> {
    let empty = Map::new();
    let (old, new) = (
        old.as_object().unwrap_or(&empty),
        new.as_object().unwrap_or(&empty),
    );
    // Of the object, not of its normal form: that lacks what a server or trocar itself puts in, which has to stay.
    let own = pod.get("metadata").map(|metadata| &metadata[field]);
    let mut marks = own.and_then(Value::as_object).cloned().unwrap_or_default();
    let before = marks.clone();
    marks.retain(|name, _| !old.contains_key(name) || new.contains_key(name));
    for (name, value) in new.iter().filter(|(name, value)| old.get(*name) != Some(value)) {
        marks.insert(name.clone(), value.clone());
    }
    (marks != before).then_some(Value::Object(marks))
}
