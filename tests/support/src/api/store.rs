//! The objects that the server holds, and the history of their changes for watches.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Kind, namespace (empty for cluster-scoped objects) and name.
type Key = (String, String, String);

/// The objects, and their history.
#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Value>,
    history: Vec<Event>,
    version: u64,
}

/// One change of an object.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) change: &'static str,
    pub(super) object: Value,
}

impl Store {
    pub(super) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    pub(super) fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&key(kind, namespace, name))
    }

    /// Adds or replaces an object, and sets missing metadata such as uid and version. Returns the stored
    /// object.
    pub(super) fn put(&mut self, mut object: Value) -> &Value {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        self.version += 1;
        let version = self.version;
        let metadata = object["metadata"]
            .as_object_mut()
            .expect("an object has metadata");
        if is_namespaced(&kind) {
            metadata.entry("namespace").or_insert_with(|| "default".into());
        }
        identify(metadata, version);
        metadata.insert("resourceVersion".into(), version.to_string().into());
        let part = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default();
        let key = key(&kind, part("namespace"), part("name"));
        let known = self.objects.insert(key.clone(), object.clone());
        let change = if known.is_some() { "MODIFIED" } else { "ADDED" };
        self.history.push(Event {
            version,
            change,
            object,
        });
        &self.objects[&key]
    }

    /// Sets missing metadata of an object that is not stored, except the version.
    pub(super) fn identify(&self, metadata: &mut Map<String, Value>) {
        identify(metadata, self.version + 1);
    }

    pub(super) fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let mut object = self.objects.remove(&key(kind, namespace, name))?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push(Event {
            version: self.version,
            change: "DELETED",
            object: object.clone(),
        });
        Some(object)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The changes since a version.
    pub(super) fn since(&self, version: u64) -> impl Iterator<Item = &Event> {
        self.history.iter().filter(move |event| event.version > version)
    }
}

fn identify(metadata: &mut Map<String, Value>, version: u64) {
    metadata
        .entry("uid")
        .or_insert_with(|| format!("00000000-0000-0000-0000-{version:012}").into());
    metadata
        .entry("creationTimestamp")
        .or_insert_with(|| "2026-01-01T00:00:00Z".into());
}

/// Returns whether a kind is namespaced.
pub(super) fn is_namespaced(kind: &str) -> bool {
    !matches!(kind, "Node" | "Namespace")
}

fn key(kind: &str, namespace: &str, name: &str) -> Key {
    let namespace = if is_namespaced(kind) { namespace } else { "" };
    (kind.to_owned(), namespace.to_owned(), name.to_owned())
}
