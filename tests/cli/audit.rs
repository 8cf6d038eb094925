//! The audit: a line for each decision and for how a debug ended, as the schema says, without anything that is secret; and
//! places that cannot be written.

use std::fs;

use serde_json::{Value, json};
use trocar_test_support::{Answer, Fault, Gate, TestEnv};

use crate::{check, configure, knows, online, pod, schemas::Schema, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg";

/// The lines of a text, each held against the schema.
fn records(text: &str) -> Vec<Value> {
    let schema = Schema::read("audit-record");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let records: Vec<Value> = text.lines().map(read).collect();
    for record in &records {
        schema.assert_fits(record);
    }
    records
}

pub(crate) fn records_of(env: &TestEnv) -> Vec<Value> {
    records(&fs::read_to_string(env.folder().join(".config/trocar/audit.jsonl")).unwrap_or_default())
}

fn events(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["event"].as_str().unwrap())
        .collect()
}

#[test]
fn a_decision_and_its_end_are_a_line_each() {
    let (env, server) = online([pod("web-0")]);
    configure(
        &env,
        "policies:\n- name: images\n  plugin: approved-images\n  settings: {mirrors: [{from: docker.io, to: mirror.example.com}]}\n\
         - name: reason\n  plugin: require-reason\n  mode: audit\n\
         audit: [{sink: file, file: audit.jsonl}, {sink: stderr}]\n",
    );
    knows(&server, "jane", &["dev", "on-call"]);
    let output = env.run(&format!("{DEBUG} --suffix=abcde"));
    assert_eq!(output.code, 0, "{output}");
    let lines: Vec<&str> = output
        .stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .collect();
    let records = records_of(&env);
    assert_eq!(
        records,
        self::records(&lines.join("\n")),
        "both places get the same"
    );
    assert_eq!(events(&records), ["allowed", "ended"]);
    let record = &records[0];
    assert_eq!(
        record["actor"],
        json!({"user": "jane", "groups": ["dev", "on-call"], "context": "test", "cluster": "test"})
    );
    assert_eq!(record["target"]["name"], "web-0");
    assert_eq!(record["session"], "abcde");
    assert_eq!(record["strategy"]["name"], "ephemeral");
    let [images, reason] = [&record["policies"][0], &record["policies"][1]];
    assert_eq!(
        json!([images["policy"], images["verdict"], images["changed"]]),
        json!(["images", "amend", ["/steps/0/object/image"]])
    );
    assert_eq!(
        json!([reason["policy"], reason["mode"], reason["verdict"]]),
        json!(["reason", "audit", "deny"])
    );
    assert_eq!(records[1]["outcome"], "created");
    assert_eq!(
        records[1]["plan"], record["plan"],
        "what was allowed is what was made"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(env.folder().join(".config/trocar/audit.jsonl"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "it is nobody else's business");
}

#[test]
fn a_denial_is_a_line_as_well() {
    let (env, server) = online([pod("web-0"), pod("web-1")]);
    configure(
        &env,
        "policies: [{name: require-reason}]\naudit: [{sink: file, file: audit.jsonl, required: true}]\n",
    );
    assert_eq!(env.run(DEBUG).code, 125);
    assert_eq!(
        env.run("debug web-0 web-1 --image=busybox --keep-going").code,
        125
    );
    let records = records_of(&env);
    assert_eq!(
        events(&records),
        ["denied", "denied", "denied"],
        "lines are added"
    );
    assert_eq!(records[2]["target"]["name"], "web-1");
    assert_eq!(records[0]["policies"][0]["verdict"], "deny");
    assert_eq!(touched(&server), [""; 0]);
}

#[test]
fn a_failure_is_a_line_as_well() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl}]\n");
    server.inject(Fault::new(
        "PATCH",
        "/ephemeralcontainers",
        Answer::forbidden("no"),
    ));
    assert_eq!(env.run(DEBUG).code, 125);
    let records = records_of(&env);
    assert_eq!(events(&records), ["allowed", "ended"]);
    assert_eq!(records[1]["outcome"], "failed");
    assert_eq!(records[1].get("exitCode"), None);
}

#[test]
fn a_session_is_written_down_with_the_exit_code_of_its_program() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl}]\n");
    let running = env.start(&format!("{DEBUG} --attach -- false"));
    let program = server.program("web-0", "dbg");
    program.starts();
    program.is_attached(1);
    program.exits(3);
    assert_eq!(running.finish().code, 3);
    let records = records_of(&env);
    assert_eq!(events(&records), ["allowed", "ended"]);
    assert_eq!(
        (&records[1]["outcome"], &records[1]["exitCode"]),
        (&json!("session"), &json!(3))
    );
}

#[test]
fn each_of_several_targets_is_decided_before_the_first_is_touched() {
    let (env, server) = online([pod("web-0"), pod("web-1")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl}]\n");
    server.inject(Fault::new(
        "PATCH",
        "/web-0/ephemeralcontainers",
        Answer::forbidden("no"),
    ));
    let output = env.run("debug web-0 web-1 --image=busybox");
    assert_eq!(output.code, 125);
    assert!(
        output.stderr.contains("Not begun, and not changed: pod/web-1\n"),
        "{output}"
    );
    let records = records_of(&env);
    assert_eq!(events(&records), ["allowed", "allowed", "ended", "ended"]);
    let ends = [("web-0", "failed"), ("web-1", "notBegun")];
    for (record, (name, outcome)) in records[2..].iter().zip(ends) {
        assert_eq!(
            (&record["target"]["name"], &record["outcome"]),
            (&json!(name), &json!(outcome))
        );
    }
}

#[test]
fn after_a_conflict_in_which_nothing_changed_the_same_plan_is_written_again() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl}]\n");
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", Answer::conflict()).times(1));
    assert_eq!(env.run(DEBUG).code, 0);
    assert_eq!(events(&records_of(&env)), ["allowed", "ended"]);
}

#[test]
fn after_a_change_of_the_target_the_new_plan_is_decided_anew() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl}]\n");
    let gate = Gate::new();
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", Answer::After(gate.clone())).times(1));
    let running = env.start(DEBUG);
    gate.is_reached();
    let mut changed = server
        .object("Pod", "default", "web-0")
        .expect("the pod is there");
    changed["metadata"]["labels"]["tier"] = json!("gold");
    server.put(changed);
    gate.open();
    let output = running.finish();
    assert_eq!(output.code, 0, "{output}");
    let records = records_of(&env);
    assert_eq!(events(&records), ["allowed", "allowed", "ended"]);
    assert_eq!(records[1]["plan"], records[2]["plan"]);
}

#[test]
fn nothing_that_is_secret_is_written_down() {
    let (mut env, server) = online([pod("web-0")]);
    let mut kubeconfig = trocar_test_support::kubeconfig(&server.url());
    kubeconfig["users"][0]["user"] = json!({"token": "hush-token"});
    let path = env.write("with-token", &kubeconfig.to_string());
    env.set("KUBECONFIG", &path.display().to_string());
    server.change_pod("web-0", |pod| {
        pod["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD", "value": "hush-pod"}]);
        pod["metadata"]["annotations"] = json!({"note": "hush-annotation"});
    });
    env.write(
        "custom.json",
        r#"{"env": [{"name": "KEY", "value": "hush-custom"}]}"#,
    );
    configure(
        &env,
        "policies:\n- name: ceiling\n  plugin: privilege-ceiling\n  settings: {level: baseline, onExcess: amend}\n\
         - name: limits\n  plugin: session-limits\n  settings: {timeToLive: 60, resources: {cpu: \"1\"}}\n\
         audit: [{sink: file, file: audit.jsonl}]\n",
    );
    let output = env.run(&format!(
        "{DEBUG} --copy-to=copy --env=TOKEN=hush-flag --custom=custom.json --reason=OPS-7 -- sh hush-argument"
    ));
    assert_eq!(output.code, 0, "{output}");
    let text = fs::read_to_string(env.folder().join(".config/trocar/audit.jsonl")).unwrap();
    let records = records(&text);
    assert_eq!(records[0]["actor"]["reason"], "OPS-7");
    assert!(!text.contains("hush"), "{text}");
    assert!(!output.to_string().contains("hush"), "{output}");
}

#[test]
fn a_dry_run_is_no_decision_and_a_plan_is_none() {
    let (env, _server) = online([pod("web-0")]);
    env.write("pod.yaml", crate::POD_YAML);
    configure(&env, "audit: [{sink: file, file: audit.jsonl, required: true}]\n");
    assert_eq!(env.run(&format!("{DEBUG} --dry-run")).code, 0);
    assert_eq!(env.run("plan -f pod.yaml --image=busybox").code, 0);
    assert_eq!(records_of(&env), [Value::Null; 0]);
}

#[test]
fn a_place_that_is_required_and_cannot_be_written_stops_the_debug() {
    for (file, reason) in [
        ("gone/audit.jsonl", "No such file or directory (os error 2)"),
        (".", "Is a directory (os error 21)"),
        ("/dev/full", "No space left on device (os error 28)"),
    ] {
        let (env, server) = online([pod("web-0")]);
        let named = if file.starts_with('/') {
            file.to_owned()
        } else {
            format!("$HOME/.config/trocar/{file}")
        };
        configure(
            &env,
            &format!("audit: [{{sink: stderr}}, {{sink: file, file: {file}, required: true}}]\n"),
        );
        let output = env.run(DEBUG);
        let rest: Vec<&str> = output
            .stderr
            .lines()
            .filter(|line| !line.starts_with('{'))
            .collect();
        assert_eq!(
            rest,
            [
                &format!("error: the audit file {named} cannot be written: {reason}"),
                "hint: the configuration requires it, so nothing is debugged without it"
            ],
            "{output}"
        );
        assert_eq!((output.code, output.stdout.as_str()), (125, ""));
        assert_eq!(touched(&server), [""; 0]);

        configure(&env, &format!("audit: [{{sink: file, file: {file}}}]\n"));
        let output = env.run(DEBUG);
        assert_eq!(output.code, 0, "{output}");
        let warning = format!("Warning: the audit file {named} cannot be written: {reason}\n");
        assert!(output.stderr.contains(&warning), "{output}");
        assert_eq!(touched(&server).len(), 1);
    }
}

#[test]
fn an_audit_without_a_cluster_to_ask_names_nobody() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: stderr}]\n");
    let output = env.run(DEBUG);
    let records = records(&output.stderr);
    assert_eq!(
        records[0]["actor"],
        json!({"user": "", "context": "test", "cluster": "test"})
    );
    assert_eq!(touched(&server).len(), 1);
    server.inject(Fault::new("POST", "/selfsubjectreviews", Answer::unauthorized()));
    check(
        &env.run(DEBUG),
        "--- stderr ---\nerror: You must be logged in to the server (Unauthorized)\nhint: the credentials in the kubeconfig are missing or \
         expired: log in again\n--- exit code 125 ---\n",
    );
}
