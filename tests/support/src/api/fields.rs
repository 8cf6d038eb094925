//! The fields of a pod, and decoding as the API server does: unknown fields are reported and dropped, nulls are dropped,
//! a value of the wrong type is an error.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value};

/// The fields of one type by name.
pub(super) type Fields = BTreeMap<&'static str, Field>;

/// A field of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    shape: Shape,
    /// The type of the value, or of the items of the list or map.
    kind: &'static str,
    /// The merge key, if strategic merge patches merge the list; empty for lists of plain values.
    pub(super) merge_key: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    One,
    List,
    Map,
}

static TYPES: LazyLock<BTreeMap<&'static str, Fields>> = LazyLock::new(|| read(include_str!("fields.txt")));

fn read(table: &'static str) -> BTreeMap<&'static str, Fields> {
    let mut types: BTreeMap<&str, Fields> = BTreeMap::new();
    let mut name = "";
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let Some(field) = line.strip_prefix(' ') else {
            name = line;
            types.insert(name, Fields::new());
            continue;
        };
        let mut words = field.split(' ');
        let (Some(field), Some(kind)) = (words.next(), words.next()) else {
            panic!("fields.txt: {line:?}");
        };
        let (shape, kind) = match (kind.strip_prefix("[]"), kind.strip_prefix("{}")) {
            (Some(kind), _) => (Shape::List, kind),
            (_, Some(kind)) => (Shape::Map, kind),
            _ => (Shape::One, kind),
        };
        let merge_key = words.next().and_then(|word| word.strip_prefix("merge="));
        let field = (
            field,
            Field {
                shape,
                kind,
                merge_key,
            },
        );
        types.entry(name).or_default().extend([field]);
    }
    types
}

/// Returns the fields of a type, unless it is a plain value.
pub(super) fn fields_of(kind: &str) -> Option<&'static Fields> {
    TYPES.get(kind)
}

impl Field {
    /// Returns the fields of the value or of an item, if it has named fields.
    pub(super) fn fields(&self) -> Option<&'static Fields> {
        // A map has keys of its own, whatever its values are.
        (self.shape != Shape::Map).then(|| fields_of(self.kind)).flatten()
    }
}

/// The decoder, whose messages differ: one decodes documents, the other the results of strategic merge patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    /// Go's `encoding/json`.
    Json,
    /// The converter of unstructured objects.
    Unstructured,
}

/// A decoded object.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The object without unknown fields and nulls.
    pub(super) object: Value,
    /// The places of the unknown fields.
    pub(super) unknown: Vec<String>,
}

/// Decodes a pod.
///
/// # Errors
/// Returns the decoder's message about the first value of a wrong type.
pub(super) fn decode_pod(pod: &Value, decoder: Decoder) -> Result<Decoded, String> {
    let mut decoding = Decoding {
        decoder,
        unknown: Vec::new(),
    };
    let place = Place::default();
    let object = decoding.object("Pod", pod, &place)?;
    Ok(Decoded {
        object,
        unknown: decoding.unknown,
    })
}

/// The place of a value, for messages and as Go writes it.
#[derive(Clone, Default)]
struct Place {
    path: String,
    go_path: String,
    /// The type that has the field.
    owner: &'static str,
}

impl Place {
    fn field(&self, name: &str, owner: &'static str) -> Self {
        let joined = |path: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        // The only type here that embeds another one in Go.
        let go_path = match (owner, name) {
            ("EphemeralContainer", "targetContainerName") => joined(&self.go_path),
            ("EphemeralContainer", _) => format!("{}.EphemeralContainerCommon.{name}", self.go_path),
            _ => joined(&self.go_path),
        };
        Self {
            path: joined(&self.path),
            go_path,
            owner,
        }
    }

    fn item(&self, index: usize) -> Self {
        Self {
            path: format!("{}[{index}]", self.path),
            ..self.clone()
        }
    }
}

struct Decoding {
    decoder: Decoder,
    unknown: Vec<String>,
}

impl Decoding {
    fn object(&mut self, kind: &'static str, value: &Value, place: &Place) -> Result<Value, String> {
        let fields = fields_of(kind).expect("the table has every type that it names");
        let Value::Object(members) = value else {
            return Err(self.mismatch(value, &format!("v1.{kind}"), place));
        };
        let mut object = Map::new();
        for (name, member) in members {
            let place = place.field(name, kind);
            match fields.get(name.as_str()) {
                None => self.unknown.push(place.path),
                Some(_) if member.is_null() => {}
                Some(field) => {
                    object.insert(name.clone(), self.field(field, member, &place)?);
                }
            }
        }
        Ok(Value::Object(object))
    }

    fn field(&mut self, field: &Field, value: &Value, place: &Place) -> Result<Value, String> {
        match (field.shape, value) {
            (Shape::One, value) => self.value(field.kind, value, place),
            (Shape::List, Value::Array(items)) => {
                let items = items.iter().enumerate();
                let items = items.map(|(index, item)| self.item(field.kind, item, &place.item(index)));
                items.collect::<Result<Vec<Value>, String>>().map(Value::Array)
            }
            (Shape::Map, Value::Object(members)) => {
                let mut map = Map::new();
                for (name, member) in members {
                    map.insert(name.clone(), self.item(field.kind, member, place)?);
                }
                Ok(Value::Object(map))
            }
            (Shape::List, value) => Err(self.mismatch(value, &format!("[]{}", go_type(field.kind)), place)),
            (Shape::Map, value) => {
                Err(self.mismatch(value, &format!("map[string]{}", go_type(field.kind)), place))
            }
        }
    }

    /// An item of a list or map, where null is the zero value.
    fn item(&mut self, kind: &'static str, value: &Value, place: &Place) -> Result<Value, String> {
        match (value, fields_of(kind)) {
            (Value::Null, Some(_)) => Ok(Value::Object(Map::new())),
            (Value::Null, None) => Ok(Value::String(String::new())),
            _ => self.value(kind, value, place),
        }
    }

    fn value(&mut self, kind: &'static str, value: &Value, place: &Place) -> Result<Value, String> {
        let fits = match kind {
            "string" | "Time" | "MicroTime" => value.is_string(),
            "boolean" => value.is_boolean(),
            "int32" | "int64" => value.is_i64(),
            "number" | "double" => value.is_number(),
            "Quantity" | "IntOrString" => value.is_string() || value.is_number(),
            "FieldsV1" | "object" => value.is_object(),
            _ => return self.object(kind, value, place),
        };
        if fits {
            return Ok(value.clone());
        }
        Err(self.mismatch(value, &go_type(kind), place))
    }

    fn mismatch(&self, value: &Value, wanted: &str, place: &Place) -> String {
        if self.decoder == Decoder::Json {
            let (owner, path) = (place.owner, &place.go_path);
            let found = json_type(value);
            return format!(
                "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
            );
        }
        let found = match value {
            Value::Number(number) if number.is_f64() => "float64",
            Value::Number(_) => "int64",
            Value::Array(_) => "slice",
            Value::Object(_) => "map",
            Value::Bool(_) => "bool",
            _ => "string",
        };
        match wanted {
            "bool" => "unrecognized type: bool".to_owned(),
            "int32" | "int64" if found == "string" => format!("unrecognized type: {wanted}"),
            "string" | "int32" | "int64" => format!("cannot convert {found} to {wanted}"),
            list if list.starts_with("[]") => format!("cannot restore slice from {found}"),
            map if map.starts_with("map[") => format!("cannot restore map from {found}"),
            _ => format!("cannot restore struct from: {found}"),
        }
    }
}

fn go_type(kind: &str) -> String {
    match kind {
        "boolean" => "bool".into(),
        "string" | "int32" | "int64" => kind.into(),
        other => format!("v1.{other}"),
    }
}

/// The name of a value's type in Go's JSON decoder.
pub(super) fn json_type(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => format!("number {number}"),
        Value::Number(_) => "number".into(),
        Value::Array(_) => "array".into(),
        Value::Object(_) => "object".into(),
        Value::Bool(_) => "bool".into(),
        Value::String(_) => "string".into(),
        Value::Null => "null".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(container: Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [], "ephemeralContainers": [container]}})
    }

    #[test]
    fn unknown_fields_and_nulls_are_dropped_and_only_the_former_are_reported() {
        let pod = pod(json!({
            "name": "a", "Image": "x", "args": null,
            "securityContext": {"$patch": "delete", "runAsUser": 0},
            "env": [{"name": "A", "valeu": "1"}],
        }));
        let decoded = decode_pod(&pod, Decoder::Json).unwrap();
        assert_eq!(
            decoded.object["spec"]["ephemeralContainers"][0],
            json!({"name": "a", "securityContext": {"runAsUser": 0}, "env": [{"name": "A"}]})
        );
        assert_eq!(
            decoded.unknown,
            [
                "spec.ephemeralContainers[0].Image",
                "spec.ephemeralContainers[0].env[0].valeu",
                "spec.ephemeralContainers[0].securityContext.$patch"
            ]
        );
    }

    /// The messages are those of an API server of Kubernetes 1.37.
    #[test]
    fn a_value_of_the_wrong_type_is_an_error_in_the_words_of_either_decoder() {
        let inner = "spec.ephemeralContainers.EphemeralContainerCommon";
        let in_json = |found: &str, field: &str, wanted: &str| {
            format!("json: cannot unmarshal {found} into Go struct field {field} of type {wanted}")
        };
        for (container, json, unstructured) in [
            (
                json!({"stdin": "yes"}),
                in_json("string", &format!("EphemeralContainer.{inner}.stdin"), "bool"),
                "unrecognized type: bool",
            ),
            (
                json!({"args": "yes"}),
                in_json("string", &format!("EphemeralContainer.{inner}.args"), "[]string"),
                "cannot restore slice from string",
            ),
            (
                json!({"env": [{"name": 1}]}),
                in_json("number", &format!("EnvVar.{inner}.env.name"), "string"),
                "cannot convert int64 to string",
            ),
            (
                json!({"securityContext": {"runAsUser": 1.5}}),
                in_json(
                    "number 1.5",
                    &format!("SecurityContext.{inner}.securityContext.runAsUser"),
                    "int64",
                ),
                "cannot convert float64 to int64",
            ),
            (
                json!("x"),
                in_json(
                    "string",
                    "PodSpec.spec.ephemeralContainers",
                    "v1.EphemeralContainer",
                ),
                "cannot restore struct from: string",
            ),
        ] {
            let pod = pod(container);
            assert_eq!(decode_pod(&pod, Decoder::Json).unwrap_err(), json);
            assert_eq!(decode_pod(&pod, Decoder::Unstructured).unwrap_err(), unstructured);
        }
        let labels = json!({"metadata": {"labels": ["a"]}});
        assert_eq!(
            decode_pod(&labels, Decoder::Json).unwrap_err(),
            in_json("array", "ObjectMeta.metadata.labels", "map[string]string")
        );
    }
}
