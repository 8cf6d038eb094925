//! The same inputs give the same answers as in the SDKs of the other languages: guest-sdk/vectors.json.

use serde_json::{Value, json};
use trocar_sdk::{
    Context, DebugOptions, Object, Pod, custom, ephemeral::ephemeral_container, image::ImageReference, names,
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

fn cases(kind: &str) -> Vec<Value> {
    vectors()[kind].as_array().unwrap().clone()
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap()
}

fn object(value: &Value) -> Object {
    value.as_object().unwrap().clone()
}

fn words(case: &Value, field: &str) -> Vec<String> {
    let words = case[field].as_array().unwrap().iter();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_image_is_read_as_the_other_sdks_read_it() {
    for case in cases("images") {
        let parts = ImageReference::parse(text(&case, "reference")).map(|image| {
            json!({"registry": image.registry(), "repository": image.repository(), "tag": image.tag,
                "digest": image.digest, "text": image.to_string()})
        });
        assert_eq!(json!(parts), case["parts"], "{}", case["reference"]);
    }
    for case in cases("mirrors") {
        let image = ImageReference::parse(text(&case, "reference")).unwrap();
        let mirrored = image.with_registry(text(&case, "registry"), text(&case, "prefix"));
        assert_eq!(
            json!(mirrored.map(|image| image.to_string())),
            case["text"],
            "{case}"
        );
    }
}

#[test]
fn names_are_found_as_in_the_other_sdks() {
    for case in cases("names") {
        let taken = words(&case, "taken");
        let found = names::unused_name(text(&case, "prefix"), text(&case, "suffix"), |name| {
            taken.iter().any(|known| known == name)
        });
        assert_eq!(found, text(&case, "name"));
    }
    for case in cases("nearest") {
        let known = words(&case, "known");
        let found = names::nearest(text(&case, "typed"), known.iter().map(String::as_str));
        assert_eq!(json!(found), case["name"], "{case}");
    }
}

#[test]
fn custom_is_merged_as_in_the_other_sdks() {
    for case in cases("custom") {
        let mut merged = object(&case["container"]);
        custom::merge(&mut merged, &object(&case["custom"]));
        assert_eq!(Value::Object(merged), case["merged"], "{case}");
    }
}

#[test]
fn an_ephemeral_container_is_made_as_in_the_other_sdks() {
    for case in cases("ephemeral") {
        let options: DebugOptions = serde_json::from_value(case["options"].clone()).unwrap();
        let context = Context {
            suffix: text(&case, "suffix").into(),
            ..Context::default()
        };
        match ephemeral_container(&Pod(object(&case["pod"])), &options, &context, |_| {}) {
            Ok(made) => assert_eq!(Value::Object(made), case["container"], "{case}"),
            Err(failure) => {
                assert_eq!(
                    json!({"code": failure.code, "message": failure.message}),
                    case["failure"]
                );
            }
        }
    }
}
