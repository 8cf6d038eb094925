//! Schemas that are refused, values that do not fit, and what holds for both whatever they are.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parsed(schema: Value) -> Schema {
    Schema::parse(&schema).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

fn refusal(schema: &Value) -> SchemaError {
    Schema::parse(schema).expect_err("the schema is not structural")
}

fn problems(schema: Value, value: &Value) -> Vec<String> {
    let problems = parsed(schema).check(value);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn problems_say_where_and_what_was_probably_meant() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["level"], "properties": {
        "level": {"enum": ["baseline", "restricted"]},
        "images": {"type": "array", "items": {"type": "object", "additionalProperties": false,
            "properties": {"pattern": {"type": "string"}}}},
        "hostPaths": {"type": "array", "items": {"type": "string", "pattern": "^/"}},
        "lowestUser": {"type": "integer", "minimum": 0},
    }});
    for (settings, wanted) in [
        (json!({"level": "baseline", "images": []}), vec![]),
        (json!([]), vec!["want object, but got array"]),
        (json!({}), vec![r#""level" is missing"#]),
        (
            json!({"level": "restricted", "imgaes": []}),
            vec![r#"imgaes: unknown setting; did you mean "images"?"#],
        ),
        (
            json!({"level": "restricted", "zebra": []}),
            vec![r#"zebra: unknown setting; known are "hostPaths", "images", "level", "lowestUser""#],
        ),
        (
            json!({"level": "restricted", "images": [{"patern": "x"}]}),
            vec![r#"images.0.patern: unknown setting; did you mean "pattern"?"#],
        ),
        (
            json!({"level": "none", "images": [{"pattern": 3}]}),
            vec![
                "images.0.pattern: want string, but got number",
                "level: value must be one of 'baseline', 'restricted'",
            ],
        ),
        (
            json!({"level": "baseline", "hostPaths": ["/ok", "etc"], "lowestUser": -1}),
            vec![
                "hostPaths.1: 'etc' does not match pattern '^/'",
                "lowestUser: must be at least 0, but got -1",
            ],
        ),
    ] {
        assert_eq!(problems(schema.clone(), &settings), wanted, "{settings}");
    }
}

#[test]
fn every_keyword_lets_pass_what_fits_and_tells_what_does_not() {
    for (schema, fits, does_not, problem) in [
        (
            json!({"type": "integer"}),
            json!(1.0),
            json!(1.5),
            "want integer, but got number",
        ),
        (
            json!({"type": ["string", "null"]}),
            json!(null),
            json!(true),
            "want string or null, but got boolean",
        ),
        (
            json!({"const": [1]}),
            json!([1.0]),
            json!([2]),
            "value must be a list",
        ),
        (json!({"const": "a"}), json!("a"), json!(1), "value must be 'a'"),
        (
            json!({"enum": ["a"]}),
            json!("a"),
            json!("b"),
            "value must be 'a'",
        ),
        (
            json!({"enum": [1, "x", null]}),
            json!(1.0),
            json!("1"),
            "value must be one of 1, 'x', null",
        ),
        (
            json!({"maximum": 5}),
            json!(5),
            json!(5.5),
            "must be at most 5, but got 5.5",
        ),
        (
            json!({"exclusiveMinimum": 0}),
            json!(1),
            json!(0),
            "must be more than 0, but got 0",
        ),
        (
            json!({"exclusiveMaximum": 1}),
            json!(0),
            json!(1),
            "must be less than 1, but got 1",
        ),
        (
            json!({"minLength": 2}),
            json!("éé"),
            json!("é"),
            "at least 2 characters wanted, but got 1",
        ),
        (
            json!({"maxLength": 1}),
            json!("é"),
            json!("ab"),
            "at most 1 character wanted, but got 2",
        ),
        (
            json!({"minItems": 1}),
            json!([0]),
            json!([]),
            "at least 1 item wanted, but got 0",
        ),
        (
            json!({"maxItems": 0}),
            json!([]),
            json!([0]),
            "at most 0 items wanted, but got 1",
        ),
        (
            json!({"minProperties": 1}),
            json!({"a": 1}),
            json!({}),
            "at least 1 setting wanted, but got 0",
        ),
        (
            json!({"maxProperties": 1}),
            json!({"a": 1}),
            json!({"a": 1, "b": 1}),
            "at most 1 setting wanted, but got 2",
        ),
        (
            json!({"uniqueItems": true}),
            json!([1, "1"]),
            json!([1, 2, 1.0]),
            "2: the same item stands in the list twice",
        ),
        (
            json!({"additionalProperties": {"type": "string"}}),
            json!({"a/b": "x"}),
            json!({"a/b": 1}),
            "a~1b: want string, but got number",
        ),
        (
            json!({"additionalProperties": false}),
            json!({}),
            json!({"a": 1}),
            "a: unknown setting; none are known here",
        ),
        (
            json!({"required": ["b", "a"]}),
            json!({"a": null, "b": null}),
            json!({}),
            "\"b\", \"a\" are missing",
        ),
    ] {
        assert_eq!(problems(schema.clone(), &fits), [""; 0], "{schema} {fits}");
        assert_eq!(
            problems(schema.clone(), &does_not),
            [problem],
            "{schema} {does_not}"
        );
    }
}

#[test]
fn a_keyword_says_nothing_of_other_types() {
    let schema = json!({"properties": {"a": {"type": "string"}}, "items": {"type": "string"}, "minLength": 2, "minimum": 2,
        "pattern": "^x", "minItems": 1, "required": ["a"]});
    for value in [
        json!(null),
        json!(true),
        json!(3),
        json!("xy"),
        json!(["x"]),
        json!({"a": "x"}),
    ] {
        assert_eq!(problems(schema.clone(), &value), [""; 0], "{value}");
    }
}

#[test]
fn what_is_not_structural_is_refused_with_its_place() {
    for (schema, at, message) in [
        (json!(true), "", "a schema is an object, not boolean"),
        (
            json!({"properties": {"a/b": {"items": {"minLenght": 1}}}}),
            "/properties/a~1b/items/minLenght",
            r#"unknown keyword; did you mean "minLength"?"#,
        ),
        (
            json!({"properties": {"a": {"anyOf": []}}}),
            "/properties/a/anyOf",
            "the keyword is not supported",
        ),
        (
            json!({"$ref": "file:///etc/hostname"}),
            "/$ref",
            "the keyword is not supported",
        ),
        (json!({"$ref": "#"}), "/$ref", "the keyword is not supported"),
        (
            json!({"items": {"$schema": "x"}}),
            "/items/$schema",
            "the keyword is not supported",
        ),
        (
            json!({"format": "date"}),
            "/format",
            "the keyword is not supported",
        ),
        (
            json!({"multipleOf": 3}),
            "/multipleOf",
            "the keyword is not supported",
        ),
        (
            json!({"type": "strnig"}),
            "/type",
            r#""strnig" is not a type; did you mean "string"?"#,
        ),
        (
            json!({"type": "zebra"}),
            "/type",
            r#""zebra" is not a type; known are "object","#,
        ),
        (json!({"type": []}), "/type", "a list of types holds one to seven"),
        (
            json!({"items": [{}]}),
            "/items",
            "a schema is an object, not array",
        ),
        (
            json!({"properties": []}),
            "/properties",
            "properties are an object, not array",
        ),
        (
            json!({"properties": {"a": true}}),
            "/properties/a",
            "a schema is an object, not boolean",
        ),
        (
            json!({"required": "a"}),
            "/required",
            "it is a list of names, not string",
        ),
        (
            json!({"required": [1]}),
            "/required",
            "want a text, but got number",
        ),
        (json!({"enum": []}), "/enum", "it is a list of at least one value"),
        (
            json!({"minLength": -1}),
            "/minLength",
            "want an integer from 0, but got -1",
        ),
        (
            json!({"maxItems": 1.5}),
            "/maxItems",
            "want an integer from 0, but got 1.5",
        ),
        (
            json!({"minimum": "0"}),
            "/minimum",
            "want a number, but got string",
        ),
        (
            json!({"uniqueItems": "yes"}),
            "/uniqueItems",
            "want a boolean, but got string",
        ),
        (
            json!({"description": 1}),
            "/description",
            "want a text, but got number",
        ),
        (
            json!({"pattern": "("}),
            "/pattern",
            "\"(\" is not a pattern that is supported",
        ),
        (
            json!({"pattern": "(?=a)"}),
            "/pattern",
            "is not a pattern that is supported",
        ),
        (
            json!({"pattern": r"(a)\1"}),
            "/pattern",
            "is not a pattern that is supported",
        ),
        (
            json!({"properties": {"level": {}}, "additionalProperties": false, "required": ["levl"]}),
            "/required",
            r#""levl" is not among the properties; did you mean "level"?"#,
        ),
        (
            json!({"properties": {"n": {"type": "integer", "default": "1"}}}),
            "/properties/n/default",
            "the default does not fit: want integer, but got string",
        ),
        (
            json!({"properties": {"a": {}}, "additionalProperties": false, "default": {"b": 1}}),
            "/default",
            "the default does not fit: b: unknown setting",
        ),
    ] {
        let error = refusal(&schema);
        assert_eq!(error.at, at, "{schema}: {error}");
        assert!(error.message.contains(message), "{schema}: {error}");
    }
}

#[test]
fn documentation_says_nothing_of_values() {
    let schema = parsed(
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t", "description": "d",
        "examples": [{"anyOf": []}], "default": 3}),
    );
    assert_eq!(schema.check(&json!({"any": "thing"})), []);
}

/// A schema of 1.5 KB took 43 s and 6.9 GB.
#[test]
fn an_any_of_that_doubles_is_refused_and_not_followed() {
    let mut schema = json!({"type": "string"});
    for _ in 0..22 {
        schema = json!({"anyOf": [schema.clone(), {"$ref": "#"}]});
    }
    assert_eq!(refusal(&schema).at, "/anyOf");
}

#[test]
fn a_schema_is_bounded_in_all_its_parts() {
    let nested = |depth: usize| (1..depth).fold(json!({}), |schema, _| json!({"items": schema}));
    let wide = |count: usize| -> Value {
        let properties: serde_json::Map<_, _> =
            (1..count).map(|name| (name.to_string(), json!({}))).collect();
        json!({"properties": properties})
    };
    let patterns = |count: usize| -> Value {
        let patterns: serde_json::Map<_, _> = (0..count)
            .map(|name| (name.to_string(), json!({"pattern": "a"})))
            .collect();
        json!({"properties": patterns})
    };
    let deep_value = |depth: usize| json!({"const": (0..depth).fold(json!(1), |value, _| json!([value]))});
    for (fits, too_large, message) in [
        (nested(32), nested(33), "schemas nest more than 32 levels deep"),
        (wide(1000), wide(1001), "more than 1000 schemas in one"),
        (
            patterns(100),
            patterns(101),
            "more than 100 patterns in one schema",
        ),
        (deep_value(32), deep_value(33), "nested more than 32 levels deep"),
        (
            json!({"enum": vec!["x"; 9_999]}),
            json!({"enum": vec!["x"; 10_000]}),
            "the schema holds more than 10000 values",
        ),
        (
            json!({"required": vec!["x"; 10_000]}),
            json!({"required": vec!["x"; 10_001]}),
            "the schema holds more than 10000 values",
        ),
        (
            json!({"enum": vec![1; 100]}),
            json!({"enum": vec![1; 101]}),
            "more than 100 values that are not texts",
        ),
        (
            json!({"pattern": "a".repeat(200)}),
            json!({"pattern": "a".repeat(1001)}),
            "the pattern is longer than 1000 bytes",
        ),
        (
            json!({"pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}),
            json!({"pattern": "((a{100}){100}){100}"}),
            "is not a pattern that is supported",
        ),
    ] {
        parsed(fits);
        let error = refusal(&too_large);
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn of_many_problems_the_first_ten_are_told() {
    let found = problems(json!({"items": {"type": "string"}}), &json!(vec![0; 1000]));
    assert_eq!(found.len(), MAX_PROBLEMS);
    assert_eq!(found[9], "9: want string, but got number");
}

#[test]
fn messages_are_short_and_harmless_whatever_the_names_are() {
    let evil = format!("\u{1b}[2J\n\u{202e}{}", "x".repeat(100_000));
    let schema = json!({"additionalProperties": false, "properties": {&evil: {"enum": [&evil]}},
        "required": [&evil], "minProperties": 2});
    let mut told: Vec<String> = [json!({}), json!({&evil: 1}), json!({"y": 1})]
        .iter()
        .flat_map(|value| problems(schema.clone(), value))
        .collect();
    told.extend(problems(json!({"pattern": "^\u{1b}"}), &json!(evil)));
    told.extend(problems(
        json!({"additionalProperties": false}),
        &json!({&evil: 1}),
    ));
    for schema in [
        json!({"properties": {&evil: {&evil: 1}}}),
        json!({"type": &evil}),
        json!({"pattern": "(\u{1b}"}),
        json!({"pattern": format!("{}(\n", "x".repeat(900))}),
        json!({"properties": {}, "additionalProperties": false, "required": [&evil]}),
    ] {
        told.push(refusal(&schema).to_string());
    }
    for message in told {
        assert!(message.chars().count() < 500, "{message}");
        let is_harmful = |letter: char| letter.is_control() || letter == '\u{202e}';
        assert!(!message.contains(is_harmful), "{message:?}");
    }
}

/// A text of 256 KiB took this pattern four seconds.
#[test]
fn text_and_pattern_together_are_bounded() {
    let told = "too much text for the patterns that it must match";
    let text = |length: usize| json!("x".repeat(length));
    let large = json!({"type": "string", "pattern": "(x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*){0,20}"});
    assert_eq!(problems(large.clone(), &text(16 << 10)), [""; 0]);
    assert_eq!(problems(large.clone(), &text(17 << 10)), [told]);
    let small = json!({"items": {"type": "string", "pattern": "^/"}});
    assert_eq!(
        problems(small.clone(), &json!(vec!["/var/log/pods/default"; 20_000])),
        [""; 0]
    );
    // All texts together.
    let slashes = "/".repeat(1 << 18);
    assert_eq!(
        problems(small, &json!([&slashes, &slashes, "/"])),
        [format!("2: {told}")]
    );
    // A schema may not spend it once for each of its defaults.
    let half = json!({"pattern": large["pattern"], "default": text(9 << 10)});
    parsed(half.clone());
    let error = refusal(&json!({"properties": {"a": &half, "b": &half}}));
    assert_eq!(
        (error.at.as_str(), error.message),
        (
            "/properties/b/default",
            format!("the default does not fit: {told}")
        )
    );
}

/// Compared one by one, this would be billions of comparisons.
#[test]
fn half_a_million_items_are_looked_up_among_thousands_of_choices() {
    let choices: Vec<String> = (0..9_000).map(|number| format!("choice-{number}")).collect();
    let schema = parsed(json!({"items": {"enum": &choices}}));
    let value: Vec<&String> = choices.iter().cycle().take(500_000).collect();
    assert_eq!(schema.check(&json!(value)), []);
}

#[test]
fn the_schemas_of_the_default_plugins_are_structural() {
    for manifest in [
        include_str!("../../../../plugins/approved-images/plugin.yaml"),
        include_str!("../../../../plugins/privilege-ceiling/plugin.yaml"),
        include_str!("../../../../plugins/protected-targets/plugin.yaml"),
        include_str!("../../../../plugins/require-reason/plugin.yaml"),
        include_str!("../../../../plugins/session-limits/plugin.yaml"),
    ] {
        let manifest: Value = serde_saphyr::from_str(manifest).unwrap();
        parsed(manifest["settingsSchema"].clone());
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, -2.0, 1e300]).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "string", "object", "^a", "("]).prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 4, |inner| {
        let name = prop::sample::select(vec!["a", "b", "c", "type", "properties"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// Schemas, most of them good ones.
fn any_schema() -> impl Strategy<Value = Value> {
    let one =
        |name: &'static str, value: BoxedStrategy<Value>| value.prop_map(move |value| (name, value)).boxed();
    let keyword = prop_oneof![
        one(
            "type",
            prop::sample::select(vec!["object", "array", "string", "integer", "number", "boolean"])
                .prop_map(Value::from)
                .boxed()
        ),
        one(
            "required",
            prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..2)
                .prop_map(Value::from)
                .boxed()
        ),
        one(
            "additionalProperties",
            any::<bool>().prop_map(Value::from).boxed()
        ),
        one(
            "enum",
            prop::collection::vec(any_value(), 1..4)
                .prop_map(Value::from)
                .boxed()
        ),
        one("const", any_value().boxed()),
        one("pattern", Just(json!("a|b")).boxed()),
        one("minimum", (-3_i64..3).prop_map(Value::from).boxed()),
        one(
            "exclusiveMaximum",
            prop::sample::select(vec![0.5, 1.0]).prop_map(Value::from).boxed()
        ),
        one("maxLength", (0_u64..3).prop_map(Value::from).boxed()),
        one("minItems", (0_u64..3).prop_map(Value::from).boxed()),
        one("maxProperties", (0_u64..3).prop_map(Value::from).boxed()),
        one("uniqueItems", any::<bool>().prop_map(Value::from).boxed()),
    ]
    .boxed();
    let object = |keywords: Vec<(&'static str, Value)>| -> Value {
        keywords
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    };
    let leaf = prop::collection::vec(keyword.clone(), 0..3).prop_map(object);
    leaf.prop_recursive(3, 20, 3, move |inner| {
        let nested = prop_oneof![
            one("items", inner.clone().boxed()),
            one("additionalProperties", inner.clone().boxed()),
            one(
                "properties",
                prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), inner, 0..3)
                    .prop_map(|members| members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect())
                    .boxed()
            ),
        ];
        prop::collection::vec(prop_oneof![keyword.clone(), nested.boxed()], 0..5).prop_map(object)
    })
}

fn is_valid_for_boon(schema: &Value, value: &Value) -> bool {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("test:schema", schema.clone()).unwrap();
    let index = compiler.compile("test:schema", &mut schemas).unwrap();
    schemas.validate(value, index).is_ok()
}

proptest! {
    #![proptest_config(crate::seeds::fixed(3, 2000))]

    #[test]
    fn a_value_fits_where_json_schema_says_that_it_does(schema in any_schema(), values in prop::collection::vec(any_value(), 8)) {
        if let Ok(parsed) = Schema::parse(&schema) {
            for value in values {
                let found = parsed.check(&value);
                prop_assert!(found.len() <= MAX_PROBLEMS);
                prop_assert_eq!(found.is_empty(), is_valid_for_boon(&schema, &value), "{} {} {:?}", schema, value, found);
            }
        }
    }

    #[test]
    fn no_document_makes_reading_a_schema_panic(schema in any_value(), value in any_value()) {
        if let Ok(schema) = Schema::parse(&schema) {
            drop(schema.check(&value));
        }
    }

    #[test]
    fn a_value_passes_for_its_own_constant(value in any_value()) {
        let schema = parsed(json!({"const": &value, "enum": [&value]}));
        prop_assert_eq!(schema.check(&value), []);
    }
}
