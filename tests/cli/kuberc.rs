//! kubectl's preferences (kuberc): defaults for flags, aliases, allowed credential plugins, and how to ignore the file.

use expect_test::expect;
use serde_json::{Value, json};
use trocar_test_support::{CommandOutput, TestEnv, kubeconfig};

use crate::{POD_YAML, check, configure, offline, online, pod, touched};

const HEAD: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

fn prefer(env: &TestEnv, text: &str) {
    std::fs::create_dir_all(env.folder().join(".kube")).unwrap();
    env.write(".kube/kuberc", &format!("{HEAD}{text}"));
}

/// An environment with a pod in a file, and these preferences.
fn preferring(text: &str) -> TestEnv {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    prefer(&env, text);
    env
}

/// What a plan writes.
fn planned(env: &TestEnv, flags: &str) -> String {
    let output = env.run(&format!("plan -f pod.yaml -c dbg -o manifest {flags}"));
    assert_eq!(output.code, 0, "{output}");
    output.stdout
}

/// The image in it.
fn image(env: &TestEnv, flags: &str) -> String {
    let written = planned(env, flags);
    let image = written
        .lines()
        .find_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("image: "));
    image.unwrap_or_else(|| panic!("{written}")).to_owned()
}

const IMAGE: &str = "defaults: [{command: debug, options: [{name: image, default: \"of-kuberc:1\"}]}]\n";

#[test]
fn a_default_is_weaker_than_the_configuration_and_a_flag() {
    let env = preferring(IMAGE);
    assert_eq!(image(&env, ""), "of-kuberc:1");
    configure(&env, "defaults: {image: \"of-config:1\"}\n");
    assert_eq!(image(&env, ""), "of-config:1");
    assert_eq!(image(&env, "--image=typed:1"), "typed:1");
}

#[test]
fn preferences_apply_unless_the_flag_is_typed() {
    let env = preferring(
        "defaults:\n- command: debug\n  options:\n  - {name: env, default: \"A=1\"}\n  - {name: image, default: x:1}\n",
    );
    assert!(planned(&env, "").contains("- name: A\n"));
    let typed = planned(&env, "--env=B=2");
    assert!(
        typed.contains("- name: B\n") && !typed.contains("- name: A\n"),
        "{typed}"
    );
}

#[test]
fn a_flag_before_the_command_counts_as_typed() {
    let (env, server) = online([pod("web-0")]);
    prefer(
        &env,
        "defaults: [{command: debug, options: [{name: namespace, default: nowhere}]}]\n",
    );
    check(&env.run("-n default debug web-0 --image=busybox -c dbg"), "");
    assert_eq!(touched(&server).len(), 1);
    assert_ne!(env.run("debug web-0 --image=busybox -c dbg").code, 0);
}

#[test]
fn an_alias_stands_for_its_command_with_its_arguments() {
    let (env, server) = online([pod("web-0")]);
    prefer(
        &env,
        "aliases:\n- name: dbg\n  command: debug\n  prependArgs: [web-0]\n  appendArgs: [--, \"true\"]\n  \
         options: [{name: image, default: \"of-alias:1\"}]\ndefaults: [{command: debug, options: [{name: quiet, default: \"true\"}]}]\n",
    );
    let output = env.run("-n default dbg -c mine");
    assert_eq!(output.code, 0, "{output}");
    let written = server
        .writes()
        .into_iter()
        .find(|write| write.path.ends_with("/ephemeralcontainers"))
        .unwrap();
    let written = written.body.unwrap().to_string();
    for wanted in ["\"of-alias:1\"", "\"mine\"", "[\"true\"]"] {
        assert!(written.contains(wanted), "{wanted}: {written}");
    }
}

#[test]
fn preferences_for_other_commands_are_ignored() {
    let env = preferring("defaults: [{command: attach, options: [{name: tty, default: \"true\"}]}]\n");
    let output = env.run("attach --kubeconfig=nofile");
    assert!(!output.stderr.contains("kuberc"), "{output}");
}

#[test]
fn an_alias_of_another_command_is_reported() {
    let env = preferring("aliases: [{name: getn, command: get, prependArgs: [node]}]\n");
    check(
        &env.run("getn n1"),
        expect![[r#"
            --- stderr ---
            error: the alias "getn" of $HOME/.kube/kuberc is not for debug, and others are not known here
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn preferences_can_be_ignored_or_named() {
    for (variable, value) in [
        ("KUBERC", "off"),
        ("KUBECTL_KUBERC", "false"),
        ("KUBECTL_KUBERC", "False"),
    ] {
        let mut env = preferring(IMAGE);
        env.set(variable, value);
        assert_ne!(env.run("plan -f pod.yaml").code, 0);
        check(
            &env.run("plan -f pod.yaml --kuberc=x"),
            expect![[r#"
                --- stderr ---
                error: --kuberc cannot be used where KUBERC=off or KUBECTL_KUBERC=false
                --- exit code 2 ---
            "#]],
        );
    }
    let mut env = preferring("defaults: null\n");
    env.write("other", &format!("{HEAD}{IMAGE}"));
    assert_eq!(image(&env, "--kuberc=other"), "of-kuberc:1");
    env.set("KUBERC", &env.folder().join("other").display().to_string());
    assert_eq!(image(&env, ""), "of-kuberc:1");
    check(
        &env.run("plan -f pod.yaml --kuberc=nofile"),
        expect![[r#"
            --- stderr ---
            error: kuberc: cannot read nofile: No such file or directory (os error 2)
            --- exit code 1 ---
        "#]],
    );
}

fn told(text: &str) -> String {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    std::fs::create_dir_all(env.folder().join(".kube")).unwrap();
    env.write(".kube/kuberc", text);
    env.run("plan -f pod.yaml --image=x:1").stderr
}

#[test]
fn mistakes_are_reported_without_quoting_the_file() {
    for (text, wanted) in [
        ("kind: [SECRET", "it is not valid YAML at line 1, column "),
        (
            "kind: SECRET",
            "it is not a Preference of kubectl.config.k8s.io/v1beta1",
        ),
        ("HEADdefaults: SECRET", "defaults: it is not of the right type"),
        (
            "HEADaliases: [{name: a b, command: debug}]",
            "alias name \"a b\" must be letters only",
        ),
        (
            "HEADaliases: [{name: a}, {name: a}]",
            "there are two aliases with the name \"a\"",
        ),
        (
            "HEADdefaults: [{command: debug, options: [{name: --image, default: x}]}]",
            "flag name \"--image\" must be in its long form without dashes",
        ),
        (
            "HEADcredentialPluginPolicy: Some",
            "credentialPluginPolicy \"Some\" is not AllowAll, DenyAll or Allowlist",
        ),
        (
            "HEADcredentialPluginPolicy: Allowlist",
            "credentialPluginPolicy: Allowlist needs entries",
        ),
        (
            "HEADcredentialPluginAllowlist: [{command: a}]",
            "credentialPluginAllowlist is for credentialPluginPolicy: Allowlist alone",
        ),
    ] {
        let shown = told(&text.replace("HEAD", HEAD));
        assert!(
            shown.contains(wanted) && !shown.contains("SECRET"),
            "{text}: {shown}"
        );
    }
    let shown = told(&format!("{HEAD}credentialPluginPolcy: DenyAll\n"));
    assert_eq!(
        shown,
        "Warning: kuberc: $HOME/.kube/kuberc: credentialPluginPolcy is not known\n"
    );
}

#[test]
fn a_debug_that_it_keeps_from_beginning_has_failed() {
    let env = preferring("aliases: SECRET\n");
    assert_eq!(env.run("debug web-0 --image=x").code, 125);
}

#[test]
fn an_invalid_default_is_reported_with_its_place() {
    for (option, wanted) in [
        ("{name: nothing, default: x}", "debug has no flag \"nothing\""),
        (
            "{name: replace, default: x}",
            "invalid argument \"x\" for \"--replace\" flag",
        ),
    ] {
        let env = preferring(&format!("defaults: [{{command: debug, options: [{option}]}}]\n"));
        let output = env.run("debug web-0 --image=x");
        assert!(
            output.stderr.contains("error: kuberc: $HOME/.kube/kuberc:3:"),
            "{output}"
        );
        assert!(output.stderr.contains(wanted), "{output}");
        assert_eq!(output.code, 2);
    }
}

/// Debugs with a credential plugin, under a policy.
fn with_plugin(policy: &str) -> CommandOutput {
    let env = offline();
    let mut config = kubeconfig("https://127.0.0.1:1");
    config["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "true", "interactiveMode": "Never"}});
    env.write("kubeconfig", &config.to_string());
    prefer(&env, policy);
    env.run("debug web-0 --image=x --kubeconfig=kubeconfig")
}

#[test]
fn only_the_credential_plugins_that_it_allows_are_run() {
    let denied = "--- stderr ---\nerror: no credentials for the server: credential plugin \"true\" is not allowed by \
        credentialPluginPolicy of the kuberc\nhint: add it to credentialPluginAllowlist of the kuberc, or use --token\n\
        --- exit code 125 ---\n";
    check(&with_plugin("credentialPluginPolicy: DenyAll\n"), denied);
    let list = "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{ENTRY}]\n";
    check(&with_plugin(&list.replace("ENTRY", "command: other")), denied);
    for entry in ["command: \"true\"", "name: \"true\"", "command: /usr/bin/true"] {
        let run = with_plugin(&list.replace("ENTRY", entry));
        assert!(
            run.stderr.contains("did not answer with an ExecCredential"),
            "{run}"
        );
    }
}

#[test]
fn config_view_shows_where_each_comes_from_and_no_token() {
    let env = preferring(
        "defaults:\n- command: debug\n  options:\n  - {name: image, default: x:1}\n  - {name: token, default: SECRET}\n  \
         - {name: keep-labels, default: \"true\"}\ncredentialPluginPolicy: DenyAll\n",
    );
    check(
        &env.run("config view"),
        expect![[r#"
            # $HOME/.kube/kuberc
            apiVersion: trocar.dev/v1alpha1
            kind: Config
            defaults:
              # $HOME/.kube/kuberc:6:5 (kuberc)
              image: x:1
            # $HOME/.kube/kuberc:7:5 (kuberc): debug --token=[hidden]
            # $HOME/.kube/kuberc:8:5 (kuberc): debug --keep-labels=true
            # $HOME/.kube/kuberc (kuberc): no credential plugin may run
        "#]],
    );
    let shown: Value = serde_json::from_str(&env.run("config view -o json").stdout).unwrap();
    assert_eq!(shown["defaults"]["image"], "x:1");
    assert_eq!(
        shown["kuberc"]["flags"],
        json!({"token": "[hidden]", "keep-labels": "true"})
    );
    assert!(
        shown["origins"]["/kuberc/flags/keep-labels"]
            .as_str()
            .unwrap()
            .ends_with("kuberc:8:5")
    );
}
