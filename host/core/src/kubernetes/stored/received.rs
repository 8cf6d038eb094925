//! What reaches an API server from any client, as a plan would have it: in normal form, without what the server had put in
//! before the webhooks were asked.
//!
//! Only that is taken out of which nothing can follow, whichever client sent it: the API's defaults, the token that every pod gets,
//! a priority that follows from a class. Whether a client or the server wrote it cannot be told, and means the same.

use serde_json::Value;
use trocar_sdk::{Object, pod::object};

use super::{
    expected::{Scene, is_always_put_in},
    remove::remove,
};
use crate::kubernetes::{
    Kind, Refused, Type,
    normal::{normalize_received_container, normalize_received_pod, reshaped},
    place::Place,
    table::{EPHEMERAL_CONTAINER, POD},
};

/// An object that a client sent, as a plan would have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The object in normal form, without what a server put in.
    pub object: Object,
    /// What a server put in, in the order of the document: RFC 6901 pointers into the normal form with it, and the values.
    put_in: Vec<(String, Value)>,
}

/// The fields that follow from the pod's priority class.
const OF_PRIORITY: [&str; 2] = ["/spec/priority", "/spec/preemptionPolicy"];

impl Received {
    /// Takes a pod that is being created.
    ///
    /// # Errors
    /// Fails at the first thing that the API, as far as it is known here, does not know or take.
    pub fn pod(pod: Object) -> Result<Self, Refused> {
        let pod = normalize_received_pod(pod)?;
        let spec = object(&pod, "spec").cloned();
        Ok(Self::without(pod, &POD, spec.as_ref()))
    }

    /// Takes an ephemeral container that is being added.
    ///
    /// # Errors
    /// Fails at the first thing that the API, as far as it is known here, does not know or take.
    pub fn container(container: Object) -> Result<Self, Refused> {
        let container = normalize_received_container(container)?;
        Ok(Self::without(container, &EPHEMERAL_CONTAINER, None))
    }

    fn without(received: Object, kind: &'static Type, spec: Option<&Object>) -> Self {
        let mut places = Vec::new();
        find(kind, &received, spec, &Place::Root, &mut places);
        let mut received = Value::Object(received);
        let put_in = places
            .iter()
            .filter_map(|place| Some((place.clone(), received.pointer(place)?.clone())))
            .collect();
        remove(&mut received, &places);
        let received = match received {
            Value::Object(received) => received,
            _ => Object::new(),
        };
        Self {
            object: reshaped(kind, received),
            put_in,
        }
    }

    /// What is stored instead of the object when it was changed to this: with what the server had put in, as far as
    /// there is still a place for it.
    pub fn restored(&self, changed: &Object) -> Object {
        // The API server refuses a priority that does not follow from the class.
        let same_class = class(changed) == class(&self.object);
        // Places within containers have indexes, which only hold while the containers are the same ones.
        let same_containers = names(changed) == names(&self.object);
        let mut restored = Value::Object(changed.clone());
        for (place, value) in &self.put_in {
            let is_of_priority = OF_PRIORITY.contains(&place.as_str());
            let is_in_container = place.contains("ontainers/");
            if (same_class || !is_of_priority) && (same_containers || !is_in_container) {
                put_back(&mut restored, place, value);
            }
        }
        match restored {
            Value::Object(restored) => restored,
            _ => changed.clone(),
        }
    }
}

fn class(pod: &Object) -> Option<&Value> {
    object(pod, "spec")?.get("priorityClassName")
}

fn names(pod: &Object) -> Vec<&Value> {
    let spec = object(pod, "spec").into_iter();
    let lists = spec.flat_map(|spec| ["initContainers", "containers"].map(|list| spec.get(list)));
    let items = lists.flatten().filter_map(Value::as_array).flatten();
    items.filter_map(|container| container.get("name")).collect()
}

/// Puts a value back where it was, or at the end of the list in which it was. Its parent must be there, but for a list.
fn put_back(root: &mut Value, place: &str, value: &Value) {
    let Some((parent, last)) = place.rsplit_once('/') else {
        return;
    };
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    if last.parse::<usize>().is_ok()
        && let Some((outer, list)) = parent.rsplit_once('/')
        && let Some(Value::Object(fields)) = root.pointer_mut(outer)
    {
        let list = fields
            .entry(unescaped(list))
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(items) = list
            && !items.contains(value)
        {
            items.push(value.clone());
        }
    } else if let Some(Value::Object(fields)) = root.pointer_mut(parent) {
        fields.entry(unescaped(last)).or_insert_with(|| value.clone());
    }
}

/// Finds what a server put in. Its depth is that of the types.
fn find(
    kind: &'static Type,
    received: &Object,
    spec: Option<&Object>,
    at: &Place<'_>,
    places: &mut Vec<String>,
) {
    for (name, value) in received {
        let Some(field) = kind.field(name) else { continue };
        let at = at.field(name);
        let is_put_in = |name: &str, value: &Value| {
            let scene = Scene {
                spec,
                parent: Some(received),
                name,
                value,
            };
            is_always_put_in(kind.name, field.name, scene)
        };
        match (&field.kind, value) {
            (Kind::Map(_), Value::Object(entries)) => {
                let put_in = entries.iter().filter(|(name, value)| is_put_in(name, value));
                places.extend(put_in.map(|(name, _)| at.field(name).pointer()));
            }
            (Kind::List { item, .. }, Value::Array(items)) => {
                for (index, value) in items.iter().enumerate() {
                    let at = at.item(index);
                    match (item, value) {
                        _ if is_put_in(name, value) => places.push(at.pointer()),
                        (Kind::Object(kind), Value::Object(item)) => find(kind, item, spec, &at, places),
                        _ => {}
                    }
                }
            }
            _ if is_put_in(name, value) => places.push(at.pointer()),
            (Kind::Object(kind), Value::Object(object)) => find(kind, object, spec, &at, places),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pod as it reaches a webhook: with the API's defaults, a token, tolerations and a priority.
    fn arrived() -> Object {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"generateName": "node-debugger-n1-", "namespace": "shop", "creationTimestamp": null,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true}]},
            "spec": {
                "nodeName": "n1", "hostPID": true,
                "volumes": [
                    {"name": "host-root", "hostPath": {"path": "/", "type": ""}},
                    {"name": "kube-api-access-x", "projected": {"defaultMode": 420, "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
                    ]}},
                ],
                "containers": [{"name": "debugger", "image": "busybox", "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent", "resources": {"limits": {"cpu": "64"}},
                    "volumeMounts": [
                        {"name": "host-root", "mountPath": "/host"},
                        {"name": "kube-api-access-x", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                    ]}],
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                "serviceAccountName": "default", "serviceAccount": "default", "securityContext": {}, "schedulerName": "default-scheduler",
                "tolerations": [{"operator": "Exists"},
                    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
                "priority": 0, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
            },
            "status": {},
        });
        pod.as_object().unwrap().clone()
    }

    #[test]
    fn what_reaches_the_door_is_judged_as_a_client_would_have_sent_it() {
        let received = Received::pod(arrived()).unwrap();
        let wanted = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"generateName": "node-debugger-n1-", "namespace": "shop",
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true}]},
            "spec": {
                "nodeName": "n1", "hostPID": true, "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}],
                "containers": [{"name": "debugger", "image": "busybox", "imagePullPolicy": "IfNotPresent",
                    "resources": {"limits": {"cpu": "64"}}, "volumeMounts": [{"name": "host-root", "mountPath": "/host"}]}],
                "restartPolicy": "Never", "securityContext": {}, "tolerations": [{"operator": "Exists"}],
            },
        });
        assert_eq!(json!(received.object), wanted);
    }

    #[test]
    fn what_a_policy_changed_gets_back_what_the_server_had_put_in() {
        let received = Received::pod(arrived()).unwrap();
        let mut changed = received.object.clone();
        changed["spec"]["activeDeadlineSeconds"] = json!(60);
        let restored = received.restored(&changed);
        let spec = &restored["spec"];
        assert_eq!(spec["activeDeadlineSeconds"], 60);
        assert_eq!(spec["priority"], 0);
        assert_eq!(spec["volumes"][1]["name"], "kube-api-access-x");
        assert_eq!(
            spec["containers"][0]["volumeMounts"][1]["name"],
            "kube-api-access-x"
        );
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
        // A priority belongs to its class, and a mount to its container.
        changed["spec"]["priorityClassName"] = json!("low");
        changed["spec"]["containers"][0]["name"] = json!("other");
        let restored = received.restored(&changed);
        assert_eq!(restored["spec"].get("priority"), None);
        let mounts = &restored["spec"]["containers"][0]["volumeMounts"];
        assert_eq!(mounts.as_array().unwrap().len(), 1, "{mounts}");
    }

    #[test]
    fn what_was_changed_is_judged_as_the_same_when_it_comes_again() {
        let received = Received::pod(arrived()).unwrap();
        let mut changed = received.object.clone();
        changed["spec"]["activeDeadlineSeconds"] = json!(60);
        changed["spec"]["containers"][0]["image"] = json!("mirror.example.com/busybox");
        changed["spec"]["tolerations"] = json!([{"key": "a", "operator": "Exists"}]);
        changed["metadata"]["labels"] = json!({"a": "b"});
        let again = Received::pod(received.restored(&changed)).unwrap();
        assert_eq!(json!(again.object), json!(changed));
        let container = json!({"name": "dbg", "image": "a", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"});
        let received = Received::container(container.as_object().unwrap().clone()).unwrap();
        let mut changed = received.object.clone();
        changed.insert("securityContext".into(), json!({"runAsNonRoot": true}));
        let again = Received::container(received.restored(&changed)).unwrap();
        assert_eq!(json!(again.object), json!(changed));
    }

    #[test]
    fn a_token_that_a_pod_would_not_have_got_is_judged() {
        let mut pod = arrived();
        pod["spec"]["automountServiceAccountToken"] = json!(false);
        let received = Received::pod(pod).unwrap();
        assert_eq!(received.object["spec"]["volumes"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_the_api_does_not_know_cannot_be_judged() {
        let mut pod = arrived();
        pod["spec"]["hostRoot"] = json!(true);
        assert_eq!(Received::pod(pod).unwrap_err().place, "/spec/hostRoot");
        let container = json!({"name": "dbg", "image": "a", "$patch": "delete"});
        assert!(Received::container(container.as_object().unwrap().clone()).is_err());
    }
}
