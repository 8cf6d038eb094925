//! Objects that stand in for a cluster: for cases and reviews of policies.

use std::time::Duration;

use serde_json::Value;

use super::{ClusterReader, ObjectRef, Query, ReadError};

/// A reader of the objects that it is given, and of nothing else. Label selectors are lists of `key=value`, as most are.
#[derive(Clone, Debug, Default)]
pub struct WrittenDown(pub Vec<Value>);

impl ClusterReader for WrittenDown {
    fn get(&self, object: &ObjectRef, _: Duration) -> Result<Value, ReadError> {
        let is_it = |found: &&Value| {
            is_of_kind(found, &object.api_version, &object.kind)
                && found["metadata"]["name"] == object.name
                && namespace(found) == object.namespace.as_deref()
        };
        self.0.iter().find(is_it).cloned().ok_or(ReadError::NotFound)
    }

    fn list(&self, query: &Query, _: Duration) -> Result<Vec<Value>, ReadError> {
        let labels = labels(query.label_selector.as_deref().unwrap_or_default())?;
        let is_listed = |found: &&Value| {
            let has_label = |(key, value): &(&str, &str)| found["metadata"]["labels"][key] == *value;
            is_of_kind(found, &query.api_version, &query.kind)
                && (query.namespace.is_none() || namespace(found) == query.namespace.as_deref())
                && labels.iter().all(has_label)
        };
        let found = self.0.iter().filter(is_listed);
        Ok(found.take(query.limit as usize).cloned().collect())
    }
}

fn is_of_kind(object: &Value, api_version: &str, kind: &str) -> bool {
    object["apiVersion"] == *api_version && object["kind"] == *kind
}

fn namespace(object: &Value) -> Option<&str> {
    object["metadata"]["namespace"].as_str()
}

fn labels(selector: &str) -> Result<Vec<(&str, &str)>, ReadError> {
    let parts = selector.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let pair = part.split_once("==").or_else(|| part.split_once('='));
            // `a!=b` and `a in (b)` are refused, since an answer that leaves them out would be wrong.
            pair.filter(|(key, _)| !key.ends_with('!') && !key.contains(' '))
                .ok_or_else(|| {
                    ReadError::Unavailable(format!(
                        "without a cluster the label selector {part:?} is not understood"
                    ))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects() -> WrittenDown {
        let pod = |name: &str, namespace: &str, app: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": app, "x": "1"}}});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
        WrittenDown(vec![
            pod("one", "a", "web"),
            pod("two", "a", "db"),
            pod("three", "b", "web"),
            namespace,
        ])
    }

    fn listed(namespace: Option<&str>, selector: &str, limit: u32) -> Result<Vec<String>, ReadError> {
        let query = Query {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: namespace.map(str::to_owned),
            label_selector: Some(selector.to_owned()),
            limit,
        };
        let found = objects().list(&query, Duration::ZERO)?;
        Ok(found
            .iter()
            .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
            .collect())
    }

    #[test]
    fn objects_are_found_by_kind_namespace_and_labels() {
        assert_eq!(listed(None, "", 9).unwrap(), ["one", "two", "three"]);
        assert_eq!(listed(Some("a"), "", 9).unwrap(), ["one", "two"]);
        assert_eq!(listed(None, "app=web, x==1", 9).unwrap(), ["one", "three"]);
        assert_eq!(listed(None, "app=web", 1).unwrap(), ["one"]);
        for selector in ["app", "app!=web", "app in (web)", "!app"] {
            assert!(listed(None, selector, 9).is_err(), "{selector}");
        }
        let named = |kind: &str, namespace: Option<&str>, name: &str| ObjectRef {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: namespace.map(str::to_owned),
            name: name.into(),
        };
        let get = |object: &ObjectRef| objects().get(object, Duration::ZERO);
        assert!(get(&named("Namespace", None, "a")).is_ok());
        assert_eq!(get(&named("Pod", Some("b"), "one")), Err(ReadError::NotFound));
    }
}
