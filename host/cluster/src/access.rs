//! What the server lets us do, asked before it is relied on.

use serde_json::json;
use trocar_core::reference::Kind;

use super::{
    client::Cluster,
    error::{Action, ClusterError},
};

/// Asks whether a pod may be deleted; with an empty name, whether every pod of the namespace may be.
///
/// # Errors
/// Fails when the cluster cannot be reached, and when it does not answer such questions.
pub async fn may_delete_pod(cluster: &Cluster, namespace: &str, name: &str) -> Result<bool, ClusterError> {
    let action = Action {
        verb: "create",
        kind: Kind::SelfSubjectAccessReview,
        subresource: "",
        namespace: None,
        name: String::new(),
    };
    let question = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": namespace, "verb": "delete", "resource": "pods", "name": name}},
    });
    let answer = cluster.ask(&action, &question).await?;
    Ok(answer["status"]["allowed"] == true)
}
