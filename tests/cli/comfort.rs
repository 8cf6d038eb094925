//! Common mistakes of new and experienced users: each is reported early, with the next step.

use expect_test::expect;
use serde_json::{Value, json};
use trocar_test_support::{Answer, Fault};

use crate::{POD_YAML, check, configure, guest, node, offline, online, plugin_entry, pod, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg";

fn warned(text: &str) -> Fault {
    Fault::new("PATCH", "/ephemeralcontainers", Answer::warned(text))
}

#[test]
fn the_servers_warnings_are_shown_once_each_also_for_a_dry_run() {
    let (env, server) = online([pod("web-0"), pod("web-1")]);
    server.inject(warned("would violate PodSecurity \"restricted:latest\""));
    let wanted = "--- stderr ---\nWarning: would violate PodSecurity \"restricted:latest\"\n";
    check(
        &env.run("debug web-0 web-1 --image=busybox:1.36 -c dbg -q"),
        wanted,
    );
    let output = env.run(&format!("{DEBUG}2 --dry-run=server"));
    assert!(output.stderr.ends_with("restricted:latest\"\n"), "{output}");
}

#[test]
fn warnings_as_errors_fail_at_the_end_and_not_before() {
    let (env, server) = online([pod("web-0")]);
    server.inject(warned("old"));
    check(
        &env.run(&format!("{DEBUG} --warnings-as-errors")),
        expect![[r#"
            --- stderr ---
            Warning: old
            error: 1 warning received
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(touched(&server).len(), 1);
    check(
        &env.run(&format!("{DEBUG}2 --warnings-as-errors=false")),
        expect![[r#"
            --- stderr ---
            Warning: old
        "#]],
    );
}

#[test]
fn refusals_by_admission_are_not_reported_as_a_missing_role() {
    let (env, server) = online([pod("web-0")]);
    let message = "pods \"copy\" is forbidden: no PriorityClass with name shop was found";
    server.inject(Fault::new("POST", "/pods", Answer::forbidden(message)));
    check(
        &env.run(&format!("{DEBUG} --copy-to=copy")),
        expect![[r#"
            --- stderr ---
            Error from server (Forbidden): pods "copy" is forbidden: no PriorityClass with name shop was found
            hint: this is a rule of the cluster, not a missing permission
            --- exit code 125 ---
        "#]],
    );
}

fn pending(name: &str) -> Value {
    let mut pod = pod(name);
    pod["status"] = json!({"phase": "Pending"});
    pod
}

fn lost_node() -> Value {
    let mut node = node("n1");
    node["status"] = json!({"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    node
}

#[test]
fn an_unreachable_node_is_reported_before_a_container_is_added() {
    let (env, server) = online([pending("web-0"), lost_node()]);
    let said = "node n1 is not ready since 2026-01-01T00:00:00Z: NodeStatusUnknown: Kubelet stopped posting node status.";
    check(
        &env.run(&format!("{DEBUG} --attach")),
        &format!(
            "--- stderr ---\nerror: pod/web-0: {said}\n  nothing was changed\n\
             hint: --copy-to=NAME debugs a copy of the pod on another node\n\
             hint: --pod-running-timeout=TIME waits for it\n--- exit code 125 ---\n"
        ),
    );
    let output = env.run("debug node/n1 --image=busybox:1.36 --attach");
    assert!(output.code == 125 && output.stderr.contains(said), "{output}");
    assert_eq!(touched(&server), [""; 0]);
    // Without a session nothing is awaited.
    check(&env.run(DEBUG), "");
}

#[test]
fn of_a_pod_that_is_ready_no_node_is_read() {
    let mut ready = pod("web-0");
    ready["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let (env, server) = online([ready, lost_node()]);
    let program = server.program("web-0", "dbg");
    let running = env.start(&format!("{DEBUG} --attach -q"));
    program.starts();
    program.is_attached(1);
    program.exits(0);
    check(&running.finish(), "");
    assert!(!server.request_lines().iter().any(|line| line.contains("/nodes/")));
}

#[test]
fn an_unschedulable_pod_fails_a_script_at_once_with_the_schedulers_message() {
    let (env, server) = online([pod("web-0")]);
    let running = env.start(&format!("{DEBUG} --copy-to=copy --attach -q"));
    // The session watches what was created.
    server.wait_for_request("GET", "/pods");
    let words = "0/1 nodes are available: 1 Insufficient cpu.";
    server.change_pod("copy", |pod| {
        pod["spec"]["nodeName"] = Value::Null;
        pod["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": words}]});
    });
    running.stderr_until(&format!("Waiting: Unschedulable: {words}\n"));
}

#[test]
fn a_target_that_crashes_is_waited_for_and_joined_when_it_runs() {
    let mut crashing = pod("web-0");
    crashing["status"]["containerStatuses"] = json!([{"name": "app", "state": {"waiting":
        {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=app"}}}]);
    let (env, server) = online([crashing]);
    let program = server.program("web-0", "dbg");
    let running = env.start(&format!("{DEBUG} --target=app --attach -q"));
    program.waits(
        "CreateContainerError",
        "invalid target container: it is not running",
    );
    running.stderr_until(
        "Waiting: container \"app\" is not running (CrashLoopBackOff, started again within 10s)\n",
    );
    server.change_pod("web-0", |pod| {
        pod["status"]["containerStatuses"][0]["state"] = json!({"running": {}});
    });
    program.starts();
    program.is_attached(1);
    program.writes("in\n");
    program.exits(0);
    let output = running.finish();
    assert_eq!((output.stdout.as_str(), output.code), ("in\n", 0), "{output}");
}

#[test]
fn a_target_that_has_ended_for_good_is_refused_before_anything_is_written() {
    let mut ended = pod("web-0");
    ended["spec"]["restartPolicy"] = json!("Never");
    ended["status"]["containerStatuses"] = json!([{"name": "app", "state": {"terminated": {"exitCode": 1}}}]);
    let (env, server) = online([ended]);
    check(
        &env.run(&format!("{DEBUG} --target=app --attach -q")),
        expect![[r#"
            --- stderr ---
            error: pod/web-0: container "app" has ended with exit code 1, and is not started again
              nothing was changed
            hint: without --target the debug container starts; --copy-to=NAME debugs a copy of the pod
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(touched(&server), [""; 0]);
}

#[test]
fn the_deleter_of_a_copy_is_reported() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("copy", "dbg");
    let running = env.start(&format!("{DEBUG} --copy-to=copy --attach -q"));
    program.starts();
    program.is_attached(1);
    server.put(json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "reason": "SuccessfulDelete", "message": "Deleted pod: copy", "involvedObject": {"kind": "Job", "name": "shard", "uid": "j"}}));
    server.delete_pod("copy");
    let output = running.finish();
    assert_eq!(output.code, 125, "{output}");
    assert!(
        output
            .stderr
            .contains("Pod copy was deleted meanwhile: Job shard deleted it."),
        "{output}"
    );
    for wrong in ["stays in namespace", "If it still runs"] {
        assert!(!output.stderr.contains(wrong), "the pod is gone:\n{output}");
    }
}

#[test]
fn a_container_that_never_starts_is_reported_once_with_its_reason() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("web-0", "dbg");
    let running = env.start(&format!("{DEBUG} --attach"));
    program.waits("InvalidImageName", "couldn't parse image");
    let output = running.finish();
    assert_eq!(output.code, 125, "{output}");
    assert!(!output.stderr.contains("If it still runs"), "{output}");
    assert_eq!(
        output.stderr.matches("couldn't parse image").count(),
        1,
        "{output}"
    );
}

#[test]
fn a_command_whose_output_is_not_shown_says_how_to_see_it() {
    let (env, _server) = online([pod("web-0")]);
    let hint = "--- stderr ---\nThe command's output and exit code are not shown: add --attach for them.\n";
    check(&env.run(&format!("{DEBUG} -- echo hello")), hint);
    check(&env.run(&format!("{DEBUG}2 --attach=false -- echo hello")), "");
    check(&env.run(&format!("{DEBUG}3 -q -- echo hello")), "");
    check(&env.run(&format!("{DEBUG}4")), "");
}

#[test]
fn several_targets_cannot_share_standard_input_but_take_turns_on_a_terminal() {
    let (env, server) = online([pod("web-0"), pod("web-1")]);
    check(
        &env.run("debug -i -l app=web --image=busybox:1.36 -c dbg -q"),
        expect![[r#"
            --- stderr ---
            error: -i takes one target, not 2: the programs would share one input
              nothing was changed
            hint: without -i, --attach shows the output of all; at a terminal -it takes them one after the other
            --- exit code 2 ---
        "#]],
    );
    assert_eq!(touched(&server), [""; 0]);
    let mut terminal = env.start_on_terminal("debug -it -l app=web --image=busybox:1.36 -c dbg");
    for (turn, name) in ["web-0", "web-1"].into_iter().enumerate() {
        terminal.read_until(&format!("[{}/2] pod/{name}", turn + 1));
        let program = server.program(name, "dbg");
        program.starts();
        program.is_attached(1);
        program.exits(0);
    }
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn a_second_copy_of_the_same_name_says_how_to_go_on() {
    let (env, _server) = online([pod("web-0"), pod("copy")]);
    let mut terminal = env.start_on_terminal(&format!("{DEBUG} --copy-to=copy"));
    assert_eq!(terminal.wait(), 125);
    let screen = terminal.read_to_end();
    for part in [
        "choose another name",
        "trocar attach pod/copy -n default",
        "trocar clean pod/copy -n default",
    ] {
        assert!(screen.contains(part), "{part:?} is not in {screen}");
    }
}

#[test]
fn a_manifest_of_an_ephemeral_container_says_how_the_pod_is_patched() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let output = env.run("plan -f pod.yaml --image=busybox:1.36 -c dbg -n shop -o manifest");
    let first = "# kubectl patch pod web-0 -n shop --subresource=ephemeralcontainers --patch-file=FILE\n";
    assert!(output.stdout.starts_with(first), "{output}");
    let output = env.run("plan -f pod.yaml --image=busybox:1.36 --copy-to=copy -o manifest");
    assert!(!output.stdout.contains("kubectl patch"), "{output}");
}

#[test]
fn hints_name_the_help_of_the_command_that_was_typed() {
    let env = offline();
    for (typed, wanted) in [
        ("plan --imge=x", "hint: see 'trocar plan --help' for usage\n"),
        (
            "plugin list --nope",
            "hint: see 'trocar plugin list --help' for usage\n",
        ),
        ("debgu web-0", "hint: did you mean debug?\n"),
        ("plugin lst", "hint: did you mean test or list?\n"),
    ] {
        let output = env.run(typed);
        assert!(
            output.stderr.contains(wanted) && output.code == 2,
            "{typed}: {output}"
        );
    }
}

fn with_configured_plugin() -> trocar_test_support::TestEnv {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let entry = plugin_entry(&env, "other_namespace");
    configure(&env, &format!("plugins: [{entry}]\n"));
    env
}

#[test]
fn configured_plugins_are_listed_and_inspected_by_their_names() {
    let env = with_configured_plugin();
    let output = env.run("plugin list");
    assert!(
        output
            .stdout
            .lines()
            .any(|line| line.starts_with("other-namespace ")),
        "{output}"
    );
    assert!(
        env.run("plugin list -o name")
            .stdout
            .ends_with("\nother-namespace\n")
    );
    let output = env.run("plugin inspect other-namespace");
    assert!(
        output.stdout.contains("name: other-namespace") && output.code == 0,
        "{output}"
    );
    // A file that was typed is read as well.
    let typed = env.folder().join(".config/trocar/config.yaml");
    std::fs::rename(&typed, env.folder().join(".config/trocar/other.yaml")).unwrap();
    assert!(!env.run("plugin list -o name").stdout.contains("other-namespace"));
    let output = env.run("plugin list -o name --config=.config/trocar/other.yaml");
    assert!(output.stdout.ends_with("\nother-namespace\n"), "{output}");
}

#[test]
fn the_flags_of_a_strategy_that_the_configuration_names_are_known() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    std::fs::create_dir_all(env.folder().join(".config/trocar")).unwrap();
    let manifest = json!({"apiVersion": "trocar.dev/v1alpha1", "kind": "PluginManifest", "name": "lists", "version": "0.1.0",
        "type": "strategy", "abi": "0.1", "summary": "Has a flag",
        "capabilities": [{"name": "cluster-read", "reason": "r", "scope": [{"apiVersion": "v1", "kind": "Pod"}]}],
        "settingsSchema": {"type": "object", "properties": {"registry": {"type": "string"}}},
        "flags": [{"name": "registry", "setting": "registry", "help": "Where the images are"}]});
    env.write_bytes(
        ".config/trocar/lists.wasm",
        &guest::plugin_with("lists", &manifest.to_string()),
    );
    let shown = env.run("plugin inspect .config/trocar/lists.wasm -o json");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let digest = shown["digest"].as_str().unwrap();
    configure(
        &env,
        &format!(
            "plugins: [{{name: lists, file: lists.wasm, digest: \"{digest}\"}}]\ndefaults: {{strategy: lists}}\n"
        ),
    );
    let output = env.run("plan -f pod.yaml --registry=mirror.example --attach");
    assert!(
        output.stderr.contains("cluster-read"),
        "the flag is known, and so is the plugin's own wish: {output}"
    );
    assert!(!output.stderr.contains("unknown flag"), "{output}");
    assert!(env.run("plan --help").stdout.contains("--registry <VALUE>"));
    let output = env.run("plan -f pod.yaml --registri=x");
    assert!(
        output.stderr.contains("hint: did you mean --registry?"),
        "{output}"
    );
    // A typed strategy replaces it, and does not have that flag.
    let output = env.run("plan -f pod.yaml --strategy=ephemeral --image=busybox --registry=x");
    assert!(output.stderr.contains("unknown flag: --registry"), "{output}");
}
