//! Untrusted text on a terminal: it does not move the cursor, hide text, or imitate a line of the program.

use serde_json::{Value, json};
use trocar::text::is_hidden;
use trocar_test_support::{Answer, CommandOutput, Fault, TestEnv};

use crate::{POD_YAML, config_file, configure, guest, knows, offline, online, pod};

/// A hostile text: erases lines above, imitates lines of the program, reverses and hides text.
const EVIL: &str =
    "/x\u{1b}[1A\u{1b}[2K\nWarning: forged\r\u{85}\u{9b}2J\nhint: forged\u{202e}\u{2028}\u{200b}\u{3164}";

/// Checks that a text is shown, and is harmless.
#[track_caller]
fn is_harmless(output: &CommandOutput) {
    assert!(
        output.to_string().contains("forged"),
        "nothing of it is shown: {output}"
    );
    does_nothing(output);
}

/// Checks that there are no control characters and no hidden text, and that no line imitates one of the program. A server's lines
/// are indented further than any of the program.
#[track_caller]
fn does_nothing(output: &CommandOutput) {
    for text in [&output.stdout, &output.stderr] {
        let hidden = text.chars().find(|letter| *letter != '\n' && is_hidden(*letter));
        assert_eq!(hidden, None, "{text:?}");
        let is_forged = |line: &str| {
            let ours = line.trim_start();
            let is_indented = line.len() - ours.len() >= 4;
            !is_indented && (ours.starts_with("Warning: forged") || ours.starts_with("hint: forged"))
        };
        assert!(!text.lines().any(is_forged), "{text}");
    }
}

/// A debug of `web-0` that a hostile strategy plans: a pod that mounts a folder of its node.
fn hostile_plan() -> (TestEnv, trocar_test_support::FakeApiServer, String) {
    let (env, server) = online([pod("web-0")]);
    env.write_bytes("replays.wasm", &guest::committed("replays"));
    let steps = json!([{"action": "create-pod", "object": {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dbgc", "namespace": "default"},
        "spec": {
            "containers": [{"name": "x", "image": "busybox:1.36", "volumeMounts": [{"name": "z", "mountPath": "/z"}]}],
            "volumes": [{"name": "z", "hostPath": {"path": EVIL}}],
        },
    }}]);
    (env, server, format!("--set=steps={steps}"))
}

#[test]
fn a_path_in_a_plan_does_not_erase_the_warnings_about_it() {
    for flags in [
        &[][..],
        &["--yes"],
        &["--dry-run"],
        &["--dry-run", "-o", "yaml"],
        &["--dry-run", "-o", "json"],
        &["--dry-run", "-o", "manifest"],
        &["--dry-run", "-o", "diff"],
    ] {
        let (env, _server, steps) = hostile_plan();
        let debug = ["debug", "web-0", "--strategy=./replays.wasm", steps.as_str()];
        is_harmless(&env.run_with(debug.iter().chain(flags)));
    }
}

#[test]
fn a_servers_refusal_begins_no_line_of_ours() {
    for answer in [
        Answer::forbidden(EVIL),
        Answer::forbidden(&format!("admission webhook \"{EVIL}\" denied the request: no")),
        Answer::forbidden(&format!("violates PodSecurity \"{EVIL}:latest\": no")),
        Answer::forbidden(&format!("exceeded quota: {EVIL}, requested: 1")),
        Answer::refusal(500, EVIL, EVIL),
        Answer::text(502, EVIL),
        Answer::invalid(EVIL, &[(EVIL, "one"), ("spec", EVIL)]),
        Answer::invalid("web-0", &[(EVIL, EVIL)]),
    ] {
        let (env, server) = online([pod("web-0")]);
        server.inject(Fault::new("PATCH", "/ephemeralcontainers", answer));
        is_harmless(&env.run("debug web-0 --image=busybox:1.36 -c dbg"));
    }
}

#[test]
fn container_reasons_are_shown_on_one_line() {
    for state in [
        json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": EVIL}}),
        json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": EVIL}}),
        json!({"waiting": {"reason": "CreateContainerError", "message": EVIL}}),
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": EVIL}}),
    ] {
        let (env, server) = online([pod("web-0")]);
        let running = env.start("debug web-0 --image=busybox:1.36 -c dbg --attach");
        let program = server.program("web-0", "dbg");
        program.waits("ContainerCreating", "");
        program.status_says(&state);
        is_harmless(&running.finish());
    }
}

#[test]
fn events_that_explain_a_failure_are_a_line_each() {
    let (env, server) = online([pod("web-0")]);
    let running = env.start("debug web-0 --image=busybox:1.36 -c dbg --attach");
    let program = server.program("web-0", "dbg");
    let uid = server.object("Pod", "default", "web-0").unwrap()["metadata"]["uid"].clone();
    server.put(
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "type": "Warning", "reason": "Failed", "message": EVIL,
        "involvedObject": {"uid": uid, "fieldPath": "spec.ephemeralContainers{dbg}"}}),
    );
    program.waits("InvalidImageName", "no");
    let output = running.finish();
    assert!(output.stderr.contains("\n  event: Failed: /x\\u{1b}"), "{output}");
    is_harmless(&output);
}

#[test]
fn arguments_and_file_names_are_shown_on_one_line() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let custom = json!({"env": [], EVIL: 1});
    env.write("custom.json", &custom.to_string());
    let container = format!("--container={EVIL}");
    let set_image = format!("--set-image={EVIL}=busybox");
    let file = format!("--filename={EVIL}");
    let strategy = format!("--strategy={EVIL}");
    let config = format!("--config={EVIL}");
    for typed in [
        &["-fpod.yaml", "--image=busybox", &container][..],
        &["-fpod.yaml", "--copy-to=c", &set_image],
        &["-fpod.yaml", "--image=busybox", "--custom=custom.json"],
        &["-fpod.yaml", "--image=busybox", &strategy],
        &["-fpod.yaml", "--image=busybox", &config],
        &[&file, "--image=busybox"],
    ] {
        is_harmless(&env.run_with(["plan"].iter().chain(typed)));
    }
}

#[test]
fn a_document_shows_the_same_value_with_escapes() {
    let env = offline();
    let mut target = pod("web-0");
    target["metadata"]["annotations"] = json!({"note": EVIL});
    env.write("pod.json", &target.to_string());
    for output in ["yaml", "json", "manifest"] {
        let shown = env.run(&format!(
            "plan -f pod.json --copy-to=c --image=busybox --keep-annotations -o {output}"
        ));
        is_harmless(&shown);
        let read = trocar::documents::read(shown.stdout.as_bytes()).unwrap();
        let object = if output == "manifest" {
            &read[0]
        } else {
            &read[0]["steps"][0]["object"]
        };
        assert_eq!(object["metadata"]["annotations"]["note"], EVIL, "{output}");
    }
}

#[test]
fn a_record_on_stderr_is_json_of_one_line() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: stderr}]\n");
    knows(&server, EVIL, &[EVIL]);
    let output = env.run("debug web-0 --image=busybox:1.36 -c dbg");
    is_harmless(&output);
    let first = output.stderr.lines().find(|line| line.starts_with('{')).unwrap();
    let record: Value = serde_json::from_str(first).unwrap();
    assert_eq!(record["actor"]["user"], EVIL);
}

#[test]
fn plugin_logs_are_shown_line_by_line_with_the_plugins_name() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    for guest in ["log_escapes", "log_newlines", "rude_refusal"] {
        env.write_bytes("guest.wasm", &guest::plugin(guest));
        let output = env.run("plan -f pod.yaml --image=busybox --strategy=./guest.wasm -vv");
        does_nothing(&output);
        let name = guest::plugin_name(guest);
        let is_ours = |line: &str| {
            line.starts_with(&format!("{name}: "))
                || ["error: ", "hint: ", "Warning: ", "  "]
                    .iter()
                    .any(|start| line.starts_with(start))
        };
        assert!(output.stderr.lines().all(is_ours), "{output}");
        assert!(!output.stderr.is_empty(), "{output}");
    }
}

/// The manifest of a guest with a settings schema.
fn with_schema(guest: &str, schema: &Value) -> String {
    let mut manifest: Value = serde_json::from_str(&guest::manifest(guest)).unwrap();
    manifest["settingsSchema"] = schema.clone();
    manifest.to_string()
}

#[test]
fn names_and_patterns_of_a_schema_are_shown_as_texts() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    for schema in [
        json!({"type": "object", "properties": {EVIL: {"type": "string"}}, "additionalProperties": false}),
        json!({"type": "object", "required": [EVIL]}),
        json!({"type": "object", "properties": {"x": {"type": "string", "pattern": EVIL.replace('[', "")}}}),
        json!({"type": "object", "properties": {"x": {"enum": [EVIL]}}}),
        json!({"type": "object", "properties": {"x": {"const": EVIL}}}),
    ] {
        let plugin = guest::plugin_with("trap", &with_schema("trap", &schema));
        env.write_bytes("trap.wasm", &plugin);
        let output = env.run("plan -f pod.yaml --image=busybox --strategy=./trap.wasm --set x=1a");
        assert!(output.code == 2 && output.stdout.is_empty(), "{schema}: {output}");
        does_nothing(&output);
        for output in ["yaml", "json"] {
            let shown = env.run(&format!("plugin inspect ./trap.wasm -o {output}"));
            is_harmless(&shown);
            let read = trocar::documents::read(shown.stdout.as_bytes()).unwrap();
            assert_eq!(read[0]["manifest"]["settingsSchema"], schema, "{output}");
        }
    }
}

#[test]
fn a_manifest_whose_texts_would_drive_a_terminal_is_refused_without_showing_them() {
    let env = offline();
    for field in [
        "name",
        "version",
        "summary",
        "license",
        "abi",
        "kind",
        "apiVersion",
        "type",
    ] {
        let mut manifest: Value = serde_json::from_str(&guest::manifest("trap")).unwrap();
        manifest[field] = json!(EVIL);
        let plugin = guest::with_section(guest::component("trap"), &manifest.to_string());
        env.write_bytes("trap.wasm", &plugin);
        let output = env.run("plugin inspect ./trap.wasm");
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (1, ""),
            "{field}: {output}"
        );
        does_nothing(&output);
    }
}

/// A string that YAML and JSON accept.
fn written(text: &str) -> String {
    trocar::documents::harmless_json(&json!(text).to_string())
}

#[test]
fn settings_and_places_of_a_configuration_are_shown_as_texts() {
    let env = offline();
    configure(
        &env,
        "policies:\n- {name: one, plugin: require-reason, settings: {contact: PLACE}}\n- {name: two, plugin: require-reason}\n"
            .replace("PLACE", &written(EVIL))
            .as_str(),
    );
    for output in ["yaml", "json"] {
        let shown = env.run(&format!("config view -o {output}"));
        is_harmless(&shown);
        let read = trocar::documents::read(shown.stdout.as_bytes()).unwrap();
        assert_eq!(read[0]["policies"][0]["settings"]["contact"], EVIL, "{output}");
        assert_eq!(read[0]["policies"][1]["name"], "two", "{output}");
    }
    env.write(
        "typed.yaml",
        &config_file(&format!("policies: [{{name: {}}}]\n", written(EVIL))),
    );
    is_harmless(&env.run("config check --config=typed.yaml"));
}

#[test]
fn stamps_that_others_wrote_are_shown_as_texts() {
    let mut copy = pod("web-debug");
    copy["metadata"]["labels"] =
        json!({"trocar.dev/session": "abc12", "app.kubernetes.io/managed-by": "trocar"});
    let marks = [
        "target",
        "requester",
        "container",
        "expires",
        "reason",
        "time",
        "strategy",
    ];
    copy["metadata"]["annotations"] = marks
        .map(|mark| (format!("trocar.dev/{mark}"), json!(EVIL)))
        .into_iter()
        .collect();
    copy["status"] = json!({"phase": "Running", "reason": EVIL});
    for output in ["name", "table", "wide", "json", "yaml"] {
        let (env, _server) = online([copy.clone()]);
        let shown = env.run(&format!("sessions -o {output}"));
        assert_eq!(shown.code, 0, "{output}: {shown}");
        match output {
            // They show no stamp.
            "name" | "table" => does_nothing(&shown),
            _ => is_harmless(&shown),
        }
        if output == "json" || output == "yaml" {
            let read = trocar::documents::read(shown.stdout.as_bytes()).unwrap();
            assert_eq!(read[0]["items"][0]["reason"], EVIL, "{output}");
        }
    }
    copy["status"]["phase"] = json!("Succeeded");
    let (env, _server) = online([copy]);
    does_nothing(&env.run("attach"));
    is_harmless(&env.run("clean --all-users --dry-run"));
}

#[test]
fn names_of_cases_and_what_differs_in_them_are_shown_as_texts() {
    let env = offline();
    let case = json!({
        "apiVersion": "trocar.dev/v1alpha1", "kind": "PolicyCases", "name": EVIL,
        "policies": [{"name": "require-reason"}],
        "target": pod("web-0"), "args": ["--image=busybox:1.36"],
        "expect": {"verdict": "allow", "codes": [EVIL]},
    });
    env.write("evil.cases.yaml", &case.to_string());
    for output in ["text", "json", "junit"] {
        is_harmless(&env.run(&format!("policy test -o {output}")));
    }
    let output = env.run("policy test -o json");
    let read: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(read["cases"][0]["case"], EVIL);
    does_nothing(&env.run("policy eval evil.cases.yaml"));
    does_nothing(&env.run("policy eval evil.cases.yaml nothing"));
}
