//! A copied container keeps its rights as long as it runs the same program with the same rights.

use serde_json::{Value, json};

use super::fixtures::{codes, created, merged, reasons, target_with};

/// A target whose container may do much, and its own copy.
fn powerful() -> Value {
    target_with(json!({
        "securityContext": {"fsGroup": 7},
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}, {"name": "code", "emptyDir": {}}],
        "containers": [{
            "name": "app", "image": "app:1", "command": ["serve"], "args": ["--all"], "env": [{"name": "A", "value": "a"}],
            "lifecycle": {"preStop": {"exec": {"command": ["bye"]}}}, "livenessProbe": {"exec": {"command": ["ok"]}},
            "volumeMounts": [{"name": "host", "mountPath": "/host"}, {"name": "code", "mountPath": "/code"}],
            "securityContext": {"privileged": true, "runAsUser": 0, "capabilities": {"add": ["SYS_ADMIN"]}},
        }],
    }))
}

const ALL: [&str; 4] = ["privileged", "linux-capability", "user-id", "host-path"];

fn settings() -> Value {
    json!({"profile": "general", "lowestUser": 1})
}

/// The codes of what a copy is denied for, when its container is changed so.
fn with_container(patch: Value) -> Vec<String> {
    let target = powerful();
    let mut copy = target.clone();
    let container = &mut copy["spec"]["containers"][0];
    *container = merged(container.take(), patch);
    codes(&created(settings(), &target, copy))
}

fn with_pod(patch: Value) -> Vec<String> {
    let target = powerful();
    codes(&created(settings(), &target, merged(target.clone(), patch)))
}

#[test]
fn whatever_makes_it_another_program_or_another_user_has_it_judged_anew() {
    for patch in [
        json!({"image": "busybox:1.36"}),
        json!({"command": ["sh"]}),
        json!({"command": null}),
        json!({"args": ["--none"]}),
        json!({"args": null}),
        json!({"env": [{"name": "LD_PRELOAD", "value": "/code/x.so"}]}),
        json!({"envFrom": [{"configMapRef": {"name": "kube-root-ca.crt"}}]}),
        json!({"workingDir": "/code"}),
        json!({"lifecycle": {"preStop": {"exec": {"command": ["sh"]}}}}),
        json!({"lifecycle": {"postStart": {"exec": {"command": ["sh"]}}}}),
        json!({"livenessProbe": {"exec": {"command": ["sh"]}}}),
        json!({"stdin": true}),
        json!({"securityContext": {"runAsGroup": 0}}),
        json!({"volumeMounts": [{"name": "host", "mountPath": "/host"}, {"name": "code", "mountPath": "/bin"}]}),
        json!({"a field that is not known": true}),
    ] {
        assert_eq!(with_container(patch.clone()), ALL, "{patch}");
    }
}

#[test]
fn whatever_gives_all_containers_of_the_pod_other_rights_has_them_judged_anew() {
    for patch in [
        json!({"spec": {"securityContext": {"runAsGroup": 0}}}),
        json!({"spec": {"securityContext": null}}),
        json!({"spec": {"hostUsers": true}}),
        json!({"spec": {"volumes": [{"name": "host", "hostPath": {"path": "/"}}, {"name": "code", "image": {"reference": "x"}}]}}),
    ] {
        assert_eq!(with_pod(patch.clone()), ALL, "{patch}");
    }
}

#[test]
fn what_has_no_say_in_what_runs_leaves_it_alone() {
    for patch in [
        json!({}),
        json!({"livenessProbe": null}),
        json!({"tty": true, "stdin": false}),
        json!({"imagePullPolicy": "Always", "terminationMessagePolicy": "File"}),
        json!({"resources": {"limits": {"cpu": "1"}}}),
        json!({"args": ["--all"], "envFrom": null, "workingDir": null}),
    ] {
        assert_eq!(with_container(patch.clone()), [""; 0], "{patch}");
    }
    for patch in [
        json!({"metadata": {"name": "copy", "labels": {"a": "b"}}}),
        json!({"spec": {"shareProcessNamespace": true, "activeDeadlineSeconds": 60, "hostUsers": null}}),
    ] {
        assert_eq!(with_pod(patch.clone()), [""; 0], "{patch}");
    }
}

#[test]
fn a_target_that_spells_out_what_says_nothing_is_the_same_as_its_copy_without() {
    let target = merged(
        powerful(),
        json!({"spec": {"securityContext": {"sysctls": [], "seLinuxOptions": {"type": ""}}, "hostUsers": null}}),
    );
    let mut spelled = target.clone();
    let container = &mut spelled["spec"]["containers"][0];
    container["env"][0]["valueFrom"] = Value::Null;
    container["command"] = json!(["serve"]);
    for (field, nothing) in [
        ("envFrom", json!([])),
        ("workingDir", json!("")),
        ("stdin", json!(false)),
        ("volumeDevices", Value::Null),
    ] {
        container[field] = nothing;
    }
    container["volumeMounts"][0]["readOnly"] = json!(false);
    container["securityContext"]["seccompProfile"] = json!({});
    let mut copy = powerful();
    assert_eq!(codes(&created(settings(), &spelled, copy.clone())), [""; 0]);
    copy["spec"]["containers"][0]["securityContext"]["runAsNonRoot"] = json!(false);
    assert_eq!(
        codes(&created(settings(), &spelled, copy)),
        ALL,
        "false says something there"
    );
}

#[test]
fn the_user_that_a_copy_takes_away_from_its_container_is_missed() {
    let target = target_with(json!({"containers": [{"name": "app", "image": "app:1",
        "securityContext": {"runAsNonRoot": true}}]}));
    let settings = || json!({"lowestUser": 1});
    assert_eq!(codes(&created(settings(), &target, target.clone())), [""; 0]);
    let mut copy = target.clone();
    copy["spec"]["containers"][0]["securityContext"]["runAsNonRoot"] = json!(false);
    assert_eq!(codes(&created(settings(), &target, copy)), ["user-id"]);
}

#[test]
fn a_container_is_not_the_one_of_another_kind_or_of_a_node_with_its_name() {
    let target = powerful();
    let mut moved = target.clone();
    let container = moved["spec"]["containers"][0].take();
    moved["spec"]["initContainers"] = json!([container]);
    moved["spec"]["containers"] = json!([]);
    assert_eq!(codes(&created(settings(), &target, moved)), ALL);
    let on_node = reasons(&created(
        json!({"lowestUser": 1}),
        &super::fixtures::node(),
        target,
    ));
    assert_eq!(on_node.len(), 1, "{on_node:?}");
}
