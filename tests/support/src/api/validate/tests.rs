//! Refused pods. The messages are those of an API server of Kubernetes 1.37.

use super::*;

fn texts(errors: &[FieldError]) -> Vec<String> {
    let texts = errors
        .iter()
        .map(|error| format!("{}: {}", error.field, error.message));
    texts.collect()
}

fn pod(containers: &Value) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "app", "image": "i"}], "ephemeralContainers": containers},
    })
}

#[test]
fn invalid_ephemeral_containers_are_refused() {
    for (container, wanted) in [
        (json!({"name": "a", "image": "i"}), vec![]),
        (
            json!({"name": "a"}),
            vec!["spec.ephemeralContainers[0].image: Required value"],
        ),
        (
            json!({"image": "i"}),
            vec!["spec.ephemeralContainers[0].name: Required value"],
        ),
        (
            json!({"name": "app", "image": "i"}),
            vec![r#"spec.ephemeralContainers[0].name: Duplicate value: "app""#],
        ),
        (
            json!({"name": "a", "image": "i", "targetContainerName": "zzz"}),
            vec![r#"spec.ephemeralContainers[0].targetContainerName: Not found: "zzz""#],
        ),
        (
            json!({"name": "a", "image": "i", "ports": [{"containerPort": 80}], "lifecycle": {}, "resources": {}}),
            vec![
                "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
                "spec.ephemeralContainers[0].lifecycle: Forbidden: cannot be set for an Ephemeral Container",
            ],
        ),
        (
            json!({"name": "a", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "y"}]}),
            vec![
                r#"spec.ephemeralContainers[0].volumeMounts[0].name: Not found: "v""#,
                "spec.ephemeralContainers[0].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container",
            ],
        ),
    ] {
        let new = pod(&json!([container]));
        assert_eq!(texts(&ephemeral_containers(&new)), wanted, "{new}");
    }
}

#[test]
fn an_ephemeral_container_neither_changes_nor_goes() {
    let old = pod(&json!([{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]));
    let new = pod(&json!([{"name": "a", "image": "other"}]));
    assert_eq!(
        texts(&kept_ephemeral_containers(&new, &old)),
        [
            "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"a\" may not be changed\n",
            "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"b\" may not be removed\n",
        ]
    );
    let reordered = pod(&json!([{"name": "b", "image": "i"}, {"name": "a", "image": "i"}]));
    assert_eq!(kept_ephemeral_containers(&reordered, &old), []);
}

#[test]
fn invalid_new_pods_are_refused() {
    for (pod, wanted) in [
        (
            json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "i"}]}}),
            vec![],
        ),
        (
            json!({"spec": {}}),
            vec![
                "metadata.name: Required value: name or generateName is required",
                "spec.containers: Required value",
            ],
        ),
        (
            json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "i"}], "initContainers": [{}]}}),
            vec![
                "spec.initContainers[0].name: Required value",
                "spec.initContainers[0].image: Required value",
            ],
        ),
        (
            json!({"metadata": {"name": "p"}, "spec": {
                "containers": [{"name": "a", "image": "i"}, {"name": "a", "image": "i"}],
                "ephemeralContainers": [{"name": "e", "image": "i"}],
            }}),
            vec![
                r#"spec.containers[1].name: Duplicate value: "a""#,
                "spec.ephemeralContainers: Forbidden: cannot be set on create",
            ],
        ),
    ] {
        assert_eq!(texts(&new_pod(&pod)), wanted, "{pod}");
    }
    let upper = json!({"metadata": {"name": "P_p"}, "spec": {"containers": [{"name": "A_b", "image": "i"}]}});
    let texts = texts(&new_pod(&upper));
    assert!(
        texts[0].starts_with(r#"metadata.name: Invalid value: "P_p": a lowercase RFC 1123 subdomain must"#)
    );
    assert!(
        texts[1]
            .starts_with(r#"spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must"#)
    );
}

#[test]
fn several_errors_are_in_brackets_and_each_is_a_cause() {
    let errors = new_pod(&json!({"metadata": {"name": "p"}, "spec": {"containers": [{}]}}));
    let refusal = refusal("Pod", "p", &errors);
    let body: Value = serde_json::from_slice(&refusal.body).unwrap();
    assert_eq!(
        body["message"],
        "Pod \"p\" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]"
    );
    assert_eq!(
        body["details"],
        json!({"name": "p", "kind": "Pod", "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers[0].name"},
            {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers[0].image"},
        ]})
    );
}
