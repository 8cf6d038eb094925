//! The Pod Security Standards of Kubernetes 1.37: which level a pod passes, and what violates a stricter one.
//!
//! [`violations`] judges a pod as the API server does in a namespace with `enforce-version: v1.37`, init, regular and
//! ephemeral containers alike. Null is the same as nothing, and a volume without a source is an `emptyDir`.
//!
//! Not covered is what else the API server decides: whether the pod is valid, and the exemptions of its configuration. An
//! invalid pod is judged strictly: a value of the wrong type, a second source beside a volume's
//! first, and a kind of volume that 1.37 does not know are violations. Not reported are the host
//! ports that the API server itself writes into pods with `hostNetwork`: such pods are refused already.
//!
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>, checked against kube-apiserver 1.37.

mod container;
mod controls;
mod message;
mod pod;
mod review;
mod shared;
mod spot;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{container::BASELINE_CAPABILITIES, controls::CONTROLS, pod::RESTRICTED_VOLUMES};
use self::{review::Review, spot::Spot};
use crate::{
    Diagnostic, Severity,
    pod::{ContainerKind, Object},
};

/// A level of the Pod Security Standards. The stricter is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Forbids nothing.
    Privileged,
    /// Forbids the known ways to gain privileges.
    Baseline,
    /// Requires hardening as well.
    Restricted,
}

impl Level {
    /// All levels, from the least to the most strict.
    pub const ALL: [Self; 3] = [Self::Privileged, Self::Baseline, Self::Restricted];

    /// The name in the labels of namespaces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }

    /// Finds a level by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// A violation: something in a pod that a level forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The control of the standards: one of [`CONTROLS`].
    pub control: &'static str,
    /// The least strict level that forbids it.
    pub level: Level,
    /// The place, as an RFC 6901 pointer from the pod. For a missing field, where it should be.
    pub at: String,
    /// Whose field it is: `the pod`, or for example `init container "setup"`.
    pub owner: String,
    /// One sentence that says what is set and what would be allowed.
    pub message: String,
}

impl Violation {
    /// Converts it to a diagnostic. `pod_at` is the pod's place in the document that the diagnostic is about, an RFC 6901
    /// pointer.
    pub fn into_diagnostic(self, severity: Severity, pod_at: &str) -> Diagnostic {
        Diagnostic::new(severity, self.control, self.message).at_pointer(format!("{pod_at}{}", self.at))
    }
}

/// Finds all violations of a level in a pod, in the order of the pod's fields.
///
/// ```
/// use trocar_sdk::pod_security::{Level, violations};
/// let pod = serde_json::json!({"spec": {"hostPID": true, "containers": [{"name": "app"}]}});
/// let found = violations(pod.as_object().unwrap(), Level::Baseline);
/// assert_eq!(found[0].control, "host-namespaces");
/// assert_eq!(found[0].at, "/spec/hostPID");
/// assert_eq!(found[0].message, "the pod sets hostPID to true; only false or nothing is allowed");
/// ```
pub fn violations(pod: &Object, level: Level) -> Vec<Violation> {
    violations_with(pod, None, level)
}

/// Finds all violations of a level in a pod with an additional ephemeral container at the end of its list.
pub fn violations_with(pod: &Object, added: Option<&Object>, level: Level) -> Vec<Violation> {
    if level == Level::Privileged {
        return Vec::new();
    }
    let metadata = Spot::top(pod, "metadata");
    let spec = Spot::top(pod, "spec");
    let mut review = Review::new(level, &spec);
    review.metadata(&metadata);
    review.spec(&spec);
    if let Some(added) = added {
        let added = Value::Object(added.clone());
        let list = spec.field(ContainerKind::Ephemeral.field());
        review.container(ContainerKind::Ephemeral, &list.next_item(&added));
    }
    review.into_violations()
}

/// The strictest level that a pod passes.
pub fn level_of(pod: &Object) -> Level {
    let found = violations(pod, Level::Restricted);
    if found.is_empty() {
        Level::Restricted
    } else if found.iter().all(|violation| violation.level == Level::Restricted) {
        Level::Baseline
    } else {
        Level::Privileged
    }
}
