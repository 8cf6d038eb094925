//! What a person types to name a target: `web-0`, `node/n1`, `deploy/web`. Parsing only, no I/O.

use trocar_sdk::names;

/// The kinds that have something to debug: pods, nodes, and the workloads that own pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A pod.
    Pod,
    /// A node.
    Node,
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `apps/v1` ReplicaSet.
    ReplicaSet,
    /// ReplicationController.
    ReplicationController,
    /// `batch/v1` Job.
    Job,
    /// `batch/v1` CronJob.
    CronJob,
    /// Service.
    Service,
    /// Event: read to explain, never a target.
    Event,
    /// SelfSubjectReview: asks the server who we are, never a target.
    SelfSubjectReview,
}

/// A kind as it can be typed: singular, plural, short, API group.
struct Names(
    Kind,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

const NAMES: [Names; 12] = [
    Names(Kind::Pod, "pod", "pods", &["po"], ""),
    Names(Kind::Node, "node", "nodes", &["no"], ""),
    Names(Kind::Deployment, "deployment", "deployments", &["deploy"], "apps"),
    Names(Kind::StatefulSet, "statefulset", "statefulsets", &["sts"], "apps"),
    Names(Kind::DaemonSet, "daemonset", "daemonsets", &["ds"], "apps"),
    Names(Kind::ReplicaSet, "replicaset", "replicasets", &["rs"], "apps"),
    Names(
        Kind::ReplicationController,
        "replicationcontroller",
        "replicationcontrollers",
        &["rc"],
        "",
    ),
    Names(Kind::Job, "job", "jobs", &[], "batch"),
    Names(Kind::CronJob, "cronjob", "cronjobs", &["cj"], "batch"),
    Names(Kind::Service, "service", "services", &["svc"], ""),
    Names(Kind::Event, "event", "events", &[], ""),
    Names(
        Kind::SelfSubjectReview,
        "selfsubjectreview",
        "selfsubjectreviews",
        &[],
        "authentication.k8s.io",
    ),
];

impl Kind {
    fn names(self) -> &'static Names {
        let found = NAMES.iter().find(|names| names.0 == self);
        found.expect("the table has every kind")
    }

    /// The resource's name in the API: `pods`.
    pub fn resource(self) -> &'static str {
        self.names().2
    }

    /// The resource's name as it is shown: `pod`.
    pub fn singular(self) -> &'static str {
        self.names().1
    }

    /// The API group; empty for the core group.
    pub fn group(self) -> &'static str {
        self.names().4
    }

    /// Says whether objects of this kind belong to a namespace.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Node | Self::SelfSubjectReview)
    }

    /// Says whether there is something to debug.
    fn is_target(self) -> bool {
        !matches!(self, Self::Event | Self::SelfSubjectReview)
    }
}

/// An object as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// Why a text names nothing. The words are kubectl's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// No such kind, or one that has no pods.
    #[error("the server doesn't have a resource type {typed:?}")]
    Kind {
        /// What was typed.
        typed: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// Not `KIND/NAME`.
    #[error("arguments in resource/name form must have a single resource and name")]
    Form,
}

impl Reference {
    /// Parses what was typed: a pod's name, or `KIND/NAME`, where the kind may be plural, short and with its group.
    ///
    /// # Errors
    /// Fails when the kind is not one that can be debugged, and when there is more or less than a kind and a name.
    pub fn parse(typed: &str) -> Result<Self, ReferenceError> {
        let Some((kind, name)) = typed.split_once('/') else {
            return Ok(Self {
                kind: Kind::Pod,
                name: typed.to_owned(),
            });
        };
        if kind.is_empty() || name.is_empty() || name.contains('/') {
            return Err(ReferenceError::Form);
        }
        Ok(Self {
            kind: parse_kind(kind)?,
            name: name.to_owned(),
        })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.kind.singular(), self.name)
    }
}

/// Reads `TYPE[.VERSION][.GROUP]`.
fn parse_kind(typed: &str) -> Result<Kind, ReferenceError> {
    let lower = typed.to_ascii_lowercase();
    let (name, rest) = lower.split_once('.').unwrap_or((&lower, ""));
    let found = NAMES
        .iter()
        .find(|names| names.1 == name || names.2 == name || names.3.contains(&name));
    let fits = |group: &str| {
        rest.is_empty() || rest == group || rest.strip_prefix("v1.") == Some(group) || rest == "v1"
    };
    match found {
        Some(names) if fits(names.4) && names.0.is_target() => Ok(names.0),
        _ => Err(ReferenceError::Kind {
            typed: typed.to_owned(),
            nearest: names::nearest(
                name,
                NAMES
                    .iter()
                    .filter(|names| names.0.is_target())
                    .map(|names| names.1),
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_may_be_plural_short_and_with_their_group() {
        for (typed, kind, name) in [
            ("web-0", Kind::Pod, "web-0"),
            ("pods", Kind::Pod, "pods"),
            ("po/web-0", Kind::Pod, "web-0"),
            ("Pods/web-0", Kind::Pod, "web-0"),
            ("no/n1", Kind::Node, "n1"),
            ("deployments.apps/web", Kind::Deployment, "web"),
            ("deployment.v1.apps/web", Kind::Deployment, "web"),
            ("cj/nightly", Kind::CronJob, "nightly"),
            ("svc/web", Kind::Service, "web"),
        ] {
            let wanted = Reference {
                kind,
                name: name.into(),
            };
            assert_eq!(Reference::parse(typed), Ok(wanted), "{typed}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused_in_kubectls_words() {
        let message = |typed| Reference::parse(typed).unwrap_err().to_string();
        assert_eq!(
            message("widget/x"),
            "the server doesn't have a resource type \"widget\""
        );
        assert_eq!(
            message("deployments.batch/x"),
            "the server doesn't have a resource type \"deployments.batch\""
        );
        for typed in ["pod/", "/x", "pod/a/b"] {
            assert!(message(typed).contains("single resource and name"), "{typed}");
        }
        let Err(ReferenceError::Kind { nearest, .. }) = Reference::parse("deploymnt/web") else {
            panic!("a misspelt kind is no kind");
        };
        assert_eq!(nearest, Some("deployment"));
    }
}
