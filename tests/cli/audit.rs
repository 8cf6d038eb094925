//! The audit: one line per decision and per end of a debug, valid by the schema and without secrets; and files that cannot be
//! written.

use std::fs;

use expect_test::expect;
use serde_json::{Value, json};
use trocar_test_support::{Answer, Fault, Gate, TestEnv};

use crate::{check, configure, knows, online, pod, schemas::Schema, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg";

/// Parses the lines of a text, and validates each by the schema.
pub(crate) fn records(text: &str) -> Vec<Value> {
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

pub(crate) fn events(records: &[Value]) -> Vec<&str> {
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
    assert_eq!(mode & 0o777, 0o600, "other users may not read it");
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
        output
            .stderr
            .contains("Not started, and not changed: pod/web-1\n"),
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
fn the_audit_has_no_secrets() {
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

/// The configuration of the audit in the tests below.
pub(crate) fn audit_file(env: &TestEnv) -> std::path::PathBuf {
    env.folder().join(".config/trocar/audit.jsonl")
}

/// A limit on the size of files (`ulimit -f`). It is more than a plugin's memory image, which is a file to the system as well.
pub(crate) const FULL: &str = "ulimit -f 65536";

/// The largest size of a file under that limit, in bytes: shells count in blocks of their own.
pub(crate) fn largest_file(env: &TestEnv) -> usize {
    let probe = env.folder().join("probe");
    let script = format!(
        "{FULL}; head -c 200000000 /dev/zero > {} 2>/dev/null",
        probe.display()
    );
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", &script]).status().unwrap();
    usize::try_from(fs::metadata(&probe).unwrap().len()).unwrap()
}

#[test]
fn a_record_for_which_there_is_half_the_room_is_not_written_and_the_next_one_is_whole() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl, required: true}]\n");
    let limit = largest_file(&env);
    assert!((10 << 20..100 << 20).contains(&limit), "{limit}");
    let mut filled = vec![b'x'; limit - 300];
    filled.push(b'\n');
    fs::write(audit_file(&env), &filled).unwrap();
    check(
        &env.run_limited(FULL, DEBUG),
        expect![[r#"
            --- stderr ---
            error: the audit file $HOME/.config/trocar/audit.jsonl cannot be written: File too large (os error 27)
            hint: the configuration requires it, so nothing is debugged without it
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(touched(&server), [""; 0], "the record comes before the write");
    assert!(
        fs::read(audit_file(&env)).unwrap() == filled,
        "the half is taken back"
    );

    assert_eq!(env.run(DEBUG).code, 0);
    let text = fs::read(audit_file(&env)).unwrap();
    let added = text.strip_prefix(&*filled).expect("records are added");
    let added = std::str::from_utf8(added).unwrap();
    assert_eq!(events(&records(added)), ["allowed", "ended"]);
}

#[test]
fn a_record_after_one_that_was_cut_begins_a_line() {
    let (env, _server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl, required: true}]\n");
    let torn = "{\"event\":\"allowed\",\"act";
    fs::write(audit_file(&env), torn).unwrap();
    assert_eq!(env.run(DEBUG).code, 0);
    let text = fs::read_to_string(audit_file(&env)).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, torn, "what was cut stays as it is");
    assert_eq!(events(&records(rest)), ["allowed", "ended"]);
}

/// Creates a FIFO without a reader.
fn make_fifo(env: &TestEnv, path: &str) {
    let made = std::process::Command::new("mkfifo")
        .arg(env.folder().join(path))
        .status()
        .unwrap();
    assert!(made.success());
}

#[test]
fn a_fifo_is_no_place_for_records_and_is_not_waited_for() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: pipe, required: true}]\n");
    make_fifo(&env, ".config/trocar/pipe");
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: the audit file $HOME/.config/trocar/pipe cannot be written: it is neither a regular file nor a character device
            hint: the configuration requires it, so nothing is debugged without it
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(touched(&server), [""; 0]);
}

#[test]
fn the_check_of_a_configuration_tries_the_files_of_the_audit_and_leaves_them_as_they_are() {
    let env = crate::offline();
    for (file, reason) in [
        ("gone/audit.jsonl", "No such file or directory (os error 2)"),
        (".", "Is a directory (os error 21)"),
        ("pipe", "it is neither a regular file nor a character device"),
    ] {
        configure(
            &env,
            &format!("audit: [{{sink: file, file: {file}, required: true}}]\n"),
        );
        if file == "pipe" {
            make_fifo(&env, ".config/trocar/pipe");
        }
        check(
            &env.run("config check"),
            &format!(
                "--- stderr ---\nerror: $HOME/.config/trocar/config.yaml:3:9: the audit file $HOME/.config/trocar/{file} cannot be \
                 written: {reason}\nhint: the configuration requires it, so nothing is debugged without it\nerror: the \
                 configuration has 1 mistake\n--- exit code 1 ---\n"
            ),
        );
        configure(&env, &format!("audit: [{{sink: file, file: {file}}}]\n"));
        let output = env.run("config check");
        assert!(
            output.code == 0 && output.stdout.ends_with("1 audit sinks: no mistakes\n"),
            "{output}"
        );
        assert!(
            output
                .stderr
                .starts_with("Warning: $HOME/.config/trocar/config.yaml:3:9: the audit file "),
            "{output}"
        );
    }
    configure(
        &env,
        "audit: [{sink: file, file: audit.jsonl, required: true}, {sink: stderr, required: true}]\n",
    );
    assert_eq!(env.run("config check").code, 0);
    assert!(!audit_file(&env).exists(), "nothing is made");
    fs::write(audit_file(&env), "{}").unwrap();
    assert_eq!(env.run("config check").code, 0);
    assert_eq!(
        fs::read_to_string(audit_file(&env)).unwrap(),
        "{}",
        "nothing is written"
    );
}

#[test]
fn an_audit_without_a_cluster_to_ask_names_no_user() {
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
        expect![[r#"
            --- stderr ---
            error: You must be logged in to the server (Unauthorized)
            hint: the credentials from flags or kubeconfig are missing or expired: log in again
            --- exit code 125 ---
        "#]],
    );
}
