//! Plugins that would evade a policy by their name, and schemas that would keep the host busy.

use std::fs;

use expect_test::expect;
use serde_json::{Value, json};

use crate::{POD_YAML, check, configure, guest, offline};

const PLAN: &str = "plan -f pod.yaml --image=busybox:1.36";

/// The manifest of a guest under another name.
fn named(guest: &str, name: &str) -> String {
    let mut manifest: Value = serde_json::from_str(&guest::manifest(guest)).unwrap();
    manifest["name"] = json!(name);
    manifest.to_string()
}

#[test]
fn a_strategy_that_calls_itself_as_a_default_one_is_not_run() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    env.write_bytes(
        "mine.wasm",
        &guest::plugin_with("trap", &named("trap", "ephemeral")),
    );
    check(
        &env.run(&format!("{PLAN} --strategy=./mine.wasm")),
        expect![[r#"
            --- stderr ---
            error: the plugin ./mine.wasm calls itself "ephemeral", which is the name of a default plugin
              this is the plugin's fault, not trocar's
            hint: policies know plugins by their names: rename it in its plugin.yaml, and build it again
            --- exit code 1 ---
        "#]],
    );
}

#[test]
fn a_policy_that_calls_itself_as_a_configured_plugin_is_not_asked() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    configure(&env, "");
    let entry = crate::plugin_entry(&env, "allows");
    configure(&env, &format!("plugins: [{entry}]\n"));
    env.write_bytes(
        "mine.wasm",
        &guest::plugin_with("shouts", &named("shouts", "allows")),
    );
    let output = env.run(&format!("{PLAN} --policy=./mine.wasm"));
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output}");
    assert!(
        output
            .stderr
            .starts_with("error: the plugin ./mine.wasm calls itself \"allows\", which is the name of a configured plugin\n"),
        "{output}"
    );
}

#[test]
fn another_name_of_a_strategy_is_no_way_past_a_policy_that_names_the_default_ones() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    env.write_bytes("replays.wasm", &guest::committed("replays"));
    let container =
        json!([{"action": "add-ephemeral-container", "object": {"name": "dbg", "image": "busybox:1.36"}}]);
    let set = format!("--set=steps={container}");
    let own = ["plan", "-f", "pod.yaml", "--strategy=./replays.wasm", &set];
    for (strategies, wanted) in [
        ("ephemeral", 3),
        ("copy", 3),
        ("replays", 3),
        // The strategy of another kind of target.
        ("node", 0),
    ] {
        configure(
            &env,
            &format!("policies: [{{name: require-reason, match: {{strategies: [{strategies}]}}}}]\n"),
        );
        let output = env.run_with(own);
        assert_eq!(output.code, wanted, "{strategies}: {output}");
        let default = if strategies == "ephemeral" { 3 } else { 0 };
        assert_eq!(env.run(PLAN).code, default, "{strategies}");
    }
}

/// A schema that takes a naive checker 2^40 steps.
fn doubling() -> Value {
    let mut schema = json!({"type": "string"});
    for _ in 0..40 {
        schema = json!({"anyOf": [schema.clone(), schema.clone()]});
        if schema.to_string().len() > 4096 {
            break;
        }
    }
    json!({"type": "object", "properties": {"x": schema}})
}

#[test]
fn a_schema_that_doubles_is_refused_at_every_door_with_its_place() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let mut manifest: Value = serde_json::from_str(&guest::manifest("trap")).unwrap();
    manifest["settingsSchema"] = doubling();
    let manifest = manifest.to_string();
    let place = "settingsSchema: /properties/x/anyOf: ";

    // At `plugin build`, before a compiler runs.
    fs::create_dir(env.folder().join("crate")).unwrap();
    env.write("crate/plugin.yaml", &manifest);
    let built = env.run("plugin build crate");
    assert!(
        built.stderr.starts_with("error: crate/plugin.yaml: ") && built.stderr.contains(place),
        "{built}"
    );
    // At `plugin pack`.
    env.write("plugin.yaml", &manifest);
    env.write_bytes("module.wasm", &guest::core_module("trap"));
    let packed = env.run("plugin pack module.wasm");
    assert!(
        packed.stderr.starts_with("error: plugin.yaml: ") && packed.stderr.contains(place),
        "{packed}"
    );
    // When it is loaded, packed by a tool that checks nothing.
    let plugin = guest::with_section(guest::component("trap"), &manifest);
    env.write_bytes("packed.wasm", &plugin);
    for command in [
        &format!("{PLAN} --strategy=./packed.wasm --set x=1"),
        "plugin inspect ./packed.wasm",
    ] {
        let loaded = env.run(command);
        assert!(
            loaded.stderr.starts_with("error: plugin \"./packed.wasm\": ") && loaded.stderr.contains(place),
            "{loaded}"
        );
        assert_eq!((loaded.code, loaded.stdout.as_str()), (1, ""));
    }
}

#[test]
fn violations_of_the_target_itself_are_one_line() {
    let env = offline();
    let containers: Vec<Value> = (0..12)
        .map(|index| json!({"name": format!("app-{index}"), "image": "web:1", "securityContext": {"privileged": true}}))
        .collect();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "default"},
        "spec": {"containers": containers},
    });
    env.write("pod.yaml", &pod.to_string());
    configure(
        &env,
        "policies: [{name: privilege-ceiling, settings: {level: restricted}}]\n",
    );
    let output = env.run(&format!("{PLAN} --copy-to=copy --profile=restricted"));
    assert_eq!((output.code, output.stdout.as_str()), (3, ""), "{output}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert!(lines.len() <= 6, "{} lines: {output}", lines.len());
    let mut once = lines.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), lines.len(), "the same is said twice: {output}");
}
