//! What a debug uses of its namespace and cluster, by name.

use serde_json::{Value, json};

use super::fixtures::{added, codes, created, merged, node, reasons, target, target_with};

fn container(patch: Value) -> Value {
    merged(json!({"name": "dbg", "image": "busybox:1.36"}), patch)
}

fn volume(source: Value) -> Value {
    json!({"volumes": [merged(json!({"name": "v"}), source)]})
}

/// What of a pod's spec uses something: code, setting, the name, the spec.
fn of_pods() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let projected = |source: Value| volume(json!({"projected": {"sources": [source]}}));
    vec![
        (
            "secret",
            "secrets",
            "db",
            volume(json!({"secret": {"secretName": "db"}})),
        ),
        (
            "secret",
            "secrets",
            "db",
            projected(json!({"secret": {"name": "db"}})),
        ),
        (
            "secret",
            "secrets",
            "db",
            json!({"imagePullSecrets": [{"name": "db"}]}),
        ),
        (
            "config-map",
            "configMaps",
            "flags",
            volume(json!({"configMap": {"name": "flags"}})),
        ),
        (
            "config-map",
            "configMaps",
            "flags",
            projected(json!({"configMap": {"name": "flags"}})),
        ),
        (
            "persistent-volume-claim",
            "persistentVolumeClaims",
            "data",
            volume(json!({"persistentVolumeClaim": {"claimName": "data"}})),
        ),
        (
            "persistent-volume-claim",
            "persistentVolumeClaims",
            "copy-v",
            volume(json!({"ephemeral": {"volumeClaimTemplate": {}}})),
        ),
        (
            "csi-driver",
            "csiDrivers",
            "csi.example.com",
            volume(json!({"csi": {"driver": "csi.example.com"}})),
        ),
        (
            "volume-type",
            "volumeTypes",
            "nfs",
            volume(json!({"nfs": {"server": "s", "path": "/"}})),
        ),
        (
            "volume-type",
            "volumeTypes",
            "unheard",
            volume(json!({"unheard": {}})),
        ),
        (
            "service-account-token",
            "tokenAudiences",
            "vault",
            projected(json!({"serviceAccountToken": {"audience": "vault", "path": "t"}})),
        ),
        (
            "service-account-token",
            "tokenAudiences",
            "",
            projected(json!({"serviceAccountToken": {"path": "t"}})),
        ),
        (
            "service-account-token",
            "tokenAudiences",
            "",
            json!({"automountServiceAccountToken": true}),
        ),
        (
            "host-alias",
            "hostAliases",
            "db.shop",
            json!({"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["db.shop"]}]}),
        ),
        (
            "host-alias",
            "hostAliases",
            "192.0.2.1",
            json!({"dnsConfig": {"nameservers": ["192.0.2.1"]}}),
        ),
        (
            "priority-class",
            "priorityClasses",
            "system-node-critical",
            json!({"priorityClassName": "system-node-critical"}),
        ),
        (
            "runtime-class",
            "runtimeClasses",
            "runc",
            json!({"runtimeClassName": "runc"}),
        ),
        (
            "scheduler",
            "schedulers",
            "mine",
            json!({"schedulerName": "mine"}),
        ),
        (
            "extended-resource",
            "extendedResources",
            "hugepages-2Mi",
            json!({"resources": {"limits": {"hugepages-2Mi": "4Mi"}}}),
        ),
        (
            "resource-claim",
            "resourceClaims",
            "gpu",
            json!({"resourceClaims": [{"name": "g", "resourceClaimTemplateName": "gpu"}]}),
        ),
    ]
}

/// What of a container uses something.
fn of_containers() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let variable = |source: Value| json!({"env": [{"name": "A", "valueFrom": source}]});
    vec![
        (
            "secret",
            "secrets",
            "db",
            variable(json!({"secretKeyRef": {"name": "db", "key": "k"}})),
        ),
        (
            "secret",
            "secrets",
            "db",
            json!({"envFrom": [{"secretRef": {"name": "db"}}]}),
        ),
        (
            "config-map",
            "configMaps",
            "flags",
            variable(json!({"configMapKeyRef": {"name": "flags", "key": "k"}})),
        ),
        (
            "config-map",
            "configMaps",
            "flags",
            json!({"envFrom": [{"configMapRef": {"name": "flags"}}]}),
        ),
        (
            "extended-resource",
            "extendedResources",
            "nvidia.com/gpu",
            json!({"resources": {"limits": {"nvidia.com/gpu": 1}}}),
        ),
        (
            "extended-resource",
            "extendedResources",
            "hugepages-1Gi",
            json!({"resources": {"requests": {"hugepages-1Gi": "1Gi"}}}),
        ),
    ]
}

/// Settings with one more.
fn with(settings: &Value, name: &str, patterns: Value) -> Value {
    merged(settings.clone(), json!({name: patterns}))
}

/// With a profile nothing of it is given, with the setting alone what it names, and without either all of it.
fn is_bounded(code: &str, setting: &str, name: &str, decide: &dyn Fn(Value) -> Vec<String>) {
    let nothing = [""; 0];
    let about = format!("{setting}: {name}");
    assert_eq!(decide(json!({})), nothing, "{about}");
    for profile in ["restricted", "baseline", "general", "netadmin", "sysadmin"] {
        let settings = json!({"profile": profile});
        assert_eq!(decide(settings.clone()), [code], "{about} with {profile}");
        assert_eq!(
            decide(with(&settings, setting, json!([name]))),
            nothing,
            "{about}"
        );
    }
    assert_eq!(decide(json!({setting: []})), [code], "{about}");
    assert_eq!(decide(json!({setting: ["other", "ot*er"]})), [code], "{about}");
    assert_eq!(decide(json!({setting: ["other", "*"]})), nothing, "{about}");
}

fn hardened() -> Value {
    json!({"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"}}})
}

#[test]
fn what_a_created_pod_uses_besides_its_original_is_bounded_by_name() {
    for (code, setting, name, spec) in of_pods() {
        let pod = merged(
            target(),
            json!({"metadata": {"name": "copy"}, "spec": spec.clone()}),
        );
        is_bounded(code, setting, name, &|settings| {
            codes(&created(settings, &target(), pod.clone()))
        });
        let on_node = json!({"metadata": {"name": "copy"}, "spec": merged(spec, json!({"containers": []}))});
        is_bounded(code, setting, name, &|settings| {
            codes(&created(settings, &node(), on_node.clone()))
        });
        let has_it = |settings| codes(&created(settings, &pod, pod.clone()));
        let alone = has_it(json!({"profile": "restricted", setting: []}));
        assert_eq!(alone, [""; 0], "{name}: the original has it");
    }
}

#[test]
fn what_a_container_uses_is_bounded_by_name_wherever_it_stands() {
    for (code, setting, name, patch) in of_containers() {
        let own = container(merged(hardened(), patch.clone()));
        is_bounded(code, setting, name, &|settings| {
            codes(&added(settings, &target(), own.clone()))
        });
        for list in ["containers", "initContainers"] {
            let mut pod = target();
            let mut containers = pod["spec"][list].as_array().cloned().unwrap_or_default();
            containers.push(own.clone());
            pod["spec"][list] = containers.into();
            is_bounded(code, setting, name, &|settings| {
                codes(&created(settings, &target(), pod.clone()))
            });
        }
        let mut had = target();
        let app = had["spec"]["containers"][0].take();
        had["spec"]["containers"][0] = merged(app, merged(hardened(), patch));
        let mut copy = had.clone();
        copy["spec"]["containers"][0]["command"] = json!(["sh"]);
        let settings = json!({"profile": "restricted", setting: []});
        assert_eq!(
            codes(&created(settings, &had, copy)),
            [""; 0],
            "{name}: the container has it"
        );
    }
}

#[test]
fn a_volume_of_the_pod_is_for_the_containers_that_mount_it() {
    let sources = [
        ("secret", json!({"secret": {"secretName": "db"}})),
        (
            "persistent-volume-claim",
            json!({"persistentVolumeClaim": {"claimName": "data"}}),
        ),
        (
            "service-account-token",
            json!({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt"}}, {"downwardAPI": {}}]}}),
        ),
    ];
    let settings = || json!({"profile": "general"});
    for (code, source) in sources {
        let mount = json!([{"name": "v", "mountPath": "/v", "readOnly": true}]);
        let target = target_with(merged(
            volume(source),
            json!({"containers": [{"name": "app", "image": "app:1", "volumeMounts": mount}]}),
        ));
        let own = || container(json!({"volumeMounts": mount}));
        assert_eq!(codes(&added(settings(), &target, own())), [code]);
        let mut copy = target.clone();
        copy["spec"]["containers"][0]["command"] = json!(["sh"]);
        copy["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] = json!("/elsewhere");
        assert_eq!(
            codes(&created(settings(), &target, copy.clone())),
            [""; 0],
            "it mounts it already"
        );
        copy["spec"]["containers"] = json!([copy["spec"]["containers"][0], own()]);
        assert_eq!(codes(&created(settings(), &target, copy)), [code]);
    }
    let scratch = target_with(volume(json!({"emptyDir": {}})));
    let own = container(json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}));
    assert_eq!(codes(&added(settings(), &scratch, own)), [""; 0]);
}

#[test]
fn a_claim_of_a_device_is_for_the_containers_that_have_it() {
    let target = target_with(
        json!({"resourceClaims": [{"name": "g", "resourceClaimName": "gpu-7"}],
        "containers": [{"name": "app", "image": "app:1", "resources": {"claims": [{"name": "g"}]}}]}),
    );
    let mut copy = target.clone();
    assert_eq!(
        codes(&created(json!({"resourceClaims": []}), &target, copy.clone())),
        [""; 0]
    );
    let own = container(json!({"resources": {"claims": [{"name": "g"}]}}));
    copy["spec"]["containers"] = json!([copy["spec"]["containers"][0], own]);
    let found = reasons(&created(json!({"resourceClaims": ["other"]}), &target, copy));
    assert_eq!(
        found,
        [(
            "resource-claim".into(),
            r#"container "dbg" would use the resource claim "gpu-7""#.into()
        )]
    );
}

#[test]
fn a_token_that_the_original_does_not_mount_is_one_more() {
    let without = target_with(json!({"automountServiceAccountToken": false}));
    let settings = || json!({"profile": "general"});
    assert_eq!(codes(&created(settings(), &without, without.clone())), [""; 0]);
    assert_eq!(
        codes(&created(settings(), &without, target())),
        ["service-account-token"]
    );
    assert_eq!(codes(&created(settings(), &target(), without)), [""; 0]);
}

#[test]
fn a_class_of_another_policy_is_not_that_of_the_system() {
    let pod = |class: &str| json!({"spec": {"priorityClassName": class, "containers": []}});
    let found = |class: &str| codes(&created(json!({"profile": "general"}), &node(), pod(class)));
    assert_eq!(found("debug"), [""; 0]);
    assert_eq!(found("system-cluster-critical"), ["priority-class"]);
    let usual = json!({"spec": {"schedulerName": "default-scheduler", "containers": []}});
    assert_eq!(
        codes(&created(json!({"profile": "general"}), &node(), usual)),
        [""; 0]
    );
}

#[test]
fn the_secret_with_which_a_driver_logs_in_is_one_that_is_read() {
    for source in [
        json!({"csi": {"driver": "d", "nodePublishSecretRef": {"name": "db"}}}),
        json!({"cephfs": {"secretRef": {"name": "db"}}}),
        json!({"azureFile": {"secretName": "db"}}),
    ] {
        let pod = merged(target(), json!({"spec": volume(source.clone())}));
        assert_eq!(
            codes(&created(json!({"secrets": []}), &target(), pod)),
            ["secret"],
            "{source}"
        );
    }
}
