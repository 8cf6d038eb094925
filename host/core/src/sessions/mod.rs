//! Debug sessions that a cluster has: read out of its pods and, for whose they are, out of a journal.
//!
//! Labels and annotations can be forged by anyone who may patch a pod, so they say what is claimed. Only the journal, which
//! a write goes into before it is made, says what is one's own: by the pod's unique id.

pub mod journal;
mod news;
mod pods;
mod view;

use serde::Serialize;
use trocar_sdk::options::API_VERSION;

use self::journal::Journal;
pub use self::{
    news::Shown,
    pods::{ListMeta, Pod, PodPage},
    view::Name,
};
use crate::stamp;

/// The label of node pods that kubectl makes.
const KUBECTLS: (&str, &str) = ("app.kubernetes.io/managed-by", "kubectl-debug");

/// A debug container or pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod with the container.
    pub pod: String,
    /// The pod's unique id.
    pub pod_uid: String,
    /// The pod's version when it was read.
    #[serde(skip)]
    pub resource_version: String,
    /// The container of the session. None where nothing tells which of the pod's it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What was made for it.
    pub kind: SessionKind,
    /// What it was made for, as its stamp claims: `pod/web-0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The program that made it.
    pub made_by: Maker,
    /// Whose it is.
    pub owner: Owner,
    /// Who asked for it, as its stamp claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Since when it is there: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// How it is.
    pub state: State,
    /// The container's image.
    pub image: String,
    /// Why, as its stamp claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it may run: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The copy took the place of its target and is the workload now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replaces_target: bool,
    /// Its pod is being deleted: what runs in it has some seconds left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
}

/// What was made for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub enum SessionKind {
    /// An ephemeral container in the target.
    EphemeralContainer,
    /// A copy of the target.
    PodCopy,
    /// A pod on a node.
    NodePod,
}

impl SessionKind {
    /// Whether a pod was created for it, which can be deleted.
    pub fn is_pod(self) -> bool {
        !matches!(self, Self::EphemeralContainer)
    }
}

/// The program that made a debug container or pod, as far as the cluster tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Maker {
    /// This program.
    Trocar,
    /// kubectl.
    Kubectl,
    /// Another, or it is not known any more: a server remembers ten writers of an object.
    Unknown,
}

/// Whose a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// One's own: the journal says so.
    You,
    /// Its stamp claims it to be one's own, and the journal does not know it.
    Claimed,
    /// Another user's, or of an unknown owner.
    Other,
}

/// How a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all_fields = "camelCase")]
pub enum State {
    /// Its container has not started.
    Waiting {
        /// Why, in the kubelet's word.
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Its container runs.
    Running,
    /// Its container has ended.
    Ended {
        /// The program's exit code, where a container tells it.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// Why, where the program did not end by itself.
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The cluster does not tell.
    Unknown,
}

impl Session {
    /// How it is, in words: `exited 0, being deleted`.
    pub fn state_in_words(&self) -> String {
        let end = if self.deleting { ", being deleted" } else { "" };
        format!("{}{end}", self.state)
    }

    /// Returns true once the container has ended, or the pod's time is over.
    pub fn has_ended(&self, now: &str) -> bool {
        matches!(self.state, State::Ended { .. }) || self.has_expired(now)
    }

    /// Returns true if its time is over. `now` is RFC 3339, by the server's clock.
    pub fn has_expired(&self, now: &str) -> bool {
        let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
        let expires = self.expires.as_deref().and_then(time);
        expires
            .zip(time(now))
            .is_some_and(|(expires, now)| expires <= now)
    }
}

/// The document of a list of sessions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionList<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: &'a [Session],
}

impl<'a> SessionList<'a> {
    /// Makes the document.
    pub fn new(items: &'a [Session]) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "SessionList",
            items,
        }
    }
}

/// The sessions that a pod has. `user` is who asks, by the cluster's name for them, where it is known.
pub fn of_pod(pod: &Pod, journal: &Journal, user: Option<&str>) -> Vec<Session> {
    let mut found: Vec<Session> = created(pod, journal, user).into_iter().collect();
    let ephemeral = pod.spec.ephemeral_containers.iter();
    found.extend(ephemeral.map(|container| in_target(pod, container, journal)));
    found
}

fn created(pod: &Pod, journal: &Journal, user: Option<&str>) -> Option<Session> {
    let own = journal.pod(&pod.metadata.uid);
    let stamped = |name: &str| {
        let found = pod.metadata.annotations.get(&format!("{}{name}", stamp::PREFIX));
        found.filter(|value| !value.is_empty()).cloned()
    };
    let is_kubectls = pod
        .metadata
        .labels
        .get(KUBECTLS.0)
        .is_some_and(|value| value == KUBECTLS.1);
    let is_trocars = pod
        .metadata
        .labels
        .contains_key(&format!("{}session", stamp::PREFIX));
    if own.is_none() && !is_kubectls && !is_trocars {
        return None;
    }
    let target = stamped("target");
    let kind = match (&own, target.as_deref()) {
        (Some(own), _) => own.kind,
        (None, Some(target)) if target.starts_with("pod/") => SessionKind::PodCopy,
        _ => SessionKind::NodePod,
    };
    let containers = &pod.spec.containers;
    let known = [own.and_then(|own| own.container.clone()), stamped("container")];
    let mut known = known.into_iter().flatten();
    let container = known.find(|name| containers.iter().any(|found| found.name == *name));
    let container = container.or_else(|| match containers.as_slice() {
        [only] => Some(only.name.clone()),
        _ => None,
    });
    let requester = stamped("requester");
    // Only a claim, since any user who may patch the pod can write this annotation.
    let claims = is_trocars && user.is_some() && requester.as_deref() == user;
    let image = containers
        .iter()
        .find(|found| Some(&found.name) == container.as_ref());
    Some(Session {
        kind,
        target,
        made_by: if is_kubectls && own.is_none() {
            Maker::Kubectl
        } else {
            Maker::Trocar
        },
        owner: match (own, claims) {
            (Some(_), _) => Owner::You,
            (None, true) => Owner::Claimed,
            (None, false) => Owner::Other,
        },
        requester,
        since: Some(pod.metadata.creation_timestamp.clone()).filter(|time| !time.is_empty()),
        state: view::state_of_pod(pod, container.as_deref()),
        image: image.map(|found| found.image.clone()).unwrap_or_default(),
        reason: stamped("reason"),
        expires: stamped("expires"),
        replaces_target: own.is_some_and(|own| own.replaces_target) || stamped("replaces").is_some(),
        ..in_pod(pod, container)
    })
}

fn in_target(pod: &Pod, container: &pods::Container, journal: &Journal) -> Session {
    let own = journal.container(&pod.metadata.uid, &container.name);
    // The server's own way to write the key of a list's item.
    let key = format!("k:{}", serde_json::json!({"name": container.name}));
    let writer = pod
        .metadata
        .managed_fields
        .iter()
        .find(|fields| fields.has_ephemeral(&key));
    let manager = writer.map(|fields| fields.manager.as_str());
    let status = pod
        .status
        .ephemeral_container_statuses
        .iter()
        .find(|status| status.name == container.name);
    let started = status.and_then(|status| view::started(&status.state));
    Session {
        kind: SessionKind::EphemeralContainer,
        target: Some(format!("pod/{}", pod.metadata.name)),
        made_by: match manager {
            _ if own.is_some() => Maker::Trocar,
            Some("trocar") => Maker::Trocar,
            Some(manager) if manager == "kubectl" || manager.starts_with("kubectl-") => Maker::Kubectl,
            _ => Maker::Unknown,
        },
        owner: if own.is_some() { Owner::You } else { Owner::Other },
        requester: None,
        since: started.or_else(|| writer?.time.clone()),
        state: view::state_of_ephemeral(pod, status),
        image: container.image.clone(),
        reason: own.and_then(|own| own.reason.clone()),
        expires: None,
        replaces_target: false,
        ..in_pod(pod, Some(container.name.clone()))
    }
}

/// Where a session is. The rest is to be filled in.
fn in_pod(pod: &Pod, container: Option<String>) -> Session {
    Session {
        namespace: pod.metadata.namespace.clone(),
        pod: pod.metadata.name.clone(),
        pod_uid: pod.metadata.uid.clone(),
        resource_version: pod.metadata.resource_version.clone(),
        container,
        kind: SessionKind::EphemeralContainer,
        target: None,
        made_by: Maker::Unknown,
        owner: Owner::Other,
        requester: None,
        since: None,
        state: State::Unknown,
        image: String::new(),
        reason: None,
        expires: None,
        replaces_target: false,
        deleting: pod.metadata.deletion_timestamp.is_some(),
    }
}

#[cfg(test)]
mod tests;
