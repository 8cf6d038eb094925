//! The discovery documents of the API, for kubectl in benchmarks.

use serde_json::{Value, json};

use super::routes::RESOURCES;

/// The subresources.
const PARTS: [(&str, &str); 3] = [
    ("pods/attach", "PodAttachOptions"),
    ("pods/ephemeralcontainers", "Pod"),
    ("pods/log", "Pod"),
];

/// The document at a path, if it is one of discovery.
pub(super) fn document(path: &str) -> Option<Value> {
    match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["apis"] => {
            let groups = ["apps", "batch"].map(|group| {
                let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
                json!({"name": group, "versions": [version], "preferredVersion": version})
            });
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["api", "v1"] => Some(resources("", "v1")),
        ["apis", group @ ("apps" | "batch"), "v1"] => Some(resources(group, &format!("{group}/v1"))),
        _ => None,
    }
}

fn resources(group: &str, version: &str) -> Value {
    let whole = RESOURCES.iter().filter(|(of_group, ..)| *of_group == group);
    let whole = whole.map(|(_, name, kind)| (*name, *kind));
    let parts = PARTS.into_iter().filter(|_| group.is_empty());
    let resources: Vec<Value> = whole
        .chain(parts)
        .map(|(name, kind)| {
            json!({
                "name": name, "singularName": kind.to_ascii_lowercase(), "kind": kind,
                "namespaced": !matches!(kind, "Node" | "Namespace"),
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            })
        })
        .collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
}
