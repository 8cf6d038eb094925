//! Rights beyond the options, kind by kind. Plans and targets go through the same normal form as in a debug.

mod hostile;

use serde_json::{Value, json};
use trocar_sdk::{DebugOptions, Keep, Profile};

use super::{RightKind, rights_beyond};
use crate::{
    merged::merge,
    plan::{Step, check::check, normal},
    target::Target,
};

fn merged(mut old: Value, new: Value) -> Value {
    merge(&mut old, new);
    old
}

/// A pod as an API server sends it, with a sidecar and restrictions.
fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u-1",
            "labels": {"app": "web"}, "annotations": {"team": "shop"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u-2", "controller": true}],
        },
        "spec": {
            "nodeName": "n-1", "schedulerName": "default-scheduler", "dnsPolicy": "ClusterFirst", "priority": 0,
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "serviceAccountName": "web", "serviceAccount": "web",
            "initContainers": [{"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}],
            "containers": [{
                "name": "app", "image": "app:1", "command": ["app"], "args": ["serve"],
                "env": [{"name": "MODE", "value": "prod"}],
                "livenessProbe": {"httpGet": {"path": "/live", "port": 80}},
                "securityContext": {
                    "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
            }],
            "volumes": [
                {"name": "keys", "secret": {"secretName": "tls"}},
                {"name": "logs", "hostPath": {"path": "/var/log"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "conf", "configMap": {"name": "conf"}},
            ],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
        "status": {"phase": "Running"},
    })
}

fn target() -> Target {
    Target::new(pod(), "shop").unwrap()
}

fn node() -> Target {
    Target::new(
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n-1"}}),
        "ops",
    )
    .unwrap()
}

/// The target as the default strategy copies it, changed.
fn copy(changes: Value) -> Value {
    let mut copy = pod();
    copy["metadata"] = json!({"name": "copy", "namespace": "shop"});
    copy["spec"].as_object_mut().unwrap().remove("nodeName");
    copy.as_object_mut().unwrap().remove("status");
    merged(copy, changes)
}

/// A copy whose container is changed.
fn with_app(changes: Value) -> Value {
    let app = merged(pod()["spec"]["containers"][0].clone(), changes);
    copy(json!({"spec": {"containers": [app]}}))
}

/// A copy with containers besides those of the target.
fn with_containers(added: &[Value]) -> Value {
    let mut containers = vec![pod()["spec"]["containers"][0].clone()];
    containers.extend_from_slice(added);
    copy(json!({"spec": {"containers": containers, "shareProcessNamespace": true}}))
}

fn options() -> DebugOptions {
    DebugOptions {
        image: Some("busybox".into()),
        ..DebugOptions::default()
    }
}

/// The rights of one step, or why it is refused.
fn outcome(
    target: &Target,
    action: &str,
    object: Value,
    options: &DebugOptions,
) -> Result<Vec<String>, String> {
    let step = Step::parse(action, &object.to_string()).map_err(|error| error.to_string())?;
    let steps = normal(vec![step], target).map_err(|refused| refused.to_string())?;
    check(&steps, None, target, options, "ops").map_err(|refused| refused.to_string())?;
    let rights = rights_beyond(&steps, None, target, options);
    Ok(rights.iter().map(ToString::to_string).collect())
}

fn rights(target: &Target, action: &str, object: Value, options: &DebugOptions) -> Vec<String> {
    outcome(target, action, object, options).unwrap()
}

fn of_ephemeral(changes: Value) -> Vec<String> {
    let container = merged(json!({"name": "dbg", "image": "busybox"}), changes);
    rights(&target(), "add-ephemeral-container", container, &options())
}

fn of_copy(pod: Value) -> Vec<String> {
    rights(&target(), "create-pod", pod, &options())
}

#[test]
fn every_kind_has_a_name_of_its_own_which_the_schema_of_plans_lists() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../../docs/schemas/debug-plan.schema.json")).unwrap();
    let listed = &schema["properties"]["beyondOptions"]["items"]["properties"]["right"]["enum"];
    let names: Vec<&str> = RightKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(listed, &json!(names));
    let policies = include_str!("../../../../../docs/policies.md");
    for name in names {
        assert!(
            policies.contains(&format!("`{name}`")),
            "docs/policies.md does not explain {name}"
        );
    }
}

#[test]
fn an_ephemeral_container_that_takes_more_is_told_in_full() {
    let container = json!({
        "name": "dbg", "image": "busybox",
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "b"}}},
        ],
        "envFrom": [{"secretRef": {"name": "api"}}],
        "volumeMounts": [
            {"name": "keys", "mountPath": "/keys"}, {"name": "logs", "mountPath": "/logs"},
            {"name": "data", "mountPath": "/data"}, {"name": "conf", "mountPath": "/conf"},
        ],
        "securityContext": {
            "procMount": "Unmasked", "seccompProfile": {"type": "Unconfined"}, "runAsUser": 0,
            "seLinuxOptions": {"type": "spc_t"}, "appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"},
            "capabilities": {"add": ["cap_sys_admin"]},
        }
    });
    let wanted: Vec<String> = [
        "config-map conf",
        "config-map flags",
        "host-path /var/log",
        "linux-capability SYS_ADMIN",
        "persistent-volume-claim data",
        "run-as-root",
        "secret api",
        "secret db",
        "secret tls",
        "unconfined apparmor localhost/mine",
        "unconfined proc",
        "unconfined seccomp",
        "unconfined selinux type spc_t",
    ]
    .map(|right| format!("{right} (container \"dbg\")"))
    .into();
    assert_eq!(
        rights(
            &target(),
            "add-ephemeral-container",
            container.clone(),
            &options()
        ),
        wanted
    );
    // What --custom asks for is not beyond the options.
    let mut custom = container.as_object().cloned().unwrap();
    custom.remove("name");
    custom.remove("image");
    let asked = DebugOptions {
        custom: Some(custom),
        ..options()
    };
    assert_eq!(
        rights(&target(), "add-ephemeral-container", container, &asked),
        [""; 0]
    );
}

#[test]
fn each_profile_asks_for_what_it_gives_and_no_more() {
    for (profile, context, wanted) in [
        (
            Profile::General,
            json!({"capabilities": {"add": ["SYS_PTRACE"]}}),
            &[][..],
        ),
        (Profile::Sysadmin, json!({"privileged": true}), &[]),
        (
            Profile::Sysadmin,
            json!({"privileged": true, "seccompProfile": {"type": "Unconfined"}}),
            &[],
        ),
        (
            Profile::Baseline,
            json!({"capabilities": {"add": ["SYS_PTRACE"]}}),
            &["linux-capability SYS_PTRACE"],
        ),
        (Profile::Netadmin, json!({"privileged": true}), &["privileged"]),
        (
            Profile::Restricted,
            json!({}),
            &[
                "linux-capability default",
                "privilege-escalation",
                "run-as-root",
                "unconfined seccomp",
            ],
        ),
        (
            Profile::Restricted,
            json!({
                "allowPrivilegeEscalation": false, "runAsUser": 1000, "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }),
            &[],
        ),
    ] {
        let options = DebugOptions { profile, ..options() };
        let container = json!({"name": "dbg", "image": "busybox", "securityContext": context});
        let found = rights(&target(), "add-ephemeral-container", container, &options);
        let wanted: Vec<String> = wanted
            .iter()
            .map(|right| format!("{right} (container \"dbg\")"))
            .collect();
        assert_eq!(found, wanted, "{profile:?}");
    }
}

#[test]
fn an_ephemeral_container_runs_no_hook_and_sees_the_processes_that_it_was_asked_to() {
    assert_eq!(
        of_ephemeral(json!({"targetContainerName": "app"})),
        ["share-process-namespace app (container \"dbg\")"]
    );
    let container = json!({"name": "dbg", "image": "busybox", "targetContainerName": "app"});
    let asked = DebugOptions {
        target_container: Some("app".into()),
        ..options()
    };
    assert_eq!(
        rights(&target(), "add-ephemeral-container", container, &asked),
        [""; 0]
    );
}

#[test]
fn of_a_copy_only_what_its_original_does_not_have_is_told() {
    assert_eq!(of_copy(copy(json!({}))), [""; 0]);
    let mut pod = with_containers(&[
        json!({"name": "dbg", "image": "busybox", "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]}),
    ]);
    let more = json!({"name": "more", "projected": {"sources": [
        {"serviceAccountToken": {"audience": "vault", "path": "t"}}, {"secret": {"name": "db"}}
    ]}});
    pod["spec"]["volumes"].as_array_mut().unwrap().push(more);
    let mount = json!({"name": "more", "mountPath": "/more"});
    pod["spec"]["containers"][0]["volumeMounts"]
        .as_array_mut()
        .unwrap()
        .push(mount);
    assert_eq!(
        of_copy(pod),
        [
            "secret db",
            "service-account-token vault",
            "secret tls (container \"dbg\")"
        ]
    );
}

#[test]
fn a_pods_own_rights_are_told_field_by_field() {
    for (spec, wanted) in [
        (
            json!({"hostPID": true, "hostIPC": true}),
            &["host-namespace hostIPC", "host-namespace hostPID"][..],
        ),
        (
            json!({"serviceAccountName": "admin", "serviceAccount": null}),
            &["service-account admin"],
        ),
        (
            json!({"automountServiceAccountToken": true}),
            &["service-account-token"],
        ),
        (
            json!({"imagePullSecrets": [{"name": "pull"}]}),
            &["image-pull-secret pull"],
        ),
        (json!({"runtimeClassName": "none"}), &["runtime-class none"]),
        (json!({"priorityClassName": "high"}), &["priority-class high"]),
        (json!({"priority": 1000}), &["priority-class 1000"]),
        (
            json!({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db", "api"]}]}),
            &["host-alias api", "host-alias db"],
        ),
        (
            json!({"dnsConfig": {"nameservers": ["10.0.0.1"]}, "dnsPolicy": "None"}),
            &["dns dnsConfig", "dns dnsPolicy"],
        ),
        (
            json!({"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]}),
            &["resource-claim gpu"],
        ),
        (
            json!({"resources": {"limits": {"hugepages-2Mi": "1Gi"}}}),
            &["huge-pages hugepages-2Mi"],
        ),
        (
            json!({"resources": {"limits": {"cpu": "64"}, "requests": {"memory": "1Ti"}}}),
            &["pod-resources cpu", "pod-resources memory"],
        ),
        (json!({"terminationGracePeriodSeconds": 31}), &["grace-period 31"]),
        (json!({"terminationGracePeriodSeconds": 1}), &[]),
        (
            json!({"securityContext": {
                "sysctls": [{"name": "kernel.msgmax", "value": "1"}], "supplementalGroups": [999], "fsGroup": 0,
            }}),
            &["group 0", "group 999", "sysctl kernel.msgmax"],
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
            &["unconfined seccomp"],
        ),
        (
            json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
            &["host-process"],
        ),
    ] {
        assert_eq!(of_copy(copy(json!({"spec": spec.clone()}))), wanted, "{spec}");
    }
}

#[test]
fn a_restriction_of_the_target_that_a_copy_lacks_is_a_right() {
    let restricted = merged(
        pod(),
        json!({"spec": {
            "hostUsers": false, "automountServiceAccountToken": false, "runtimeClassName": "gvisor",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        }}),
    );
    let target = Target::new(restricted, "shop").unwrap();
    assert_eq!(
        rights(&target, "create-pod", copy(json!({})), &options()),
        [
            "host-users",
            "run-as-root",
            "runtime-class",
            "service-account-token",
            "unconfined seccomp",
        ]
    );
}

#[test]
fn a_pod_as_a_whole_has_no_more_than_its_target() {
    let with = |resources: Value| json!({"spec": {"resources": resources}});
    let resources = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}});
    let target = Target::new(merged(pod(), with(resources)), "shop").unwrap();
    for (resources, wanted) in [
        (
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}),
            &[][..],
        ),
        (json!({"limits": {"cpu": "900m", "memory": "1000Mi"}}), &[]),
        (
            json!({"limits": {"cpu": "1001m", "memory": "1Gi"}}),
            &["pod-resources cpu"],
        ),
        (json!({"limits": {"cpu": "1"}}), &["pod-resources memory"]),
        (
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "501m", "memory": "1Mi"}}),
            &["pod-resources cpu", "pod-resources memory"],
        ),
    ] {
        let mut copy = copy(json!({}));
        copy["spec"]["resources"] = resources.clone();
        assert_eq!(
            rights(&target, "create-pod", copy, &options()),
            wanted,
            "{resources}"
        );
    }
}

#[test]
fn what_the_target_only_reads_is_not_written_to() {
    let mount = |read_only: bool| json!({"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": read_only}]});
    let app = |changes: Value| merged(pod()["spec"]["containers"][0].clone(), changes);
    let of = |is_read_only: bool| {
        let pod = merged(pod(), json!({"spec": {"containers": [app(mount(is_read_only))]}}));
        Target::new(pod, "shop").unwrap()
    };
    let ephemeral = |target: &Target, mount: Value| {
        let container = merged(json!({"name": "dbg", "image": "busybox"}), mount);
        rights(target, "add-ephemeral-container", container, &options())
    };
    let claim = "persistent-volume-claim data (container \"dbg\")";
    let writable = "writable-volume data (container \"dbg\")";
    assert_eq!(ephemeral(&of(true), mount(false)), [claim, writable]);
    assert_eq!(ephemeral(&of(true), mount(true)), [claim]);
    assert_eq!(ephemeral(&of(false), mount(false)), [claim]);

    let copied = |is_read_only: bool| {
        let copy = copy(json!({"spec": {"containers": [app(mount(is_read_only))]}}));
        rights(&of(true), "create-pod", copy, &options())
    };
    assert_eq!(copied(false), ["writable-volume data (container \"app\")"]);
    assert_eq!(copied(true), [""; 0]);

    // The claim itself may be read-only.
    let mut target = pod();
    target["spec"]["volumes"][2]["persistentVolumeClaim"]["readOnly"] = json!(true);
    let target = Target::new(target, "shop").unwrap();
    assert_eq!(
        rights(&target, "create-pod", copy(json!({})), &options()),
        ["persistent-volume-claim data"]
    );
}

#[test]
fn volumes_are_named_by_what_they_hold() {
    for (volume, wanted) in [
        (json!({"secret": {"secretName": "db-root"}}), "secret db-root"),
        (json!({"configMap": {"name": "cm"}}), "config-map cm"),
        (
            json!({"persistentVolumeClaim": {"claimName": "other"}}),
            "persistent-volume-claim other",
        ),
        (
            json!({"ephemeral": {"volumeClaimTemplate": {"spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            }}}}),
            "persistent-volume-claim",
        ),
        (
            json!({"csi": {"driver": "secrets-store.csi.k8s.io"}}),
            "csi-driver secrets-store.csi.k8s.io",
        ),
        (json!({"nfs": {"server": "10.0.0.1", "path": "/"}}), "volume nfs"),
        (json!({"image": {"reference": "evil:1"}}), "volume image"),
        (
            json!({"emptyDir": {"medium": "HugePages"}}),
            "huge-pages HugePages",
        ),
        (json!({"hostPath": {"path": "/etc"}}), "host-path /etc"),
    ] {
        let volume = merged(json!({"name": "v"}), volume);
        assert_eq!(of_copy(copy(json!({"spec": {"volumes": [volume]}}))), [wanted]);
    }
    for harmless in [json!({"emptyDir": {}}), json!({"downwardAPI": {"items": []}})] {
        let volume = merged(json!({"name": "v"}), harmless);
        assert_eq!(of_copy(copy(json!({"spec": {"volumes": [volume]}}))), [""; 0]);
    }
}

#[test]
fn a_container_of_the_target_that_does_something_else_is_told() {
    let of_app = |right: &str| vec![format!("{right} (container \"app\")")];
    for (changes, wanted) in [
        (json!({"image": "evil:1"}), "image evil:1"),
        (json!({"command": ["sh"]}), "command"),
        (json!({"args": ["x"]}), "command"),
        (
            json!({"env": [{"name": "MODE", "value": "test"}]}),
            "environment MODE",
        ),
        (
            json!({"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}}),
            "lifecycle-hook preStop",
        ),
        (
            json!({"livenessProbe": {"httpGet": {"path": "/", "host": "10.0.0.1"}}}),
            "probe livenessProbe",
        ),
        (
            json!({"ports": [{"containerPort": 80, "hostPort": 8080}]}),
            "host-port 8080/TCP",
        ),
        (
            json!({"resources": {"limits": {"nvidia.com/gpu": "8"}}}),
            "extended-resource nvidia.com/gpu",
        ),
        (
            json!({"resources": {"claims": [{"name": "gpu"}]}}),
            "resource-claim gpu",
        ),
        (
            json!({"securityContext": {"allowPrivilegeEscalation": null}}),
            "privilege-escalation",
        ),
        (json!({"securityContext": {"runAsNonRoot": null}}), "run-as-root"),
        (
            json!({"securityContext": {"seccompProfile": null}}),
            "unconfined seccomp",
        ),
        (
            json!({"securityContext": {"capabilities": null}}),
            "linux-capability default",
        ),
        (
            json!({"envFrom": [{"configMapRef": {"name": "cm"}}]}),
            "config-map cm",
        ),
    ] {
        assert_eq!(of_copy(with_app(changes.clone())), of_app(wanted), "{changes}");
    }
    // Less of it is not a right.
    for less in [
        json!({"livenessProbe": null}),
        json!({"env": null}),
        json!({"volumeMounts": null}),
    ] {
        assert_eq!(of_copy(with_app(less)), [""; 0]);
    }
}

#[test]
fn what_flags_change_in_a_container_of_the_target_is_asked_for() {
    let named = DebugOptions {
        container: Some("app".into()),
        args: vec!["sh".into()],
        env: vec![trocar_sdk::EnvVar {
            name: "A".into(),
            value: "1".into(),
        }],
        ..options()
    };
    let changed = json!({
        "image": "busybox", "command": ["sh"], "args": null, "env": [{"name": "A", "value": "1"}],
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
    });
    let mut pod = with_app(changed);
    pod["spec"]["shareProcessNamespace"] = true.into();
    assert_eq!(rights(&target(), "create-pod", pod, &named), [""; 0]);

    let images = DebugOptions {
        image: None,
        set_image: [("app".to_owned(), "app:2".to_owned())].into(),
        ..DebugOptions::default()
    };
    // A policy may have taken it from a mirror.
    let mirrored = with_app(json!({"image": "mirror/app:2"}));
    assert_eq!(rights(&target(), "create-pod", mirrored, &images), [""; 0]);
    let sharing = with_containers(&[json!({"name": "dbg", "image": "busybox"})]);
    assert_eq!(
        rights(&target(), "create-pod", sharing, &images),
        ["share-process-namespace", "extra-container (container \"dbg\")"]
    );
}

#[test]
fn custom_is_merged_over_the_probes_that_a_copy_keeps() {
    let probe = json!({"livenessProbe": {"tcpSocket": {"port": 1}}});
    let named = DebugOptions {
        container: Some("app".into()),
        custom: probe.as_object().cloned(),
        ..options()
    };
    let replaced = with_app(json!({"livenessProbe": {"tcpSocket": {"port": 1}, "httpGet": null}}));
    assert_eq!(rights(&target(), "create-pod", replaced, &named), [""; 0]);
    // The target's own probe is asked for as well.
    let kept = with_app(json!({"image": "busybox"}));
    assert_eq!(rights(&target(), "create-pod", kept, &named), [""; 0]);
    let other = with_app(json!({"livenessProbe": {"tcpSocket": {"port": 2}, "httpGet": null}}));
    assert_eq!(
        rights(&target(), "create-pod", other, &named),
        ["probe livenessProbe (container \"app\")"]
    );
}

#[test]
fn one_container_is_the_debug_container_and_others_are_told() {
    let dbg = json!({"name": "dbg", "image": "busybox"});
    let more = json!({"name": "more", "image": "busybox", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}});
    assert_eq!(of_copy(with_containers(std::slice::from_ref(&dbg))), [""; 0]);
    let mut pod = with_containers(&[dbg, more]);
    let init = json!([{"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"},
        {"name": "side", "image": "busybox", "restartPolicy": "Always"}]);
    pod["spec"]["initContainers"] = init;
    assert_eq!(
        of_copy(pod),
        [
            "extra-container (container \"side\")",
            "sidecar (container \"side\")",
            "extra-container (container \"more\")",
            "linux-capability SYS_PTRACE (container \"more\")",
        ]
    );
}

#[test]
fn an_init_container_that_runs_beside_the_others_is_another_container() {
    let pod = copy(json!({"spec": {
        "initContainers": [],
        "containers": [pod()["spec"]["containers"][0], {"name": "proxy", "image": "proxy:1"}, {"name": "dbg", "image": "busybox"}],
    }}));
    assert_eq!(of_copy(pod), ["extra-container (container \"proxy\")"]);
}

#[test]
fn labels_and_annotations_are_those_that_a_flag_keeps() {
    let marked =
        copy(json!({"metadata": {"labels": {"app": "web", "new": "1"}, "annotations": {"team": "shop"}}}));
    assert_eq!(
        of_copy(marked.clone()),
        ["label app", "label new", "annotation team"]
    );
    let kept = DebugOptions {
        keep: Keep {
            labels: Some(true),
            annotations: Some(true),
            ..Keep::default()
        },
        ..options()
    };
    assert_eq!(rights(&target(), "create-pod", marked, &kept), ["label new"]);
    // The same label with another value selects the pod for something else.
    let other = copy(json!({"metadata": {"labels": {"app": "payments"}}}));
    assert_eq!(rights(&target(), "create-pod", other, &kept), ["label app"]);
}

#[test]
fn a_copy_of_a_copy_keeps_no_mark_of_the_first_person() {
    let marks = json!({"trocar.dev/requester": "alice", "trocar.dev/expires": "2099-01-01T00:00:00Z", "team": "shop"});
    let mut first = pod();
    first["metadata"]["annotations"] = marks.clone();
    first["metadata"]["labels"] = json!({"trocar.dev/session": "abcde"});
    let target = Target::new(first, "shop").unwrap();
    let keep = DebugOptions {
        keep: Keep {
            labels: Some(true),
            annotations: Some(true),
            ..Keep::default()
        },
        ..options()
    };
    let kept = copy(json!({"metadata": {"annotations": marks, "labels": {"trocar.dev/session": "abcde"}}}));
    let step = Step::parse("create-pod", &kept.to_string()).unwrap();
    let steps = normal(vec![step], &target).unwrap();
    let metadata = steps[0].object()["metadata"].clone();
    assert_eq!(
        metadata,
        json!({"name": "copy", "namespace": "shop", "annotations": {"team": "shop"}})
    );
    assert_eq!(rights(&target, "create-pod", kept, &keep), [""; 0]);
    let forged = copy(json!({"metadata": {"annotations": {"trocar.dev/requester": "bob"}}}));
    let refused = outcome(&target, "create-pod", forged, &keep).unwrap_err();
    assert!(refused.contains("trocar.dev/requester"), "{refused}");
}

#[test]
fn a_pod_on_a_node_has_what_its_profile_gives() {
    let general = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "node-debugger", "namespace": "ops"},
        "spec": {
            "nodeName": "n-1", "restartPolicy": "Never", "tolerations": [{"operator": "Exists"}],
            "hostPID": true, "hostNetwork": true, "hostIPC": true,
            "containers": [{"name": "debugger", "image": "busybox", "volumeMounts": [{"name": "host-root", "mountPath": "/host"}]}],
            "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}],
        },
    });
    assert_eq!(
        rights(&node(), "create-pod", general.clone(), &options()),
        [""; 0]
    );
    let baseline = DebugOptions {
        profile: Profile::Baseline,
        ..options()
    };
    assert_eq!(
        rights(&node(), "create-pod", general.clone(), &baseline),
        [
            "host-namespace hostIPC",
            "host-namespace hostNetwork",
            "host-namespace hostPID",
            "host-path /",
        ]
    );
    let privileged = merged(
        general,
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "debugger", "image": "busybox", "securityContext": {"privileged": true}}, {"name": "more", "image": "busybox"},
        ]}}),
    );
    assert_eq!(
        rights(&node(), "create-pod", privileged, &options()),
        [
            "label app",
            "privileged (container \"debugger\")",
            "extra-container (container \"more\")",
        ]
    );
}

#[test]
fn a_volume_of_very_many_sources_is_named_once_for_each_container_that_mounts_it() {
    // Listed in full for each, these would be 9 million rights.
    let sources: Vec<Value> = (0..3_000)
        .map(|index| json!({"secret": {"name": format!("s{index}")}}))
        .collect();
    let containers: Vec<Value> = (0..3_000)
        .map(|index| {
            json!({"name": format!("c{index}"), "image": "a", "volumeMounts": [{"name": "all", "mountPath": "/all"}]})
        })
        .collect();
    let target = merged(
        pod(),
        json!({"spec": {"volumes": [{"name": "all", "projected": {"sources": sources}}]}}),
    );
    let target = Target::new(target, "shop").unwrap();
    let changes = json!({"spec": {"volumes": target.object()["spec"]["volumes"], "containers": containers, "initContainers": []}});
    let found = rights(&target, "create-pod", copy(changes), &options());
    assert_eq!(
        found.len(),
        3_000 + 2_999,
        "a mount for each, and all but one are too many"
    );
    assert!(found.contains(&"volume all (container \"c17\")".to_owned()));
}
