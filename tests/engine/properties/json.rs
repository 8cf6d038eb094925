//! JSON of every kind: strings in all scripts, numbers at the limits of their types, and unknown fields.

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use serde_json::{Map, Number, Value};

/// All fields that strategies, profiles and flags use. Generated unknown fields have other names.
const KNOWN: [&str; 27] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "managedFields",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "nodeName",
    "hostPID",
    "shareProcessNamespace",
    "securityContext",
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "env",
    "stdin",
    "tty",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
];

pub(super) fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        vec(any::<char>(), 0..12).prop_map(String::from_iter),
        "[a-z0-9./ -]{0,20}",
        select(vec![
            "",
            "null",
            "yes",
            "0644",
            "\0",
            "\u{feff}",
            "\u{1b}[31m",
            "𝕏",
            "\u{10ffff}"
        ])
        .prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = Number> + Clone {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-9_i64..10).prop_map(Number::from),
        any::<f64>().prop_filter_map("JSON has finite numbers only", Number::from_f64),
        select(vec![0.1, -0.0, 1e300, 5e-324, 1.0, 9_007_199_254_740_993.0])
            .prop_filter_map("finite", Number::from_f64),
    ]
}

pub(super) fn any_json() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map(text(), inner, 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Unknown fields.
pub(super) fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> + Clone {
    let name = prop_oneof![
        text(),
        "[a-z]{1,10}",
        select(vec!["a/b", "~0", "Containers", "Name", "$ref"]).prop_map(str::to_owned)
    ]
    .prop_filter("it is known", |name| !KNOWN.contains(&name.as_str()));
    btree_map(name, any_json(), 0..3).prop_map(|fields| fields.into_iter().collect())
}

/// Combines known and unknown fields.
pub(super) fn with(
    mut unknown: Map<String, Value>,
    known: impl IntoIterator<Item = (&'static str, Option<Value>)>,
) -> Value {
    let known = known
        .into_iter()
        .filter_map(|(field, value)| Some((field.to_owned(), value?)));
    unknown.extend(known);
    Value::Object(unknown)
}
