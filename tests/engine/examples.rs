//! The programs in `examples/`: they run, and `debug` is short and as safe as the command line.

use std::{env, path::PathBuf};

use serde_json::{Value, json};
use trocar_test_support::{CommandOutput, FakeApiServer, TestEnv, skipped};

/// The path of an example. `cargo test --workspace` builds examples; testing this target alone does not.
fn example(name: &str) -> Option<PathBuf> {
    let own = env::current_exe().expect("a test is a program");
    let folder = own.ancestors().nth(2).expect("it is in a folder of the build's");
    let program = folder.join("examples").join(name);
    if !program.is_file() {
        skipped(&format!(
            "the example {name} is not built: cargo test --workspace builds it"
        ));
        return None;
    }
    Some(program)
}

const CONFIG: &str = "apiVersion: trocar.dev/v1alpha1\nkind: Config\n";

const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "default", "uid": "u"},
    "spec": {"containers": [{"name": "app", "image": "app:1"}]}}"#;

#[test]
fn the_plan_example_plans_offline() {
    let Some(program) = example("plan") else { return };
    let env = TestEnv::new(program);
    env.write("pod.json", POD);
    let output = env.run("pod.json");
    assert_eq!(output.code, 0, "{output}");
    let plan = trocar::documents::read(output.stdout.as_bytes())
        .unwrap()
        .remove(0);
    assert_eq!(
        (&plan["kind"], &plan["attach"]),
        (&json!("DebugPlan"), &json!("debugger-abc12"))
    );
}

#[test]
fn a_pod_is_judged_without_a_cluster() {
    let Some(program) = example("judge") else { return };
    let env = TestEnv::new(program);
    env.write("pod.json", POD);
    env.write(
        "config.yaml",
        &format!("{CONFIG}policies: [{{name: privilege-ceiling, settings: {{level: baseline}}}}]\n"),
    );
    let output = env.run("pod.json config.yaml jane");
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stdout.starts_with("jane may not do this: "), "{output}");
    env.write("config.yaml", CONFIG);
    let output = env.run("pod.json config.yaml jane");
    assert!(
        output.code == 0 && output.stdout.starts_with("jane may do this: plan sha256:"),
        "{output}"
    );
}

/// Runs the example `debug` with a program that exits with a code; none if the example is not built.
fn debugged(policies: &str, code: Option<i32>) -> Option<(CommandOutput, FakeApiServer)> {
    let program = example("debug")?;
    let server = FakeApiServer::start([serde_json::from_str(POD).unwrap()]);
    let env = TestEnv::with_server(program, &server.url());
    env.write(
        "config.yaml",
        &format!("{CONFIG}audit: [{{sink: stderr}}]\n{policies}"),
    );
    let running = env.start("web-0 busybox:1.36 config.yaml true");
    if let Some(code) = code {
        let added = server.wait_for_request("PATCH", "/pods/web-0/ephemeralcontainers");
        let body: Value = added.body.expect("a patch has a body");
        let operations = body.as_array().expect("it is a JSON Patch");
        let value = &operations.last().expect("it adds something")["value"];
        let container = if value.is_array() { &value[0] } else { value };
        let program = server.program(
            "web-0",
            container["name"].as_str().expect("a container has a name"),
        );
        program.starts();
        program.is_attached(1);
        program.exits(code);
    }
    Some((running.finish(), server))
}

#[test]
fn a_debug_is_audited_and_ends_with_the_programs_exit_code() {
    let Some((output, server)) = debugged("", Some(3)) else {
        return;
    };
    assert_eq!(output.code, 3, "{output}");
    for event in ["allowed", "ended"] {
        assert!(
            output.stderr.contains(&format!("\"event\":\"{event}\"")),
            "{output}"
        );
    }
    let patch = server.wait_for_request("PATCH", "/ephemeralcontainers");
    assert_eq!(patch.query["fieldManager"], "trocar");
}

#[test]
fn a_debug_that_a_policy_denies_changes_nothing() {
    let Some((output, server)) = debugged("policies: [{name: require-reason}]\n", None) else {
        return;
    };
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stderr.contains("\"event\":\"denied\""), "{output}");
    assert!(
        !server
            .request_lines()
            .iter()
            .any(|line| line.starts_with("PATCH"))
    );
}

#[test]
fn the_program_that_debugs_is_twenty_lines_from_main_to_the_exit_code() {
    let source = include_str!("../../host/trocar/examples/debug.rs");
    let from_main = source.split_once("async fn main()").expect("it has a main").1;
    let body = from_main.split_once("\n}\n").expect("it ends").0;
    assert!(body.lines().count() < 20, "{} lines", body.lines().count() + 1);
}
