//! Pods that are deleted at the end of their sessions, also when the program that holds the session is killed: then by another
//! process, which was told of them over a pipe.
//!
//! A front starts that process before anything is created, writes [`Message`]s to it, one a line, and hands
//! [`Debugger::with_removal`](crate::Debugger::with_removal) what tells it of each pod. The process takes them as [`Orders`] to
//! the end of the pipe, and carries out what is left of them. It runs no credential plugin and asks nobody.

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

/// How long a removal is tried.
pub const MAX_TIME: Duration = Duration::from_secs(60);

/// The largest message, in bytes: a bundle of authorities is the largest part of one.
const MAX_MESSAGE: u64 = 16 << 20;

/// What the process that removes pods is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Message {
    /// How the cluster is reached from now on.
    Connection(Box<Handover>),
    /// A pod that is to be deleted. It takes the place of what is known of the pod of its name.
    Pod(CreatedPod),
    /// A pod that stays, or is gone.
    Forget {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Message {
    /// The message that a pod stays, or is gone.
    pub fn forget(pod: &CreatedPod) -> Self {
        Self::Forget {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
        }
    }

    /// The message as a line. It holds secrets.
    pub fn line(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }

    /// Reads the next message. None at the end, to which also a line that is cut off belongs.
    ///
    /// # Errors
    /// Fails when it cannot be read, and on a line that is not a message. Nothing of the line is in the error.
    pub fn read(input: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        input.take(MAX_MESSAGE).read_until(b'\n', &mut line)?;
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

/// What is to be removed, as far as it was told.
#[derive(Debug, Default)]
pub struct Orders {
    connection: Option<Handover>,
    pods: Vec<CreatedPod>,
}

impl Orders {
    /// Takes a message.
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

    /// The pods that are to be removed.
    pub fn pods(&self) -> &[CreatedPod] {
        &self.pods
    }

    /// Removes the pods, within [`MAX_TIME`]. Returns those that could not be, and why. Must be called within a tokio runtime.
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

/// Why a pod was not removed. That credentials have ended is told: they could not be renewed.
fn explained(error: &ClusterError, expires: Option<jiff::Timestamp>) -> String {
    let has_ended = expires.is_some_and(|expires| expires <= jiff::Timestamp::now());
    match (error.code(), expires) {
        (Some(401), Some(expires)) if has_ended => {
            format!("the credentials, which a credential plugin gave, ended at {expires}: {error}")
        }
        _ => error.to_string(),
    }
}

/// The pod that a plan creates; `stored` is the server's answer, where there is one. None where it creates none.
pub fn created_pod(plan: &DebugPlan, stored: &Value) -> Option<CreatedPod> {
    let creates = |step: &Step| matches!(step, Step::CreatePod(_));
    plan.steps().iter().any(creates).then(|| CreatedPod {
        namespace: plan.debug_namespace().unwrap_or_default().to_owned(),
        name: plan.debug_pod().to_owned(),
        uid: stored["metadata"]["uid"].as_str().map(str::to_owned),
        stamp: Stamp::default(),
    })
}

/// The pod of a session that was found. None where the session's container is not in a pod of its own.
pub fn pod_of_session(session: &Session) -> Option<CreatedPod> {
    session.kind.is_pod().then(|| CreatedPod {
        namespace: session.namespace.clone(),
        name: session.pod.clone(),
        uid: Some(session.pod_uid.clone()),
        stamp: Stamp::default(),
    })
}

/// Deletes a pod at the end of its session, and tries that for as long as `within` says; the journal learns of it. One that is
/// gone already is no error.
///
/// # Errors
/// Fails when it may not be deleted, and when the cluster does not answer in time.
pub async fn remove(
    cluster: &Cluster,
    pod: &CreatedPod,
    within: Duration,
    journal: Option<&JournalFile>,
) -> Result<(), ClusterError> {
    remove_created(cluster, pod, within).await?;
    if let Some(journal) = journal {
        // Only a later clean-up of the journal needs this line.
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
    fn a_pod_is_known_by_its_name_until_its_id_is_told_and_forgotten_when_it_stays() {
        let orders = orders(&[
            Message::Pod(pod("a", None)),
            Message::Pod(pod("b", None)),
            Message::Pod(pod("a", Some("u-1"))),
            Message::forget(&pod("b", None)),
        ]);
        assert_eq!(orders.unwrap().pods(), [pod("a", Some("u-1"))]);
    }

    #[test]
    fn a_message_that_was_cut_off_was_never_sent_and_another_text_is_refused_unseen() {
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
    fn that_credentials_have_ended_is_told_and_nothing_else_is_made_of_a_refusal() {
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
        let told = explained(&refused(), Some(past));
        let wanted = "the credentials, which a credential plugin gave, ended at 2026-01-01T00:00:00Z: ";
        assert!(told.starts_with(wanted), "{told}");
        let future: jiff::Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
        for expires in [None, Some(future)] {
            assert_eq!(explained(&refused(), expires), refused().to_string());
        }
    }

    #[tokio::test]
    async fn without_a_pod_nothing_is_done() {
        assert!(Orders::default().carry_out().await.is_empty());
    }
}
