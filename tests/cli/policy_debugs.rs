//! `trocar debug` with policies, against a server: denied plans are not written, amended plans are written as amended, and the
//! user's identity comes from the cluster.

use expect_test::expect;
use serde_json::json;
use trocar_test_support::{Answer, Fault, Gate};

use crate::{check, config_file, configure, knows, node, online, plugin_entry, pod, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg";

const TICKET: &str = "policies:\n- name: ticket\n  plugin: require-reason\n  settings: {pattern: \"OPS-[0-9]+\", example: OPS-7}\n";

#[test]
fn denied_plans_are_not_written() {
    for flags in [
        "",
        " --copy-to=copy",
        " --copy-to=copy --replace",
        " --dry-run=server",
        " -o yaml",
    ] {
        let (env, server) = online([pod("web-0")]);
        configure(&env, TICKET);
        check(
            &env.run(&format!("{DEBUG}{flags}")),
            expect![[r#"
                --- stderr ---
                error: policy "ticket" denies this
                  ticket: a reason is needed to debug here (--reason="OPS-7")
                --- exit code 125 ---
            "#]],
        );
        assert_eq!(touched(&server), [""; 0], "{flags}");
        assert_eq!(server.objects().len(), 1);
    }
}

#[test]
fn allowed_plans_are_written_with_their_policies() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, TICKET);
    knows(&server, "jane", &["dev"]);
    check(&env.run(&format!("{DEBUG} --copy-to=copy --reason=OPS-12")), "");
    let copy = server.object("Pod", "default", "copy").unwrap();
    let annotations = &copy["metadata"]["annotations"];
    assert_eq!(annotations["trocar.dev/reason"], "OPS-12");
    assert_eq!(annotations["trocar.dev/requester"], "jane");
    let policies = annotations["trocar.dev/policies"].as_str().unwrap();
    assert!(policies.starts_with("require-reason@0.1.0 sha256:"), "{policies}");
}

#[test]
fn amended_plans_are_written_as_amended() {
    let (env, server) = online([pod("web-0")]);
    configure(
        &env,
        "policies:\n- name: approved-images\n  settings: {mirrors: [{from: docker.io, to: mirror.example.com/hub}]}\n\
         - name: privilege-ceiling\n  settings: {level: baseline, onExcess: amend}\n",
    );
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            Warning: policy approved-images changed the plan: container "dbg": busybox:1.36 is taken from mirror.example.com/hub/library/busybox:1.36
            Warning: policy privilege-ceiling changed the plan: lowered to what is allowed: ephemeral container "dbg" adds the Linux capability "SYS_PTRACE"; only "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID" and "SYS_CHROOT" are allowed (capabilities, Pod Security level baseline)
        "#]],
    );
    let changed = server.object("Pod", "default", "web-0").unwrap();
    let container = &changed["spec"]["ephemeralContainers"][0];
    assert_eq!(container["image"], "mirror.example.com/hub/library/busybox:1.36");
    assert!(
        container["securityContext"]["capabilities"]["add"].is_null(),
        "{container}"
    );
}

#[test]
fn in_warn_and_audit_mode_the_debug_goes_on() {
    for (mode, stderr) in [
        (
            "warn",
            "--- stderr ---\nWarning: policy ticket would deny this: a reason is needed to debug here (--reason=\"OPS-7\")\n",
        ),
        ("audit", ""),
    ] {
        let (env, server) = online([pod("web-0")]);
        configure(
            &env,
            &TICKET.replace("plugin:", &format!("mode: {mode}\n  plugin:")),
        );
        check(&env.run(DEBUG), stderr);
        assert_eq!(touched(&server).len(), 1);
    }
}

#[test]
fn one_denied_target_stops_all_unless_told_to_continue() {
    let protected = || {
        let mut protected = pod("web-1");
        protected["metadata"]["labels"]["tier"] = json!("data");
        protected
    };
    let policy =
        "policies:\n- name: protected-targets\n  settings: {labels: {tier: data}, contact: \"#db\"}\n";
    let (env, server) = online([pod("web-0"), protected(), pod("web-2")]);
    configure(&env, policy);
    let all = "debug web-0 web-1 web-2 --image=busybox -c dbg";
    check(
        &env.run(all),
        expect![[r#"
            --- stderr ---
            error: pod/web-1: policy "protected-targets" denies this
              protected-targets: /target: the label tier=data protects it from being debugged (ask #db)
              nothing was changed, for no target
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(touched(&server), [""; 0]);
    check(
        &env.run(&format!("{all} --keep-going")),
        expect![[r#"
            --- stderr ---
            error: pod/web-1: policy "protected-targets" denies this
              protected-targets: /target: the label tier=data protects it from being debugged (ask #db)
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(
        touched(&server),
        [
            "PATCH /api/v1/namespaces/default/pods/web-0/ephemeralcontainers",
            "PATCH /api/v1/namespaces/default/pods/web-2/ephemeralcontainers"
        ]
    );
    check(
        &env.run("debug web-1 --image=busybox --keep-going"),
        expect![[r#"
            --- stderr ---
            error: policy "protected-targets" denies this
              protected-targets: /target: the label tier=data protects it from being debugged (ask #db)
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn the_users_identity_comes_from_the_cluster() {
    let policy = "policies:\n- name: protected-targets\n  settings: {namespaces: [default], exceptGroups: [on-call], exceptUsers: [root]}\n";
    for (user, groups, code) in [
        ("jane", &["dev"][..], 125),
        ("jane", &["dev", "on-call"], 0),
        ("root", &[], 0),
        ("", &[], 125),
    ] {
        let (env, server) = online([pod("web-0")]);
        configure(&env, policy);
        knows(&server, user, groups);
        let output = env.run(DEBUG);
        assert_eq!(output.code, code, "{user} {groups:?}: {output}");
        assert_eq!(touched(&server).len(), usize::from(code == 0));
    }
    let (env, server) = online([pod("web-0")]);
    configure(&env, policy);
    assert_eq!(
        env.run(DEBUG).code,
        125,
        "a server that does not know does not excuse it"
    );
    server.inject(Fault::new("POST", "/selfsubjectreviews", Answer::unavailable()));
    let output = env.run(DEBUG);
    assert_eq!(output.code, 125, "{output}");
    assert!(
        !output.stderr.contains("protected-targets"),
        "who asks is not known: {output}"
    );
    assert_eq!(touched(&server), [""; 0]);
}

/// A policy that reports its whole input.
#[test]
fn no_credential_reaches_a_policy() {
    let (mut env, server) = online([pod("web-0")]);
    knows(&server, "jane", &["dev"]);
    // A token is not sent without TLS.
    let address = server.url().replace("://", "://jane:not-for-policies@");
    let kubeconfig = trocar_test_support::kubeconfig(&address);
    let path = env.write("with-token", &kubeconfig.to_string());
    env.set("KUBECONFIG", &path.display().to_string());
    env.set("SECRET_OF_THE_USER", "not-for-policies-either");
    let plugin = plugin_entry(&env, "tells_all");
    configure(
        &env,
        &format!("plugins: [{plugin}]\npolicies: [{{name: tells-all}}]\n"),
    );
    let output = env.run(&format!("{DEBUG} --reason=OPS-1 --suffix=abcde"));
    assert_eq!(output.code, 125);
    let authorization = &server.requests()[0].headers["authorization"];
    assert_eq!(
        authorization, "Basic amFuZTpub3QtZm9yLXBvbGljaWVz",
        "the server was given it"
    );
    assert!(!output.to_string().contains("not-for-policies"), "{output}");
    let actor =
        r#"tells-all: {"user":"jane","groups":["dev"],"context":"test","cluster":"test","reason":"OPS-1"}"#;
    assert!(output.stderr.contains(actor), "{output}");
}

#[test]
fn after_a_conflict_the_policies_are_asked_again() {
    let (env, server) = online([pod("web-0")]);
    configure(
        &env,
        "policies:\n- name: session-limits\n  settings: {ephemeralContainers: 1}\n",
    );
    let gate = Gate::new();
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", Answer::After(gate.clone())).times(1));
    let running = env.start(DEBUG);
    gate.is_reached();
    server.delete_pod("web-0");
    let mut other = pod("web-0");
    other["spec"]["ephemeralContainers"] = json!([{"name": "faster", "image": "busybox"}]);
    server.put(other);
    gate.open();
    let output = running.finish();
    assert_eq!(output.code, 125, "{output}");
    assert!(
        output.stderr.contains("policy \"session-limits\" denies this")
            && output
                .stderr
                .contains("the pod has 1 debug containers already; 1 are allowed"),
        "{output}"
    );
    let now = server.object("Pod", "default", "web-0").unwrap();
    assert_eq!(now["spec"]["ephemeralContainers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_systems_policy_cannot_be_removed_or_weakened() {
    let (mut env, server) = online([pod("web-0"), node("n1")]);
    let system = env.write("system.yaml", &config_file(TICKET));
    env.set("__TROCAR_SYSTEM_CONFIG", &system.display().to_string());
    let denied = "--- stderr ---\nerror: policy \"ticket\" denies this\n  ticket: a reason is needed to debug here \
                  (--reason=\"OPS-7\")\n--- exit code 125 ---\n";
    check(&env.run(DEBUG), denied);
    // Another policy for the same plugin, which is content with everything, changes nothing.
    configure(
        &env,
        "policies: [{name: require-reason, mode: audit}, {name: other, plugin: require-reason, mode: audit}]\n",
    );
    check(&env.run(DEBUG), denied);
    check(&env.run(&format!("{DEBUG} --policy=approved-images")), denied);
    for weaker in [
        "{name: ticket, plugin: require-reason, mode: audit}",
        "{name: ticket, plugin: require-reason, match: {namespaces: [none]}}",
        "{name: ticket, plugin: approved-images}",
    ] {
        configure(&env, &format!("policies:\n- {weaker}\n"));
        let output = env.run(DEBUG);
        check(
            &output,
            expect![[r#"
                --- stderr ---
                error: configuration: $HOME/.config/trocar/config.yaml:4:4: the policy "ticket" is set in $HOME/system.yaml:4:3 already
                hint: an entry of one file cannot be replaced or weakened by another file; choose another name
                --- exit code 125 ---
            "#]],
        );
        configure(&env, "");
        env.write("typed.yaml", &config_file(&format!("policies:\n- {weaker}\n")));
        let output = env.run(&format!("{DEBUG} --config=typed.yaml"));
        assert!(
            output.stderr.contains("is set in $HOME/system.yaml:4:3 already"),
            "{output}"
        );
    }
    assert_eq!(touched(&server), [""; 0]);
}
