//! `trocar policy eval` and `trocar policy test`: cases, their outcomes, and the output formats.

use expect_test::expect;
use serde_json::Value;
use trocar_test_support::TestEnv;

use crate::{check, offline};

const CASES: &str = r#"apiVersion: trocar.dev/v1alpha1
kind: PolicyCases
policies: [{name: require-reason, settings: {pattern: "OPS-[0-9]+"}}]
target: {apiVersion: v1, kind: Pod, metadata: {name: web-0}, spec: {containers: [{name: app, image: app}]}}
args: [--image=busybox:1.36]
cases:
- name: no reason
  expect: {verdict: deny, codes: [reason-missing], messages: [a reason is needed]}
- name: a ticket
  actor: {reason: OPS-7}
  expect: {verdict: allow, plan: {steps: [{object: {image: "busybox:1.36"}}]}}
"#;

fn with_cases(text: &str) -> TestEnv {
    let env = offline();
    env.write("reason.cases.yaml", text);
    env
}

/// The output without durations.
fn timeless(text: &str) -> String {
    let Some(start) = text.rfind(", in ") else {
        return text.to_owned();
    };
    format!("{}\n", &text[..start])
}

#[test]
fn cases_that_hold() {
    let output = with_cases(CASES).run("policy test");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert_eq!(
        timeless(&output.stdout),
        "no case touches of require-reason: rule reason-malformed, setting contact, setting example\n2 passed, 0 failed\n"
    );
    let all = format!(
        "{CASES}- name: no ticket\n  actor: {{reason: curiosity}}\n  policies: [{{name: require-reason, settings: {{pattern: \
         \"OPS-[0-9]+\", example: OPS-1, contact: me}}}}]\n  expect: {{verdict: deny}}\n"
    );
    let output = with_cases(&all).run("policy test .");
    assert_eq!(
        timeless(&output.stdout),
        "3 passed, 0 failed\n",
        "everything is touched"
    );
}

#[test]
fn a_case_that_expects_nothing_has_to_have_a_snapshot() {
    let without = CASES.replace(
        "{verdict: deny, codes: [reason-missing], messages: [a reason is needed]}",
        "{}",
    );
    let env = with_cases(&without);
    let test = "policy test reason.cases.yaml";
    let output = env.run(test);
    assert!(
        output.code == 1
            && output
                .stdout
                .contains("it expects nothing: add expect, or take a snapshot with --update"),
        "{output}"
    );
    assert_eq!(env.run(&format!("{test} --update")).code, 0);
    assert_eq!(env.run(test).code, 0);
}

#[test]
fn cases_that_do_not_hold_say_what_is_there_instead() {
    let wrong = CASES
        .replace(
            "verdict: allow, plan: {steps: [{object: {image: \"busybox:1.36\"}}]}",
            "verdict: amend, plan: {attach: x, steps: [{object: {image: other}}]}",
        )
        .replace(
            "codes: [reason-missing], messages: [a reason is needed]",
            "codes: [nonsense], messages: [please]",
        );
    let output = with_cases(&wrong).run("policy test reason.cases.yaml");
    assert_eq!((output.code, output.stderr.as_str()), (1, ""));
    assert_eq!(
        timeless(&output.stdout),
        r#"FAILED reason.cases.yaml: no reason
    no message contains "please"
    no diagnostic has the code "nonsense"
    diagnostic: reason-missing: a reason is needed to debug here (--reason="why you debug")
FAILED reason.cases.yaml: a ticket
    the verdict is allow, not amend
    plan.attach is "debugger-bbbbb", not "x"
    plan.steps[0].object.image is "busybox:1.36", not "other"
no case touches of require-reason: rule reason-malformed, setting contact, setting example
0 passed, 2 failed
"#
    );
}

#[test]
fn the_report_as_json() {
    let wrong = CASES.replace("verdict: allow", "verdict: deny");
    let output = with_cases(&wrong).run("policy test --output=json");
    assert_eq!((output.code, output.stderr.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let cases = report["cases"].as_array().unwrap();
    assert_eq!(
        (&cases[0]["case"], &cases[0]["passed"]),
        (&"no reason".into(), &true.into())
    );
    assert_eq!(
        cases[0]["outcome"]["policies"][0]["diagnostics"][0]["code"],
        "reason-missing"
    );
    assert_eq!(
        (&cases[1]["passed"], &cases[1]["differences"][0]),
        (&false.into(), &"the verdict is allow, not deny".into())
    );
    assert_eq!(cases[1]["outcome"]["plan"]["attach"], "debugger-bbbbb");
    assert!(cases[1]["microseconds"].is_u64());
    assert_eq!(report["untouched"]["require-reason"][0], "rule reason-malformed");
}

#[test]
fn the_report_as_junit() {
    let wrong = CASES
        .replace("verdict: allow", "verdict: deny")
        .replace("name: a ticket", "name: \"a <ticket> & \\\"more\\\"\"");
    let env = with_cases(&wrong);
    env.write("other.cases.yaml", CASES);
    let output = env.run("policy test --output=junit");
    assert_eq!((output.code, output.stderr.as_str()), (1, ""));
    let xml = &output.stdout;
    for part in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<testsuites name=\"trocar policy test\" tests=\"4\" skipped=\"0\" failures=\"1\" errors=\"0\">",
        "<testsuite name=\"./other.cases.yaml\" tests=\"2\" skipped=\"0\" errors=\"0\" failures=\"0\">",
        "<testcase name=\"a &lt;ticket&gt; &amp; &quot;more&quot;\"",
        "<failure message=\"the verdict is allow, not deny\"/>",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
}

#[test]
fn a_snapshot_holds_what_was_there() {
    let env = with_cases(CASES);
    let updated = env.run("policy test --update");
    assert_eq!(updated.code, 0, "{updated}");
    let kept = std::fs::read_to_string(env.folder().join("reason.snapshots.yaml")).unwrap();
    assert!(kept.contains("a ticket:\n"), "{kept}");
    assert_eq!(env.run("policy test").code, 0, "nothing has changed");
    env.write(
        "reason.cases.yaml",
        &CASES.replace("busybox:1.36", "busybox:1.37"),
    );
    let output = env.run("policy test");
    assert_eq!(output.code, 1, "{output}");
    for line in [
        "    the snapshot differs (--update replaces it):",
        "    -      image: busybox:1.36",
        "    +      image: busybox:1.37",
    ] {
        assert!(
            output.stdout.lines().any(|found| found == line),
            "{line}\n{output}"
        );
    }
    assert_eq!(env.run("policy test --update").code, 0);
    assert_eq!(env.run("policy test").code, 0);
    env.write("reason.snapshots.yaml", "- 1\n");
    check(
        &env.run("policy test"),
        expect![[r#"
            --- stderr ---
            error: ./reason.snapshots.yaml: this is not a file of snapshots
            --- exit code 1 ---
        "#]],
    );
}

/// An update must not make a wrong expectation right.
#[test]
fn an_update_does_not_hide_a_wrong_expectation() {
    let env = with_cases(&CASES.replace("verdict: allow", "verdict: deny"));
    assert_eq!(env.run("policy test --update").code, 1);
}

#[test]
fn a_single_case_is_shown_in_full_with_its_own_exit_code() {
    let env = with_cases(CASES);
    check(
        &env.run_with(["policy", "eval", "reason.cases.yaml", "no reason"]),
        expect![[r#"
            policies:
            - diagnostics:
              - code: reason-missing
                help: --reason="why you debug"
                message: a reason is needed to debug here
                severity: error
              policy: require-reason
              verdict: deny
            verdict: deny
            --- exit code 3 ---
        "#]],
    );
    let output = env.run_with(["policy", "eval", "reason.cases.yaml", "a ticket", "-o", "json"]);
    let outcome: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((output.code, &outcome["verdict"]), (0, &"allow".into()));
    check(
        &env.run("policy eval reason.cases.yaml"),
        expect![[r#"
            --- stderr ---
            error: several cases: "no reason" and "a ticket"
            hint: name one of them after the file
            --- exit code 2 ---
        "#]],
    );
    check(
        &env.run("policy eval reason.cases.yaml nothing"),
        expect![[r#"
            --- stderr ---
            error: no case "nothing"; the cases are "no reason" and "a ticket"
            --- exit code 2 ---
        "#]],
    );
    env.write(
        "refused.cases.yaml",
        &CASES.replace("--image=busybox:1.36", "--image=Busy Box"),
    );
    let output = env.run_with(["policy", "eval", "refused.cases.yaml", "a ticket"]);
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stdout.contains("verdict: refuse\n"), "{output}");
}

#[test]
fn the_policies_of_a_configuration_are_asked_before_those_of_the_case() {
    let env = with_cases(&CASES.replace("policies:", "config: org.yaml\npolicies:"));
    env.write(
        "org.yaml",
        "apiVersion: trocar.dev/v1alpha1\nkind: Config\npolicies: [{name: images, plugin: approved-images, settings: {mirrors: \
         [{from: docker.io, to: mirror.example.com}]}}]\n",
    );
    let output = env.run_with(["policy", "eval", "reason.cases.yaml", "a ticket", "-o", "json"]);
    let outcome: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(outcome["verdict"], "amend");
    assert_eq!(outcome["policies"][0]["policy"], "images");
    assert_eq!(outcome["policies"][1]["policy"], "require-reason");
}

#[test]
fn places_that_hold_no_cases() {
    let env = offline();
    check(
        &env.run("policy test"),
        expect![[r#"
            --- stderr ---
            error: .: there are no cases
            hint: cases are in files that end in .cases.yaml; docs/policies.md shows one
            --- exit code 1 ---
        "#]],
    );
    check(
        &env.run("policy test gone"),
        expect![[r#"
            --- stderr ---
            error: cannot read gone: No such file or directory (os error 2)
            --- exit code 1 ---
        "#]],
    );
}

#[test]
fn files_with_cases_that_are_wrong() {
    let env = offline();
    for (text, wanted) in [
        ("kind: Pod\n", "this is not trocar.dev/v1alpha1 PolicyCases"),
        (
            &CASES.replace("- name: a ticket", "- name: no reason"),
            "every case needs a unique name: \"no reason\"",
        ),
        (
            &CASES.replace("- name: a ticket\n  actor", "- actor"),
            "every case needs a unique name: \"\"",
        ),
        (
            &CASES.replace("verdict: allow", "verdict: alow"),
            "case \"a ticket\": expect.verdict: \"alow\" is unknown; did you mean \"allow\"?",
        ),
        (
            &CASES.replace("kind: Pod,", "kind: Secret,"),
            "case \"no reason\": ",
        ),
        (
            &CASES.replace("pattern:", "patern:"),
            "policy \"require-reason\": settings: patern: unknown setting; did you mean \"pattern\"?",
        ),
        (
            &CASES.replace("OPS-[0-9]+", "("),
            "policy \"require-reason\": settings: ",
        ),
        (
            &CASES.replace("name: require-reason,", "name: other,"),
            "there is no plugin named \"other\"",
        ),
        (
            &CASES.replace("name: require-reason,", "name: copy,"),
            "plugin \"copy\" is a strategy, not a policy",
        ),
        (
            &CASES.replace("args:", "strategy: require-reason\nargs:"),
            "plugin \"require-reason\" is a policy, not a strategy",
        ),
        (
            &CASES.replace("cases:\n", "cases: {}\nmore:\n"),
            "cases: must be a list",
        ),
    ] {
        env.write("a.cases.yaml", text);
        let output = env.run("policy test a.cases.yaml");
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{text}\n{output}");
        assert!(
            output.stderr.starts_with("error: ") && output.stderr.contains(wanted),
            "{wanted}\n{output}"
        );
    }
}

/// The cases of the default policies, in folders of which nothing is written.
#[test]
fn every_default_policy_passes_its_cases() {
    let env = offline();
    for policy in env.run("policy list -o name").stdout.lines() {
        let folder = format!("{}/../../plugins/{policy}/cases", env!("CARGO_MANIFEST_DIR"));
        let output = env.run_with(["policy", "test", &folder, "--output=json"]);
        assert_eq!(output.code, 0, "{output}");
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let cases = report["cases"].as_array().unwrap();
        let refused = cases
            .iter()
            .filter(|case| case["outcome"]["verdict"] == "deny")
            .count();
        assert!(
            cases.len() >= 20 && refused >= 2,
            "{policy} has {} cases",
            cases.len()
        );
    }
}

#[test]
fn cases_are_written_as_they_reach_a_clusters_door() {
    let env = with_cases(&format!(
        "{CASES}- name: a flag that is none\n  args: [--nonsense]\n  expect: {{verdict: refuse}}\n"
    ));
    let output = env.run("policy test --as-admission=reviews");
    check(
        &output,
        expect![[r#"
        3 cases written to reviews
    "#]],
    );
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(env.folder().join("reviews").join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let with_reason = read("0002.json");
    assert_eq!(
        (&with_reason["name"], &with_reason["verdict"]),
        (&"a ticket".into(), &"allow".into())
    );
    let request = &with_reason["review"]["request"];
    assert_eq!(request["subResource"], "ephemeralcontainers");
    let added = &request["object"]["spec"]["ephemeralContainers"][0];
    assert_eq!(added["env"][0]["value"], "OPS-7", "{added:#}");
    assert_eq!(request["oldObject"]["spec"].get("ephemeralContainers"), None);
    assert_eq!(with_reason["config"]["policies"][0]["name"], "require-reason");
    let refused = read("0003.json");
    assert!(
        refused["unreachable"].as_str().unwrap().contains("--nonsense"),
        "{refused:#}"
    );
}

/// The objects of a case are its cluster; without them none answers. Nothing has to be granted.
#[test]
fn a_plugin_that_reads_the_cluster_finds_the_objects_of_the_case() {
    let plugin = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/guests/rust/namespace-image/namespace-image.wasm"
    );
    let cases = format!(
        r#"apiVersion: trocar.dev/v1alpha1
kind: PolicyCases
strategy: {plugin}
target: {{apiVersion: v1, kind: Pod, metadata: {{name: web-0, namespace: shop}}, spec: {{containers: [{{name: app, image: app}}]}}}}
context: {{namespace: shop}}
args: []
cases:
- name: its annotation
  objects: [{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, annotations: {{debug-image: "tools:1"}}}}}}]
  expect: {{verdict: allow, plan: {{steps: [{{object: {{image: "tools:1"}}}}]}}}}
- name: no such namespace
  objects: []
  expect: {{verdict: refuse, messages: [not found]}}
- name: no cluster
  expect: {{verdict: refuse, messages: [unavailable]}}
"#
    );
    let output = with_cases(&cases).run("policy test");
    assert_eq!(timeless(&output.stdout), "3 passed, 0 failed\n", "{output}");
}
