//! Turns an existing debug container into one that policies can judge: as if it were added now.

use serde_json::{Value, json};
use trocar_core::{sessions::SessionKind, target::Target};
use trocar_sdk::{Object, pod::text};

/// The fields that a container may keep. An ephemeral container cannot have the others, such as ports and probes.
const FIELDS: [&str; 12] = [
    "name",
    "image",
    "command",
    "args",
    "env",
    "envFrom",
    "workingDir",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
    "volumeMounts",
];

/// The lists of containers in a pod's spec.
const LISTS: [&str; 3] = ["ephemeralContainers", "containers", "initContainers"];

/// Splits a pod into one of its containers and the pod without it; none if it does not have the container.
pub(crate) fn container_of(pod: &Target, name: &str, namespace: &str) -> Option<(Object, Target)> {
    let mut object = Value::Object(pod.object().clone());
    let list = LISTS
        .into_iter()
        .find(|list| position(&object, list, name).is_some())?;
    let index = position(&object, list, name)?;
    let containers = object["spec"][list].as_array_mut()?;
    let Value::Object(mut container) = containers.remove(index) else {
        return None;
    };
    container.retain(|field, _| FIELDS.contains(&field.as_str()));
    let mounts = container.get_mut("volumeMounts").and_then(Value::as_array_mut);
    // The API server refuses these in ephemeral containers.
    mounts
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
        .for_each(|mount| {
            mount.remove("subPath");
            mount.remove("subPathExpr");
        });
    if object["spec"]["containers"].as_array().is_none_or(Vec::is_empty) {
        // A pod needs a container, but this was the only one, as in a node pod.
        object["spec"]["containers"] = json!([{"name": "none", "image": "none"}]);
    }
    Some((container, Target::new(object, namespace).ok()?))
}

fn position(pod: &Value, list: &str, name: &str) -> Option<usize> {
    let containers = pod["spec"][list].as_array()?;
    containers.iter().position(|container| {
        container
            .as_object()
            .and_then(|container| text(container, "name"))
            == Some(name)
    })
}

/// The default strategy for sessions of a kind.
pub(crate) fn strategy(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::EphemeralContainer => "ephemeral",
        SessionKind::PodCopy => "copy",
        SessionKind::NodePod => "node",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_keeps_only_fields_of_ephemeral_containers() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "image": "web:1"}, {"name": "dbg", "image": "busybox", "tty": true,
                "ports": [{"containerPort": 80}], "terminationMessagePath": "/x", "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}]}]},
        });
        let pod = Target::new(pod, "shop").unwrap();
        let (container, rest) = container_of(&pod, "dbg", "shop").unwrap();
        let wanted = json!({"name": "dbg", "image": "busybox", "tty": true, "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
        assert_eq!(Value::Object(container), wanted);
        assert_eq!(
            rest.object()["spec"]["containers"],
            json!([{"name": "app", "image": "web:1"}])
        );
        assert!(container_of(&pod, "none", "shop").is_none());
    }
}
