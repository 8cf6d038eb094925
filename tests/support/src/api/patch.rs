//! The patches of the Kubernetes API, as far as a pod needs them.

use serde_json::{Map, Value};

/// The lists that a strategic merge patch merges item by item, and what tells their items apart.
const MERGE_KEYS: [(&str, &str); 8] = [
    ("containers", "name"),
    ("ephemeralContainers", "name"),
    ("initContainers", "name"),
    ("volumes", "name"),
    ("env", "name"),
    ("volumeMounts", "mountPath"),
    ("ports", "containerPort"),
    ("volumeDevices", "devicePath"),
];

/// Strategic merge patch.
pub(super) fn strategic_merge(base: &mut Value, patch: &Value) {
    let (Value::Object(base), Value::Object(patch)) = (&mut *base, patch) else {
        *base = patch.clone();
        return;
    };
    if patch
        .get("$patch")
        .is_some_and(|directive| directive == "replace")
    {
        *base = patch.clone();
        base.remove("$patch");
        return;
    }
    for (field, value) in patch {
        if !field.starts_with('$') {
            merge_field(base, field, value);
        }
    }
}

fn merge_field(base: &mut Map<String, Value>, field: &str, value: &Value) {
    let key = MERGE_KEYS.iter().find(|(list, _)| *list == field);
    match (base.get_mut(field), key, value) {
        (_, _, Value::Null) => {
            base.remove(field);
        }
        (Some(Value::Array(old)), Some((_, key)), Value::Array(new)) => merge_list(old, new, key),
        (Some(old), ..) => strategic_merge(old, value),
        (None, _, Value::Object(_)) => {
            let mut merged = Value::Object(Map::new());
            strategic_merge(&mut merged, value);
            base.insert(field.to_owned(), merged);
        }
        (None, ..) => {
            base.insert(field.to_owned(), value.clone());
        }
    }
}

fn merge_list(old: &mut Vec<Value>, new: &[Value], key: &str) {
    for item in new {
        let is_same = |known: &Value| known.get(key) == item.get(key);
        if item.get("$patch").is_some_and(|directive| directive == "delete") {
            old.retain(|known| !is_same(known));
            continue;
        }
        match old.iter_mut().find(|known| is_same(known)) {
            Some(known) => strategic_merge(known, item),
            None => old.push(item.clone()),
        }
    }
}

/// JSON merge patch (RFC 7386).
pub(super) fn json_merge(base: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *base = patch.clone();
        return;
    };
    if !base.is_object() {
        *base = Value::Object(Map::new());
    }
    for (field, value) in patch {
        match (base.get_mut(field), value) {
            (_, Value::Null) => {
                base.as_object_mut().map(|base| base.remove(field));
            }
            (Some(old), _) => json_merge(old, value),
            (None, _) => {
                json_merge(&mut base[field.as_str()], value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_containers_are_merged_by_name_and_others_are_replaced() {
        let mut pod =
            json!({"spec": {"containers": [{"name": "a", "image": "1", "args": ["x"]}], "keep": 1}});
        let patch = json!({"spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "a", "args": ["y"]}, {"name": "b"}],
            "ephemeralContainers": [{"name": "c"}],
            "keep": null,
        }});
        strategic_merge(&mut pod, &patch);
        assert_eq!(
            pod,
            json!({"spec": {
                "containers": [{"name": "a", "image": "1", "args": ["y"]}, {"name": "b"}],
                "ephemeralContainers": [{"name": "c"}],
            }})
        );
    }

    #[test]
    fn a_json_merge_patch_replaces_lists() {
        let mut object = json!({"a": {"b": [1, 2], "c": 3}});
        json_merge(
            &mut object,
            &json!({"a": {"b": [4], "c": null, "d": {"e": 5, "f": null}}}),
        );
        assert_eq!(object, json!({"a": {"b": [4], "d": {"e": 5}}}));
    }
}
