//! Single steps of hostile strategies, as they were tried on a real cluster: refused, or shown as rights.

use serde_json::{Value, json};
use trocar_sdk::{DebugOptions, Profile};

use super::{merged, node, options, outcome};
use crate::target::Target;

/// A small pod as an API server sends it.
fn target(namespace: &str) -> Target {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": namespace, "uid": "u-0"},
        "spec": {
            "nodeName": "node-1", "schedulerName": "default-scheduler", "serviceAccountName": "default",
            "containers": [{"name": "app", "image": "web:1"}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
    });
    Target::new(pod, namespace).unwrap()
}

/// What the Pod Security level `restricted` wants of a container.
fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1000,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// A pod with one restricted container, as the hostile plans have it.
fn created(namespace: &str, changes: Value) -> Value {
    merged(
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dbg", "namespace": namespace},
            "spec": {"containers": [{"name": "x", "image": "mirror.example.com/hub/x", "securityContext": restricted()}]},
        }),
        changes,
    )
}

/// A pod whose program ignores SIGTERM, and which is not restarted.
fn stubborn(changes: Value) -> Value {
    let container = json!({
        "name": "x", "image": "busybox:1.36", "command": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
        "securityContext": restricted(),
    });
    let pod = created(
        "sec",
        json!({"spec": {"restartPolicy": "Never", "containers": [container]}}),
    );
    merged(pod, changes)
}

fn rights(target: &Target, pod: Value) -> Vec<String> {
    outcome(target, "create-pod", pod, &options()).unwrap()
}

fn refusal(target: &Target, action: &str, object: Value) -> String {
    outcome(target, action, object, &options()).unwrap_err()
}

#[test]
fn a_forged_stamp_is_refused() {
    let marks = json!({
        "trocar.dev/requester": "alice", "trocar.dev/reason": "OPS-1", "trocar.dev/plan": "sha256:0",
        "trocar.dev/expires": "2099-01-01T00:00:00Z",
    });
    let pod = created("shop", json!({"metadata": {"annotations": marks}}));
    let message = refusal(&target("shop"), "create-pod", pod);
    assert!(message.contains("may only be set by trocar"), "{message}");
}

#[test]
fn a_grace_period_of_a_day_is_shown() {
    let pod = stubborn(json!({"spec": {"terminationGracePeriodSeconds": 86400}}));
    assert_eq!(rights(&target("sec"), pod), ["grace-period 86400"]);
}

#[test]
fn a_path_that_erases_the_warnings_of_a_terminal_is_shown_with_the_others() {
    let path = "/x\u{1b}[2K\u{1b}[1A\u{1b}[2K\u{1b}[1A\u{1b}[2K\rThe plan asks for nothing beyond your flags.\u{1b}[J";
    let pod = created(
        "sec",
        json!({"spec": {
            "hostPID": true,
            "containers": [{"name": "x", "image": "busybox:1.36", "volumeMounts": [{"name": "r", "mountPath": "/host"}]}],
            "volumes": [{"name": "r", "hostPath": {"path": "/"}}, {"name": "z", "hostPath": {"path": path}}],
        }}),
    );
    let found = rights(&target("sec"), pod);
    assert_eq!(found[..2], ["host-namespace hostPID", "host-path /"]);
    // What is printed passes through the function that makes text harmless.
    assert!(!crate::text::message(&found[2]).contains('\u{1b}'));
}

#[test]
fn a_sidecar_that_takes_sixty_four_processors_is_shown_as_another_container() {
    let side = json!({
        "name": "side", "image": "busybox:1.36", "restartPolicy": "Always", "securityContext": restricted(),
        "resources": {"limits": {"cpu": "64", "memory": "1Ti"}},
    });
    let pod = stubborn(json!({"spec": {"initContainers": [side]}}));
    assert_eq!(
        rights(&target("sec"), pod),
        [
            "extra-container (container \"side\")",
            "sidecar (container \"side\")",
        ]
    );
}

#[test]
fn processors_and_memory_of_the_pod_as_a_whole_are_shown() {
    let pod = created(
        "shop",
        json!({"spec": {"resources": {"limits": {"cpu": "64", "memory": "1Ti"}}}}),
    );
    assert_eq!(
        rights(&target("shop"), pod),
        ["pod-resources cpu", "pod-resources memory"]
    );
}

#[test]
fn a_copy_is_not_put_on_a_node_of_the_control_plane() {
    let pod = created(
        "shop",
        json!({"spec": {"nodeName": "cp-1", "tolerations": [{"operator": "Exists"}]}}),
    );
    let message = refusal(&target("shop"), "create-pod", pod);
    assert!(
        message.contains("on node \"cp-1\", which is not its target's node"),
        "{message}"
    );
}

#[test]
fn a_pod_for_one_node_is_not_put_on_another() {
    let pod = created(
        "ops",
        json!({"spec": {
            "nodeName": "sec-cp-1", "hostPID": true, "hostNetwork": true, "hostIPC": true,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "x", "image": "busybox:1.36", "securityContext": {"privileged": true},
                "volumeMounts": [{"name": "h", "mountPath": "/host"}],
            }],
            "volumes": [{"name": "h", "hostPath": {"path": "/"}}],
        }}),
    );
    let message = refusal(&node(), "create-pod", pod);
    assert!(
        message.contains("on node \"sec-cp-1\" instead of \"n-1\""),
        "{message}"
    );
}

#[test]
fn another_replica_set_does_not_adopt_the_pod_and_its_labels_are_shown() {
    let labels = json!({"app": "payments", "pod-template-hash": "abc"});
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "payments-abc", "uid": "u", "blockOwnerDeletion": true,
    });
    let adopted = |controller: bool| {
        let owner = merged(owner.clone(), json!({"controller": controller}));
        created(
            "shop",
            json!({"metadata": {"labels": labels, "ownerReferences": [owner]}}),
        )
    };
    let message = refusal(&target("shop"), "create-pod", adopted(true));
    assert!(message.contains("controller"), "{message}");
    let message = refusal(&target("shop"), "create-pod", adopted(false));
    assert!(
        message.contains("belong to ReplicaSet \"payments-abc\""),
        "{message}"
    );
    // A ReplicaSet adopts by labels as well.
    let pod = created("shop", json!({"metadata": {"labels": labels}}));
    assert_eq!(
        rights(&target("shop"), pod),
        ["label app", "label pod-template-hash"]
    );
}

#[test]
fn a_patch_directive_in_a_security_context_is_refused() {
    let container = json!({
        "name": "rooted", "image": "busybox:1.36", "command": ["sh", "-c", "id"],
        "securityContext": merged(restricted(), json!({"$patch": "delete"})),
    });
    let message = refusal(&target("shop"), "add-ephemeral-container", container);
    assert!(message.contains("patch directive"), "{message}");
}

#[test]
fn a_class_that_preempts_the_clusters_own_pods_is_shown() {
    let pod = created(
        "shop",
        json!({"spec": {"priorityClassName": "system-node-critical", "priority": 2_000_001_000}}),
    );
    assert_eq!(
        rights(&target("shop"), pod),
        ["priority-class system-node-critical"]
    );
}

#[test]
fn a_service_account_under_its_old_name_is_shown() {
    let pod = stubborn(json!({"spec": {"serviceAccountName": "", "serviceAccount": "powerful"}}));
    assert_eq!(rights(&target("sec"), pod), ["service-account powerful"]);
}

#[test]
fn secrets_in_a_volume_and_in_the_environment_are_shown() {
    let pod = created(
        "shop",
        json!({"spec": {
            "containers": [{
                "name": "x", "image": "mirror.example.com/hub/x", "securityContext": restricted(),
                "volumeMounts": [{"name": "s", "mountPath": "/s"}], "envFrom": [{"secretRef": {"name": "other"}}],
            }],
            "volumes": [{"name": "s", "secret": {"secretName": "db-root"}}],
        }}),
    );
    assert_eq!(
        rights(&target("shop"), pod),
        ["secret db-root", "secret other (container \"x\")"]
    );
}

#[test]
fn a_zero_that_means_something_is_not_lost_on_the_way() {
    let restricted = DebugOptions {
        profile: Profile::Restricted,
        ..options()
    };
    let container = json!({
        "name": "dbg", "image": "busybox",
        "securityContext": merged(super::hostile::restricted(), json!({"runAsUser": 0, "runAsNonRoot": false})),
    });
    let found = outcome(&target("shop"), "add-ephemeral-container", container, &restricted);
    assert_eq!(found, Ok(vec!["run-as-root (container \"dbg\")".to_owned()]));
}
