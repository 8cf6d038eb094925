//! A table of patches: an object, a patch, and the result. Every row was verified with
//! `strategicpatch` of apimachinery 0.37 or an API server of Kubernetes 1.37.

use serde_json::json;

use super::*;

fn container(name: &str) -> Value {
    json!({"name": name, "image": "i"})
}

fn pod(containers: &[Value]) -> Value {
    let mut pod =
        json!({"metadata": {"name": "web", "uid": "u"}, "spec": {"containers": [container("app")]}});
    if !containers.is_empty() {
        pod["spec"]["ephemeralContainers"] = json!(containers);
    }
    pod
}

fn strategic(pod: &Value, patch: &Value) -> Result<Value, Refused> {
    let content_type = "application/strategic-merge-patch+json";
    apply(pod, "Pod", content_type, patch.to_string().as_bytes()).map(|patched| patched.object)
}

/// The ephemeral containers of a pod with `a` and `b`, after a strategic merge patch of the spec.
fn merged(spec: &Value) -> Value {
    let pod = pod(&[container("a"), container("b")]);
    strategic(&pod, &json!({"spec": spec})).unwrap()["spec"]["ephemeralContainers"].clone()
}

fn names(containers: &Value) -> Vec<&str> {
    let containers = containers.as_array().unwrap().iter();
    containers
        .map(|container| container["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_new_container_is_prepended_unless_the_patch_gives_the_order() {
    let spec = json!({"ephemeralContainers": [container("c")]});
    assert_eq!(names(&merged(&spec)), ["c", "a", "b"]);
    let spec = json!({"ephemeralContainers": [container("c"), container("d")]});
    assert_eq!(names(&merged(&spec)), ["c", "d", "a", "b"]);
    let spec = json!({
        "$setElementOrder/ephemeralContainers": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
        "ephemeralContainers": [container("c")],
    });
    assert_eq!(names(&merged(&spec)), ["a", "b", "c"]);
    let spec = json!({
        "$setElementOrder/ephemeralContainers": [{"name": "c"}],
        "ephemeralContainers": [container("c")],
    });
    assert_eq!(names(&merged(&spec)), ["c", "a", "b"]);
}

#[test]
fn containers_are_merged_by_name_and_plain_lists_are_replaced() {
    let old = json!([{"name": "a", "image": "1", "args": ["x"], "env": [{"name": "A", "value": "1"}]}]);
    let pod = pod(old.as_array().unwrap());
    let patch = json!({"spec": {"ephemeralContainers": [
        {"name": "a", "args": ["y"], "image": null, "env": [{"name": "B", "value": "2"}]},
    ]}});
    assert_eq!(
        strategic(&pod, &patch).unwrap()["spec"]["ephemeralContainers"],
        json!([{"name": "a", "args": ["y"], "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}])
    );
}

#[test]
fn a_directive_in_the_first_container_takes_its_map_away() {
    for directive in ["delete", "replace", "merge"] {
        let mut first = container("a");
        first["securityContext"] = json!({"runAsNonRoot": true, "$patch": directive});
        let stored = strategic(&pod(&[]), &json!({"spec": {"ephemeralContainers": [first]}})).unwrap();
        assert_eq!(
            stored["spec"]["ephemeralContainers"],
            json!([container("a")]),
            "{directive}"
        );
    }
}

#[test]
fn a_directive_in_a_further_container_stays_and_is_an_unknown_field() {
    let mut new = container("c");
    new["securityContext"] = json!({"runAsUser": 1, "$patch": "delete"});
    assert_eq!(merged(&json!({"ephemeralContainers": [new.clone()]}))[0], new);
}

#[test]
fn directives_in_what_is_there_are_obeyed_at_any_depth() {
    let mut old = container("a");
    old["securityContext"] = json!({"runAsUser": 1, "seLinuxOptions": {"level": "s0", "role": "r"}});
    let pod = pod(&[old]);
    for (context, wanted) in [
        (json!({"$patch": "delete"}), json!({})),
        (
            json!({"$patch": "replace", "privileged": true}),
            json!({"privileged": true}),
        ),
        (
            json!({"seLinuxOptions": {"$patch": "replace", "level": "s1"}}),
            json!({"runAsUser": 1, "seLinuxOptions": {"level": "s1"}}),
        ),
        (json!({"$retainKeys": ["runAsUser"]}), json!({"runAsUser": 1})),
    ] {
        let patch =
            json!({"spec": {"ephemeralContainers": [{"name": "a", "securityContext": context.clone()}]}});
        let stored = strategic(&pod, &patch).unwrap();
        assert_eq!(
            stored["spec"]["ephemeralContainers"][0]["securityContext"], wanted,
            "{context}"
        );
    }
}

#[test]
fn directives_on_items_and_lists() {
    let spec = json!({"ephemeralContainers": [{"name": "a", "$patch": "delete"}, container("c")]});
    assert_eq!(names(&merged(&spec)), ["c", "b"]);
    let spec = json!({"ephemeralContainers": [container("n"), {"$patch": "replace"}]});
    assert_eq!(names(&merged(&spec)), ["n"]);
    assert_eq!(merged(&json!({"ephemeralContainers": null})), Value::Null);
    let spec = json!({"$patch": "replace", "ephemeralContainers": [container("n")]});
    assert_eq!(names(&merged(&spec)), ["n"]);
}

#[test]
fn lists_of_plain_values_are_united() {
    let pod = json!({"metadata": {"finalizers": ["a", "b"]}});
    let patch = json!({"metadata": {"finalizers": ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"]}});
    let stored = strategic(&pod, &patch).unwrap();
    assert_eq!(stored["metadata"]["finalizers"], json!(["c", "a"]));
}

#[test]
fn invalid_merges_are_refused_with_the_servers_message() {
    let pod = pod(&[container("a")]);
    for (item, code, message) in [
        (
            json!({"name": "a", "$patch": "zap"}),
            500,
            "unknown patch type: zap in map: map[$patch:zap name:a]",
        ),
        (
            json!({"image": "a"}),
            500,
            "map: map[image:a] does not contain declared merge key: name",
        ),
    ] {
        let refused = strategic(&pod, &json!({"spec": {"ephemeralContainers": [item]}})).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (code, message));
    }
    let content_type = "application/json-patch+json";
    for (patch, code, message) in [
        (
            "{}",
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        ("{{", 400, "invalid JSON patch"),
        (
            r#"[{"op": "test", "path": "/metadata/uid", "value": "x"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
    ] {
        let refused = apply(&pod, "Pod", content_type, patch.as_bytes()).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (code, message));
    }
    let refused = apply(&pod, "Pod", "application/json", b"{}").unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (415, "415: Unsupported Media Type")
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
