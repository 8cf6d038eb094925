//! `--custom`: merging a partial container over a generated one, as Kubernetes' strategic merge does.
//!
//! Source: the `patchMergeKey` tags of `Container` in the core/v1 API and the behaviour of
//! `kubectl debug --custom` (KEP-4292). The host validates the file.

use serde_json::Value;

use crate::pod::Object;

/// The lists of a container that are merged item by item, and the field that is their merge key.
/// All other lists are replaced as a whole.
const MERGED_LISTS: [(&str, &str); 4] = [
    ("env", "name"),
    ("ports", "containerPort"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
];

/// Merges a partial container over a container.
///
/// Objects are merged field by field, and `env`, `ports` and `volumeMounts` item by item. New items come
/// before those that only the container has. As with kubectl, an empty value cannot unset a field: only
/// `false` and `0` inside `securityContext`, where they have a meaning, are merged.
pub fn merge(container: &mut Object, custom: &Object) {
    for (field, value) in custom {
        let keep_zero = field == "securityContext";
        let Some(value) = without_empty(value, keep_zero) else {
            continue;
        };
        let merge_key = MERGED_LISTS
            .iter()
            .find(|(list, _)| list == field)
            .map(|(_, key)| *key);
        match (container.get_mut(field), merge_key, value) {
            (Some(Value::Array(old)), Some(key), Value::Array(new)) => {
                merge_list(old, new, key);
                if field == "ports" {
                    write_out_protocols(old);
                }
            }
            (Some(old), _, new) => merge_value(old, new),
            (None, _, new) => {
                container.insert(field.clone(), new);
            }
        }
    }
}

fn merge_value(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (field, value) in new {
                match old.get_mut(&field) {
                    Some(known) => merge_value(known, value),
                    None => {
                        old.insert(field, value);
                    }
                }
            }
        }
        (old, new) => *old = new,
    }
}

/// Items of the patch keep their order; each item that only the old list has goes before the first
/// item of the patch that stood after it in the old list, or else to the end.
fn merge_list(old: &mut Vec<Value>, new: Vec<Value>, key: &str) {
    let place_of = |item: &Value| old.iter().position(|known| known.get(key) == item.get(key));
    let mut patched: Vec<(Option<usize>, Value)> = Vec::new();
    for item in new {
        match patched
            .iter_mut()
            .find(|(_, known)| known.get(key) == item.get(key))
        {
            Some((_, known)) => merge_value(known, item),
            None => {
                let place = place_of(&item);
                let mut merged = place.map_or(Value::Null, |place| old[place].clone());
                merge_value(&mut merged, item);
                patched.push((place, merged));
            }
        }
    }
    let mut untouched = old
        .iter()
        .enumerate()
        .filter(|(place, _)| !patched.iter().any(|(taken, _)| *taken == Some(*place)))
        .peekable();
    let mut merged = Vec::with_capacity(old.len() + patched.len());
    for (place, item) in &patched {
        while untouched
            .peek()
            .is_some_and(|(at, _)| place.is_some_and(|place| *at < place))
        {
            merged.extend(untouched.next().map(|(_, item)| item.clone()));
        }
        merged.push(item.clone());
    }
    merged.extend(untouched.map(|(_, item)| item.clone()));
    *old = merged;
}

/// The merge key of a port is its number and protocol, so the default protocol is filled in.
fn write_out_protocols(ports: &mut [Value]) {
    for port in ports.iter_mut().filter_map(Value::as_object_mut) {
        port.entry("protocol").or_insert_with(|| "TCP".into());
    }
}

/// The numbers that the typed API serializes even when they are 0.
const WRITTEN_OUT: [&str; 2] = ["containerPort", "port"];

/// Drops what the typed API would not serialize: nulls, empty strings, lists and objects, and
/// outside the security context also `false` and `0`.
fn without_empty(value: &Value, keep_zero: bool) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(false) if !keep_zero => None,
        Value::Number(number) if !keep_zero && number.as_f64() == Some(0.0) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(Value::Array(
            items
                .iter()
                .map(|item| without_empty(item, keep_zero).unwrap_or_else(|| item.clone()))
                .collect(),
        )),
        Value::Object(fields) => {
            let kept: Object = fields
                .iter()
                .filter_map(|(field, value)| {
                    let keep_zero = keep_zero || WRITTEN_OUT.contains(&field.as_str());
                    Some((field.clone(), without_empty(value, keep_zero)?))
                })
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(container: Value, custom: Value, wanted: Value) {
        let mut container = container.as_object().unwrap().clone();
        merge(&mut container, custom.as_object().unwrap());
        assert_eq!(Value::Object(container), wanted);
    }

    #[test]
    fn env_is_merged_by_name_and_custom_wins() {
        check(
            json!({"env": [{"name": "A", "value": "flag"}, {"name": "Z", "value": "z"}]}),
            json!({"env": [{"name": "B", "value": "b"}, {"name": "A", "value": "custom"}]}),
            json!({"env": [{"name": "B", "value": "b"}, {"name": "A", "value": "custom"}, {"name": "Z", "value": "z"}]}),
        );
    }

    #[test]
    fn items_of_the_old_list_keep_their_place_before_later_ones() {
        check(
            json!({"ports": [{"containerPort": 1}, {"containerPort": 2}, {"containerPort": 3}]}),
            json!({"ports": [{"containerPort": 3, "name": "c"}, {"containerPort": 9}]}),
            json!({"ports": [
                {"containerPort": 1, "protocol": "TCP"},
                {"containerPort": 2, "protocol": "TCP"},
                {"containerPort": 3, "protocol": "TCP", "name": "c"},
                {"containerPort": 9, "protocol": "TCP"},
            ]}),
        );
    }

    #[test]
    fn lists_of_capabilities_are_replaced_and_the_rest_of_the_context_is_merged() {
        check(
            json!({"securityContext": {"capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}, "runAsNonRoot": true}}),
            json!({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}, "runAsNonRoot": false, "runAsUser": 0}}),
            json!({"securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "runAsNonRoot": false, "runAsUser": 0}}),
        );
    }

    #[test]
    fn an_empty_value_unsets_nothing() {
        check(
            json!({"stdin": true, "workingDir": "/", "args": ["a"]}),
            json!({"stdin": false, "workingDir": "", "args": [], "resources": {}, "env": null}),
            json!({"stdin": true, "workingDir": "/", "args": ["a"]}),
        );
    }
}
