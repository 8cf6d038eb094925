//! JSON Patch (RFC 6902) as the API server applies it. Values are never interpreted as directives.

use serde_json::{Map, Value};

/// Applies the operations in order; none if one of them fails: the server does not report which.
pub(super) fn apply(base: &Value, operations: &[Value]) -> Option<Value> {
    let mut document = base.clone();
    for operation in operations {
        apply_one(&mut document, operation)?;
    }
    Some(document)
}

fn apply_one(document: &mut Value, operation: &Value) -> Option<()> {
    let path = pointer(&operation["path"])?;
    let value = || operation["value"].clone();
    match operation["op"].as_str()? {
        "add" => add(document, &path, value()),
        "replace" => {
            let (last, parent) = parent(document, &path)?;
            match parent {
                // The server's library also replaces missing members.
                Value::Object(members) => {
                    members.insert(last.to_owned(), value());
                }
                Value::Array(items) => *items.get_mut(index(last)?)? = value(),
                _ => return None,
            }
            Some(())
        }
        "remove" => remove(document, &path).map(drop),
        "test" => (find(document, &path)? == operation["value"]).then_some(()),
        "copy" => {
            let copied = find(document, &pointer(&operation["from"])?)?;
            add(document, &path, copied)
        }
        "move" => {
            let moved = remove(document, &pointer(&operation["from"])?)?;
            add(document, &path, moved)
        }
        _ => None,
    }
}

/// The parts of a JSON pointer that names a place within the document.
fn pointer(path: &Value) -> Option<Vec<String>> {
    let parts = path.as_str()?.strip_prefix('/')?.split('/');
    Some(
        parts
            .map(|part| part.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

fn index(part: &str) -> Option<usize> {
    part.parse().ok()
}

fn parent<'a>(document: &'a mut Value, path: &'a [String]) -> Option<(&'a str, &'a mut Value)> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(document, |value, part| match value {
        Value::Object(members) => members.get_mut(part),
        Value::Array(items) => items.get_mut(index(part)?),
        _ => None,
    })?;
    Some((last, parent))
}

fn add(document: &mut Value, path: &[String], value: Value) -> Option<()> {
    let (last, parent) = parent(document, path)?;
    match parent {
        Value::Object(members) => {
            members.insert(last.to_owned(), value);
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { index(last)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parent) = parent(document, path)?;
    match parent {
        Value::Object(members) => members.remove(last),
        Value::Array(items) => {
            let at = index(last)?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}

/// The value at a place; null for a missing member.
fn find(document: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parent) = parent(document, path)?;
    match parent {
        Value::Object(members) => Some(members.get(last).cloned().unwrap_or_default()),
        Value::Array(items) => items.get(index(last)?).cloned(),
        _ => None,
    }
}

/// The unknown members of the operations, as strict validation reports them.
pub(super) fn unknown_members(operations: &[Value]) -> Vec<String> {
    let known = ["op", "path", "from", "value"];
    let operations = operations.iter().filter_map(Value::as_object).enumerate();
    operations
        .flat_map(|(index, operation): (usize, &Map<String, Value>)| {
            let members = operation.keys().filter(|name| !known.contains(&name.as_str()));
            members.map(move |name| format!("json patch unknown field \"[{index}].{name}\""))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_of_operations() {
        let base = json!({"m": {"uid": "u", "a/b": 1}, "list": [1, 2]});
        for (operations, wanted) in [
            // The list must exist for an item to be appended.
            (json!([{"op": "add", "path": "/none/-", "value": 1}]), None),
            (
                json!([{"op": "add", "path": "/list/-", "value": 3}]),
                Some(json!({"m": {"uid": "u", "a/b": 1}, "list": [1, 2, 3]})),
            ),
            (
                json!([{"op": "add", "path": "/list/0", "value": {"$patch": "delete"}}]),
                Some(json!({"m": {"uid": "u", "a/b": 1}, "list": [{"$patch": "delete"}, 1, 2]})),
            ),
            (json!([{"op": "add", "path": "/list/9", "value": 3}]), None),
            (json!([{"op": "add", "path": "", "value": {}}]), None),
            (
                json!([{"op": "test", "path": "/m/uid", "value": "u"}]),
                Some(base.clone()),
            ),
            (json!([{"op": "test", "path": "/m/uid", "value": "other"}]), None),
            (
                json!([{"op": "test", "path": "/m/none", "value": null}]),
                Some(base.clone()),
            ),
            (
                json!([{"op": "replace", "path": "/m/a~1b", "value": 2}]),
                Some(json!({"m": {"uid": "u", "a/b": 2}, "list": [1, 2]})),
            ),
            // The server differs from the RFC here.
            (
                json!([{"op": "replace", "path": "/new", "value": 1}]),
                Some(json!({"m": {"uid": "u", "a/b": 1}, "list": [1, 2], "new": 1})),
            ),
            (json!([{"op": "replace", "path": "/list/2", "value": 1}]), None),
            (json!([{"op": "remove", "path": "/m/none"}]), None),
            (
                json!([{"op": "remove", "path": "/list/0"}, {"op": "remove", "path": "/m"}]),
                Some(json!({"list": [2]})),
            ),
            (
                json!([{"op": "move", "from": "/m/uid", "path": "/uid"}, {"op": "copy", "from": "/uid", "path": "/list/0"}]),
                Some(json!({"m": {"a/b": 1}, "list": ["u", 1, 2], "uid": "u"})),
            ),
            (json!([{"op": "frob", "path": "/m"}]), None),
            (json!(["add"]), None),
        ] {
            let got = apply(&base, operations.as_array().unwrap());
            assert_eq!(got, wanted, "{operations}");
        }
    }
}
