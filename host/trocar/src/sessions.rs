//! The sessions of a cluster: found, whoever made them; and removed, where they are pods.

use trocar_cluster::{Cluster, ClusterError, CreatedPod, delete_pod, list_sessions, read_pod};
pub use trocar_cluster::{PodChange, PodChanges, watch_pods};
use trocar_core::{
    plan::{DebugPlan, Step},
    stamp::replaces_target,
    target::TargetKind,
};

pub use trocar_core::sessions::{
    Maker, Name, Owner, Pod, Session, SessionKind, SessionList, Shown, State,
    journal::{Entry, Journal},
    of_pod,
};

use crate::journal::JournalFile;

/// What was found, and how much that is worth.
#[derive(Clone, Debug, Default)]
pub struct FoundSessions {
    /// The sessions, by namespace and name.
    pub sessions: Vec<Session>,
    /// The version from which a watch goes on; empty where there cannot be one.
    pub resource_version: String,
    /// The server's clock: RFC 3339. None where it does not say.
    pub server_time: Option<String>,
    /// Pods may not be listed, so only those that the journal names were read.
    pub is_journal_only: bool,
}

/// Finds the sessions of a namespace, or of all of them.
///
/// `user` is who asks, by the cluster's name for them: whose stamps count as claims of theirs. Where pods may be read but
/// not listed, those are found that the journal names.
///
/// # Errors
/// Fails when pods may not be read, and when the cluster cannot be reached.
pub async fn find_sessions(
    cluster: &Cluster,
    namespace: Option<&str>,
    journal: &Journal,
    user: Option<&str>,
) -> Result<FoundSessions, ClusterError> {
    let all = |pod: &Pod| of_pod(pod, journal, user);
    let refused = match list_sessions(cluster, namespace, &all).await {
        Ok(listed) => {
            return Ok(FoundSessions {
                sessions: listed.sessions,
                resource_version: listed.resource_version,
                server_time: listed.server_time,
                is_journal_only: false,
            });
        }
        Err(error) if error.code() == Some(403) => error,
        Err(error) => return Err(error),
    };
    let known = journal.pods(cluster.server());
    let wanted = known
        .into_iter()
        .filter(|(found, _)| namespace.is_none_or(|wanted| wanted == *found));
    let mut found = FoundSessions {
        is_journal_only: true,
        ..FoundSessions::default()
    };
    let mut was_read = false;
    for (namespace, name) in wanted {
        if let Ok(pod) = read_pod(cluster, namespace, name).await {
            was_read = true;
            found.sessions.extend(pod.iter().flat_map(all));
        }
    }
    if was_read { Ok(found) } else { Err(refused) }
}

/// What came of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The pod is deleted.
    Removed,
    /// It was gone already.
    WasGone,
    /// It is not as it was shown any more, so it stays.
    Changed,
}

/// How often a pod is read again, which the kubelet has written to meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// Removes the pod of a session, where it is as it was found; the journal learns of it.
///
/// What the pod has that a [`Session`] does not show may have changed: a kubelet writes a pod's status several times after the
/// program ended.
///
/// # Errors
/// Fails when it may not be deleted, and when the cluster cannot be reached.
///
/// # Panics
/// Panics for an ephemeral container, which is not a pod to remove: the caller looks at [`Session::kind`] first.
pub async fn remove(
    cluster: &Cluster,
    session: &Session,
    journal: Option<&JournalFile>,
    time: &str,
) -> Result<Removal, ClusterError> {
    assert!(session.kind.is_pod(), "an ephemeral container cannot be removed");
    let mut removal = Removal::Changed;
    let mut version = Some(session.resource_version.clone());
    for _ in 0..MAX_ATTEMPTS {
        let Some(read) = version else { break };
        removal = remove_version(cluster, session, &read).await?;
        if removal != Removal::Changed {
            break;
        }
        version = version_as_shown(cluster, session, journal).await?;
    }
    if let (Some(journal), true) = (journal, removal != Removal::Changed) {
        // Only a later clean-up of the journal needs this line.
        drop(journal.append(&gone(cluster, session, time)));
    }
    Ok(removal)
}

async fn remove_version(
    cluster: &Cluster,
    session: &Session,
    version: &str,
) -> Result<Removal, ClusterError> {
    let (namespace, pod, uid) = (&session.namespace, &session.pod, &session.pod_uid);
    match delete_pod(cluster, namespace, pod, uid, Some(version)).await {
        Ok(()) => Ok(Removal::Removed),
        Err(error) => match error.code() {
            Some(404) => Ok(Removal::WasGone),
            Some(409) => Ok(Removal::Changed),
            _ => Err(error),
        },
    }
}

/// The version of the pod as it is now, where everything that was shown of the session is still so.
async fn version_as_shown(
    cluster: &Cluster,
    session: &Session,
    journal: Option<&JournalFile>,
) -> Result<Option<String>, ClusterError> {
    let Some(pod) = read_pod(cluster, &session.namespace, &session.pod).await? else {
        return Ok(Some(session.resource_version.clone()));
    };
    let journal = journal
        .and_then(|journal| journal.read().ok())
        .unwrap_or_default();
    let user = session
        .requester
        .as_deref()
        .filter(|_| session.owner == Owner::Claimed);
    let now = of_pod(&pod, &journal, user)
        .into_iter()
        .find(|found| found.kind.is_pod());
    Ok(now.and_then(|now| {
        let version = now.resource_version.clone();
        let is_as_shown = *session
            == Session {
                resource_version: session.resource_version.clone(),
                ..now
            };
        is_as_shown.then_some(version)
    }))
}

/// The line of the journal for a pod that was deleted at the end of its session.
pub(crate) fn removed(cluster: &Cluster, pod: &CreatedPod) -> Entry {
    Entry {
        time: jiff::Timestamp::now().to_string(),
        server: cluster.server().to_owned(),
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
        container: None,
        kind: SessionKind::PodCopy,
        plan: String::new(),
        reason: None,
        image: None,
        recipe: None,
        replaces_target: false,
        removed_at_end: true,
        removed: true,
    }
}

fn gone(cluster: &Cluster, session: &Session, time: &str) -> Entry {
    Entry {
        time: time.to_owned(),
        server: cluster.server().to_owned(),
        namespace: session.namespace.clone(),
        pod: session.pod.clone(),
        uid: Some(session.pod_uid.clone()),
        container: session.container.clone(),
        kind: session.kind,
        plan: String::new(),
        reason: None,
        image: None,
        recipe: None,
        replaces_target: false,
        removed_at_end: false,
        removed: true,
    }
}

/// The line of the journal for a plan, before it is written to the cluster. `uid` is the pod's, where it is known; with
/// `is_removed` a pod that the plan creates is deleted at the end of its session.
pub(crate) fn begun(
    cluster: &Cluster,
    plan: &DebugPlan,
    uid: Option<&str>,
    time: &str,
    reason: Option<&str>,
    is_removed: bool,
) -> Option<Entry> {
    let (kind, container) = match plan.steps().first()? {
        Step::AddEphemeralContainer(container) => (
            SessionKind::EphemeralContainer,
            trocar_sdk::pod::text(container, "name"),
        ),
        _ if plan.target().kind == TargetKind::Node => (SessionKind::NodePod, plan.attach()),
        _ => (SessionKind::PodCopy, plan.attach()),
    };
    let is_target = kind == SessionKind::EphemeralContainer;
    Some(Entry {
        time: time.to_owned(),
        server: cluster.server().to_owned(),
        namespace: plan.debug_namespace()?.to_owned(),
        pod: plan.debug_pod().to_owned(),
        uid: uid
            .map(str::to_owned)
            .or_else(|| plan.target().uid.clone().filter(|_| is_target)),
        container: container.map(str::to_owned),
        image: image_of(plan, container),
        kind,
        plan: plan.hash(),
        reason: reason.map(str::to_owned),
        recipe: plan.recipe(),
        replaces_target: replaces_target(plan),
        removed_at_end: is_removed && kind.is_pod(),
        removed: false,
    })
}

/// The image of a plan's debug container.
fn image_of(plan: &DebugPlan, container: Option<&str>) -> Option<String> {
    let image = match plan.steps().first()? {
        Step::AddEphemeralContainer(container) => trocar_sdk::pod::text(container, "image"),
        Step::CreatePod(pod) => {
            let found = pod.container(container?)?;
            trocar_sdk::pod::text(found.container, "image")
        }
        Step::DeletePod(_) => None,
    };
    image.map(str::to_owned)
}
