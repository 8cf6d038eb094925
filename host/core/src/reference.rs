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
    /// Namespace: read to explain, never a target.
    Namespace,
    /// SelfSubjectReview: asks the server who we are, never a target.
    SelfSubjectReview,
    /// SelfSubjectAccessReview: asks the server what we may do, never a target.
    SelfSubjectAccessReview,
}

/// A kind as it can be typed: singular, plural, short, API group.
struct Names(
    Kind,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

const NAMES: [Names; 14] = [
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
    Names(Kind::Namespace, "namespace", "namespaces", &["ns"], ""),
    Names(
        Kind::SelfSubjectReview,
        "selfsubjectreview",
        "selfsubjectreviews",
        &[],
        "authentication.k8s.io",
    ),
    Names(
        Kind::SelfSubjectAccessReview,
        "selfsubjectaccessreview",
        "selfsubjectaccessreviews",
        &[],
        "authorization.k8s.io",
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
        !matches!(
            self,
            Self::Node | Self::Namespace | Self::SelfSubjectReview | Self::SelfSubjectAccessReview
        )
    }

    /// Says whether there is something to debug.
    fn is_target(self) -> bool {
        !matches!(
            self,
            Self::Event | Self::Namespace | Self::SelfSubjectReview | Self::SelfSubjectAccessReview
        )
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
    #[error("the server doesn't have a resource type {typed:?}{}", in_group(group))]
    Kind {
        /// What was typed, without a group.
        typed: String,
        /// The group that was typed.
        group: Option<String>,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// Not `KIND/NAME`.
    #[error("arguments in resource/name form must have a single resource and name")]
    Form,
    /// More than `KIND/NAME`.
    #[error("arguments in resource/name form may not have more than one slash")]
    Slashes,
    /// Nothing.
    #[error("resource name may not be empty")]
    Empty,
    /// What cannot be part of a path.
    #[error("invalid resource name {name:?}: [{problem}]")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn in_group(group: &Option<String>) -> String {
    let group = group.as_ref();
    group.map_or_else(String::new, |group| format!(" in group {group:?}"))
}

impl Reference {
    /// Parses what was typed: a pod's name, or `KIND/NAME`, where the kind may be plural, short and with its group.
    ///
    /// # Errors
    /// Fails when the kind is not one that can be debugged, and when there is more or less than a kind and a name.
    pub fn parse(typed: &str) -> Result<Self, ReferenceError> {
        let (kind, name) = match typed.split_once('/') {
            None if typed.is_empty() => return Err(ReferenceError::Empty),
            None => (Kind::Pod, typed),
            Some((_, name)) if name.contains('/') => return Err(ReferenceError::Slashes),
            Some((kind, name)) if kind.is_empty() || name.is_empty() => return Err(ReferenceError::Form),
            Some((kind, name)) => (parse_kind(kind)?, name),
        };
        if let Some(problem) = path_problem(name) {
            return Err(ReferenceError::Name {
                name: name.to_owned(),
                problem,
            });
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// Why a name cannot stand in a path, as the API's clients say it.
fn path_problem(name: &str) -> Option<String> {
    match name {
        "." | ".." => Some(format!("may not be '{name}'")),
        _ if name.contains('%') => Some("may not contain '%'".into()),
        _ => None,
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.kind.singular(), self.name)
    }
}

/// Reads `TYPE`, `TYPE.GROUP` or `TYPE.VERSION.GROUP`.
fn parse_kind(typed: &str) -> Result<Kind, ReferenceError> {
    let (typed, group) = typed.split_once('.').unwrap_or((typed, ""));
    let lower = typed.to_ascii_lowercase();
    let name = lower.as_str();
    let targets = NAMES.iter().filter(|names| names.0.is_target());
    let found = targets
        .clone()
        .find(|names| names.1 == name || names.2 == name || names.3.contains(&name));
    let fits = |known: &str| group.is_empty() || group == known || group.strip_prefix("v1.") == Some(known);
    match found {
        Some(names) if fits(names.4) => Ok(names.0),
        _ => Err(ReferenceError::Kind {
            typed: typed.to_owned(),
            group: Some(group.to_owned()).filter(|group| !group.is_empty()),
            nearest: names::nearest(name, targets.map(|names| names.1)),
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
            ("pods.v1./web-0", Kind::Pod, "web-0"),
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
            "the server doesn't have a resource type \"deployments\" in group \"batch\""
        );
        for (typed, wanted) in [
            ("pod/", "single resource and name"),
            ("/x", "single resource and name"),
            ("pod/a/b", "more than one slash"),
            ("", "may not be empty"),
            ("pods.v1/x", "in group \"v1\""),
            ("namespace/x", "resource type \"namespace\""),
            ("..", "invalid resource name \"..\": [may not be '..']"),
            ("pod/a%b", "[may not contain '%']"),
        ] {
            assert!(message(typed).contains(wanted), "{typed}: {}", message(typed));
        }
        let Err(ReferenceError::Kind { nearest, .. }) = Reference::parse("deploymnt/web") else {
            panic!("a misspelt kind is not a kind");
        };
        assert_eq!(nearest, Some("deployment"));
    }
}
