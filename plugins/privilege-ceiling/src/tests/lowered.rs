//! What `onExcess: amend` makes of a plan is within the ceiling, or the plan is denied.

use serde_json::{Value, json};
use trocar_sdk::policy::{Decision, Operation, Verdict};

use super::fixtures::{added, created, merged, target, target_with};

/// The object of the plan's only step, amended.
fn amended(object: &Value, decision: &Decision) -> Value {
    assert_eq!(decision.verdict(), Verdict::Amend, "{:#?}", decision.diagnostics);
    let mut plan = json!({"steps": [{"object": object}]});
    for amendment in &decision.amendments {
        let (parent, name) = amendment.at.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/").replace("~0", "~");
        let parent = plan.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match amendment.operation {
            Operation::Remove => parent.remove(&name),
            _ => parent.insert(name, amendment.value.clone().unwrap()),
        };
    }
    plan["steps"][0]["object"].take()
}

fn amend() -> Value {
    json!({"profile": "general", "onExcess": "amend"})
}

#[test]
fn a_container_is_left_with_what_is_given() {
    let rich = json!({"name": "dbg", "image": "busybox",
        "env": [{"name": "A", "value": "a"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}],
        "envFrom": [{"secretRef": {"name": "db"}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "scratch", "mountPath": "/s"}],
        "securityContext": {"privileged": true, "procMount": "Unmasked", "seLinuxOptions": {"type": "spc_t"}, "runAsUser": 0,
            "capabilities": {"add": ["SYS_PTRACE", "SYS_ADMIN"]}, "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"}}});
    let target = target_with(json!({"securityContext": {"runAsNonRoot": true},
        "volumes": [{"name": "v", "secret": {"secretName": "db"}}, {"name": "scratch", "emptyDir": {}}]}));
    let wanted = json!({"name": "dbg", "image": "busybox", "env": [{"name": "A", "value": "a"}],
        "volumeMounts": [{"name": "scratch", "mountPath": "/s"}],
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}, "seccompProfile": {"type": "RuntimeDefault"},
            "runAsNonRoot": true}});
    assert_eq!(amended(&rich, &added(amend(), &target, rich.clone())), wanted);
}

#[test]
fn a_debug_becomes_what_restricted_would_have_made_of_it() {
    let plain = json!({"name": "dbg", "image": "busybox"});
    let settings = json!({"profile": "restricted", "onExcess": "amend"});
    let wanted = json!({"name": "dbg", "image": "busybox", "securityContext": {"allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}});
    assert_eq!(
        amended(&plain, &added(settings, &target(), plain.clone())),
        wanted
    );
}

#[test]
fn a_created_pod_is_left_with_what_is_given_and_what_its_original_has() {
    let original = target_with(
        json!({"priorityClassName": "shop", "hostUsers": false, "schedulerName": "ours",
        "automountServiceAccountToken": false, "hostAliases": [{"ip": "192.0.2.9", "hostnames": ["kept"]}],
        "securityContext": {"sysctls": [{"name": "a", "value": "1"}], "seccompProfile": {"type": "RuntimeDefault"}}}),
    );
    let greedy = merged(
        original.clone(),
        json!({"spec": {"priorityClassName": "system-node-critical", "priority": 2_000_001_000, "hostUsers": null,
            "schedulerName": "mine", "runtimeClassName": "runc", "automountServiceAccountToken": true, "hostPID": true,
            "serviceAccountName": "admin",
            "hostAliases": [{"ip": "192.0.2.9", "hostnames": ["kept"]}, {"ip": "192.0.2.1", "hostnames": ["db"]}],
            "dnsConfig": {"nameservers": ["192.0.2.1"]}, "imagePullSecrets": [{"name": "db"}],
            "resourceClaims": [{"name": "g", "resourceClaimName": "gpu"}],
            "resources": {"limits": {"hugepages-2Mi": "4Mi", "cpu": "1"}},
            "volumes": [{"name": "v", "secret": {"secretName": "db"}}, {"name": "s", "emptyDir": {}}],
            "securityContext": {"sysctls": [{"name": "b", "value": "2"}], "seccompProfile": {"type": "Unconfined"}},
            "containers": [{"name": "app", "image": "app:1"}, {"name": "dbg", "image": "busybox",
                "resources": {"limits": {"nvidia.com/gpu": 1, "cpu": 1}, "claims": [{"name": "g"}]},
                "ports": [{"containerPort": 80, "hostPort": 80}],
                "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "s", "mountPath": "/s"}]}]}}),
    );
    let lowered = amended(&greedy, &created(amend(), &original, greedy.clone()));
    let spec = &lowered["spec"];
    for (field, wanted) in [
        ("priorityClassName", json!("shop")),
        ("priority", Value::Null),
        ("hostUsers", json!(false)),
        ("schedulerName", json!("ours")),
        ("runtimeClassName", Value::Null),
        ("automountServiceAccountToken", json!(false)),
        ("hostPID", Value::Null),
        ("serviceAccountName", json!("default")),
        ("hostAliases", original["spec"]["hostAliases"].clone()),
        ("imagePullSecrets", Value::Null),
        ("resourceClaims", Value::Null),
        ("resources", json!({"limits": {"cpu": "1"}})),
        ("volumes", json!([{"name": "s", "emptyDir": {}}])),
        ("securityContext", original["spec"]["securityContext"].clone()),
    ] {
        assert_eq!(spec[field], wanted, "{field}");
    }
    assert_eq!(spec["dnsConfig"], json!({}));
    let container = &spec["containers"][1];
    assert_eq!(container["resources"]["limits"], json!({"cpu": 1}));
    assert_eq!(
        container["volumeMounts"],
        json!([{"name": "s", "mountPath": "/s"}])
    );
    assert_eq!(container["ports"], json!([{"containerPort": 80}]));
}

#[test]
fn what_cannot_be_lowered_is_denied_for_what_remains() {
    let container = json!({"name": "dbg", "image": "busybox", "securityContext": {"privileged": true}});
    let target = target_with(
        json!({"containers": [{"name": "app", "image": "app", "securityContext": {"privileged": true}}]}),
    );
    let decision = added(
        json!({"level": "baseline", "onExcess": "amend"}),
        &target,
        container,
    );
    assert_eq!(decision.verdict(), Verdict::Deny);
    let told: Vec<&str> = decision
        .diagnostics
        .iter()
        .map(|found| found.message.as_str())
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("the pod itself breaks"), "{told:?}");
}
