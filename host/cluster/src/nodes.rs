//! A node that may start nothing: what its conditions say.

use serde_json::Value;
use trocar_core::{reference::Kind, text::message as harmless};

use super::{
    client::Cluster,
    error::{Action, ClusterError},
};

/// What is wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTrouble {
    /// What its condition says, and since when.
    pub reason: String,
    /// Its kubelet is not heard of, so nothing starts there until it is.
    pub is_lost: bool,
}

/// Reads a node.
///
/// # Errors
/// Fails when it is not there, or may not be read.
pub async fn read_node(cluster: &Cluster, name: &str) -> Result<Value, ClusterError> {
    let action = Action {
        verb: "get",
        kind: Kind::Node,
        subresource: "",
        namespace: None,
        name: name.to_owned(),
    };
    cluster.get(&action).await
}

/// Says what is wrong with a node. Pure.
pub fn node_trouble(node: &Value) -> Option<NodeTrouble> {
    let name = harmless(node["metadata"]["name"].as_str().unwrap_or_default());
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    let Some(ready) = ready else {
        return Some(NodeTrouble {
            reason: format!("node {name} has never reported its state: no kubelet has run there yet"),
            is_lost: true,
        });
    };
    let field = |field: &str| harmless(ready[field].as_str().unwrap_or_default());
    let status = field("status");
    if status == "True" {
        return None;
    }
    let since = match field("lastTransitionTime") {
        time if time.is_empty() => String::new(),
        time => format!(" since {time}"),
    };
    let parts = [field("reason"), field("message")];
    let said: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    let said = match said.is_empty() {
        true => String::new(),
        false => format!(": {}", said.join(": ")),
    };
    Some(NodeTrouble {
        reason: format!("node {name} is not ready{since}{said}"),
        // The node controller sets `Unknown` when a kubelet stops reporting; `False` a living kubelet sets.
        is_lost: status == "Unknown",
    })
}

/// Says whether a pod's state is a reason to look at its node: that of a pod that is ready is fine.
pub fn may_have_node_trouble(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    match ready {
        Some(ready) => ready["status"] != "True",
        None => pod["status"]["phase"] != "Running",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_that_is_not_ready_says_since_when_and_why() {
        let of = |conditions: Value| {
            let node = json!({"metadata": {"name": "n1"}, "status": {"conditions": conditions}});
            node_trouble(&node).map(|trouble| (trouble.reason, trouble.is_lost))
        };
        assert_eq!(of(json!([{"type": "Ready", "status": "True"}])), None);
        let lost = json!([{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "Unknown",
            "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let said = "node n1 is not ready since 2026-01-01T00:00:00Z: NodeStatusUnknown: Kubelet stopped posting node status.";
        assert_eq!(of(lost), Some((said.into(), true)));
        // This kubelet is alive: it may well start a pod in the host's network.
        let broken = json!([{"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no network\u{1b}[2K"}]);
        let (said, is_lost) = of(broken).unwrap();
        assert!(!is_lost && !said.contains('\u{1b}'), "{said}");
        assert!(of(Value::Null).is_some_and(|(said, is_lost)| is_lost && said.contains("never reported")));
    }
}
