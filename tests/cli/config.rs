//! `trocar config`: the merged configuration with origins, and mistakes: each with its place and a next step, and nothing is
//! written to the cluster.

use std::fs;

use expect_test::expect;
use serde_json::Value;
use trocar_test_support::TestEnv;

use crate::{
    POD_YAML, allow, as_the_system, check, config_file, configure, guest, offline, online, plugin_entry, pod,
    touched,
};

const USER: &str = "$HOME/.config/trocar/config.yaml";

/// An environment with a configuration of the system, of the user and of a flag.
fn layered() -> TestEnv {
    let mut env = offline();
    let system = config_file(
        "defaults: {profile: baseline, image: mirror.example.com/busybox:1}\npolicies:\n- name: require-reason\n  settings:\n    \
         contact: '#platform'\naudit: [{sink: stderr}]\nadmission: {exemptGroups: [bots]}\n",
    );
    let system = env.write("system.yaml", &system);
    env.set("__TROCAR_SYSTEM_CONFIG", &system.display().to_string());
    configure(
        &env,
        "defaults:\n  profile: restricted\npolicies:\n- {name: mine, plugin: session-limits, mode: warn}\n",
    );
    env.write(
        "typed.yaml",
        &config_file("include: [more.yaml]\ndefaults: {quiet: true}\n"),
    );
    env.write(
        "more.yaml",
        &config_file("policies: [{name: approved-images, match: {kinds: [Node]}}]\n"),
    );
    env
}

#[test]
fn the_view_is_everything_with_where_it_comes_from() {
    let env = layered();
    let output = env.run("config view --config=typed.yaml");
    check(
        &output,
        expect![[r##"
            # $HOME/system.yaml
            # $HOME/.config/trocar/config.yaml
            # more.yaml
            # typed.yaml
            apiVersion: trocar.dev/v1alpha1
            kind: Config
            defaults:
              # $HOME/system.yaml:3:31 (system)
              image: mirror.example.com/busybox:1
              # $HOME/.config/trocar/config.yaml:4:3 (user)
              profile: restricted
              # typed.yaml:4:12 (--config)
              quiet: true
            policies:
            # $HOME/system.yaml:5:3 (system)
            - match: {}
              mode: enforce
              name: require-reason
              settings:
                contact: "#platform"
            # $HOME/.config/trocar/config.yaml:6:3 (user)
            - match: {}
              mode: warn
              name: mine
              plugin: session-limits
            # more.yaml:3:12 (--config)
            - match:
                kinds:
                - Node
              mode: enforce
              name: approved-images
            audit:
            # $HOME/system.yaml:8:9 (system)
            - required: false
              sink: stderr
            # $HOME/system.yaml:9:1 (system)
            admission:
              exemptGroups:
              - bots
              pods: people
        "##]],
    );
    let read = trocar::documents::read(output.stdout.as_bytes()).unwrap();
    let json: Value =
        serde_json::from_str(&env.run("config view --config=typed.yaml -o json").stdout).unwrap();
    for part in ["apiVersion", "kind", "defaults", "policies", "audit", "admission"] {
        assert_eq!(read[0][part], json[part], "{part}");
    }
    assert_eq!(json["origins"]["/policies/1"], format!("{USER}:6:3"));
    assert_eq!(json["origins"]["/defaults/quiet"], "typed.yaml:4:12");
}

#[test]
fn the_viewed_configuration_is_valid() {
    let env = layered();
    let viewed = env.run("config view --config=typed.yaml").stdout;
    let alone = offline();
    alone.write("viewed.yaml", &viewed);
    let again = alone.run("config view --config=viewed.yaml -o json");
    let mut again: Value = serde_json::from_str(&again.stdout).unwrap();
    let mut before: Value =
        serde_json::from_str(&env.run("config view --config=typed.yaml -o json").stdout).unwrap();
    again.as_object_mut().unwrap().remove("origins");
    before.as_object_mut().unwrap().remove("origins");
    assert_eq!(again, before);
}

#[test]
fn the_check_names_the_files_and_finds_nothing() {
    check(
        &layered().run("config check --config=typed.yaml"),
        expect![[r#"
            $HOME/system.yaml
            $HOME/.config/trocar/config.yaml
            more.yaml
            typed.yaml
            0 plugins, 3 policies, 1 audit sinks: no mistakes
        "#]],
    );
    check(
        &offline().run("config check"),
        expect![[r#"
        there is no configuration file
    "#]],
    );
    check(
        &offline().run("config view"),
        expect![[r#"
            # there is no configuration file
            apiVersion: trocar.dev/v1alpha1
            kind: Config
        "#]],
    );
}

#[test]
fn the_defaults_are_those_of_the_flags() {
    let env = layered();
    env.write("pod.yaml", crate::POD_YAML);
    let output = env.run("plan -f pod.yaml --config=typed.yaml --reason=x --suffix=abcde -o manifest");
    check(
        &output,
        expect![[r#"
            # kubectl patch pod web-0 -n default --subresource=ephemeralcontainers --patch-file=FILE
            apiVersion: v1
            kind: Pod
            metadata:
              name: web-0
              namespace: default
            spec:
              ephemeralContainers:
              - env:
                - name: TROCAR_REASON
                  value: x
                image: mirror.example.com/busybox:1
                name: debugger-abcde
                securityContext:
                  allowPrivilegeEscalation: false
                  capabilities:
                    drop:
                    - ALL
                  runAsNonRoot: true
                  seccompProfile:
                    type: RuntimeDefault
                terminationMessagePolicy: File
        "#]],
    );
}

#[test]
fn the_policies_that_there_are() {
    let env = layered();
    check(
        &env.run("policy list --config=typed.yaml"),
        expect![[r#"
            NAME                PLUGIN              MODE      FROM
            require-reason      require-reason      enforce   $HOME/system.yaml:5:3
            mine                session-limits      warn      $HOME/.config/trocar/config.yaml:6:3
            approved-images     approved-images     enforce   more.yaml:3:12
            privilege-ceiling   privilege-ceiling   off       not configured
            protected-targets   protected-targets   off       not configured
        "#]],
    );
    check(
        &offline().run("policy list -o name"),
        expect![[r#"
            approved-images
            privilege-ceiling
            protected-targets
            require-reason
            session-limits
        "#]],
    );
    let list: Value = serde_json::from_str(&env.run("policy list -o json").stdout).unwrap();
    assert_eq!(list["items"][1]["plugin"], "session-limits");
    assert_eq!(list["items"].as_array().unwrap().len(), 5);
}

/// Every command that reads the configuration reports the same error, and a debug writes nothing.
#[track_caller]
fn assert_refused(text: &str, wanted: &str) {
    let (env, server) = online([pod("web-0")]);
    configure(&env, text);
    env.write("pod.yaml", crate::POD_YAML);
    for (command, code) in [
        ("config view", 1),
        ("config check", 1),
        ("policy list", 1),
        ("plan -f pod.yaml --image=busybox", 1),
        ("debug web-0 --image=busybox", 125),
    ] {
        let transcript =
            format!("--- stderr ---\nerror: configuration: {wanted}\n--- exit code {code} ---\n");
        check(&env.run(command), &transcript);
    }
    assert_eq!(touched(&server), [""; 0]);
}

#[test]
fn a_mistake_is_reported_with_its_place_and_a_next_step() {
    for (text, wanted) in [
        (
            "polices: []\n",
            "3:1: polices: unknown field; did you mean \"policies\"?",
        ),
        (
            "policies:\n- name: a\n  setings: {}\n",
            "5:3: policies.0.setings: unknown field; did you mean \"settings\"?",
        ),
        (
            "policies:\n- name: a\n  mode: enforced\n",
            "5:3: policies.0.mode: \"enforced\" is unknown; did you mean \"enforce\"?",
        ),
        (
            "policies:\n- mode: warn\n",
            "4:3: policies.0: missing field `name`",
        ),
        (
            "policies: {name: a}\n",
            "3:1: policies: invalid type: map, expected a sequence",
        ),
        (
            "policies:\n- name: a\n- name: a\n",
            "5:3: the policy \"a\" is set in $HOME/.config/trocar/config.yaml:4:3 already\nhint: an entry of one file \
             cannot be replaced or weakened by another file; choose another name",
        ),
        (
            "policies:\n- name: a\n  plugin: ../a.wasm\n",
            "5:3: \"../a.wasm\" is not the name of a plugin\nhint: to use a file, give it a name under plugins, with its digest",
        ),
        (
            "plugins:\n- {name: a, file: a.wasm, digest: \"sha256:12\"}\n",
            "4:27: \"sha256:12\" is not a digest: write sha256: and 64 hexadecimal digits\nhint: trocar plugin inspect FILE.wasm \
             shows a plugin's digest",
        ),
        (
            "include: [one.yaml]\n",
            "3:11: cannot read $HOME/.config/trocar/one.yaml: No such file or directory (os error 2)",
        ),
        (
            "include: [config.yaml]\n",
            "3:11: files include each other in a circle: $HOME/.config/trocar/config.yaml → \
             $HOME/.config/trocar/config.yaml\nhint: remove one of the includes",
        ),
    ] {
        assert_refused(text, &format!("{USER}:{wanted}"));
    }
}

#[test]
fn a_file_that_is_none() {
    let env = offline();
    env.write("pod.yaml", crate::POD_YAML);
    for (text, wanted) in [
        ("apiVersion: v1\nkind: Pod\n", "a.yaml:1:1: kind: unknown"),
        ("", "a.yaml: it must hold one document, not 0"),
        ("a: [\n", "a.yaml:"),
        ("- 1\n", "a.yaml:1:1: invalid type: sequence, expected a map"),
        (
            "apiVersion: trocar.dev/v2\nkind: Config\n",
            "a.yaml:1:1: this is trocar.dev/v2 Config, not trocar.dev/v1alpha1 Config",
        ),
        ("\u{0}", "a.yaml:"),
    ] {
        env.write("a.yaml", text);
        let output = env.run("plan -f pod.yaml --image=busybox --config=a.yaml");
        let is_told = output
            .stderr
            .starts_with(&format!("error: configuration: {wanted}"));
        assert!(
            is_told || text.contains("Pod") && output.stderr.starts_with("error: configuration: a.yaml:"),
            "{text:?}: {output}"
        );
        assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    }
    env.write_bytes("a.yaml", b"\xff\xfe");
    let output = env.run("config view --config=a.yaml");
    assert!(
        output
            .stderr
            .contains("a.yaml: the text is not UTF-8 (at byte 0)"),
        "{output}"
    );
    check(
        &env.run("config view --config=gone.yaml"),
        expect![[r#"
            --- stderr ---
            error: configuration: cannot read gone.yaml: No such file or directory (os error 2)
            --- exit code 1 ---
        "#]],
    );
    let output = env.run("config view --config=.");
    assert!(
        output
            .stderr
            .starts_with("error: configuration: cannot read .: Is a directory"),
        "{output}"
    );
}

/// An unreadable file is an error, since it may have policies.
#[test]
fn a_users_file_that_leads_nowhere_is_not_left_out() {
    let env = offline();
    env.write("pod.yaml", crate::POD_YAML);
    fs::create_dir_all(env.folder().join(".config/trocar")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", env.folder().join(".config/trocar/config.yaml")).unwrap();
    let output = env.run("plan -f pod.yaml --image=busybox");
    check(
        &output,
        &format!(
            "--- stderr ---\nerror: configuration: cannot read {USER}: No such file or directory (os error 2)\n--- exit code 1 ---\n"
        ),
    );
}

#[test]
fn invalid_settings_are_reported_with_line_and_column() {
    for (settings, place, wanted) in [
        (
            "    levl: baseline\n",
            "6:5",
            "levl: unknown setting; did you mean \"level\"?",
        ),
        (
            "    level: bestline\n",
            "6:5",
            "level: value must be one of 'privileged', 'baseline', 'restricted'",
        ),
        (
            "    level: baseline\n    hostPaths:\n    - /ok\n    - 3\n",
            "9:7",
            "hostPaths.1: want string, but got number",
        ),
    ] {
        let (env, server) = online([pod("web-0")]);
        env.write("pod.yaml", crate::POD_YAML);
        configure(
            &env,
            &format!("policies:\n- name: privilege-ceiling\n  settings:\n{settings}"),
        );
        for (command, code) in [
            ("plan -f pod.yaml --image=busybox", 1),
            ("debug web-0 --image=busybox", 125),
        ] {
            let output = env.run(command);
            let lines: Vec<&str> = output.stderr.lines().collect();
            assert!(
                lines[0].starts_with(&format!(
                    "error: configuration: {USER}:{place}: settings of policy \"privilege-ceiling\": {wanted}"
                )),
                "{output}"
            );
            assert_eq!(
                lines[1..],
                ["hint: trocar plugin inspect privilege-ceiling shows its settings"]
            );
            assert_eq!((output.code, output.stdout.as_str()), (code, ""));
        }
        let checked = env.run("config check");
        assert!(checked.stderr.contains(wanted), "{checked}");
        assert!(
            checked
                .stderr
                .ends_with("error: the configuration has 1 mistake\n"),
            "{checked}"
        );
        assert_eq!(touched(&server), [""; 0]);
    }
}

#[test]
fn the_check_finds_all_mistakes_also_those_that_no_schema_can_find() {
    let env = offline();
    configure(
        &env,
        "policies:\n- name: approved-images\n  settings:\n    mirrors:\n    - {from: docker.io, to: nowhere}\n- name: require-reason\n  \
         settings: {pattern: \"(\"}\n- name: gone\n- name: copy\n",
    );
    let output = env.run("config check");
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    let errors: Vec<&str> = output
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 5, "{output}");
    for (error, wanted) in errors.iter().zip([
        "error: $HOME/.config/trocar/config.yaml:7:25: \"nowhere\" is not a registry",
        "error: $HOME/.config/trocar/config.yaml:9:14: ",
        "error: $HOME/.config/trocar/config.yaml:10:3: policy \"gone\": there is no plugin named \"gone\"",
        "error: $HOME/.config/trocar/config.yaml:11:3: policy \"copy\": plugin \"copy\" is a strategy, not a policy",
        "error: the configuration has 4 mistakes",
    ]) {
        assert!(error.starts_with(wanted), "{wanted}\n{output}");
    }
}

#[test]
fn a_plugin_of_a_file_must_be_the_one_that_is_meant() {
    let (env, server) = online([pod("web-0")]);
    let entry = plugin_entry(&env, "allows");
    let config = format!("plugins: [{entry}]\npolicies: [{{name: allows}}]\n");
    configure(&env, &config);
    check(
        &env.run("config check"),
        &format!("{USER}\n1 plugins, 1 policies, 0 audit sinks: no mistakes\n"),
    );
    assert_eq!(env.run("debug web-0 --image=busybox -c one").code, 0);
    assert_eq!(touched(&server).len(), 1);

    env.write_bytes(".config/trocar/allows.wasm", &guest::plugin("wants_one"));
    for (command, code) in [("debug web-0 --image=busybox -c two", 125), ("config check", 1)] {
        let output = env.run(command);
        let first = output.stderr.lines().next().unwrap();
        assert!(first.starts_with("error: "), "{output}");
        assert!(
            first.contains("the plugin $HOME/.config/trocar/allows.wasm has digest sha256:"),
            "{output}"
        );
        assert!(
            output
                .stderr
                .contains("hint: if you rebuilt the plugin, put the new digest into the configuration"),
            "{output}"
        );
        assert_eq!(output.code, code);
    }
    fs::remove_file(env.folder().join(".config/trocar/allows.wasm")).unwrap();
    let output = env.run("debug web-0 --image=busybox -c three");
    assert!(
        output
            .stderr
            .contains("cannot read the plugin $HOME/.config/trocar/allows.wasm: No such file"),
        "{output}"
    );
    assert_eq!(touched(&server).len(), 1);
}

/// A user's file cannot define a plugin under a name that the system's policies use.
#[test]
fn a_plugin_that_the_system_names_is_the_systems() {
    let (mut env, server) = online([pod("web-0")]);
    as_the_system(&mut env, "breaks_down");
    let output = env.run("plugin compile --system");
    check(
        &output,
        expect![[r#"
        $HOME/system/breaks-down.wasm: compiled
    "#]],
    );
    let other = plugin_entry(&env, "allows").replace("name: allows", "name: breaks-down");
    configure(&env, &format!("plugins: [{other}]\n"));
    let output = env.run("debug web-0 --image=busybox");
    assert!(
        output.stderr.contains("the plugin \"breaks-down\" is set in"),
        "{output}"
    );
    configure(
        &env,
        &format!("plugins: [{}]\n", other.replace("breaks-down", "require-reason")),
    );
    let output = env.run("debug web-0 --image=busybox");
    assert!(
        output
            .stderr
            .contains("is the name of a default plugin; choose another"),
        "{output}"
    );
    configure(&env, "");
    let output = env.run("debug web-0 --image=busybox");
    assert!(
        output.stderr.starts_with("error: policy \"rule\" denies this\n"),
        "{output}"
    );
    assert_eq!(touched(&server), [""; 0]);
}

/// The test's user acts as root, who may compile for all users.
#[test]
fn a_plugin_of_the_systems_is_compiled_each_time_until_root_does_it_once() {
    let (mut env, server) = online([pod("web-0")]);
    as_the_system(&mut env, "allows");
    let told = "Warning: plugin \"allows\" of the system's configuration is compiled at each start; as root it is done once: \
                trocar plugin compile --system\n";
    for _ in 0..2 {
        let output = env.run("debug web-0 --image=busybox --dry-run");
        assert_eq!(output.stderr, told, "{output}");
    }
    check(
        &env.run("plugin compile --system"),
        expect![[r#"
            $HOME/system/allows.wasm: compiled
        "#]],
    );
    check(
        &env.run("plugin compile --system"),
        expect![[r#"
            $HOME/system/allows.wasm: already compiled
        "#]],
    );
    let output = env.run("debug web-0 --image=busybox --dry-run");
    assert_eq!(output.stderr, "", "{output}");
    allow(&env.folder().join("system"), 0o777);
    let output = env.run("debug web-0 --image=busybox");
    assert!(
        output.stderr.contains(
            "the plugin $HOME/system/allows.wasm of the system's configuration cannot be used: users other than root can write to"
        ),
        "{output}"
    );
    assert_eq!(touched(&server), [""; 0]);
}

/// Regression: took 98 s, since the whole file was parsed again for the place of each entry.
#[test]
fn thousands_of_policies_are_shown_within_seconds_of_the_processor() {
    let env = offline();
    let policies: String = (0..4_000)
        .map(|index| {
            format!(
                "- name: p{index}\n  plugin: session-limits\n  settings: {{timeToLive: {}}}\n",
                index + 1
            )
        })
        .collect();
    configure(&env, &format!("policies:\n{policies}"));
    let output = env.run_limited("ulimit -t 20", "config view");
    assert_eq!(output.code, 0, "{output}");
    let places = output
        .stdout
        .matches("# $HOME/.config/trocar/config.yaml:")
        .count();
    assert_eq!(places, 4_000);
}

/// Regression: each policy loaded its own copy of the plugin, 1.26 GB in total.
#[test]
fn thousands_of_policies_share_their_one_plugin() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let policies: String = (0..4_000)
        .map(|index| format!("- {{name: p{index}, plugin: session-limits}}\n"))
        .collect();
    configure(&env, &format!("policies:\n{policies}"));
    // 4,000 copies of the code alone would exceed this.
    let arguments = "plan -f pod.yaml --image=busybox -q -o name";
    let output = env.run_limited("ulimit -t 60; ulimit -d 400000", arguments);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output}");
}
