//! Deletion of pods at the end of their sessions, even when the program that runs the session is killed: a second process does it
//! then, which learns of the pods through a pipe.
//!
//! The caller starts that process before anything is created, and writes [`Message`]s to it, one per line:
//! [`Debugger::with_removal`](crate::Debugger::with_removal) reports each pod. The process collects them in [`Orders`] until the
//! pipe is closed, and then deletes the pods that remain. It runs no credential plugin and does not prompt.

use std::{
    io::{self, BufRead, Read as _},
    time::Duration,
};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trocar_cluster::{Cluster, ClusterError, remove_created};
pub use trocar_cluster::{CreatedPod, Handover, may_delete_pod};
use trocar_core::{
    plan::{DebugPlan, Step},
    stamp::Stamp,
};

use crate::{
    journal::JournalFile,
    sessions::{self, Session},
};

/// The time within which removals are retried.
pub const MAX_TIME: Duration = Duration::from_secs(60);

/// The largest message, in bytes. Most of it can be a bundle of certificate authorities.
const MAX_MESSAGE: u64 = 16 << 20;

/// A message to the process that removes pods.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Message {
    /// The connection to use from now on. It replaces an earlier one, since credentials are renewed.
    Connection(Box<Handover>),
    /// A pod to delete. It replaces an earlier message about a pod of this name, which may have had no uid.
    Pod(CreatedPod),
    /// A pod that must not be deleted, or was deleted already.
    Forget {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Message {
    /// Creates the message that a pod needs no deletion.
    pub fn forget(pod: &CreatedPod) -> Self {
        Self::Forget {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
        }
    }

    /// The message as a line of JSON. It may contain credentials.
    pub fn line(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }

    /// Reads the next message; none at the end of the input. An incomplete last line is dropped.
    ///
    /// # Errors
    /// Fails when the input cannot be read, and on a malformed line. The error does not contain the line.
    pub fn read(input: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        input.take(MAX_MESSAGE).read_until(b'\n', &mut line)?;
        // The writer was killed within the line, which may name a pod that was never created.
        if line.last() != Some(&b'\n') {
            return match (line.len() as u64) < MAX_MESSAGE {
                true => Ok(None),
                false => Err(io::Error::other("a message is too large")),
            };
        }
        let read = serde_json::from_slice(&line);
        read.map(Some)
            .map_err(|_| io::Error::other("a line is not a message"))
    }
}

/// The pods to remove, by the messages so far.
#[derive(Debug, Default)]
pub struct Orders {
    connection: Option<Handover>,
    pods: Vec<CreatedPod>,
}

impl Orders {
    /// Adds a message.
    pub fn take(&mut self, message: Message) {
        match message {
            Message::Connection(connection) => self.connection = Some(*connection),
            Message::Pod(pod) => {
                self.forget(&pod.namespace, &pod.name);
                self.pods.push(pod);
            }
            Message::Forget { namespace, name } => self.forget(&namespace, &name),
        }
    }

    fn forget(&mut self, namespace: &str, name: &str) {
        self.pods
            .retain(|known| (known.namespace.as_str(), known.name.as_str()) != (namespace, name));
    }

    /// The pods to remove.
    pub fn pods(&self) -> &[CreatedPod] {
        &self.pods
    }

    /// Removes the pods within [`MAX_TIME`]. Returns those that could not be removed, with the cause. Must be called within a tokio
    /// runtime.
    pub async fn carry_out(self) -> Vec<(CreatedPod, String)> {
        let Some(connection) = self.connection.filter(|_| !self.pods.is_empty()) else {
            return Vec::new();
        };
        let expires = connection.expires();
        let cluster = connection
            .into_config()
            .map_err(|error| error.to_string())
            .and_then(|config| Cluster::new(config).map_err(|error| error.to_string()));
        let cluster = &cluster;
        let removals = self.pods.into_iter().map(|pod| async move {
            let removed = match cluster {
                Ok(cluster) => remove_created(cluster, &pod, MAX_TIME)
                    .await
                    .map_err(|error| explained(&error, expires)),
                Err(problem) => Err(problem.clone()),
            };
            removed.err().map(|why| (pod, why))
        });
        join_all(removals).await.into_iter().flatten().collect()
    }
}

/// The cause of a failed removal, with a note if the credentials have expired: this process cannot renew them.
fn explained(error: &ClusterError, expires: Option<jiff::Timestamp>) -> String {
    let has_expired = expires.is_some_and(|expires| expires <= jiff::Timestamp::now());
    match (error.code(), expires) {
        (Some(401), Some(expires)) if has_expired => {
            format!("the credentials from the credential plugin expired at {expires}: {error}")
        }
        _ => error.to_string(),
    }
}

/// The pod that a plan creates; none if it creates none. `stored` is the server's answer, else null.
pub fn created_pod(plan: &DebugPlan, stored: &Value) -> Option<CreatedPod> {
    let creates_pod = |step: &Step| matches!(step, Step::CreatePod(_));
    plan.steps().iter().any(creates_pod).then(|| CreatedPod {
        namespace: plan.debug_namespace().unwrap_or_default().to_owned(),
        name: plan.debug_pod().to_owned(),
        uid: stored["metadata"]["uid"].as_str().map(str::to_owned),
        stamp: Stamp::default(),
    })
}

/// The created pod of a session; none for an ephemeral container.
pub fn pod_of_session(session: &Session) -> Option<CreatedPod> {
    session.kind.is_pod().then(|| CreatedPod {
        namespace: session.namespace.clone(),
        name: session.pod.clone(),
        uid: Some(session.pod_uid.clone()),
        stamp: Stamp::default(),
    })
}

/// Deletes a pod at the end of its session, with retries for `within`, and writes it to the journal. A missing pod is not an
/// error.
///
/// # Errors
/// Fails when the pod may not be deleted, and when the cluster does not answer in time.
pub async fn remove(
    cluster: &Cluster,
    pod: &CreatedPod,
    within: Duration,
    journal: Option<&JournalFile>,
) -> Result<(), ClusterError> {
    remove_created(cluster, pod, within).await?;
    if let Some(journal) = journal {
        // A failure is ignored: the line only lets the journal be compacted.
        drop(journal.append(&sessions::removed(cluster, pod)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, uid: Option<&str>) -> CreatedPod {
        CreatedPod {
            namespace: "shop".into(),
            name: name.into(),
            uid: uid.map(str::to_owned),
            stamp: Stamp::default(),
        }
    }

    fn orders(messages: &[Message]) -> io::Result<Orders> {
        let text: String = messages.iter().map(Message::line).collect();
        let mut input = text.as_bytes();
        let mut orders = Orders::default();
        while let Some(message) = Message::read(&mut input)? {
            orders.take(message);
        }
        Ok(orders)
    }

    #[test]
    fn a_later_message_replaces_or_forgets_a_pod() {
        let orders = orders(&[
            Message::Pod(pod("a", None)),
            Message::Pod(pod("b", None)),
            Message::Pod(pod("a", Some("u-1"))),
            Message::forget(&pod("b", None)),
        ]);
        assert_eq!(orders.unwrap().pods(), [pod("a", Some("u-1"))]);
    }

    #[test]
    fn incomplete_lines_are_dropped_and_malformed_ones_are_not_shown() {
        let line = Message::Pod(pod("a", None)).line();
        let mut cut = &line.as_bytes()[..line.len() - 1];
        assert!(Message::read(&mut cut).unwrap().is_none());
        for other in [
            "{\"pod\": SECRET}\n",
            "{\"connection\": {\"token\": \"SECRET\"}}\n",
            "[]\n",
        ] {
            let error = Message::read(&mut other.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "a line is not a message", "{other}");
        }
    }

    #[test]
    fn expired_credentials_are_named_as_the_cause() {
        let refused = || ClusterError::Refused {
            action: trocar_cluster::Action {
                verb: "delete",
                kind: trocar_core::reference::Kind::Pod,
                subresource: "",
                namespace: Some("shop".into()),
                name: "a".into(),
            },
            status: Box::new(trocar_cluster::Status {
                code: 401,
                message: "Unauthorized".into(),
                reason: "Unauthorized".into(),
                ..trocar_cluster::Status::default()
            }),
        };
        let past: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let message = explained(&refused(), Some(past));
        let wanted = "the credentials from the credential plugin expired at 2026-01-01T00:00:00Z: ";
        assert!(message.starts_with(wanted), "{message}");
        let future: jiff::Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
        for expires in [None, Some(future)] {
            assert_eq!(explained(&refused(), expires), refused().to_string());
        }
    }

    #[tokio::test]
    async fn without_pods_nothing_is_done() {
        assert!(Orders::default().carry_out().await.is_empty());
    }
}
