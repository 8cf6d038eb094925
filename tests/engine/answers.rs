//! Guests with invalid answers: bytes that cannot be decoded, and plans that break guard rails.

use trocar::{Blame, FailureKind, PlanError, Severity, WasmError, plan::Step};

use crate::{
    guest,
    host::{Asked, Host, assert_harmless, reason, told},
};

/// Checks that an answer is reported as invalid, with this message.
fn assert_invalid(guest: &str, message: &str) {
    let error = Host::new().breaks(guest);
    assert!(matches!(reason(&error), WasmError::Answer(_)), "{error:?}");
    told(
        &error,
        &format!("{:?}", format!("{} 0.1.0", guest::plugin_name(guest))),
        Blame::Plugin,
        &["the plugin's answer is not valid: ", message],
    );
}

/// Checks that a step of an answer is reported as malformed, with this message.
fn assert_malformed(guest: &str, message: &str) {
    let error = Host::new().run(guest).unwrap_err();
    let PlanError::Answer { strategy, problem } = &error else {
        panic!("{error:?}");
    };
    let name = guest::plugin_name(guest);
    assert_eq!(strategy.name, name);
    assert!(problem.starts_with("step 1 "), "{problem}");
    let text = error.to_string();
    for part in [
        &format!("plugin {:?}: ", format!("{name} 0.1.0")),
        "the plugin's answer is not valid: ",
        message,
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(text.len() < 6000, "the message has {} bytes", text.len());
    assert_harmless(&text);
    assert_eq!(error.blame(), Blame::Plugin);
}

/// Checks that a guest is reported as crashed, with this message.
fn assert_crashed(guest: &str, message: &[&str]) {
    let error = Host::new().breaks(guest);
    assert!(matches!(reason(&error), WasmError::Trapped { .. }), "{error:?}");
    told(
        &error,
        &format!("{:?}", format!("{} 0.1.0", guest::plugin_name(guest))),
        Blame::Plugin,
        &[&["the plugin crashed: "], message].concat(),
    );
}

#[test]
fn invalid_json() {
    assert_malformed("invalid_json", "step 1 is not valid JSON: key must be a string");
}

#[test]
fn deep_json() {
    assert_malformed("deep_json", "step 1 is nested more than 64 levels deep");
}

#[test]
fn invalid_utf8() {
    assert_invalid("invalid_utf8", "utf-8");
}

#[test]
fn bad_pointer() {
    assert_invalid("bad_pointer", "out of bounds");
}

#[test]
fn bad_list() {
    assert_invalid("bad_list", "out of bounds");
}

#[test]
fn bad_answer() {
    assert_invalid("bad_answer", "out of bounds");
}

#[test]
fn unaligned_answer() {
    assert_invalid("unaligned_answer", "not aligned");
}

#[test]
fn bad_case() {
    assert_invalid("bad_case", "invalid expected discriminant");
}

#[test]
fn bad_realloc() {
    assert_invalid("bad_realloc", "realloc return");
}

#[test]
fn bad_log_pointer() {
    assert_crashed("bad_log_pointer", &["out of bounds", "in plan"]);
}

#[test]
fn bad_log_level() {
    assert_crashed("bad_log_level", &["discriminant", "in plan"]);
}

#[test]
fn log_in_realloc() {
    assert_crashed("log_in_realloc", &["cannot leave component instance"]);
}

#[test]
fn trap() {
    assert_crashed("trap", &["integer divide by zero in break_down"]);
}

#[test]
fn unknown_action() {
    assert_malformed(
        "unknown_action",
        "step 1 has the unknown action \"delete-namespace\"; known are add-ephemeral-container, create-pod and \
         delete-pod",
    );
}

#[test]
fn endless_message() {
    assert_malformed("endless_message", "has the unknown action \"\\u{1b}\\u{1b}");
}

#[test]
fn many_steps() {
    let error = Host::new().run("many_steps").unwrap_err();
    let PlanError::GuardRail { author, violation } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(author, "strategy \"many-steps\"");
    assert_eq!(
        violation.to_string(),
        "the plan has 20000 steps; at most 8 are carried out"
    );
}

#[test]
fn many_diagnostics() {
    let plan = Host::new().plans("many_diagnostics").plan;
    assert_eq!(plan.diagnostics().len(), 101);
    let last = plan.diagnostics().last().unwrap();
    assert_eq!(last.severity, Severity::Warning);
    assert_eq!(last.message, "19900 more diagnostics of the plugin were dropped");
}

#[test]
fn rude_refusal() {
    let error = Host::new().run("rude_refusal").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no \\u{1b}[31mred\\u{1b}[0m words,\\u{d}\\u{a}no \\u{202e}sdrawkcab"
    );
    assert_eq!(error.blame(), Blame::User);
    let PlanError::Refused { strategy, failure } = error else {
        panic!("not a refusal");
    };
    assert_eq!(strategy.name, "rude-refusal");
    assert_eq!(failure.kind, FailureKind::InvalidRequest);
    assert_eq!(failure.code, "rude\\u{1b}[2J");
}

#[test]
fn more_than_asked() {
    let plan = Host::new().plans("more_than_asked").plan;
    let beyond: Vec<String> = plan.beyond_options().iter().map(ToString::to_string).collect();
    assert_eq!(
        beyond,
        [
            "linux-capability SYS_ADMIN (container \"guest\")",
            "privileged (container \"guest\")"
        ]
    );
    assert_eq!(plan.document()["beyondOptions"][1]["right"], "privileged");
    let mut asked = Asked::default();
    asked.options.profile = trocar::Profile::Sysadmin;
    let host = Host::new();
    let plan = host.plan(&host.load("more_than_asked"), &asked).unwrap().plan;
    assert_eq!(plan.beyond_options(), [], "the profile asks for it");
}

/// Checks that a plan breaks a guard rail, with this message.
fn assert_guarded(guest: &str, message: &str) {
    let error = Host::new().run(guest).unwrap_err();
    assert!(matches!(error, PlanError::GuardRail { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "the plan of strategy {:?} is refused: {message}",
            guest::plugin_name(guest)
        )
    );
    assert_harmless(&error.to_string());
    assert_eq!(error.blame(), Blame::Plugin);
}

#[test]
fn taken_name() {
    assert_guarded(
        "taken_name",
        "step 1: the pod already has a container named \"app\"",
    );
}

#[test]
fn other_namespace() {
    assert_guarded(
        "other_namespace",
        "step 1: the pod would be created in namespace \"kube-system\" instead of \"shop\"",
    );
}

#[test]
fn deletes() {
    assert_guarded(
        "deletes",
        "the plan makes 0 debug containers or pods; it must make exactly one",
    );
}

#[test]
fn remembers() {
    let host = Host::new();
    let plugin = host.load("remembers");
    for _ in 0..3 {
        let planned = host.plan(&plugin, &Asked::default()).unwrap();
        let Step::AddEphemeralContainer(container) = &planned.plan.steps()[0] else {
            panic!("{:?}", planned.plan);
        };
        assert_eq!(
            container["name"], "guest-1",
            "each call is the first of a new instance"
        );
    }
}
