//! Policies that misbehave: in `enforce` each denies, with a reason; in `warn` the user is warned, in `audit` it is recorded, and
//! in both the debug goes on as planned.

use trocar::{
    Blame, DebugPlan, EnvVar, PlanError, Severity, WasmError,
    capability::Grants,
    plan::{Mode, ReviewVerdict},
    plugin::{PackError, PluginError, PluginType, pack},
};

use crate::{
    guest,
    host::{Asked, Host, assert_harmless, reached, reason, told},
};

fn asked() -> Asked {
    let mut asked = Asked::default();
    asked.options.args = vec!["sh".into()];
    asked
}

/// The plan that policies denied.
fn denied(guests: &[&str]) -> (Box<DebugPlan>, String) {
    let error = Host::new()
        .reviewed(guests, Mode::Enforce, &asked())
        .expect_err("it is denied");
    let message = error.to_string();
    assert_eq!(error.blame(), Blame::User, "{error:?}");
    match error {
        PlanError::Denied { plan } => (plan, message),
        other => panic!("not denied: {other:?}"),
    }
}

/// Checks that a policy fails, with this message in each mode.
fn assert_fails(guest: &str, parts: &[&str]) {
    let name = guest::plugin_name(guest);
    let (plan, message) = denied(&[guest]);
    assert_eq!(message, format!("policy {name:?} denies this"));
    assert_said(
        &plan,
        "it could not judge the plan, which counts as a denial: ",
        parts,
    );

    let unreviewed = Host::new().reviewed(&[], Mode::Enforce, &asked()).unwrap().plan;
    let warned = Host::new().reviewed(&[guest], Mode::Warn, &asked()).unwrap().plan;
    assert_eq!(warned.steps(), unreviewed.steps(), "nothing is changed");
    assert_said(&warned, "it could not judge the plan: ", parts);
    let warnings: Vec<&str> = warned
        .diagnostics_of(Severity::Warning)
        .map(|found| found.message.as_str())
        .collect();
    let lead = format!("policy {name}: it could not judge the plan: ");
    assert!(
        matches!(warnings.as_slice(), [only] if only.starts_with(&lead)),
        "{warnings:?}"
    );

    let audited = Host::new()
        .reviewed(&[guest], Mode::Audit, &asked())
        .unwrap()
        .plan;
    assert_eq!(audited.steps(), unreviewed.steps(), "nothing is changed");
    assert_said(&audited, "it could not judge the plan: ", parts);
    assert_eq!(
        audited.diagnostics(),
        unreviewed.diagnostics(),
        "the user sees nothing"
    );
}

/// Checks the only review of a plan, of a policy that failed.
fn assert_said(plan: &DebugPlan, lead: &str, parts: &[&str]) {
    let [review] = plan.policies() else {
        panic!("{:?}", plan.policies());
    };
    assert_eq!(review.verdict, ReviewVerdict::Failed);
    assert_eq!(review.changes, []);
    let [found] = review.diagnostics.as_slice() else {
        panic!("{:?}", review.diagnostics);
    };
    assert_eq!(found.code, "policy-failed");
    assert!(found.message.starts_with(lead), "{found:?}");
    for part in parts {
        assert!(
            found.message.contains(part),
            "{part:?} is not in: {}",
            found.message
        );
    }
    assert!(found.message.len() < 6000, "{} bytes", found.message.len());
    assert_harmless(&found.message);
}

#[test]
fn allows() {
    for mode in [Mode::Enforce, Mode::Warn, Mode::Audit] {
        let plan = Host::new().reviewed(&["allows"], mode, &asked()).unwrap().plan;
        assert_eq!(plan.policies()[0].verdict, ReviewVerdict::Allow);
        assert_eq!(plan.policies()[0].saw, plan.hash());
        assert_eq!(plan.policies()[0].mode, mode);
    }
}

#[test]
fn breaks_down() {
    assert_fails(
        "breaks_down",
        &[
            "\"breaks-down 0.1.0\"",
            "the plugin crashed: ",
            "integer divide by zero in gives_way",
        ],
    );
}

#[test]
fn ponders() {
    assert_fails(
        "ponders",
        &[
            "\"ponders 0.1.0\"",
            "did not answer within its time limit of 200ms",
        ],
    );
}

#[test]
fn gives_up() {
    assert_fails("gives_up", &["the list of the wise is not to be had"]);
}

#[test]
fn changes_action() {
    assert_fails(
        "changes_action",
        &[
            "its change cannot be made: ",
            "a change at \"/steps/0/action\"; a policy changes only what is below /steps/N/object/",
        ],
    );
}

#[test]
fn removes_nothing() {
    assert_fails(
        "removes_nothing",
        &["its change cannot be made: ", "/steps/0/object/livenessProbe"],
    );
}

#[test]
fn forgets_value() {
    assert_fails(
        "forgets_value",
        &["the change at \"/steps/0/object/image\" has no value"],
    );
}

#[test]
fn half_value() {
    assert_fails(
        "half_value",
        &["the value of its change at \"/steps/0/object/securityContext\" is not valid JSON: EOF"],
    );
}

#[test]
fn too_many_changes() {
    assert_fails(
        "too_many_changes",
        &["10000 changes; at most 1000 are made at once"],
    );
}

#[test]
fn escapes_pointer() {
    assert_fails(
        "escapes_pointer",
        &["the pointer of an amendment is too long or has control characters: /steps/0/object/\\u{1b}[2J"],
    );
}

#[test]
fn escapes_value() {
    let plan = Host::new()
        .reviewed(&["escapes_value"], Mode::Enforce, &asked())
        .unwrap()
        .plan;
    assert_eq!(
        plan.steps()[0].object()["workingDir"],
        "\u{202e}\u{9b}2J",
        "it is only text"
    );
    let [change] = plan.policies()[0].changes.as_slice() else {
        panic!("{:?}", plan.policies());
    };
    assert_harmless(&change.to_string());
}

/// Guard rails also apply to amendments of policies.
#[test]
fn takes_name() {
    let error = Host::new()
        .reviewed(&["allows", "takes_name"], Mode::Enforce, &asked())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan of the policies \"takes-name\" is refused: step 1: the pod already has a container named \"app\""
    );
    assert_eq!(error.blame(), Blame::Plugin);
    for mode in [Mode::Warn, Mode::Audit] {
        let plan = Host::new()
            .reviewed(&["takes_name"], mode, &asked())
            .unwrap()
            .plan;
        assert_eq!(plan.policies()[0].verdict, ReviewVerdict::Amend);
        assert_eq!(
            plan.policies()[0].changes.len(),
            1,
            "what it would change is written down"
        );
        assert_eq!(plan.steps()[0].object()["name"], "debugger-x7k2p");
    }
}

/// The policies that never return, and the messages about them.
fn undecided(guests: &[&str]) -> (Vec<String>, String) {
    let error = Host::new()
        .reviewed(guests, Mode::Enforce, &asked())
        .expect_err("they come to no end");
    assert_eq!(error.blame(), Blame::Plugin);
    let message = error.to_string();
    match error {
        PlanError::Undecided { policies, plan } => {
            assert!(plan.policies().iter().all(|review| !review.saw.is_empty()));
            (policies, message)
        }
        other => panic!("not undecided: {other:?}"),
    }
}

/// Outside of `enforce`, amendments are not applied.
fn assert_only_told(guests: &[&str]) {
    for (mode, count) in [(Mode::Warn, guests.len()), (Mode::Audit, 0)] {
        let plan = Host::new().reviewed(guests, mode, &asked()).unwrap().plan;
        assert_eq!(plan.steps()[0].object()["image"], "busybox:1.36");
        assert!(
            plan.policies()
                .iter()
                .all(|review| review.verdict == ReviewVerdict::Amend && review.changes.len() == 1)
        );
        // They give no reason, so the host adds a warning.
        let told: Vec<&str> = plan
            .diagnostics_of(Severity::Warning)
            .map(|found| found.message.as_str())
            .collect();
        assert_eq!(told.len(), count, "{mode:?}: {told:?}");
    }
}

#[test]
fn policies_that_undo_each_other_are_named_and_others_are_not() {
    let (policies, message) = undecided(&["allows", "wants_one", "wants_two"]);
    assert_eq!(policies, ["wants-one", "wants-two"]);
    assert_eq!(
        message,
        "the policies \"wants-one\" and \"wants-two\" undo each other's changes"
    );
    assert_only_told(&["wants_one", "wants_two"]);
}

#[test]
fn policies_of_which_only_one_is_obeyed_undo_nothing() {
    let host = Host::new();
    let rules = [("wants_one", Mode::Enforce), ("wants_two", Mode::Warn)];
    let plan = host.reviewed_as(&rules, &asked()).unwrap().plan;
    assert_eq!(plan.steps()[0].object()["image"], "one.example/x");
    assert_eq!(plan.changers(), ["wants-one"]);
}

#[test]
fn turns_in_circles() {
    let (policies, message) = undecided(&["turns_in_circles", "allows"]);
    assert_eq!(policies, ["turns-in-circles"]);
    assert_eq!(
        message,
        "policy \"turns-in-circles\" changes the plan every time it reviews it"
    );
    assert_only_told(&["turns_in_circles"]);
}

#[test]
fn never_satisfied() {
    let (policies, message) = undecided(&["never_satisfied"]);
    assert_eq!(policies, ["never-satisfied"]);
    assert_eq!(
        message,
        "policy \"never-satisfied\" changes the plan every time it reviews it"
    );
    assert_only_told(&["never_satisfied"]);
}

#[test]
fn shouts() {
    let (plan, message) = denied(&["shouts"]);
    assert_eq!(message, "policy \"shouts\" denies this");
    let found = &plan.policies()[0].diagnostics[0];
    assert_eq!(found.code, "loud\\u{1b}[1m");
    assert!(found.message.starts_with("\\u{1b}\\u{1b}"), "{found:?}");
    assert!(found.message.ends_with(" … (1044480 bytes dropped)"), "{found:?}");
    assert_harmless(&found.message);
}

#[test]
fn every_denial_is_heard_also_of_a_policy_that_fails() {
    let (plan, message) = denied(&["shouts", "allows", "breaks_down"]);
    assert_eq!(message, "the policies \"shouts\" and \"breaks-down\" deny this");
    let verdicts: Vec<ReviewVerdict> = plan.policies().iter().map(|review| review.verdict).collect();
    assert_eq!(
        verdicts,
        [ReviewVerdict::Deny, ReviewVerdict::Allow, ReviewVerdict::Failed]
    );
}

/// The input of a policy: documents of the contract and nothing else.
#[test]
fn tells_all() {
    let mut asked = asked();
    asked.actor.user = "jane".into();
    asked.actor.groups = vec!["dev".into()];
    asked.actor.reason = Some("OPS-1".into());
    asked.options.env = vec![EnvVar {
        name: "COLOUR".into(),
        value: "red".into(),
    }];
    let error = Host::new()
        .reviewed(&["tells_all"], Mode::Enforce, &asked)
        .unwrap_err();
    let plan = error.reviewed().unwrap();
    let given = |code: &str| {
        let all = &plan.policies()[0].diagnostics;
        let found = all.iter().find(|found| found.code == code).unwrap();
        serde_json::from_str::<serde_json::Value>(&found.message).unwrap()
    };
    assert_eq!(given("plan"), plan.under_review());
    assert_eq!(given("target"), serde_json::json!(asked.target.object()));
    assert_eq!(given("options"), serde_json::json!(asked.options));
    assert_eq!(
        given("actor"),
        serde_json::json!({"user": "jane", "groups": ["dev"], "reason": "OPS-1"})
    );
    assert_eq!(given("settings"), serde_json::json!({}));
    assert_eq!(given("context"), serde_json::json!(asked.context));
}

/// A component with a wrong manifest is refused before it runs.
#[test]
fn a_policy_that_is_none_and_a_strategy_that_is_one_are_refused() {
    for (guest, lie) in [("allows", "strategy"), ("trap", "policy")] {
        let truth = if lie == "policy" { "strategy" } else { "policy" };
        let manifest = guest::manifest(guest).replace(truth, lie);
        let Err(PackError::Refused(refused)) = pack(&guest::component(guest), &manifest) else {
            panic!("{guest} was packed");
        };
        let host = Host::new();
        let bytes = guest::with_section(guest::component(guest), &manifest);
        let wanted = if lie == "policy" {
            PluginType::Policy
        } else {
            PluginType::Strategy
        };
        let error = host
            .engine
            .load(&host.file(guest, &bytes), wanted, &Grants::default())
            .unwrap_err();
        assert!(
            matches!(reason(&error), WasmError::ManifestMismatch { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(&refused.to_string()), "{error}");
        told(&error, &format!("{guest}.wasm"), Blame::Plugin, &[lie]);
    }
}

#[test]
fn a_policy_in_the_place_of_a_strategy_and_the_reverse() {
    let host = Host::new();
    for (guest, wanted, message) in [
        (
            "allows",
            PluginType::Strategy,
            "plugin \"allows\" is a policy, not a strategy",
        ),
        (
            "trap",
            PluginType::Policy,
            "plugin \"trap\" is a strategy, not a policy",
        ),
    ] {
        let source = host.file(guest, &guest::plugin(guest));
        let error = host.engine.load(&source, wanted, &Grants::default()).unwrap_err();
        assert!(matches!(error, PluginError::WrongType { .. }), "{error:?}");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn reads_the_cluster() {
    let host = Host::new();
    let undeclared = guest::unchecked("reads_the_cluster");
    let error = host
        .engine
        .load(
            &host.file("reads", &undeclared),
            PluginType::Policy,
            &Grants::default(),
        )
        .unwrap_err();
    told(&error, "reads.wasm", Blame::Plugin, &["cluster"]);
    let declared = guest::manifest("reads_the_cluster").replace(
        "\"abi\"",
        r#""capabilities": [{"name": "cluster-read", "reason": "curiosity"}], "abi""#,
    );
    let plugin = guest::plugin_with("reads_the_cluster", &declared);
    let error = host
        .engine
        .load(
            &host.file("declares", &plugin),
            PluginType::Policy,
            &Grants::default(),
        )
        .unwrap_err();
    told(&error, "reads-the-cluster", Blame::User, &["cluster-read"]);
}

#[test]
fn settings_of_a_policy_that_runs_out_of_time_elsewhere_are_checked() {
    let host = Host::new();
    let plugin = host.load_policy("ponders");
    let checked = host.engine.validate_settings(&plugin, "{}").unwrap();
    assert_eq!(checked.unwrap(), []);
    let error = host.reviewed(&["ponders"], Mode::Enforce, &asked()).unwrap_err();
    let plan = error.reviewed().expect("it is denied");
    assert_eq!(plan.denials().count(), 1);
}

#[test]
fn a_component_of_a_policy_reaches_its_limits_as_any_other() {
    let host = Host::limited(|limits| limits.component = 100);
    let error = host
        .engine
        .describe(&host.file("allows", &guest::plugin("allows")))
        .unwrap_err();
    assert!(reached(&error, trocar::Limit::Component).is_some());
}

/// An amendment without a reason gets a warning from the host.
#[test]
fn a_change_without_a_reason_is_reported() {
    let plan = Host::new()
        .reviewed(&["wants_one"], Mode::Enforce, &asked())
        .unwrap()
        .plan;
    let told: Vec<&str> = plan
        .diagnostics_of(Severity::Warning)
        .map(|found| found.message.as_str())
        .collect();
    assert_eq!(told, ["policy wants-one changed the plan, and does not say why"]);
}
