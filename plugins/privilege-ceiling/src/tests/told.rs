//! How a denial is told: every fact once.

use serde_json::{Value, json};

use super::fixtures::{added, created, reasons, target_with};

fn messages(decision: &trocar_sdk::policy::Decision) -> Vec<String> {
    reasons(decision)
        .into_iter()
        .map(|(_, message)| message)
        .collect()
}

/// A pod of many containers that break the level `restricted` in four ways each.
fn lax(count: usize) -> Value {
    let containers: Vec<Value> = (0..count)
        .map(|number| json!({"name": format!("app-{number}"), "image": "app:1"}))
        .collect();
    target_with(json!({"containers": containers}))
}

#[test]
fn what_the_target_breaks_by_itself_is_one_line_with_a_count() {
    let container = json!({"name": "dbg", "image": "busybox", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}});
    let decision = added(json!({"level": "restricted"}), &lax(12), container.clone());
    let told = messages(&decision);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(
        told[0],
        "ephemeral container \"dbg\" adds the Linux capability \"SYS_PTRACE\" (only \"NET_BIND_SERVICE\" is allowed); does \
         not drop all Linux capabilities (capabilities.drop must hold \"ALL\"); neither ephemeral container \"dbg\" nor the \
         pod sets runAsNonRoot (it must be true); does not set allowPrivilegeEscalation (only false is allowed); neither \
         ephemeral container \"dbg\" nor the pod sets seccompProfile.type (only \"Localhost\" and \"RuntimeDefault\" are \
         allowed) (Pod Security level restricted)"
    );
    assert_eq!(
        told[1],
        "the pod itself breaks the level restricted of Pod Security: container \"app-0\" does not drop all Linux capabilities \
         (capabilities.drop must hold \"ALL\"), and there are 47 more such places"
    );
    assert_eq!(
        decision.diagnostics[1].help.as_deref(),
        Some("nothing can be added to it; --copy-to may help")
    );
    let mut copy = lax(12);
    copy["spec"]["containers"].as_array_mut().unwrap().push(container);
    let told = messages(&created(json!({"level": "restricted"}), &lax(12), copy));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("container \"dbg\" adds"), "{}", told[0]);
    assert!(
        told[1].ends_with("and there are 47 more such places"),
        "{}",
        told[1]
    );
}

#[test]
fn what_would_be_allowed_is_said_once() {
    let container = json!({"name": "dbg", "image": "busybox", "envFrom": [{"secretRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
        "securityContext": {"privileged": true, "capabilities": {"add": ["NET_ADMIN", "SYS_ADMIN"]}}});
    let decision = added(json!({"profile": "general"}), &lax(1), container);
    assert_eq!(
        messages(&decision),
        [
            "container \"dbg\" would be privileged",
            "container \"dbg\" would get the Linux capabilities NET_ADMIN and SYS_ADMIN",
            "container \"dbg\" would read the Secret \"a\" and \"b\"",
        ]
    );
    let helps: Vec<&str> = decision
        .diagnostics
        .iter()
        .filter_map(|found| found.help.as_deref())
        .collect();
    assert_eq!(helps, ["allowed is up to --profile=general"]);
}

#[test]
fn a_plan_of_very_many_containers_is_told_in_a_few_lines() {
    let container = |number: usize| json!({"name": format!("c{number}"), "image": "x", "securityContext": {"privileged": true}});
    let containers: Vec<Value> = (0..12_000).map(container).collect();
    let pod = json!({"spec": {"containers": containers}});
    for settings in [json!({"profile": "general"}), json!({"level": "baseline"})] {
        let told = messages(&created(settings.clone(), &lax(1), pod.clone()));
        assert!(told.len() <= 5, "{settings}: {}", told.len());
        assert!(told.iter().all(|line| line.len() < 600), "{settings}: {told:?}");
    }
}
