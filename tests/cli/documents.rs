//! Parsing documents never panics on any text, and everything that is serialized can be parsed again.

use proptest::{collection, option, prelude::*, test_runner::RngSeed};
use serde_json::{Map, Value, json};
use trocar::{documents, request};

/// Any JSON value, except numbers that YAML and JSON write differently.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e6..1.0e6_f64).prop_map(|float| json!(float)),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map(text(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Strings that are likely to be parsed as something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,8}",
        "(yes|no|on|off|~|null|true|0644|0x1f|1e3|\\.inf|-|\\?|: |# |12:30|2026-01-01|=|<<)",
        "[a-z\\n\\t \"':{}\\[\\]&*!|>%@`,#-]{0,16}",
    ]
}

/// Something between YAML, JSON and noise.
fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-c{}\\[\\]:,\"'&*!|>%@`#\\n\\t -]{0,64}",
        "(a: &a [*a]\\n|- |: |\\? |--- |\\.\\.\\.\\n|\\{|\\}|<<: |\\n  |\"\\\\u[0-9]{0,4}|!!binary |0x|\\[){0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(trocar_test_support::seed()),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_is_read_or_refused(text in noise()) {
        if let Err(error) = documents::read(text.as_bytes()) {
            prop_assert!(!error.message.is_empty());
        }
        if let Some((line, column)) = documents::locate(&text, "/a/0/b") {
            prop_assert!(line > 0 && column > 0);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in collection::vec(any::<u8>(), 0..64)) {
        drop(documents::read(&bytes));
    }

    #[test]
    fn documents_round_trip(value in value().prop_filter("an empty document is left out", |value| !value.is_null())) {
        let yaml = documents::to_yaml(std::slice::from_ref(&value));
        let read = documents::read(yaml.as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&vec![value]), "{}", yaml);
    }

    #[test]
    fn several_documents_come_back_in_order(values in collection::vec(value(), 1..4)) {
        let values: Vec<Value> = values.into_iter().map(|value| json!({"value": value})).collect();
        let yaml = documents::to_yaml(&values);
        prop_assert_eq!(documents::read(yaml.as_bytes()), Ok(values), "{}", yaml);
    }

    #[test]
    fn json_is_read_as_json(value in value()) {
        let object = json!({"value": value});
        prop_assert_eq!(documents::read(object.to_string().as_bytes()), Ok(vec![object]));
    }

    #[test]
    fn any_custom_container_is_taken_or_refused(
        fields in collection::btree_map(
            prop_oneof!["(env|args|ports|resources|securityContext|livenessProbe|stdin|workingDir|volumeMounts)", text()],
            value(),
            0..4,
        ),
        env in option::of(value()),
    ) {
        let mut container: Map<String, Value> = fields.into_iter().collect();
        if let Some(value) = env {
            container.insert("env".into(), json!([{"name": "A", "value": value}]));
        }
        match request::custom(&Value::Object(container.clone())) {
            // Nothing is added or lost: at most scalars become strings.
            Ok(read) => prop_assert_eq!(read.keys().collect::<Vec<_>>(), container.keys().collect::<Vec<_>>()),
            Err(error) => prop_assert!(!error.message.is_empty()),
        }
    }
}
