//! The pods of a namespace or of the whole cluster, a page at a time, for what is in them of debug sessions. Reads only.

use serde_json::Value;
use trocar_core::sessions::{Pod, PodPage, Session};

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    lines::Lines,
    paths::{collection, path, with_query},
};

/// How many pods a page has: some megabytes.
const PAGE: &str = "500";

/// What a list is worth: as of when.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The sessions, in the server's order: by namespace and name.
    pub sessions: Vec<Session>,
    /// The version from which a watch goes on.
    pub resource_version: String,
    /// The server's clock: RFC 3339. None where it does not say.
    pub server_time: Option<String>,
}

/// Lists the sessions of a namespace, or of all namespaces.
///
/// # Errors
/// Fails when the pods may not be listed, and when the cluster cannot be reached.
pub async fn list_sessions(
    cluster: &Cluster,
    namespace: Option<&str>,
    of_pod: &dyn Fn(&Pod) -> Vec<Session>,
) -> Result<Listed, ClusterError> {
    let mut has_expired = false;
    loop {
        match pages(cluster, namespace, of_pod).await {
            // The list is too old to go on with. From the start once more.
            // A continue token expires with etcd's compaction, after five minutes by default.
            Err(error) if error.code() == Some(410) && !has_expired => has_expired = true,
            done => return done,
        }
    }
}

async fn pages(
    cluster: &Cluster,
    namespace: Option<&str>,
    of_pod: &dyn Fn(&Pod) -> Vec<Session>,
) -> Result<Listed, ClusterError> {
    let action = Action::of_pod("list", "", namespace, "");
    let mut listed = Listed::default();
    let mut next = String::new();
    loop {
        let mut query = vec![("limit", PAGE)];
        if !next.is_empty() {
            query.push(("continue", &next));
        }
        let of_page = with_query(collection(&action), &query);
        let (text, server_time) = cluster.text(&action, &of_page).await?;
        let page: PodPage = serde_json::from_slice(&text).map_err(|error| unreadable(&action, &error))?;
        listed.sessions.extend(page.items.iter().flat_map(of_pod));
        listed.server_time = listed.server_time.or(server_time);
        listed.resource_version = page.metadata.resource_version;
        next = page.metadata.next;
        if next.is_empty() {
            return Ok(listed);
        }
    }
}

/// Reads one pod. None where it is not there.
///
/// # Errors
/// Fails when it may not be read, and when the cluster cannot be reached.
pub async fn read_pod(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<Pod>, ClusterError> {
    let action = Action::of_pod("get", "", Some(namespace), name);
    match cluster.text(&action, &path(&action)).await {
        Ok((text, _)) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| unreadable(&action, &error)),
        Err(error) if error.code() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What happened to a pod.
#[derive(Debug)]
pub enum PodChange {
    /// It is like this now.
    Is(Pod),
    /// It is gone.
    Gone(Pod),
}

/// The changes of pods, as they come.
pub struct PodChanges {
    lines: Lines,
    action: Action,
}

/// Follows the pods of a namespace, or of all, from the version of a list.
///
/// # Errors
/// Fails when they may not be watched, and with 410 when the version is too old: then they are listed again.
pub async fn watch_pods(
    cluster: &Cluster,
    namespace: Option<&str>,
    version: &str,
) -> Result<PodChanges, ClusterError> {
    let action = Action::of_pod("watch", "", namespace, "");
    let query = [("watch", "true"), ("resourceVersion", version)];
    let body = cluster.stream(&action, &query).await?;
    Ok(PodChanges {
        lines: Lines::new(body),
        action,
    })
}

impl PodChanges {
    /// The next change. None when the server ended the stream, which it does after some minutes: then it is opened again,
    /// after a list.
    ///
    /// # Errors
    /// Fails when the connection breaks, and on an answer that is not one.
    pub async fn next(&mut self) -> Result<Option<PodChange>, ClusterError> {
        while let Some(line) = self.lines.line().await.map_err(|reason| self.broken(reason))? {
            let mut event: Value =
                serde_json::from_slice(&line).map_err(|error| unreadable(&self.action, &error))?;
            let change = match event["type"].as_str() {
                Some("DELETED") => PodChange::Gone,
                Some("ADDED" | "MODIFIED") => PodChange::Is,
                // After an error only a new list goes on.
                Some("ERROR") => return Ok(None),
                _ => continue,
            };
            let pod = serde_json::from_value(event["object"].take());
            return Ok(Some(change(
                pod.map_err(|error| unreadable(&self.action, &error))?,
            )));
        }
        Ok(None)
    }

    fn broken(&self, reason: String) -> ClusterError {
        ClusterError::Broken {
            action: self.action.clone(),
            reason,
        }
    }
}

fn unreadable(action: &Action, error: &serde_json::Error) -> ClusterError {
    ClusterError::Answer {
        action: action.clone(),
        problem: error.to_string(),
    }
}
