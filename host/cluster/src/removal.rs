//! The removal of a pod that a debug created: by its unique id, and tried again where the cluster does not answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};
use trocar_core::stamp::Stamp;

use super::{
    apply::delete_pod,
    client::Cluster,
    error::{Action, ClusterError},
};

/// How long to wait before another try: at first, and in the end.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How long a pod may take to appear whose creation was asked for and of which nothing else is known.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

/// How long a refusal of our rights is not taken for the last word: a server that starts does not know them yet.
const RIGHTS_WITHIN: Duration = Duration::from_secs(10);

const MAX_ANSWER_TIME: Duration = Duration::from_secs(10);

/// A pod that a debug created, or is about to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreatedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its unique id. None while it is not known to be there.
    pub uid: Option<String>,
    /// The marks that it is created with, by which it is known while its id is not.
    pub stamp: Stamp,
}

/// Deletes a pod that a debug created. It is not an error if the pod is gone, or if its name belongs to another pod by now.
///
/// A try that gets no answer is made again within this time. One that is refused is as well, but only for as long as a server may
/// take that has just been started.
///
/// # Errors
/// Fails with what the last try came to.
pub async fn remove_created(
    cluster: &Cluster,
    pod: &CreatedPod,
    within: Duration,
) -> Result<(), ClusterError> {
    let began = Instant::now();
    let until = began + within;
    let mut pause = PAUSES.0;
    loop {
        let tried = timeout(MAX_ANSWER_TIME, remove_once(cluster, pod)).await;
        let failed = match tried {
            Ok(Ok(Try::Removed)) => return Ok(()),
            // A create whose answer was lost may still be carried out: absence counts only after a while.
            Ok(Ok(Try::NotThere)) if began.elapsed() >= APPEARS_WITHIN => return Ok(()),
            Ok(Ok(Try::NotThere)) => None,
            Ok(Err(error)) if !may_pass(&error, began.elapsed()) => return Err(error),
            Ok(Err(error)) => Some(error),
            Err(_) => Some(ClusterError::TimedOut {
                action: Action::of_pod("delete", "", Some(&pod.namespace), &pod.name),
                after: MAX_ANSWER_TIME,
            }),
        };
        if Instant::now() + pause >= until {
            return failed.map_or(Ok(()), Err);
        }
        sleep(pause).await;
        pause = PAUSES.1.min(pause * 2);
    }
}

enum Try {
    Removed,
    /// It is not known to have been created, and not there yet.
    NotThere,
}

async fn remove_once(cluster: &Cluster, pod: &CreatedPod) -> Result<Try, ClusterError> {
    let uid = match &pod.uid {
        Some(uid) => uid.clone(),
        None => match found(cluster, pod).await? {
            Found::Ours(uid) => uid,
            Found::Other => return Ok(Try::Removed),
            Found::Nothing => return Ok(Try::NotThere),
        },
    };
    match delete_pod(cluster, &pod.namespace, &pod.name, &uid, None).await {
        Ok(()) => Ok(Try::Removed),
        // It is gone, or another pod has its name.
        Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(Try::Removed),
        Err(error) => Err(error),
    }
}

enum Found {
    Ours(String),
    Other,
    Nothing,
}

async fn found(cluster: &Cluster, pod: &CreatedPod) -> Result<Found, ClusterError> {
    let action = Action::of_pod("get", "", Some(&pod.namespace), &pod.name);
    let there = match cluster.get(&action).await {
        Ok(there) => there,
        Err(error) if error.code() == Some(404) => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let uid = there["metadata"]["uid"].as_str();
    Ok(match uid.filter(|_| pod.stamp.is_on(&there)) {
        Some(uid) => Found::Ours(uid.to_owned()),
        None => Found::Other,
    })
}

/// Whether another try may do better.
fn may_pass(error: &ClusterError, elapsed: Duration) -> bool {
    // A server that has just been started answers before its authorizer has read the Roles.
    let is_denied = matches!(error.code(), Some(401 | 403));
    error.may_pass() || is_denied && elapsed < RIGHTS_WITHIN
}
