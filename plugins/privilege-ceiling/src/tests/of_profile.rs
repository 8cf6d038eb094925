//! No more than a profile gives on such a target: what keeps a program in its container.

use serde_json::{Value, json};

use super::fixtures::{added, codes, created, merged, node, target, target_with};

fn container(patch: Value) -> Value {
    merged(json!({"name": "dbg", "image": "busybox:1.36"}), patch)
}

fn context(context: Value) -> Value {
    container(json!({"securityContext": context}))
}

/// What the profile `restricted` makes of a container.
fn restricted() -> Value {
    json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"}})
}

/// What of a security context is more than any profile gives but those that give everything.
fn looser() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"privileged": true}), "privileged"),
        (json!({"windowsOptions": {"hostProcess": true}}), "privileged"),
        (
            json!({"capabilities": {"add": ["SYS_ADMIN"]}}),
            "linux-capability",
        ),
        (json!({"capabilities": {"add": ["ALL"]}}), "linux-capability"),
        (json!({"seLinuxOptions": {"type": "spc_t"}}), "selinux"),
        (json!({"seLinuxOptions": {"user": "system_u"}}), "selinux"),
        (json!({"seLinuxOptions": {"role": "sysadm_r"}}), "selinux"),
        (json!({"seLinuxOptions": {"level": "s0-s0:c0.c1023"}}), "selinux"),
        (json!({"procMount": "Unmasked"}), "proc-mount"),
        (json!({"seccompProfile": {"type": "Unconfined"}}), "unconfined"),
        (json!({"appArmorProfile": {"type": "Unconfined"}}), "unconfined"),
        (
            json!({"windowsOptions": {"gmsaCredentialSpecName": "admin"}}),
            "service-account",
        ),
    ]
}

#[test]
fn a_debug_container_is_confined_as_the_profile_confines_it() {
    for profile in ["restricted", "baseline", "general", "netadmin"] {
        let settings = || json!({"profile": profile});
        for (loose, code) in looser() {
            let loose = merged(restricted(), loose);
            let found = codes(&added(settings(), &target(), context(loose.clone())));
            assert_eq!(found, [code], "{profile}: {loose}");
            let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [context(loose.clone())]}});
            let on_node = codes(&created(settings(), &node(), pod));
            assert_eq!(on_node, [code], "{profile} on a node: {loose}");
        }
        assert_eq!(
            codes(&added(settings(), &target(), context(restricted()))),
            [""; 0],
            "{profile}"
        );
    }
    for (loose, _) in looser() {
        let all = json!({"profile": "sysadmin"});
        assert_eq!(
            codes(&added(all, &target(), context(loose.clone()))),
            [""; 0],
            "{loose}"
        );
        assert_eq!(
            codes(&added(json!({}), &target(), context(loose.clone()))),
            [""; 0],
            "{loose}"
        );
    }
}

#[test]
fn what_restricted_asks_for_may_not_be_missing_and_the_others_do_not_ask_for_it() {
    for (missing, code) in [
        ("allowPrivilegeEscalation", "privilege-escalation"),
        ("capabilities", "linux-capability"),
        ("runAsNonRoot", "user-id"),
        ("seccompProfile", "unconfined"),
    ] {
        let mut loose = restricted();
        loose[missing].take();
        let found = |profile: &str| {
            codes(&added(
                json!({"profile": profile}),
                &target(),
                context(loose.clone()),
            ))
        };
        assert_eq!(found("restricted"), [code], "{missing}");
        assert_eq!(found("baseline"), [""; 0], "{missing}");
    }
}

#[test]
fn what_the_pod_confines_a_container_may_not_open_and_what_it_leaves_open_is_open() {
    let strict = json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": true,
        "seLinuxOptions": {"level": "s0:c1,c2"}}});
    let open = json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}, "runAsUser": 0,
        "appArmorProfile": {"type": "Unconfined"}, "seLinuxOptions": {"type": "spc_t"}}});
    let found = |spec: &Value, loose: Value| {
        codes(&added(
            json!({"profile": "general"}),
            &target_with(spec.clone()),
            context(loose),
        ))
    };
    for (loose, code) in [
        (json!({"runAsNonRoot": false}), "user-id"),
        (json!({"runAsUser": 0}), "user-id"),
        (json!({"seccompProfile": {"type": "Unconfined"}}), "unconfined"),
        (json!({"seLinuxOptions": {"level": "s0:c3,c4"}}), "selinux"),
    ] {
        assert_eq!(found(&strict, loose.clone()), [code], "{loose}");
    }
    assert_eq!(
        found(&strict, json!({"seLinuxOptions": {"level": "s0:c1,c2"}})),
        [""; 0]
    );
    assert_eq!(found(&open, json!({})), [""; 0], "it is so on such a target");
    assert_eq!(
        found(
            &open,
            json!({"runAsUser": 0, "seLinuxOptions": {"type": "spc_t"}})
        ),
        [""; 0]
    );
    assert_eq!(found(&open, json!({"procMount": "Unmasked"})), ["proc-mount"]);
    let any_user = json!({"profile": "general", "lowestUser": 0});
    let found = codes(&added(
        any_user,
        &target_with(strict),
        context(json!({"runAsUser": 0})),
    ));
    assert_eq!(
        found, [""; 0],
        "the setting takes the place of what the profile gives"
    );
}

#[test]
fn the_usual_linux_capabilities_are_more_than_restricted_gives_only() {
    let usual = || {
        context(merged(
            restricted(),
            json!({"capabilities": {"add": ["CHOWN", "CAP_net_bind_service"]}}),
        ))
    };
    assert_eq!(
        codes(&added(json!({"profile": "baseline"}), &target(), usual())),
        [""; 0]
    );
    assert_eq!(
        codes(&added(json!({"profile": "restricted"}), &target(), usual())),
        ["linux-capability"]
    );
}

#[test]
fn ports_of_the_node_and_calls_to_other_hosts_are_more_than_any_profile_gives() {
    let settings = || json!({"profile": "general"});
    let copy = |patch: Value| {
        let mut copy = target();
        copy["spec"]["containers"] = json!([copy["spec"]["containers"][0], container(patch)]);
        copy
    };
    for (patch, code) in [
        (
            json!({"ports": [{"containerPort": 80, "hostPort": 80}]}),
            "host-port",
        ),
        (
            json!({"livenessProbe": {"httpGet": {"host": "192.0.2.1", "port": 80}}}),
            "host-probe",
        ),
        (
            json!({"lifecycle": {"preStop": {"tcpSocket": {"host": "192.0.2.1", "port": 80}}}}),
            "host-probe",
        ),
    ] {
        assert_eq!(
            codes(&created(settings(), &target(), copy(patch.clone()))),
            [code],
            "{patch}"
        );
    }
    let had = target_with(
        json!({"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 80, "hostPort": 80}]}]}),
    );
    assert_eq!(
        codes(&created(settings(), &had, had.clone())),
        [""; 0],
        "the original has it"
    );
    let mut more = had.clone();
    more["spec"]["containers"][0]["ports"][0]["hostPort"] = json!(81);
    assert_eq!(codes(&created(settings(), &had, more)), ["host-port"]);
    let on_network = target_with(json!({"hostNetwork": true}));
    let mut copy = on_network.clone();
    copy["spec"]["containers"] = json!([container(
        json!({"ports": [{"containerPort": 80, "hostPort": 80}]})
    )]);
    let found = codes(&created(settings(), &on_network, copy));
    assert_eq!(found, [""; 0], "all ports of the node are its ports already");
}

#[test]
fn a_created_pod_has_no_more_than_its_original() {
    let original = || {
        target_with(json!({"hostUsers": false, "serviceAccountName": "web",
        "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "8"}], "seccompProfile": {"type": "RuntimeDefault"}}}))
    };
    let found = |patch: Value| {
        let target = original();
        let mut found = codes(&created(
            json!({"profile": "general"}),
            &target,
            merged(target.clone(), json!({"spec": patch})),
        ));
        found.dedup();
        found
    };
    assert_eq!(found(json!({})), [""; 0]);
    for (patch, code) in [
        (json!({"hostPID": true}), "host-namespace"),
        (json!({"hostUsers": null}), "host-namespace"),
        (json!({"hostUsers": true}), "host-namespace"),
        (
            json!({"volumes": [{"name": "h", "hostPath": {"path": "/etc"}}]}),
            "host-path",
        ),
        (json!({"serviceAccountName": "admin"}), "service-account"),
        (
            json!({"serviceAccountName": "", "serviceAccount": "admin"}),
            "service-account",
        ),
        (
            json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
            "privileged",
        ),
        (
            json!({"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "9"}]}}),
            "sysctl",
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
            "unconfined",
        ),
        (json!({"securityContext": {"seccompProfile": null}}), "unconfined"),
        (
            json!({"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}),
            "selinux",
        ),
    ] {
        assert_eq!(found(patch.clone()), [code], "{patch}");
    }
}

#[test]
fn a_windows_pod_is_not_asked_for_what_only_linux_knows() {
    let windows = target_with(json!({"os": {"name": "windows"}}));
    let settings = || json!({"profile": "restricted"});
    let found = codes(&added(
        settings(),
        &windows,
        context(json!({"runAsNonRoot": true})),
    ));
    assert_eq!(found, [""; 0]);
    let admin = json!({"windowsOptions": {"runAsUserName": "ContainerAdministrator"}});
    assert_eq!(codes(&added(settings(), &windows, context(admin))), ["user-id"]);
}
