//! Stories about the normal form. Those about whole pods are data (`cases.json`), so that a real API server can be asked
//! whether it stores the normal form and the original alike.

use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::{Value, json};
use trocar_sdk::{Object, pod::ContainerKind};

use super::{
    Difference, DifferenceKind, bounds, compare_stored_ephemeral, compare_stored_pod, nearest,
    normalize_container, normalize_pod,
    table::{CONTAINER, POD_SPEC},
};

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is not an object"),
    }
}

/// A pod of the cases: named, in a namespace, with a container unless it says otherwise.
fn complete(mut pod: Value) -> Object {
    let defaults = [
        ("/apiVersion", json!("v1")),
        ("/kind", json!("Pod")),
        ("/metadata/name", json!("case")),
        ("/metadata/namespace", json!("trocar-cases")),
        (
            "/spec/containers",
            json!([{"name": "app", "image": "busybox:1.36"}]),
        ),
    ];
    for (place, value) in defaults {
        if pod.pointer(place).is_none() {
            let (parent, field) = place.rsplit_once('/').unwrap();
            if parent == "/metadata" && pod.get("metadata").is_none() {
                pod["metadata"] = json!({});
            }
            pod.pointer_mut(parent).unwrap()[field] = value;
        }
    }
    object(pod)
}

#[test]
fn a_pod_has_the_normal_form_that_its_story_says() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases.json")).unwrap();
    for case in cases {
        let story = case["story"].as_str().unwrap();
        let normal = normalize_pod(complete(case["given"].clone()), None);
        match (normal, case.get("refused")) {
            (Ok(normal), None) => {
                assert_eq!(normal, complete(case["normal"].clone()), "{story}");
                assert_eq!(normalize_pod(normal.clone(), None), Ok(normal), "twice: {story}");
            }
            (Err(refused), Some(wanted)) => assert_eq!(refused.to_string(), *wanted, "{story}"),
            (Ok(normal), Some(wanted)) => panic!("{story}: {normal:?} instead of {wanted}"),
            (Err(refused), None) => panic!("{story}: refused with {refused}"),
        }
    }
}

#[test]
fn an_object_without_a_kind_becomes_a_pod_and_one_without_a_spec_does_not() {
    let mut pod = complete(json!({"spec": {}}));
    pod.remove("apiVersion");
    pod.remove("kind");
    assert_eq!(normalize_pod(pod, None), Ok(complete(json!({"spec": {}}))));
    let refused = normalize_pod(Object::new(), None).unwrap_err();
    assert_eq!(refused.to_string(), "Pod needs the field \"spec\"");
}

#[test]
fn an_unknown_field_is_kept_where_the_target_has_the_same_at_the_same_place() {
    let pod = |spec: Value| complete(json!({"spec": spec}));
    let container = |name: &str, sandbox: Value| json!({"name": name, "image": "a", "sandbox": sandbox});
    let target = pod(json!({
        "newField": {"deep": [1, null]},
        "containers": [container("app", json!("strict")), container("side", json!("loose"))],
        "tolerations": [{"key": "a", "since": 3}],
    }));
    assert_eq!(normalize_pod(target.clone(), Some(&target)), Ok(target.clone()));
    // A copy that leaves one container out: items are found by their names.
    let copy = pod(json!({"containers": [container("side", json!("loose"))]}));
    assert_eq!(normalize_pod(copy.clone(), Some(&target)), Ok(copy));
    for (spec, place) in [
        (json!({"newField": {"deep": [1]}}), "/spec/newField"),
        (
            json!({"containers": [container("side", json!("strict"))]}),
            "/spec/containers/0/sandbox",
        ),
        (
            json!({"containers": [container("new", json!("strict"))]}),
            "/spec/containers/0/sandbox",
        ),
        (
            json!({"initContainers": [container("app", json!("strict"))]}),
            "/spec/initContainers/0/sandbox",
        ),
        // Tolerations have no names: their place is their index.
        (
            json!({"tolerations": [{}, {"key": "a", "since": 3}]}),
            "/spec/tolerations/1/since",
        ),
    ] {
        assert_eq!(normalize_pod(pod(spec), Some(&target)).unwrap_err().place, place);
    }
    assert_eq!(
        normalize_pod(target, None).unwrap_err().place,
        "/spec/containers/0/sandbox"
    );
}

#[test]
fn a_patch_directive_is_not_kept_even_where_the_target_has_it() {
    let target = complete(json!({"spec": {"newField": {"$patch": "delete"}}}));
    let refused = normalize_pod(target.clone(), Some(&target)).unwrap_err();
    assert_eq!(refused.place, "/spec/newField/$patch");
}

#[test]
fn a_container_that_hides_a_directive_has_no_normal_form() {
    let container = json!({"name": "rooted", "image": "busybox:1.36", "securityContext": {
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1000, "$patch": "delete",
    }});
    let refused = normalize_container(object(container), ContainerKind::Ephemeral, None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "/securityContext/$patch: a patch directive is not part of an object"
    );
}

#[test]
fn only_an_ephemeral_container_has_a_target() {
    let container =
        object(json!({"name": "dbg", "image": "a", "targetContainerName": "app", "stdin": false}));
    let wanted = object(json!({"name": "dbg", "image": "a", "targetContainerName": "app"}));
    let normal = normalize_container(container.clone(), ContainerKind::Ephemeral, None);
    assert_eq!(normal, Ok(wanted));
    for kind in [ContainerKind::Init, ContainerKind::Regular] {
        let refused = normalize_container(container.clone(), kind, None).unwrap_err();
        assert_eq!(refused.place, "/targetContainerName");
    }
}

#[test]
fn a_container_keeps_what_its_counterpart_in_the_target_has() {
    let target = object(json!({"name": "app", "image": "a", "sandbox": {"level": 2}}));
    let normal =
        |container: Value| normalize_container(object(container), ContainerKind::Regular, Some(&target));
    assert!(normal(json!({"name": "app", "image": "b", "sandbox": {"level": 2}})).is_ok());
    assert!(normal(json!({"name": "app", "image": "b", "sandbox": {"level": 3}})).is_err());
}

#[test]
fn an_object_that_is_too_deep_or_too_large_is_refused_before_anything_else() {
    let mut deep = json!("x");
    for _ in 0..bounds::MAX_DEPTH {
        deep = json!([deep]);
    }
    let refused = normalize_pod(complete(json!({"spec": {"newField": deep}})), None).unwrap_err();
    assert!(
        refused.to_string().ends_with("more than 64 levels deep"),
        "{refused}"
    );
    let large = vec![Value::Null; bounds::MAX_NODES];
    let refused = normalize_pod(complete(json!({"spec": {"newField": large}})), None).unwrap_err();
    assert_eq!(refused.to_string(), "the object has more than 200000 values");
}

#[test]
fn a_name_as_long_as_its_document_is_shown_by_its_beginning() {
    let mut pod = complete(json!({"spec": {}}));
    pod.insert("é".repeat(100_000), json!(1));
    let refused = normalize_pod(pod, None).unwrap_err();
    assert_eq!(refused.place.chars().count(), 81);
    assert!(refused.to_string().len() < 500);
}

#[test]
fn a_mistyped_field_finds_its_nearest_name() {
    assert_eq!(nearest(&CONTAINER, "imgae"), Some("image"));
    assert_eq!(nearest(&CONTAINER, "securitycontext"), Some("securityContext"));
    assert_eq!(nearest(&POD_SPEC, "hostUser"), Some("hostUsers"));
    assert_eq!(nearest(&CONTAINER, "zebra"), None);
    assert_eq!(nearest(&CONTAINER, &"image".repeat(100_000)), None);
}

fn told(differences: &[Difference]) -> Vec<String> {
    let kind = |kind| match kind {
        DifferenceKind::RestrictionGone => "gone",
        DifferenceKind::RightNew => "new",
        DifferenceKind::Other => "other",
    };
    let mut told: Vec<String> = differences
        .iter()
        .map(|difference| format!("{} {}", kind(difference.kind), difference.place))
        .collect();
    told.sort();
    told
}

/// Puts changes into a document: objects are merged, a null removes, everything else replaces.
fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (field, value) in new {
                match value {
                    Value::Null => drop(old.remove(&field)),
                    value => merge(old.entry(field).or_insert(json!({})), value),
                }
            }
        }
        (old, new) => *old = new,
    }
}

/// A pod with all kinds of restrictions, in normal form.
fn restricted() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "dbg", "namespace": "shop", "labels": {"app": "x"}},
        "spec": {
            "hostUsers": false, "activeDeadlineSeconds": 60, "runtimeClassName": "gvisor",
            "nodeSelector": {"pool": "debug"},
            "containers": [{
                "name": "x", "image": "a", "command": ["sh", "-c"], "ports": [{"containerPort": 80}],
                "livenessProbe": {"exec": {"command": ["true"]}},
                "resources": {"limits": {"cpu": "500m"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1000,
                    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [{"name": "d", "mountPath": "/d", "readOnly": true}],
            }],
            "volumes": [{"name": "d", "secret": {"secretName": "s"}}],
        },
    })
}

/// What a server makes of [`restricted`], with what it and its admission put in.
fn answer() -> Value {
    let mut stored = restricted();
    merge(
        &mut stored,
        json!({
            "metadata": {
                "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "7", "generation": 1,
                "managedFields": [{"manager": "trocar", "fieldsV1": {"f:spec": {}}}],
                "labels": {"trocar.dev/session": "s"}, "annotations": {"trocar.dev/plan": "sha256:0", "kubernetes.io/limit-ranger": "LimitRanger plugin set: memory limit"},
            },
            "spec": {
                "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always",
                "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30, "securityContext": {},
                "serviceAccount": "default", "serviceAccountName": "default", "priority": 0,
                "preemptionPolicy": "PreemptLowerPriority", "overhead": {"cpu": "250m"},
                "tolerations": [
                    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                ],
                "imagePullSecrets": [{"name": "registry"}],
                "volumes": [
                    {"name": "d", "secret": {"secretName": "s", "defaultMode": 420}},
                    {"name": "kube-api-access-x7x7x", "projected": {"defaultMode": 420, "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
                        {"downwardAPI": {"items": [{"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}]}},
                    ]}},
                ],
            },
            "status": {"phase": "Pending", "qosClass": "Burstable"},
        }),
    );
    let container = &mut stored["spec"]["containers"][0];
    container["ports"] = json!([{"containerPort": 80, "protocol": "TCP"}]);
    merge(
        container,
        json!({
            "imagePullPolicy": "Always", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "resources": {"limits": {"cpu": "0.5", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
            "volumeMounts": [
                {"name": "d", "mountPath": "/d", "readOnly": true},
                {"name": "kube-api-access-x7x7x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true},
            ],
        }),
    );
    stored
}

#[test]
fn what_a_server_and_its_admission_put_in_is_not_a_difference() {
    let differences = compare_stored_pod(&object(restricted()), &object(answer())).differences;
    assert_eq!(told(&differences), [""; 0]);
}

#[test]
fn what_was_stored_is_what_was_judged_once_that_is_taken_out() {
    let stored = compare_stored_pod(&object(restricted()), &object(answer())).object;
    let mut wanted = restricted();
    // These mean what they meant, and are written as the server writes them.
    wanted["spec"]["securityContext"] = json!({});
    wanted["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("0.5");
    assert_eq!(json!(stored), wanted);
}

#[test]
fn what_was_stored_with_less_restrictions_or_more_rights_is_told() {
    let container = |changes: Value| {
        let mut container = answer()["spec"]["containers"][0].clone();
        merge(&mut container, changes);
        json!({"spec": {"containers": [container]}})
    };
    let context = |changes: Value| container(json!({"securityContext": changes}));
    for (changes, wanted) in [
        (
            context(json!({"privileged": true})),
            "new /spec/containers/0/securityContext/privileged",
        ),
        (
            container(json!({"securityContext": null})),
            "gone /spec/containers/0/securityContext/allowPrivilegeEscalation, \
             gone /spec/containers/0/securityContext/capabilities/drop, \
             gone /spec/containers/0/securityContext/runAsNonRoot, \
             gone /spec/containers/0/securityContext/runAsUser, \
             gone /spec/containers/0/securityContext/seccompProfile/type",
        ),
        (
            context(json!({"allowPrivilegeEscalation": null})),
            "gone /spec/containers/0/securityContext/allowPrivilegeEscalation",
        ),
        (
            context(json!({"runAsNonRoot": false})),
            "gone /spec/containers/0/securityContext/runAsNonRoot",
        ),
        (
            context(json!({"runAsUser": 0})),
            "gone /spec/containers/0/securityContext/runAsUser",
        ),
        (
            context(json!({"runAsGroup": 0})),
            "new /spec/containers/0/securityContext/runAsGroup",
        ),
        (
            context(json!({"runAsGroup": 7})),
            "other /spec/containers/0/securityContext/runAsGroup",
        ),
        (
            context(json!({"capabilities": {"drop": ["NET_RAW"]}})),
            "gone /spec/containers/0/securityContext/capabilities/drop",
        ),
        (
            context(json!({"capabilities": {"add": ["SYS_ADMIN"]}})),
            "new /spec/containers/0/securityContext/capabilities/add",
        ),
        (
            context(json!({"seccompProfile": {"type": "Unconfined"}})),
            "gone /spec/containers/0/securityContext/seccompProfile/type",
        ),
        (
            context(json!({"appArmorProfile": {"type": "Unconfined"}})),
            "new /spec/containers/0/securityContext/appArmorProfile/type",
        ),
        (
            context(json!({"readOnlyRootFilesystem": true})),
            "other /spec/containers/0/securityContext/readOnlyRootFilesystem",
        ),
        (container(json!({"image": "b"})), "new /spec/containers/0/image"),
        (
            container(json!({"command": ["-c", "sh"]})),
            "new /spec/containers/0/command",
        ),
        (
            container(json!({"env": [{"name": "A", "value": "b"}]})),
            "other /spec/containers/0/env/0/name, other /spec/containers/0/env/0/value",
        ),
        (
            container(
                json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
            ),
            "new /spec/containers/0/env/0/valueFrom, other /spec/containers/0/env/0/name",
        ),
        (
            container(json!({"resources": {"limits": {"cpu": "64"}}})),
            "gone /spec/containers/0/resources/limits/cpu",
        ),
        (
            container(json!({"volumeMounts": [{"name": "d", "mountPath": "/d"}]})),
            "gone /spec/containers/0/volumeMounts/0/readOnly",
        ),
        (container(json!({"zebra": 1})), "other /spec/containers/0/zebra"),
        (json!({"spec": {"hostUsers": null}}), "gone /spec/hostUsers"),
        (
            json!({"spec": {"runtimeClassName": null, "overhead": null}}),
            "gone /spec/runtimeClassName",
        ),
        (
            json!({"spec": {"activeDeadlineSeconds": 86400}}),
            "gone /spec/activeDeadlineSeconds",
        ),
        (
            json!({"spec": {"nodeSelector": null}}),
            "gone /spec/nodeSelector/pool",
        ),
        (
            json!({"spec": {"hostNetwork": true}}),
            "new /spec/containers/0/ports/0/hostPort, new /spec/hostNetwork",
        ),
        (
            json!({"spec": {"serviceAccountName": "powerful"}}),
            "new /spec/serviceAccountName",
        ),
        (
            json!({"spec": {"priorityClassName": "system-node-critical"}}),
            "new /spec/priorityClassName",
        ),
        (
            json!({"spec": {"priorityClassName": "the-clusters-default"}}),
            "other /spec/priorityClassName",
        ),
        (
            json!({"spec": {"initContainers": [{"name": "i", "image": "i"}]}}),
            "new /spec/initContainers/0",
        ),
        (
            json!({"spec": {"volumes": [{"name": "d", "hostPath": {"path": "/", "type": ""}}]}}),
            "new /spec/volumes/0/hostPath",
        ),
        (
            json!({"metadata": {"labels": {"app": "y"}}}),
            "gone /metadata/labels/app",
        ),
        (
            json!({"metadata": {"labels": {"team": "y"}}}),
            "new /metadata/labels/team",
        ),
        (
            json!({"metadata": {"annotations": {"a": "b"}}}),
            "other /metadata/annotations/a",
        ),
        (
            json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u"}]}}),
            "new /metadata/ownerReferences/0",
        ),
    ] {
        let mut stored = answer();
        merge(&mut stored, changes.clone());
        let differences = compare_stored_pod(&object(restricted()), &object(stored)).differences;
        let told = told(&differences);
        let wanted: Vec<&str> = wanted.split(", ").collect();
        // Harmless differences may stand beside.
        let weighty: Vec<&String> = told
            .iter()
            .filter(|told| !told.starts_with("other") || wanted.contains(&told.as_str()))
            .collect();
        assert_eq!(weighty, wanted, "{changes}: {told:?}");
    }
}

#[test]
fn a_token_is_a_new_right_where_none_was_to_be_mounted() {
    let mut judged = restricted();
    let mut stored = answer();
    judged["spec"]["automountServiceAccountToken"] = json!(false);
    stored["spec"]["automountServiceAccountToken"] = json!(false);
    let differences = compare_stored_pod(&object(judged), &object(stored)).differences;
    assert_eq!(
        told(&differences),
        ["new /spec/containers/0/volumeMounts/1", "new /spec/volumes/1"]
    );
}

#[test]
fn a_volume_that_only_looks_like_the_tokens_is_a_new_right() {
    let mut stored = answer();
    stored["spec"]["volumes"][1]["projected"]["sources"][1]["configMap"]["name"] = json!("other");
    let differences = compare_stored_pod(&object(restricted()), &object(stored)).differences;
    assert_eq!(told(&differences), ["new /spec/volumes/1"]);
}

#[test]
fn an_answer_that_is_not_a_pod_keeps_no_restriction() {
    for stored in [json!({"spec": []}), json!({"spec": {"containers": "x"}})] {
        let differences = compare_stored_pod(&object(restricted()), &object(stored.clone())).differences;
        assert_eq!(differences.len(), 1, "{stored}");
        assert_eq!(differences[0].kind, DifferenceKind::RestrictionGone);
    }
}

/// What a webhook adds to the labels comes before it in the pod.
#[test]
fn many_new_labels_do_not_hide_how_a_pod_is_scheduled() {
    let (mut judged, mut stored) = (restricted(), answer());
    for pod in [&mut judged, &mut stored] {
        // A class of runtimes may bring tolerations.
        pod["spec"].as_object_mut().unwrap().remove("runtimeClassName");
    }
    for index in 0..1000 {
        stored["metadata"]["labels"][format!("a{index}")] = json!("x");
    }
    stored["spec"]["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
    let differences = compare_stored_pod(&object(judged), &object(stored)).differences;
    let fields: Vec<&str> = differences
        .iter()
        .filter_map(Difference::scheduling_field)
        .collect();
    assert_eq!(fields, ["tolerations"], "{:?}", told(&differences).split_off(32));
}

#[test]
fn many_harmless_differences_do_not_hide_a_grave_one() {
    let mut stored = answer();
    for index in 0..1000 {
        stored["metadata"]["annotations"][format!("a{index}")] = json!("x");
    }
    stored["spec"]["hostPID"] = json!(true);
    let told = told(&compare_stored_pod(&object(restricted()), &object(stored)).differences);
    assert_eq!(told.len(), 33);
    assert!(told.contains(&"new /spec/hostPID".to_owned()));
}

#[test]
fn an_ephemeral_container_is_compared_with_the_one_of_its_name() {
    let judged = object(json!({"name": "dbg", "image": "a", "securityContext": {"runAsNonRoot": true}}));
    let old = json!({"name": "old", "image": "b"});
    let pod =
        |containers: Value| object(json!({"metadata": {}, "spec": {"ephemeralContainers": containers}}));
    let before = pod(json!([old]));
    let put = json!({
        "name": "dbg", "image": "a", "securityContext": {"runAsNonRoot": true}, "resources": {},
        "imagePullPolicy": "Always", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    let mut loose = put.clone();
    loose["securityContext"] = json!({});
    for (stored, wanted) in [
        (json!([old, put]), vec![]),
        (
            json!([old, loose]),
            vec!["gone /spec/ephemeralContainers/1/securityContext/runAsNonRoot"],
        ),
        (json!([old]), vec!["gone /spec/ephemeralContainers"]),
        (
            json!([old, put, {"name": "other", "image": "c"}]),
            vec!["new /spec/ephemeralContainers/2"],
        ),
    ] {
        let differences = compare_stored_ephemeral(&judged, &before, &pod(stored.clone())).differences;
        assert_eq!(told(&differences), wanted, "{stored}");
    }
}

#[test]
fn what_is_in_an_object_that_is_new_is_told_each_by_its_place() {
    let judged = object(json!({"name": "dbg", "image": "a"}));
    let pod =
        |containers: Value| object(json!({"metadata": {}, "spec": {"ephemeralContainers": containers}}));
    let put = json!([{"name": "dbg", "image": "a", "securityContext": {
        "privileged": true, "runAsNonRoot": true, "capabilities": {"add": ["SYS_ADMIN"], "drop": ["KILL"]},
    }}]);
    let differences = compare_stored_ephemeral(&judged, &pod(json!([])), &pod(put)).differences;
    let at = |field: &str| format!("/spec/ephemeralContainers/0/securityContext/{field}");
    let wanted = [
        format!("new {}", at("capabilities/add")),
        format!("new {}", at("privileged")),
        format!("other {}", at("capabilities/drop")),
        format!("other {}", at("runAsNonRoot")),
    ];
    assert_eq!(told(&differences), wanted);
}

/// Values of any shape, with names that the API knows and names that it does not.
fn any_value() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "name",
        "image",
        "spec",
        "metadata",
        "labels",
        "annotations",
        "containers",
        "initContainers",
        "volumes",
        "ports",
        "hostPath",
        "path",
        "emptyDir",
        "env",
        "value",
        "securityContext",
        "runAsUser",
        "privileged",
        "resources",
        "limits",
        "cpu",
        "hostNetwork",
        "containerPort",
        "hostPort",
        "serviceAccount",
        "serviceAccountName",
        "ownerReferences",
        "controller",
        "tolerations",
        "key",
        "affinity",
        "status",
        "uid",
        "kind",
        "apiVersion",
        "$patch",
        "zebra",
        "container.apparmor.security.beta.kubernetes.io/app",
        "appArmorProfile",
        "type",
        "projected",
        "sources",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "app",
            "v1",
            "Pod",
            "a",
            "1Gi",
            "-1n",
            "unconfined",
            "localhost/x",
            "true"
        ])
        .prop_map(Value::from),
        ".{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Pods most of whose parts are right, so that they often have a normal form.
fn any_pod() -> impl Strategy<Value = Value> {
    let maybe = |name: &'static str, value: BoxedStrategy<Value>| {
        prop::option::weighted(0.3, value).prop_map(move |value| value.map(|value| (name, value)))
    };
    let flag = || prop_oneof![Just(json!(true)), Just(json!(false)), Just(Value::Null)].boxed();
    let text = || {
        prop::sample::select(vec!["", "a", "b"])
            .prop_map(Value::from)
            .boxed()
    };
    let spec = [
        maybe("hostNetwork", flag()),
        maybe("hostUsers", flag()),
        maybe("serviceAccount", text()),
        maybe("serviceAccountName", text()),
        maybe(
            "terminationGracePeriodSeconds",
            (-2_i64..3).prop_map(Value::from).boxed(),
        ),
        maybe(
            "volumes",
            Just(json!([{"name": "v"}, {"name": "w", "emptyDir": {"medium": ""}}])).boxed(),
        ),
        maybe("nodeSelector", Just(json!({"a": null})).boxed()),
        maybe(
            "initContainers",
            Just(json!([{"name": "i", "image": "i", "ports": [{"containerPort": 1}]}])).boxed(),
        ),
        maybe(
            "containers",
            Just(json!([{"name": "app", "image": "i", "args": [null], "stdin": false}])).boxed(),
        ),
        maybe("affinity", any_value().boxed()),
        maybe("zebra", any_value().boxed()),
    ];
    let annotations = prop::sample::select(vec![
        "unconfined",
        "runtime/default",
        "localhost/x",
        "localhost/",
        "",
    ]);
    (spec, annotations).prop_map(|(spec, profile)| {
        let mut pod = Value::Object(complete(json!({"spec": {}})));
        pod["metadata"]["annotations"] =
            json!({"container.apparmor.security.beta.kubernetes.io/app": profile});
        for (name, value) in spec.into_iter().flatten() {
            pod["spec"][name] = value;
        }
        pod
    })
}

fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(10),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(fixed(2000))]

    #[test]
    fn whatever_a_guest_answers_its_normal_form_is_its_own_normal_form(value in prop_oneof![any_pod(), any_value()]) {
        let Value::Object(pod) = value else { return Ok(()) };
        if let Ok(normal) = normalize_pod(pod.clone(), None) {
            prop_assert_eq!(normalize_pod(normal.clone(), None), Ok(normal.clone()));
            prop_assert_eq!(compare_stored_pod(&normal, &pod).differences, vec![]);
        }
        if let Ok(kept) = normalize_pod(pod.clone(), Some(&pod)) {
            prop_assert_eq!(normalize_pod(kept.clone(), Some(&pod)), Ok(kept));
        }
        if let Ok(container) = normalize_container(pod.clone(), ContainerKind::Regular, None) {
            prop_assert_eq!(normalize_container(container.clone(), ContainerKind::Regular, None), Ok(container));
        }
    }

    #[test]
    fn whatever_a_server_answers_the_comparison_ends(judged in any_pod(), stored in prop_oneof![any_pod(), any_value()]) {
        let (Value::Object(judged), Value::Object(stored)) = (judged, stored) else { return Ok(()) };
        prop_assert!(compare_stored_pod(&judged, &stored).differences.len() <= 96);
    }
}
