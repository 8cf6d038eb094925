//! Finding the sessions of a cluster, of all users, and removing those that are pods.

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

/// The sessions that were found, and how complete they are.
#[derive(Clone, Debug, Default)]
pub struct FoundSessions {
    /// The sessions, by namespace and name.
    pub sessions: Vec<Session>,
    /// The resource version at which a watch can begin; empty if none can.
    pub resource_version: String,
    /// The server's time in RFC 3339; none if it does not send one.
    pub server_time: Option<String>,
    /// Only pods in the journal were read, since pods may not be listed.
    pub is_journal_only: bool,
}

/// Finds the sessions of a namespace, or of all namespaces.
///
/// `user` is the user's name in the cluster: stamps with it count as claims of the user. If pods may be read but not listed,
/// only those in the journal are found.
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
        // A Role may grant `get` of pods without `list`.
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

/// The result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The pod was deleted.
    Removed,
    /// The pod did not exist any more.
    WasGone,
    /// The session has changed since it was shown, so the pod was not deleted.
    Changed,
}

/// The most attempts at a deletion. Each may conflict with a status update of the kubelet.
const MAX_ATTEMPTS: usize = 5;

/// Deletes the pod of a session if the session is as it was shown, and writes it to the journal.
///
/// Fields of the pod that a [`Session`] does not show may have changed: a kubelet updates a pod's status several times after its
/// program has ended.
///
/// # Errors
/// Fails when the pod may not be deleted, and when the cluster cannot be reached.
///
/// # Panics
/// Panics for an ephemeral container, which cannot be removed. Check [`Session::kind`] first.
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
        // A failure is ignored: the line only lets the journal be compacted.
        drop(journal.append(&removed_session(cluster, session, time)));
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
            // The uid or the version is another one: the pod was replaced, or only its status was updated.
            Some(409) => Ok(Removal::Changed),
            _ => Err(error),
        },
    }
}

/// The current version of the pod, if the session is still as it was shown.
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
                // Another deletion may have begun, which does not matter.
                deleting: session.deleting,
                ..now
            };
        is_as_shown.then_some(version)
    }))
}

/// The journal's entry for a pod that was deleted at the end of its session.
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

fn removed_session(cluster: &Cluster, session: &Session, time: &str) -> Entry {
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

/// The journal's entry for a plan, before and after it is written to the cluster. `uid` is the pod's, if known. With `is_removed`,
/// the created pod is deleted at the end of its session.
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
