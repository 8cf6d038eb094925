//! `trocar plugin`: list, inspect, build and pack.

use trocar_test_support::TestEnv;

use crate::{check, guest, offline};

#[test]
fn the_default_plugins_as_a_table_and_as_names() {
    check(
        &offline().run("plugin list"),
        r"NAME                TYPE       VERSION   CAPABILITIES   SUMMARY
approved-images     policy     0.1.0     none           Lets only approved images into a debug, and takes them from a mirror
copy                strategy   0.1.0     none           Creates a copy of a pod to debug
ephemeral           strategy   0.1.0     none           Adds an ephemeral container to a running pod
node                strategy   0.1.0     none           Creates a pod on a node, with its namespaces and file system as the profile says
privilege-ceiling   policy     0.1.0     none           Bounds what a debug may do, by Pod Security level, profile and single rights
protected-targets   policy     0.1.0     none           Keeps namespaces, labelled objects and nodes from being debugged, with exceptions
require-reason      policy     0.1.0     none           Asks everybody who debugs for a reason, such as a ticket
session-limits      policy     0.1.0     none           Bounds how long, how often and with how many resources pods are debugged
",
    );
    check(
        &offline().run("plugin list -o name"),
        r"approved-images
copy
ephemeral
node
privilege-ceiling
protected-targets
require-reason
session-limits
",
    );
}

#[test]
fn the_list_as_json_has_what_inspect_has() {
    let env = offline();
    let list: serde_json::Value = serde_json::from_str(&env.run("plugin list -o json").stdout).unwrap();
    for item in list["items"].as_array().unwrap() {
        let name = item["manifest"]["name"].as_str().unwrap();
        let inspected = env.run(&format!("plugin inspect {name} -o json")).stdout;
        let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(*item, inspected);
        assert!(item["digest"].as_str().unwrap().starts_with("sha256:"));
        for import in item["imports"].as_array().unwrap() {
            let own = import.as_str().unwrap().starts_with("trocar:plugin/");
            assert!(own, "a default plugin imports nothing of the system: {import}");
        }
    }
}

#[test]
fn a_default_plugin_is_inspected() {
    let output = offline().run("plugin inspect ephemeral");
    for line in ["source: default", "name: ephemeral", "time: 1s"] {
        assert!(output.stdout.contains(line), "{line:?} is not in\n{output}");
    }
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
}

#[test]
fn files_that_are_not_plugins_are_refused() {
    let env = offline();
    env.write("text.wasm", "not WebAssembly");
    env.write_bytes("module.wasm", b"\0asm\x01\0\0\0");
    check(
        &env.run("plugin inspect ephemral"),
        r#"--- stderr ---
error: there is no plugin named "ephemral"; the default plugins are approved-images, copy, ephemeral, node, privilege-ceiling, protected-targets, require-reason, session-limits
hint: to use a file, name its path: ./NAME.wasm
--- exit code 1 ---
"#,
    );
    check(
        &env.run("plugin inspect ./none.wasm"),
        r"--- stderr ---
error: cannot read the plugin ./none.wasm: No such file or directory (os error 2)
hint: trocar plugin list shows the plugins that can be used by name
--- exit code 1 ---
",
    );
    check(
        &env.run("plugin inspect ./text.wasm"),
        r#"--- stderr ---
error: plugin "./text.wasm": this is not a WebAssembly component: it does not start with a WebAssembly header
hint: a plugin is the .wasm file that trocar plugin build or trocar plugin pack writes
--- exit code 1 ---
"#,
    );
    check(
        &env.run("plugin inspect ./module.wasm"),
        r#"--- stderr ---
error: plugin "./module.wasm": this is a core WebAssembly module, not a component
hint: make it a component: trocar plugin pack MODULE.wasm --manifest plugin.yaml
--- exit code 1 ---
"#,
    );
}

#[test]
fn packing_needs_a_manifest_and_a_module() {
    let env = offline();
    env.write_bytes("module.wasm", b"\0asm\x01\0\0\0");
    check(
        &env.run("plugin pack none.wasm"),
        r"--- stderr ---
error: cannot read none.wasm: No such file or directory (os error 2)
--- exit code 1 ---
",
    );
    check(
        &env.run("plugin pack module.wasm"),
        r"--- stderr ---
error: cannot read plugin.yaml: No such file or directory (os error 2)
--- exit code 1 ---
",
    );
    env.write("plugin.yaml", "name: [\n");
    check(
        &env.run("plugin pack module.wasm"),
        r"--- stderr ---
error: plugin.yaml: the manifest: line 1, column 7: unclosed bracket '['
--- exit code 1 ---
",
    );
    env.write("plugin.yaml", "nmae: mine\n");
    check(
        &env.run("plugin pack module.wasm"),
        r#"--- stderr ---
error: plugin.yaml: the manifest: line 1, column 1: nmae: unknown field; did you mean "name"?
--- exit code 1 ---
"#,
    );
}

#[test]
fn building_needs_a_crate() {
    check(
        &offline().run("plugin build nowhere"),
        r"--- stderr ---
error: cannot read nowhere/plugin.yaml: No such file or directory (os error 2)
hint: a plugin has a plugin.yaml beside its source; trocar plugin new NAME creates one
--- exit code 1 ---
",
    );
}

#[test]
fn no_verb_is_an_invitation() {
    let output = offline().run("plugin");
    assert_eq!(output.code, 2);
    assert!(
        output.stderr.contains("Usage: trocar plugin <COMMAND>"),
        "{output}"
    );
}

#[test]
fn packed_plugins_are_compiled() {
    let env = offline();
    env.write_bytes("component.wasm", &guest::component("trap"));
    env.write("plugin.yaml", &guest::manifest("trap"));
    let output = env.run("plugin pack component.wasm -o trap.wasm");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output}");
    check(
        &env.run("plugin compile trap.wasm"),
        "trap.wasm: already compiled\n",
    );
    env.write_bytes("other.wasm", &guest::plugin("modest_memory"));
    check(
        &env.run("plugin compile trap.wasm other.wasm"),
        "trap.wasm: already compiled\nother.wasm: compiled\n",
    );
}

#[test]
fn plugins_that_are_not_there_are_not_compiled() {
    let env = offline();
    check(&env.run("plugin compile"), "the configuration has no plugins\n");
    let output = env.run("plugin compile none.wasm");
    assert!(
        output.stderr.contains("cannot read the plugin none.wasm"),
        "{output}"
    );
    let output = env.run("plugin compile --system none.wasm");
    assert_eq!(output.code, 2, "{output}");
}

/// A plugin's crate, with a fake cargo that finds it and runs this script to build it.
fn with_cargo(building: &str) -> TestEnv {
    let mut env = offline();
    env.write("plugin.yaml", &guest::manifest("trap"));
    env.write("Cargo.toml", "");
    let folder = env.folder().display().to_string();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = locate-project ]; then echo {folder}/Cargo.toml; exit 0; fi\n{building}\n"
    );
    let cargo = env.write("cargo", &script);
    crate::allow(&cargo, 0o755);
    env.set("CARGO", &cargo.display().to_string());
    env
}

#[test]
fn cargos_exit_status_is_reported() {
    check(
        &with_cargo("exit 3").run("plugin build"),
        r"--- stderr ---
error: cargo could not build .: it exited with code 3
hint: if it cannot find core or std: rustup target add wasm32-unknown-unknown
--- exit code 1 ---
",
    );
    check(
        &with_cargo("kill -KILL $$").run("plugin build"),
        r"--- stderr ---
error: cargo could not build .: it was killed by signal 9
hint: the system most likely ran out of memory; free some, then build again
--- exit code 1 ---
",
    );
    let mut env = with_cargo("");
    env.set("CARGO", "/none/cargo");
    check(
        &env.run("plugin build"),
        r"--- stderr ---
error: cannot run /none/cargo: No such file or directory (os error 2)
hint: install Rust: https://rustup.rs
--- exit code 1 ---
",
    );
    env.set("CARGO", "/bin/false");
    check(
        &env.run("plugin build"),
        r"--- stderr ---
error: cargo cannot find the crate in .: it exited with code 1
--- exit code 1 ---
",
    );
}

#[test]
fn other_output_of_a_cargo_wrapper_is_ignored() {
    let env = with_cargo(
        "echo waiting for a turn; echo \"{\\\"reason\\\":\\\"compiler-artifact\\\",\\\"manifest_path\\\":\\\"$PWD/Cargo.toml\\\",\
         \\\"filenames\\\":[\\\"$PWD/made.wasm\\\"]}\"",
    );
    env.write_bytes("made.wasm", &guest::component("trap"));
    let output = env.run("plugin build -o trap.wasm");
    assert!(
        output.code == 0 && output.stdout.starts_with("trap.wasm ("),
        "{output}"
    );
}

/// Regression: exited silently with code 141, with the plugin written and not compiled.
#[test]
fn a_plugin_is_made_also_where_the_line_that_says_so_is_not_read() {
    let env = offline();
    env.write_bytes("component.wasm", &guest::component("trap"));
    env.write("plugin.yaml", &guest::manifest("trap"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = env.command("plugin pack component.wasm -o trap.wasm".split(' '));
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
    check(
        &env.run("plugin compile trap.wasm"),
        "trap.wasm: already compiled\n",
    );
}
