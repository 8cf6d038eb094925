//! Who we are to the cluster, which policies and the audit want to know.

use serde_json::{Value, json};

use super::{
    client::Cluster,
    error::{Action, ClusterError},
};
use trocar_core::reference::Kind;

/// A user as the cluster knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

/// Asks the cluster for the current user. None if the cluster does not answer (Kubernetes before 1.28).
///
/// # Errors
/// Fails when the cluster cannot be reached or does not take our credentials.
pub async fn who_am_i(cluster: &Cluster) -> Result<Identity, ClusterError> {
    let action = Action {
        verb: "create",
        kind: Kind::SelfSubjectReview,
        subresource: "",
        namespace: None,
        name: String::new(),
    };
    let question = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    match cluster.ask(&action, &question).await {
        Ok(answer) => Ok(read(&answer)),
        // 403: the right comes with the role `system:basic-user`, which a cluster may have unbound.
        Err(error) if matches!(error.code(), Some(403 | 404)) => Ok(Identity::default()),
        Err(error) => Err(error),
    }
}

pub(super) fn read(answer: &Value) -> Identity {
    let info = &answer["status"]["userInfo"];
    let groups = info["groups"].as_array().into_iter().flatten();
    Identity {
        user: info["username"].as_str().unwrap_or_default().to_owned(),
        groups: groups.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}
