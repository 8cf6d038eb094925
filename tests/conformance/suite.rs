//! The requests, and the expected answers.

use serde_json::{Value, json};
use trocar::{
    Actor, DebugOptions, Diagnostic, FailureKind, Limit, LogLevel, PlanError, PlanRequest, Planned,
    PolicyRule, Target, WasmError,
    capability::Grants,
    manifest::PluginType,
    plan::Mode,
    plugin::{PluginError, PluginSource},
    policy::Match,
};

use crate::{
    documents::{self, TEXTS},
    guests::Guest,
};

/// Runs the whole suite with a guest.
pub(crate) fn conforms(guest: &Guest) {
    documents_arrive_and_come_back(guest);
    diagnostics_and_failures_are_passed_on(guest);
    settings_are_checked(guest);
    the_log_is_kept(guest);
    no_state_survives_a_call(guest);
    limits_hold(guest);
    if guest.policy.is_some() {
        a_policy_judges(guest);
        a_policy_reads_texts_of_every_plane(guest);
        a_policy_that_breaks_denies(guest);
    }
}

fn plan(
    guest: &Guest,
    settings: &Value,
    target: Value,
    options: &DebugOptions,
) -> Result<Planned, PlanError> {
    guest.engine.plan(&PlanRequest {
        target: &documents::target(target),
        options,
        strategy: &guest.strategy,
        strategy_name: None,
        settings: &settings.to_string(),
        context: &documents::context(),
        actor: &Actor::default(),
        policies: &[],
        reader: None,
        time_to_live: None,
    })
}

fn ordered(guest: &Guest, order: &str) -> Result<Planned, PlanError> {
    plan(
        guest,
        &json!({"do": order}),
        documents::simple(),
        &DebugOptions::default(),
    )
}

/// The value of a variable of the planned container.
fn variable(planned: &Planned, name: &str) -> String {
    let container = planned.plan.steps()[0].object();
    let env = container["env"].as_array().cloned().unwrap_or_default();
    let found = env.iter().find(|variable| variable["name"] == name);
    let found = found.unwrap_or_else(|| panic!("there is no {name} in {container}"));
    found["value"].as_str().unwrap_or_default().to_owned()
}

fn document(planned: &Planned, name: &str) -> Value {
    serde_json::from_str(&variable(planned, name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn documents_arrive_and_come_back(guest: &Guest) {
    let mut targets: Vec<Value> = TEXTS.iter().map(|text| documents::with_text(text)).collect();
    targets.push(documents::with_numbers(guest.has_large_integers));
    targets.push(documents::deep());
    targets.push(documents::large());
    for target in targets {
        let settings = json!({"do": "echo", "more": TEXTS});
        let planned = plan(guest, &settings, target.clone(), &documents::options());
        let planned = planned.unwrap_or_else(|error| panic!("{error}: {target}"));
        assert_eq!(document(&planned, "TARGET"), target);
        assert_eq!(document(&planned, "SETTINGS"), settings);
        assert_eq!(document(&planned, "CONTEXT"), json!(documents::context()));
        // A guest of an older version may not know all fields.
        let (sent, found) = (json!(documents::options()), document(&planned, "OPTIONS"));
        let found = found.as_object().expect("options are an object");
        assert!(found.len() > 15, "{found:?}");
        for (name, value) in found.iter().filter(|(name, _)| sent.get(name).is_some()) {
            assert_eq!(*value, sent[name], "{name}");
        }
        assert_eq!(planned.plan.attach(), Some("echo"));
    }
}

fn every_severity() -> Vec<Diagnostic> {
    vec![
        Diagnostic::error("first-code", "an error \u{1d11e}")
            .at(["metadata", "name"])
            .help("change it"),
        Diagnostic::warning("second-code", "a warning").help("perhaps"),
        Diagnostic::info("third-code", "an information").at(["spec"]),
    ]
}

fn diagnostics_and_failures_are_passed_on(guest: &Guest) {
    let planned = ordered(guest, "tell").unwrap();
    assert_eq!(planned.plan.diagnostics(), every_severity());
    for kind in [
        FailureKind::InvalidSettings,
        FailureKind::InvalidRequest,
        FailureKind::UnsupportedTarget,
        FailureKind::Unavailable,
        FailureKind::Internal,
    ] {
        let settings = json!({"do": "fail", "kind": kind_name(kind)});
        let failed = plan(guest, &settings, documents::simple(), &DebugOptions::default());
        let Err(PlanError::Refused { failure, .. }) = failed else {
            panic!("{kind:?}: {failed:?}");
        };
        assert_eq!((failure.kind, failure.code.as_str()), (kind, "told"));
        assert_eq!(failure.message, "why not \u{1d11e}");
        assert_eq!(failure.diagnostics, every_severity());
    }
}

fn kind_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::InvalidSettings => "invalid-settings",
        FailureKind::InvalidRequest => "invalid-request",
        FailureKind::UnsupportedTarget => "unsupported-target",
        FailureKind::Unavailable => "unavailable",
        FailureKind::Internal => "internal",
    }
}

fn settings_are_checked(guest: &Guest) {
    for plugin in [Some(&guest.strategy), guest.policy.as_ref()]
        .into_iter()
        .flatten()
    {
        let check = |settings: &str| guest.engine.validate_settings(plugin, settings).unwrap().unwrap();
        assert_eq!(check(r#"{"do":"wrong"}"#), every_severity());
        assert!(check("{}").is_empty());
    }
}

fn the_log_is_kept(guest: &Guest) {
    let planned = ordered(guest, "log").unwrap();
    let lines: Vec<(LogLevel, &str)> = planned.logs[0]
        .lines
        .iter()
        .map(|line| (line.level, line.text.as_str()))
        .collect();
    let wanted = [
        (LogLevel::Trace, "a trace \u{1d11e}"),
        (LogLevel::Debug, "for debugging"),
        (LogLevel::Info, "an information"),
        (LogLevel::Warn, "a warning"),
        (LogLevel::Error, "an error"),
    ];
    assert_eq!(lines, wanted);
}

fn no_state_survives_a_call(guest: &Guest) {
    for _ in 0..3 {
        assert_eq!(variable(&ordered(guest, "count").unwrap(), "CALLS"), "1");
    }
    let hash = || ordered(guest, "tell").unwrap().plan.hash();
    assert_eq!(hash(), hash());
}

fn broken(result: Result<Planned, PlanError>) -> WasmError {
    match result {
        Err(PlanError::Plugin(PluginError::Wasm { error, .. })) => error,
        other => panic!("the guest is to break: {other:?}"),
    }
}

fn limits_hold(guest: &Guest) {
    for (order, wanted) in [
        ("loop", Limit::Time),
        ("grow", Limit::Memory),
        ("big", Limit::Result),
    ] {
        match broken(ordered(guest, order)) {
            WasmError::Limit { limit, .. } => assert_eq!(limit, wanted, "{order}"),
            other => panic!("{order}: {other}"),
        }
    }
    let trapped = broken(ordered(guest, "trap"));
    assert!(
        trapped.to_string().contains("the reason of the trap"),
        "{trapped}"
    );
    // And the engine still works.
    ordered(guest, "tell").unwrap();
}

/// The policy's decision about the default strategy's plan for a pod.
fn judged(guest: &Guest, settings: &Value, reason: &str) -> Result<Planned, PlanError> {
    let strategy = PluginSource::Default("ephemeral".into());
    let strategy = guest
        .engine
        .load(&strategy, PluginType::Strategy, &Grants::default())
        .unwrap();
    let rule = PolicyRule {
        name: "conformance".into(),
        plugin: guest.policy.clone().expect("the guest is a policy"),
        mode: Mode::Enforce,
        matches: Match::default(),
        settings: settings.to_string(),
    };
    let target: Target = documents::target(documents::simple());
    guest.engine.plan(&PlanRequest {
        target: &target,
        options: &DebugOptions {
            image: Some("busybox".into()),
            stdin: true,
            tty: true,
            ..DebugOptions::default()
        },
        strategy: &strategy,
        strategy_name: None,
        settings: "{}",
        context: &documents::context(),
        actor: &documents::actor(reason),
        policies: &[&rule],
        reader: None,
        time_to_live: None,
    })
}

fn a_policy_judges(guest: &Guest) {
    let of = |order: &str| judged(guest, &json!({"do": order}), "why");
    let allowed = of("nothing").unwrap();
    assert_eq!(allowed.plan.steps()[0].object()["image"], "busybox");
    let amended = of("amend").unwrap().plan;
    let container = amended.steps()[0].object();
    assert_eq!(container["image"], "mirror.example.com/busybox");
    assert!(container.get("tty").is_none_or(|tty| tty == false), "{container}");
    assert_eq!(amended.changers().len(), 1);
    let denied = of("deny").unwrap_err();
    let reviews = denied.reviewed().expect("a policy denied it").policies().to_vec();
    assert_eq!(reviews[0].diagnostics, every_severity());
}

fn a_policy_reads_texts_of_every_plane(guest: &Guest) {
    for text in TEXTS {
        let settings = json!({"do": "read", "text": text});
        judged(guest, &settings, text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert!(judged(guest, &settings, &format!("{text}!")).is_err(), "{text:?}");
    }
}

fn a_policy_that_breaks_denies(guest: &Guest) {
    for (settings, wanted) in [
        (json!({"do": "fail", "kind": "unavailable"}), "why not \u{1d11e}"),
        (json!({"do": "trap"}), "the reason of the trap"),
        (json!({"do": "loop"}), "time"),
    ] {
        let denied = judged(guest, &settings, "why").unwrap_err();
        let reviews = denied.reviewed().expect("a policy denied it").policies().to_vec();
        let [found] = reviews[0].diagnostics.as_slice() else {
            panic!("{reviews:?}");
        };
        assert_eq!(found.code, "policy-failed");
        assert!(found.message.contains(wanted), "{}", found.message);
    }
}
