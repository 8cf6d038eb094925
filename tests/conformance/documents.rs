//! Documents for the guests: strings of every plane of Unicode, deep and large documents, and options with every field.

use serde_json::{Map, Value, json};
use trocar::{Actor, Context, DebugOptions, Target};

/// Strings that encodings and escapes get wrong.
pub(crate) const TEXTS: [&str; 14] = [
    "",
    "plain",
    "\"quoted\\ and / \u{8}\u{c}\n\r\t",
    "\u{1}\u{1f}\u{7f}",
    "é",
    "e\u{301}",
    "\u{feff}a mark first",
    "\u{2028}\u{2029}",
    "\u{202e}turned",
    "\u{fffd}\u{ffff}",
    "\u{d7ff}\u{e000}",
    "\u{10000}\u{1d11e}\u{1f600}",
    "\u{e0001}",
    "\u{10ffff}",
];

/// A number that JavaScript cannot represent.
const LARGE: i64 = 9_007_199_254_740_993;

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn containers() -> Value {
    json!([{"name": "app", "image": "app:1"}])
}

pub(crate) fn target(object: Value) -> Target {
    Target::new(object, "shop").expect("the tests know what a pod is")
}

/// A pod with a text in values and in names.
pub(crate) fn with_text(text: &str) -> Value {
    let mut pod = pod(json!({"containers": containers()}));
    let names: Map<String, Value> = [(format!("name {text}"), json!(text))].into_iter().collect();
    pod["metadata"]["annotations"] = names.into();
    pod
}

pub(crate) fn with_numbers(has_large: bool) -> Value {
    let large = if has_large { LARGE } else { 1 << 53 };
    let numbers = json!([
        0,
        -1,
        0.5,
        i32::MAX,
        i32::MIN,
        large,
        -large,
        true,
        false,
        null,
        [],
        {}
    ]);
    pod(json!({"containers": containers(), "numbers": numbers}))
}

pub(crate) fn deep() -> Value {
    let mut value = json!("the ground");
    for level in 0..40 {
        value = if level % 2 == 0 {
            json!([value])
        } else {
            json!({"below": value})
        };
    }
    pod(json!({"containers": containers(), "deep": value}))
}

pub(crate) fn large() -> Value {
    let many: Map<String, Value> = (0..2000)
        .map(|index| (format!("label-{index}"), json!(index.to_string())))
        .collect();
    let mut pod = pod(json!({"containers": containers()}));
    pod["metadata"]["labels"] = many.into();
    pod["metadata"]["annotations"] = json!({"long": "0123456789abcdef".repeat(16 << 10)});
    pod
}

pub(crate) fn simple() -> Value {
    pod(json!({"containers": containers()}))
}

/// Options in which every field is set.
pub(crate) fn options() -> DebugOptions {
    let document = json!({
        "image": "busybox:1.36", "args": ["sh", "-c", "echo \u{1d11e}"], "argumentsOnly": true,
        "env": [{"name": "A", "value": "\u{10ffff}"}], "container": "tools", "targetContainer": "app", "stdin": true, "stdinOnce": true,
        "tty": true, "imagePullPolicy": "Always", "profile": "netadmin", "custom": {"workingDir": "/"}, "copyTo": "copy",
        "replace": true, "sameNode": true, "shareProcesses": false, "setImage": {"*": "a"}, "keep": {"labels": true},
        "inherit": {"env": true, "mounts": "readOnly", "user": true}, "asRoot": true, "pullSecrets": ["s"], "priorityClass": "p", "tolerateAll": true,
    });
    serde_json::from_value(document).expect("the tests know the options")
}

pub(crate) fn context() -> Context {
    Context {
        namespace: "shop".into(),
        suffix: "x7k2p".into(),
        time: "2026-11-26T12:00:00Z".into(),
    }
}

pub(crate) fn actor(reason: &str) -> Actor {
    Actor {
        user: "jane".into(),
        reason: Some(reason.into()),
        ..Actor::default()
    }
}
