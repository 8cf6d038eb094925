//! What the controls say of pods. The fields that each judges are in `cases.rs`.

mod cases;

use serde_json::{Value, json};

use self::cases::{Case, NULL, cases};
use super::{controls::*, *};
use crate::pod::ContainerKind;

/// A pod that passes `restricted`, with a container of each kind.
fn hardened_pod() -> Value {
    let container = json!({
        "name": "app",
        "image": "busybox:1.36",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "containers": [container.clone()],
            "initContainers": [container.clone()],
            "ephemeralContainers": [container],
        },
    })
}

/// Puts a value at a pointer; null takes away what is there.
fn set(pod: &mut Value, at: &str, value: Value) {
    let mut spot = pod;
    for part in at.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if let Ok(index) = part.parse::<usize>() {
            if spot.is_null() {
                *spot = json!([]);
            }
            let items = spot.as_array_mut().unwrap();
            items.resize(items.len().max(index + 1), json!({}));
            spot = &mut items[index];
        } else {
            spot = &mut spot[part];
        }
    }
    *spot = value;
}

fn pod_with(changes: &[(&str, Value)]) -> Object {
    let mut pod = hardened_pod();
    for (at, value) in changes {
        set(&mut pod, at, value.clone());
    }
    pod.as_object().unwrap().clone()
}

fn found(pod: &Object, level: Level) -> Vec<(&'static str, Level, String)> {
    let found = violations(pod, level).into_iter();
    found
        .map(|violation| (violation.control, violation.level, violation.at))
        .collect()
}

#[test]
fn every_control_refuses_and_allows_what_the_standards_say() {
    for case in cases() {
        let Case {
            control, level, at, ..
        } = &case;
        for value in &case.forbidden {
            let pod = pod_with(&[(at, value.clone())]);
            let wanted = vec![(*control, *level, at.clone())];
            assert_eq!(found(&pod, Level::Restricted), wanted, "{at}: {value}");
            let (at_baseline, passed) = match level {
                Level::Restricted => (Vec::new(), Level::Baseline),
                _ => (wanted, Level::Privileged),
            };
            assert_eq!(found(&pod, Level::Baseline), at_baseline, "{at}: {value}");
            assert_eq!(found(&pod, Level::Privileged), [], "{at}: {value}");
            assert_eq!(level_of(&pod), passed, "{at}: {value}");
        }
        for value in &case.allowed {
            let pod = pod_with(&[(at, value.clone())]);
            assert_eq!(found(&pod, Level::Restricted), [], "{at}: {value}");
            assert_eq!(level_of(&pod), Level::Restricted, "{at}: {value}");
        }
    }
}

#[test]
fn every_control_has_both_a_failing_and_a_passing_case() {
    let cases = cases();
    for control in CONTROLS.into_iter().filter(|control| *control != MALFORMED) {
        let mut own = cases.iter().filter(|case| case.control == control).peekable();
        assert!(own.peek().is_some(), "{control}");
        for case in own {
            assert!(
                !case.forbidden.is_empty() && !case.allowed.is_empty(),
                "{}",
                case.at
            );
        }
    }
}

fn values_of_every_type() -> [Value; 5] {
    [json!("text"), json!(7), json!(true), json!([7]), json!({"a": 7})]
}

fn has_type_of(value: &Value, other: &Value) -> bool {
    std::mem::discriminant(value) == std::mem::discriminant(other)
}

#[test]
fn a_field_of_the_wrong_type_is_a_violation() {
    for case in cases() {
        for wrong in values_of_every_type() {
            let mut known = case.forbidden.iter().chain(&case.allowed);
            if !known.any(|known| has_type_of(known, &wrong)) {
                let pod = pod_with(&[(&case.at, wrong.clone())]);
                let found = found(&pod, Level::Restricted);
                assert!(
                    found.iter().any(|(.., at)| *at == case.at),
                    "{}: {wrong}: {found:?}",
                    case.at
                );
            }
        }
    }
}

#[test]
fn a_parent_of_the_wrong_type_is_a_violation_from_baseline_on() {
    for case in cases() {
        let whole = Value::Object(pod_with(&[(&case.at, json!({}))]));
        for (end, _) in case.at.match_indices('/').skip(1) {
            let place = &case.at[..end];
            for wrong in values_of_every_type() {
                if !has_type_of(whole.pointer(place).unwrap(), &wrong) {
                    let pod = pod_with(&[(&case.at, json!({})), (place, wrong.clone())]);
                    let found = found(&pod, Level::Baseline);
                    let wanted = (MALFORMED, Level::Baseline, place.to_owned());
                    assert!(found.contains(&wanted), "{place}: {wrong}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn no_shape_of_document_makes_it_panic() {
    let rich = cases().into_iter().map(|case| (case.at, json!({})));
    for (at, _) in rich.chain([("/spec/os".into(), NULL), ("/spec/hostUsers".into(), NULL)]) {
        for (end, _) in at.match_indices('/').skip(1).chain([(at.len(), "")]) {
            for value in
                values_of_every_type()
                    .into_iter()
                    .chain([NULL, json!([null]), json!([[]]), json!([{}])])
            {
                let pod = pod_with(&[(&at[..end], value)]);
                let strict = violations(&pod, Level::Restricted);
                let of_baseline = strict.iter().filter(|found| found.level == Level::Baseline);
                let of_baseline: Vec<_> = of_baseline.map(|found| (found.control, &found.at)).collect();
                let baseline = violations(&pod, Level::Baseline);
                let baseline: Vec<_> = baseline.iter().map(|found| (found.control, &found.at)).collect();
                assert_eq!(baseline, of_baseline, "{pod:?}");
                for violation in strict {
                    assert!(CONTROLS.contains(&violation.control), "{violation:?}");
                    assert!(!violation.message.is_empty(), "{violation:?}");
                }
            }
        }
    }
    assert_eq!(level_of(&Object::new()), Level::Restricted);
}

#[test]
fn all_kinds_of_volume_that_restricted_allows_pass() {
    let allowed = "configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret";
    for kind in allowed.split(' ') {
        let volume = json!({"name": "data", kind: {}});
        assert_eq!(
            level_of(&pod_with(&[("/spec/volumes/0", volume)])),
            Level::Restricted,
            "{kind}"
        );
        let both = json!({"name": "data", kind: {}, "hostPath": {"path": "/"}});
        assert_eq!(
            level_of(&pod_with(&[("/spec/volumes/0", both)])),
            Level::Privileged,
            "{kind}"
        );
    }
    let malformed = json!({"name": "data", "emptyDir": "text"});
    assert_eq!(
        found(&pod_with(&[("/spec/volumes/0", malformed)]), Level::Baseline),
        [(MALFORMED, Level::Baseline, "/spec/volumes/0/emptyDir".to_owned())]
    );
    // The API server makes an emptyDir of it.
    let volume = json!({"name": "data"});
    assert_eq!(
        level_of(&pod_with(&[("/spec/volumes/0", volume)])),
        Level::Restricted
    );
}

#[test]
fn containers_inherit_from_the_pod_what_they_do_not_set() {
    let required = ["runAsNonRoot", "seccompProfile"];
    let of_pod = [
        json!(true),
        json!({"type": "Localhost", "localhostProfile": "a.json"}),
    ];
    for (field, value) in required.into_iter().zip(of_pod) {
        let places =
            ContainerKind::ALL.map(|kind| format!("/spec/{}/0/securityContext/{field}", kind.field()));
        let mut changes: Vec<(&str, Value)> = places.iter().map(|at| (at.as_str(), NULL)).collect();
        assert_eq!(found(&pod_with(&changes), Level::Restricted).len(), 3, "{field}");
        let of_pod = format!("/spec/securityContext/{field}");
        changes.push((&of_pod, value));
        assert_eq!(level_of(&pod_with(&changes)), Level::Restricted, "{field}");
    }
}

#[test]
fn what_the_pod_sets_wrongly_is_reported_once_and_not_again_for_every_container() {
    let pod = pod_with(&[
        ("/spec/securityContext/runAsNonRoot", json!(false)),
        ("/spec/containers/0/securityContext/runAsNonRoot", NULL),
        ("/spec/securityContext/seccompProfile/type", json!("Unconfined")),
        ("/spec/containers/0/securityContext/seccompProfile", NULL),
    ]);
    let found = found(&pod, Level::Restricted);
    let places: Vec<&str> = found.iter().map(|(.., at)| at.as_str()).collect();
    assert_eq!(
        places,
        [
            "/spec/securityContext/seccompProfile/type",
            "/spec/securityContext/runAsNonRoot"
        ]
    );
}

#[test]
fn a_user_namespace_allows_root_and_at_baseline_any_proc_mount() {
    let changes = |host_users: Value| {
        pod_with(&[
            ("/spec/hostUsers", host_users),
            (
                "/spec/securityContext",
                json!({"runAsUser": 0, "runAsNonRoot": false}),
            ),
            ("/spec/containers/0/securityContext/runAsUser", json!(0)),
            ("/spec/containers/0/securityContext/runAsNonRoot", NULL),
            (
                "/spec/initContainers/0/securityContext/runAsNonRoot",
                json!(false),
            ),
            ("/spec/containers/0/securityContext/procMount", json!("Unmasked")),
        ])
    };
    let at = "/spec/containers/0/securityContext/procMount".to_owned();
    let pod = changes(json!(false));
    assert_eq!(
        found(&pod, Level::Restricted),
        [(PROC_MOUNT, Level::Restricted, at)]
    );
    assert_eq!(level_of(&pod), Level::Baseline);
    let silent = pod_with(&[
        ("/spec/hostUsers", json!(false)),
        ("/spec/containers/0/securityContext/runAsNonRoot", NULL),
    ]);
    assert_eq!(level_of(&silent), Level::Restricted);
    for host_users in [json!(true), NULL, json!("false"), json!(0)] {
        let pod = changes(host_users);
        assert_eq!(found(&pod, Level::Restricted).len(), 5);
        assert_eq!(level_of(&pod), Level::Privileged);
    }
}

#[test]
fn a_windows_pod_needs_no_hardening_that_only_linux_knows() {
    let bare = json!({"name": "app", "image": "busybox:1.36"});
    let changes = |os: Value| {
        pod_with(&[
            ("/spec/os", os),
            ("/spec/securityContext/runAsNonRoot", json!(true)),
            ("/spec/containers/0", bare.clone()),
        ])
    };
    assert_eq!(level_of(&changes(json!({"name": "windows"}))), Level::Restricted);
    for os in [
        json!({"name": "linux"}),
        json!({"name": "Windows"}),
        json!("windows"),
        json!({"name": 7}),
        NULL,
    ] {
        assert_eq!(level_of(&changes(os.clone())), Level::Baseline, "{os}");
        let controls: Vec<&str> = violations(&changes(os), Level::Restricted)
            .iter()
            .map(|found| found.control)
            .collect();
        assert_eq!(controls, [CAPABILITIES, PRIVILEGE_ESCALATION, SECCOMP]);
    }
    // The API server takes no Windows pod that sets them.
    for (at, value, control) in [
        ("allowPrivilegeEscalation", json!(true), PRIVILEGE_ESCALATION),
        ("capabilities/add/0", json!("CHOWN"), CAPABILITIES),
    ] {
        let at = format!("/spec/containers/0/securityContext/{at}");
        let pod = pod_with(&[("/spec/os/name", json!("windows")), (&at, value)]);
        assert_eq!(found(&pod, Level::Restricted), [(control, Level::Restricted, at)]);
    }
    let privileged = pod_with(&[
        ("/spec/os/name", json!("windows")),
        (
            "/spec/containers/0/securityContext/windowsOptions/hostProcess",
            json!(true),
        ),
    ]);
    assert_eq!(level_of(&privileged), Level::Privileged);
}

#[test]
fn messages_say_what_is_set_and_what_would_be_allowed() {
    let message = |level: Level, at: &str, value: Value| {
        let found = violations(&pod_with(&[(at, value)]), level);
        found.into_iter().next().unwrap().message
    };
    let app = "/spec/containers/0/securityContext";
    for (at, value, wanted) in [
        (
            "/capabilities/add/0",
            json!("SYS_PTRACE"),
            r#"container "app" adds the Linux capability "SYS_PTRACE"; only "NET_BIND_SERVICE" is allowed"#,
        ),
        (
            "/runAsNonRoot",
            NULL,
            r#"neither container "app" nor the pod sets runAsNonRoot; it must be true"#,
        ),
        (
            "/seccompProfile",
            NULL,
            r#"neither container "app" nor the pod sets seccompProfile.type; only "Localhost" and "RuntimeDefault" are allowed"#,
        ),
        (
            "/allowPrivilegeEscalation",
            NULL,
            r#"container "app" does not set allowPrivilegeEscalation; only false is allowed"#,
        ),
        (
            "/runAsUser",
            json!(0),
            r#"container "app" sets runAsUser to 0; any other number or nothing is allowed"#,
        ),
    ] {
        assert_eq!(message(Level::Restricted, &format!("{app}{at}"), value), wanted);
    }
    assert_eq!(
        message(
            Level::Restricted,
            "/spec/volumes/0",
            json!({"name": "data", "nfs": {}})
        ),
        r#"the volume "data" is of kind "nfs"; only "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected" and "secret" are allowed"#
    );
    assert_eq!(
        message(
            Level::Baseline,
            "/spec/volumes/0",
            json!({"name": "root", "hostPath": {"path": "/"}})
        ),
        r#"the volume "root" is of kind "hostPath"; any other kind is allowed"#
    );
    assert_eq!(
        message(
            Level::Baseline,
            "/spec/containers/0/securityContext",
            json!(["root"])
        ),
        "a list stands where only an object or nothing is allowed"
    );
}

#[test]
fn text_of_the_pod_cannot_flood_a_message_or_control_the_terminal() {
    let name = format!("\u{1b}[2J\u{202e}{}", "x".repeat(100_000));
    let pod = pod_with(&[("/spec/volumes/0", json!({"name": name, "nfs": {}}))]);
    let message = &violations(&pod, Level::Restricted)[0].message;
    assert!(
        message.starts_with(r#"the volume "\u{1b}[2J\u{202e}xxx"#),
        "{message}"
    );
    assert!(message.len() < 500, "{message}");
}

#[test]
fn a_violation_becomes_a_diagnostic_about_the_document_that_holds_the_pod() {
    let pod = pod_with(&[("/spec/hostIPC", json!(true))]);
    let violation = violations(&pod, Level::Baseline).remove(0);
    let wanted = Diagnostic::error("host-namespaces", violation.message.clone())
        .at_pointer("/steps/0/object/spec/hostIPC");
    assert_eq!(
        violation.into_diagnostic(Severity::Error, "/steps/0/object"),
        wanted
    );
}

#[test]
fn a_container_that_is_added_is_judged_as_if_it_were_there() {
    let pod = pod_with(&[("/spec/containers/0/securityContext/privileged", json!(true))]);
    let added = json!({"name": "dbg", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}});
    let mut whole = crate::Pod(pod.clone());
    whole.push_container(ContainerKind::Ephemeral, added.as_object().unwrap().clone());
    for level in Level::ALL {
        let found = violations_with(&pod, added.as_object(), level);
        assert_eq!(found, violations(&whole.0, level), "{level:?}");
    }
    let owners: Vec<String> = violations_with(&pod, added.as_object(), Level::Baseline)
        .into_iter()
        .map(|violation| violation.owner)
        .collect();
    assert_eq!(owners, [r#"container "app""#, r#"ephemeral container "dbg""#]);
}

#[test]
fn levels_are_ordered_and_known_by_name() {
    assert!(Level::ALL.is_sorted());
    for level in Level::ALL {
        assert_eq!(Level::from_name(level.name()), Some(level));
        assert_eq!(serde_json::to_value(level).unwrap(), json!(level.name()));
    }
    assert_eq!(Level::from_name("Baseline"), None);
}
