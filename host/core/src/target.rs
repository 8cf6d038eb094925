//! What is debugged: a pod or a node, as JSON of which no field is lost. No I/O.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trocar_sdk::pod::{object, text};

/// The two kinds of target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TargetKind {
    /// A pod.
    Pod,
    /// A node.
    Node,
}

impl TargetKind {
    /// The kind's name in the Kubernetes API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Node => "Node",
        }
    }

    /// The resource as it is typed and shown: `pod/NAME`.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Node => "node",
        }
    }
}

/// Which object is debugged. The fields are in alphabetical order, since a plan's hash is of their text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetId {
    /// Pod or node.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
    /// The pod's namespace; none for a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its identity in the cluster, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

impl std::fmt::Display for TargetId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.kind.resource(), self.name)
    }
}

/// A pod or node to debug. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Target(Arc<Parts>);

#[derive(Debug, PartialEq)]
struct Parts {
    id: TargetId,
    object: Map<String, Value>,
    text: String,
}

/// Why an object cannot be a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// It is of another kind. The words are kubectl's.
    #[error("{0:?} not supported by debug")]
    Kind(String),
    /// A part that every object has is missing or malformed.
    #[error("{kind} {problem}")]
    Malformed {
        /// Pod or node.
        kind: &'static str,
        /// What is missing or malformed.
        problem: String,
    },
}

impl Target {
    /// Takes an object as a target. A pod that names no namespace is in the given one.
    ///
    /// # Errors
    /// Fails when the object is neither a pod nor a node, and when it has no valid name or a pod has no spec.
    pub fn new(object_: Value, default_namespace: &str) -> Result<Self, TargetError> {
        let Value::Object(mut object_) = object_ else {
            return Err(TargetError::Kind("/, Kind=".into()));
        };
        let kind = kind_of(&object_)?;
        let malformed = |problem: &str| TargetError::Malformed {
            kind: kind.name(),
            problem: problem.into(),
        };
        let Some(Value::Object(metadata)) = object_.get_mut("metadata") else {
            return Err(malformed("has no metadata"));
        };
        // Often most of an object's text, and no rule or strategy needs it.
        metadata.remove("managedFields");
        let name = text(metadata, "name").unwrap_or_default().to_owned();
        if !is_subdomain(&name) {
            return Err(malformed(&format!("has no valid name: {name:?}")));
        }
        let namespace = match kind {
            TargetKind::Node => None,
            TargetKind::Pod => {
                let namespace = text(metadata, "namespace")
                    .unwrap_or(default_namespace)
                    .to_owned();
                metadata.insert("namespace".into(), namespace.as_str().into());
                Some(namespace)
            }
        };
        let uid = text(metadata, "uid").map(str::to_owned);
        if kind == TargetKind::Pod {
            check_spec(&object_).map_err(|problem| malformed(&problem))?;
        }
        let text = serde_json::to_string(&object_).expect("a JSON value can always be written");
        Ok(Self(Arc::new(Parts {
            id: TargetId {
                kind,
                namespace,
                name,
                uid,
            },
            object: object_,
            text,
        })))
    }

    /// Which object it is.
    pub fn id(&self) -> &TargetId {
        &self.0.id
    }

    /// The object, without `metadata.managedFields`.
    pub fn object(&self) -> &Map<String, Value> {
        &self.0.object
    }

    /// The object as JSON text, as plugins get it.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The version of the object that was read, where a cluster sent it.
    pub fn resource_version(&self) -> Option<&str> {
        text(object(self.object(), "metadata")?, "resourceVersion")
    }

    /// Returns true if the other target is the same object, and differs in nothing but its status and in metadata that
    /// no rule looks at: the version, the generation and the finalizers.
    pub fn is_same_to_rules(&self, other: &Self) -> bool {
        const UNJUDGED: [&str; 3] = ["resourceVersion", "generation", "finalizers"];
        let fields = |target: &Map<String, Value>, skipped: &[&str]| -> Map<String, Value> {
            let kept = target
                .iter()
                .filter(|(name, _)| !skipped.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let metadata =
            |target: &Self| object(target.object(), "metadata").map(|metadata| fields(metadata, &UNJUDGED));
        let rest = |target: &Self| fields(target.object(), &["metadata", "status"]);
        self.id() == other.id() && metadata(self) == metadata(other) && rest(self) == rest(other)
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        text(object(object(self.object(), "metadata")?, "annotations")?, name)
    }
}

fn kind_of(object_: &Map<String, Value>) -> Result<TargetKind, TargetError> {
    let api_version = text(object_, "apiVersion").unwrap_or_default();
    let kind = text(object_, "kind").unwrap_or_default();
    match (api_version, kind) {
        ("v1", "Pod") => Ok(TargetKind::Pod),
        ("v1", "Node") => Ok(TargetKind::Node),
        _ => {
            // As Go writes a GroupVersionKind: the core group is empty.
            let separator = if api_version.contains('/') { "" } else { "/" };
            Err(TargetError::Kind(format!(
                "{separator}{api_version}, Kind={kind}"
            )))
        }
    }
}

/// A plugin may rely on the lists of containers being lists of objects with names.
fn check_spec(pod: &Map<String, Value>) -> Result<(), String> {
    let spec = object(pod, "spec").ok_or("has no spec")?;
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let containers = match spec.get(list) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(containers)) => containers,
            Some(_) => return Err(format!("is malformed: spec.{list} is not a list")),
        };
        for (index, container) in containers.iter().enumerate() {
            let name = container
                .as_object()
                .and_then(|container| text(container, "name"));
            if name.is_none() {
                return Err(format!(
                    "is malformed: spec.{list}[{index}] is not a container with a name"
                ));
            }
        }
    }
    Ok(())
}

/// A DNS label (RFC 1123), which is what containers and plugins may be named.
pub fn is_label(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| letter(byte) || byte == b'-')
        && name.bytes().next().is_some_and(letter)
        && name.bytes().last().is_some_and(letter)
}

/// A DNS subdomain (RFC 1123), which is what pods and nodes may be named.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.first().copied().is_some_and(letter)
                && bytes.last().copied().is_some_and(letter)
                && bytes.iter().all(|byte| letter(*byte) || *byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_kind_is_named_as_kubectl_names_it() {
        for (object, wanted) in [
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment"}),
                r#""apps/v1, Kind=Deployment" not supported by debug"#,
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap"}),
                r#""/v1, Kind=ConfigMap" not supported by debug"#,
            ),
        ] {
            assert_eq!(Target::new(object, "default").unwrap_err().to_string(), wanted);
        }
    }

    #[test]
    fn managed_fields_go_and_everything_else_stays() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "managedFields": [{"manager": "x"}], "unheard": 1.5},
            "spec": {"containers": [{"name": "c", "future": {"field": [1, null]}}]},
        });
        let target = Target::new(pod, "ops").unwrap();
        let read: Value = serde_json::from_str(target.text()).unwrap();
        assert_eq!(
            read,
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "namespace": "ops", "unheard": 1.5},
                "spec": {"containers": [{"name": "c", "future": {"field": [1, null]}}]},
            })
        );
    }

    #[test]
    fn a_malformed_pod_is_refused_with_the_place() {
        let pod =
            |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec});
        for (object, wanted) in [
            (pod(json!({"containers": {}})), "spec.containers is not a list"),
            (
                pod(json!({"containers": [3]})),
                "spec.containers[0] is not a container",
            ),
            (pod(json!(null)), "has no spec"),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "A"}}),
                "no valid name",
            ),
            (json!({"apiVersion": "v1", "kind": "Node"}), "has no metadata"),
        ] {
            let message = Target::new(object, "default").unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
    }
}
