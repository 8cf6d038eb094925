//! `trocar plan` with policies: diagnostics and amendments in every mode and output format, and errors of policies that cannot be
//! loaded.

use expect_test::expect;
use serde_json::Value;

use crate::{POD_YAML, check, config_file, configure, guest, offline, plugin_entry};

const PLAN: &str = "plan -f pod.yaml -c dbg";

const IMAGES: &str = "\
policies:
- name: images
  plugin: approved-images
  settings:
    images: [{registry: mirror.example.com}]
    mirrors: [{from: docker.io, to: mirror.example.com/hub}]
    contact: '#platform'
";

fn configured(text: &str) -> trocar_test_support::TestEnv {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    configure(&env, text);
    env
}

fn document(text: &str) -> Value {
    trocar::documents::read(text.as_bytes()).unwrap().remove(0)
}

#[test]
fn a_policy_that_allows_is_only_in_the_document() {
    let env = configured(IMAGES);
    let typed = format!("{PLAN} --image=mirror.example.com/busybox:1");
    let output = env.run(&typed);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let plan = document(&output.stdout);
    let review = &plan["policies"][0];
    assert_eq!(review["policy"], "images");
    assert_eq!(review["plugin"]["name"], "approved-images");
    assert_eq!(
        (&review["mode"], &review["verdict"]),
        (&"enforce".into(), &"allow".into())
    );
    assert_eq!(review["saw"], plan["hash"], "it saw what is written");
    assert_eq!((review.get("changes"), review.get("diagnostics")), (None, None));
    assert_eq!(document(&env.run(&format!("{typed} -o json")).stdout), plan);
    let diff = env.run(&format!("{typed} -o diff"));
    assert!(
        diff.stdout
            .starts_with("# policy images (enforce): allow\n--- a/pod/web-0\n"),
        "{diff}"
    );
}

#[test]
fn a_policy_that_amends_says_so_in_every_form() {
    let env = configured(IMAGES);
    check(
        &env.run(&format!("{PLAN} --image=busybox:1.36 -o diff")),
        expect![[r#"
            # policy images (enforce): amend
            #   /steps/0/object/image = "mirror.example.com/hub/library/busybox:1.36"
            #   container "dbg": busybox:1.36 is taken from mirror.example.com/hub/library/busybox:1.36
            --- a/pod/web-0
            +++ b/pod/web-0
            @@ -7,3 +7,11 @@
               containers:
               - image: registry.example/app:1
                 name: app
            +  ephemeralContainers:
            +  - image: mirror.example.com/hub/library/busybox:1.36
            +    name: dbg
            +    securityContext:
            +      capabilities:
            +        add:
            +        - SYS_PTRACE
            +    terminationMessagePolicy: File
            --- stderr ---
            Warning: policy images changed the plan: container "dbg": busybox:1.36 is taken from mirror.example.com/hub/library/busybox:1.36
        "#]],
    );
    let plan = document(&env.run(&format!("{PLAN} --image=busybox:1.36")).stdout);
    let review = &plan["policies"][0];
    let mirrored = "mirror.example.com/hub/library/busybox:1.36";
    assert_eq!(plan["steps"][0]["object"]["image"], mirrored);
    assert_eq!(review["verdict"], "amend");
    assert_eq!(review["changes"][0]["at"], "/steps/0/object/image");
    assert_eq!(review["changes"][0]["value"], mirrored);
    assert_eq!(review["diagnostics"][0]["code"], "image-from-mirror");
    assert_eq!(plan["diagnostics"][0]["severity"], "warning");
    let manifest = env.run(&format!("{PLAN} --image=busybox:1.36 -o manifest"));
    assert!(manifest.stdout.contains(mirrored), "{manifest}");
}

#[test]
fn a_policy_that_denies_leaves_no_plan_in_any_form() {
    let env = configured(IMAGES);
    for format in ["yaml", "json", "manifest", "diff", "name"] {
        check(
            &env.run(&format!("{PLAN} --image=quay.io/x/y:1 -o {format}")),
            expect![[r#"
                --- stderr ---
                error: policy "images" denies this
                  images: /steps/0/object/image: container "dbg": the image quay.io/x/y:1 is not approved (approved are mirror.example.com/*; ask #platform)
                --- exit code 3 ---
            "#]],
        );
    }
}

#[test]
fn all_denials_are_reported_at_once() {
    let env = configured(&format!(
        "{IMAGES}- name: require-reason\n- name: privilege-ceiling\n  settings: {{level: baseline}}\n"
    ));
    let output = env.run(&format!("{PLAN} --image=quay.io/x/y:1 --reason=curiosity"));
    assert_eq!((output.code, output.stdout.as_str()), (3, ""));
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "error: the policies \"images\" and \"privilege-ceiling\" deny this"
    );
    assert!(lines[1].starts_with("  images: "), "{output}");
    assert!(lines[2].starts_with("  privilege-ceiling: "), "{output}");
    assert_eq!(lines.len(), 3, "{output}");
}

#[test]
fn in_warn_mode_the_user_is_warned_and_in_audit_mode_it_is_recorded() {
    for (mode, stderr) in [
        (
            "warn",
            "Warning: policy images would change the plan: container \"dbg\": busybox:1.36 is taken from \
             mirror.example.com/hub/library/busybox:1.36\n\
             Warning: policy require-reason would deny this: a reason is needed to debug here (--reason=\"why you debug\")\n",
        ),
        ("audit", ""),
    ] {
        let policies = IMAGES.replace("plugin:", &format!("mode: {mode}\n  plugin:"));
        let env = configured(&format!("{policies}- name: require-reason\n  mode: {mode}\n"));
        let diff = env.run(&format!("{PLAN} --image=busybox:1.36 -o diff"));
        assert_eq!((diff.code, diff.stderr.as_str()), (0, stderr), "{mode}");
        let comments: Vec<&str> = diff.stdout.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(comments[0], format!("# policy images ({mode}): amend"));
        assert_eq!(comments[3], format!("# policy require-reason ({mode}): deny"));
        assert!(
            diff.stdout.contains("+  - image: busybox:1.36\n"),
            "nothing is changed: {diff}"
        );
        let plan = document(&env.run(&format!("{PLAN} --image=busybox:1.36")).stdout);
        assert_eq!(plan["policies"][0]["verdict"], "amend");
        assert_eq!(plan["policies"][1]["verdict"], "deny");
        assert_eq!(plan["steps"][0]["object"]["image"], "busybox:1.36");
    }
}

#[test]
fn one_denied_target_prevents_all_plans() {
    let env = configured("policies:\n- name: protected-targets\n  settings: {labels: {tier: \"*\"}}\n");
    let other = POD_YAML.replace("web-0", "db-0\n  labels: {tier: data}");
    env.write("pod.yaml", &format!("{POD_YAML}---\n{other}"));
    check(
        &env.run(&format!("{PLAN} --image=busybox")),
        expect![[r#"
            --- stderr ---
            error: pod/db-0: policy "protected-targets" denies this
              protected-targets: /target: the label tier=data protects it from being debugged
            --- exit code 3 ---
        "#]],
    );
}

#[test]
fn a_policy_is_asked_only_about_what_it_matches() {
    let env = configured(
        "policies:\n- name: require-reason\n  match: {namespaces: [prod-*], users: [jane], groups: [dev], contexts: [eu]}\n",
    );
    env.write(
        "pod.yaml",
        &POD_YAML.replace("name: web-0", "name: web-0\n  namespace: prod-a"),
    );
    let code = |flags: &str| env.run(&format!("{PLAN} --image=busybox {flags}")).code;
    assert_eq!(code(""), 3, "who asks is not known, so it is asked");
    assert_eq!(code("--as=jane --as-group=dev --context=eu"), 3);
    assert_eq!(code("--as=jane --as-group=ops --context=eu"), 0);
    assert_eq!(code("--as=joe --as-group=dev --context=eu"), 0);
    assert_eq!(code("--as=jane --as-group=dev --context=us"), 0);
    env.write("pod.yaml", POD_YAML);
    assert_eq!(code("--as=jane --as-group=dev --context=eu"), 0);
}

#[test]
fn a_policy_that_is_typed() {
    let env = configured("");
    check(
        &env.run(&format!("{PLAN} --image=busybox --policy=require-reason")),
        expect![[r#"
            --- stderr ---
            error: policy "require-reason" denies this
              require-reason: a reason is needed to debug here (--reason="why you debug")
            --- exit code 3 ---
        "#]],
    );
    let output = env.run(&format!(
        "{PLAN} --image=busybox --policy=require-reason --reason=OPS-1"
    ));
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
}

/// A typed policy has no settings, so it must not replace a configured policy of the same name.
#[test]
fn a_policy_that_is_typed_does_not_replace_one_that_is_configured() {
    let env = configured(
        "policies:\n- name: approved-images\n  match: {labels: {tier: data}}\n  settings: {images: [{registry: mirror.example.com}]}\n",
    );
    let other = POD_YAML.replace("web-0", "db-0\n  labels: {tier: data}");
    env.write("pod.yaml", &format!("{POD_YAML}---\n{other}"));
    let output = env.run(&format!("{PLAN} --image=busybox --policy=approved-images"));
    assert_eq!(output.code, 3, "{output}");
    assert!(
        output
            .stderr
            .starts_with("error: pod/db-0: policy \"approved-images\" denies this\n"),
        "{output}"
    );
}

#[test]
fn a_policy_that_cannot_be_asked() {
    let env = configured("");
    env.write_bytes("allows.wasm", &guest::plugin("allows"));
    env.write_bytes("trap.wasm", &guest::plugin("trap"));
    for (flags, wanted, hint) in [
        (
            "--policy=aproved-images",
            "error: there is no plugin named \"aproved-images\"; the default plugins are approved-images, copy, ephemeral, \
             node, privilege-ceiling, protected-targets, require-reason, session-limits\n",
            "./NAME.wasm",
        ),
        (
            "--policy=./gone.wasm",
            "error: cannot read the plugin ./gone.wasm: No such file or directory (os error 2)\n",
            "trocar plugin list",
        ),
        (
            "--policy=ephemeral",
            "error: plugin \"ephemeral\" is a strategy, not a policy\n",
            "trocar plugin list shows every policy",
        ),
        (
            "--policy=trap.wasm",
            "error: plugin \"trap\" is a strategy, not a policy\n",
            "trocar plugin list shows every policy",
        ),
        (
            "--strategy=require-reason",
            "error: plugin \"require-reason\" is a policy, not a strategy\n",
            "trocar plugin list shows every strategy",
        ),
        (
            "--strategy=./allows.wasm",
            "error: plugin \"allows\" is a policy, not a strategy\n",
            "trocar plugin list shows every strategy",
        ),
    ] {
        let output = env.run(&format!("{PLAN} --image=busybox {flags}"));
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output}");
        assert!(output.stderr.starts_with(wanted), "{wanted}\n{output}");
        let hints: Vec<&str> = output
            .stderr
            .lines()
            .filter(|line| line.starts_with("hint: "))
            .collect();
        assert!(
            matches!(hints.as_slice(), [only] if only.contains(hint)),
            "{output}"
        );
    }
}

#[test]
fn a_reason_is_one_line() {
    let env = configured("policies: [{name: require-reason}]\n");
    for reason in [
        "a\nb",
        "a\u{1b}[2Jb",
        "a\u{9b}2Jb",
        "a\u{202e}b",
        "a\u{2028}b",
        "a\u{7f}",
    ] {
        let output = env.run_with([
            "plan",
            "-f",
            "pod.yaml",
            "--image=busybox",
            &format!("--reason={reason}"),
        ]);
        check(
            &output,
            expect![[r#"
                --- stderr ---
                error: --reason must be one line without control characters
                --- exit code 2 ---
            "#]],
        );
    }
    let long = "x".repeat(1001);
    check(
        &env.run(&format!("{PLAN} --image=busybox --reason={long}")),
        expect![[r#"
            --- stderr ---
            error: --reason is longer than 1000 bytes
            --- exit code 2 ---
        "#]],
    );
    let output = env.run_with([
        "plan",
        "-f",
        "pod.yaml",
        "--image=busybox",
        "--reason=wörter und 文字",
    ]);
    assert_eq!(output.code, 0, "{output}");
    assert_eq!(
        env.run(&format!("{PLAN} --image=busybox --reason=")).code,
        3,
        "an empty reason is none"
    );
}

#[test]
fn messages_of_policies_are_cut_and_harmless() {
    let env = configured("");
    let (shouts, escapes) = (plugin_entry(&env, "shouts"), plugin_entry(&env, "escapes_value"));
    configure(
        &env,
        &format!("plugins: [{shouts}, {escapes}]\npolicies: [{{name: shouts}}]\n"),
    );
    let output = env.run(&format!("{PLAN} --image=busybox"));
    assert_eq!((output.code, output.stdout.as_str()), (3, ""));
    assert!(
        output
            .stderr
            .starts_with("error: policy \"shouts\" denies this\n  shouts: \\u{1b}\\u{1b}"),
        "{output}"
    );
    assert!(
        output.stderr.ends_with(" … (1044480 bytes dropped)\n"),
        "{output}"
    );
    configure(
        &env,
        &format!("plugins: [{shouts}, {escapes}]\npolicies: [{{name: escapes-value}}]\n"),
    );
    for format in ["yaml", "json", "manifest", "diff"] {
        let output = env.run(&format!("{PLAN} --image=busybox -o {format}"));
        assert_eq!(output.code, 0, "{output}");
        let harmful = |letter: char| letter.is_control() && letter != '\n';
        assert!(
            !output.to_string().contains(harmful),
            "{format}: {:?}",
            output.stdout
        );
    }
}

#[test]
fn policies_in_conflict_are_named() {
    let env = configured("");
    let (one, two) = (plugin_entry(&env, "wants_one"), plugin_entry(&env, "wants_two"));
    configure(
        &env,
        &format!(
            "plugins: [{one}, {two}]\npolicies: [{{name: wants-one}}, {{name: wants-two}}, {{name: protected-targets}}]\n"
        ),
    );
    check(
        &env.run(&format!("{PLAN} --image=busybox")),
        expect![[r#"
            --- stderr ---
            error: the policies "wants-one" and "wants-two" undo each other's changes
            hint: the authors of these policies have to decide which one takes precedence
            --- exit code 3 ---
        "#]],
    );
}

#[test]
fn a_file_of_settings_with_ten_thousand_entries() {
    let images: String = (0..10_000)
        .map(|number| format!("    - {{registry: r{number}.example.com, repository: \"team-{number}/*\"}}\n"))
        .collect();
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    env.write(
        "large.yaml",
        &config_file(&format!(
            "policies:\n- name: approved-images\n  settings:\n    images:\n{images}"
        )),
    );
    let plan = |image: &str| env.run(&format!("{PLAN} --config=large.yaml -o name --image={image}"));
    check(
        &plan("r9999.example.com/team-9999/tool:1"),
        expect![[r#"
        pod/web-0
    "#]],
    );
    let denied = plan("r9999.example.com/team-9998/tool:1");
    assert_eq!(denied.code, 3, "{denied}");
    assert!(
        denied.stderr.contains("r4.example.com/team-4/*, 9995 more)"),
        "{denied}"
    );
    check(
        &env.run("config check --config=large.yaml"),
        expect![[r#"
            large.yaml
            0 plugins, 1 policies, 0 audit sinks: no mistakes
        "#]],
    );
}
