//! Comparison of outcomes. Generated suffixes are folded, empty values equal absent ones, and a client may add its own labels and
//! annotations to what it creates.

use serde_json::{Map, Value};

/// A name that cases give to a container, though it looks generated.
const KEPT: &str = "debugger-aaaaa";

/// Writes `RAND` for the random part of generated names.
pub(crate) fn fold(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    let mut folded = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let begins_word = at == 0 || !is_word(bytes[at - 1]);
        if let Some((end, suffix)) = generated(bytes, at).filter(|_| begins_word) {
            folded += match &text[at..end] {
                KEPT => KEPT,
                _ => &text[at..suffix],
            };
            if &text[at..end] != KEPT {
                folded += "RAND";
            }
            at = end;
        } else {
            let letter = text[at..].chars().next().expect("this is within the text");
            folded.push(letter);
            at += letter.len_utf8();
        }
    }
    folded
}

/// The end of the generated name that begins here, and where its random part begins.
fn generated(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let rest = &bytes[start..];
    if rest.starts_with(b"debugger-") {
        let suffix = start + b"debugger-".len();
        return ends_suffix(bytes, suffix).map(|end| (end, suffix));
    }
    let name = start + b"node-debugger-".len();
    if !rest.starts_with(b"node-debugger-") {
        return None;
    }
    let of_name =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let length = bytes[name..].iter().take_while(|byte| of_name(byte)).count();
    (name + 1..name + length)
        .filter(|dash| bytes[*dash] == b'-')
        .find_map(|dash| ends_suffix(bytes, dash + 1).map(|end| (end, dash + 1)))
}

fn ends_suffix(bytes: &[u8], suffix: usize) -> Option<usize> {
    let end = suffix + 5;
    let letters = bytes.get(suffix..end)?;
    let is_suffix = letters
        .iter()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_over = bytes
        .get(end)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    (is_suffix && is_over).then_some(end)
}

/// Fields that a server computes from classes: kubectl copies them, and the server refuses outdated values.
const COMPUTED: [&str; 3] = ["priority", "preemptionPolicy", "overhead"];

/// An object without fields that may differ.
pub(crate) fn clean(object: &Value) -> Value {
    let mut object = prune(object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
            metadata.remove(field);
        }
        for field in ["labels", "annotations"] {
            let own = metadata.get_mut(field).and_then(Value::as_object_mut);
            let is_empty = own.is_some_and(|own| {
                own.retain(|name, _| {
                    !name.starts_with("trocar.dev/") && name != "app.kubernetes.io/managed-by"
                });
                own.is_empty()
            });
            if is_empty {
                metadata.remove(field);
            }
        }
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        COMPUTED.into_iter().for_each(|field| drop(spec.remove(field)));
    }
    for list in ["containers", "ephemeralContainers", "initContainers"] {
        let containers = object
            .get_mut("spec")
            .and_then(|spec| spec.get_mut(list))
            .and_then(Value::as_array_mut);
        let containers = containers.into_iter().flatten();
        containers
            .filter_map(Value::as_object_mut)
            .for_each(clean_container);
    }
    object
}

fn clean_container(container: &mut Map<String, Value>) {
    for flag in ["stdin", "tty"] {
        if container.get(flag) == Some(&Value::Bool(false)) {
            container.remove(flag);
        }
    }
    if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
        let name = |variable: &Value| variable["name"].as_str().unwrap_or_default().to_owned();
        env.sort_by_key(name);
    }
}

fn prune(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let pruned = fields.iter().map(|(name, value)| (name.clone(), prune(value)));
            let kept = pruned.filter(|(_, value)| match value {
                Value::Null => false,
                Value::Object(fields) => !fields.is_empty(),
                Value::Array(items) => !items.is_empty(),
                Value::String(text) => !text.is_empty(),
                _ => true,
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(prune).collect(),
        Value::String(text) => fold(text).into(),
        other => other.clone(),
    }
}

/// All objects of a cluster, normalized and sorted.
pub(crate) fn cluster<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Value {
    let mut cleaned: Vec<Value> = objects.into_iter().map(clean).collect();
    cleaned.sort_by_key(|object| {
        let part = |at: &str| {
            let text = object.pointer(at).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        (part("/kind"), part("/metadata/namespace"), part("/metadata/name"))
    });
    cleaned.into()
}

/// The places at which two values differ.
pub(crate) fn differ(wanted: &Value, got: &Value, path: &str) -> Vec<String> {
    let short = |value: &Value| value.to_string().chars().take(160).collect::<String>();
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            let missing = wanted.keys().filter(|name| !got.contains_key(*name));
            let mut found: Vec<String> = missing
                .map(|name| format!("{path}.{name}: want {}, got nothing", short(&wanted[name])))
                .collect();
            for (name, value) in got {
                match wanted.get(name) {
                    Some(wanted) => found.extend(differ(wanted, value, &format!("{path}.{name}"))),
                    None => found.push(format!("{path}.{name}: not wanted, got {}", short(value))),
                }
            }
            found
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => wanted
            .iter()
            .zip(got)
            .enumerate()
            .flat_map(|(index, (wanted, got))| differ(wanted, got, &format!("{path}[{index}]")))
            .collect(),
        _ if wanted == got => Vec::new(),
        _ => vec![format!("{path}: want {}, got {}", short(wanted), short(got))],
    }
}
