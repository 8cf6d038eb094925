//! Writes and their output: dry runs, output formats, stamps.

use expect_test::expect;
use serde_json::Value;

use crate::{check, node, online, pod};

const COPY: &str = "debug web-0 --image=busybox:1.36 -c dbg --copy-to=copy";

#[test]
fn a_dry_run_of_ours_writes_nothing() {
    let (env, server) = online([pod("web-0")]);
    check(
        &env.run(&format!("{COPY} --replace --dry-run")),
        expect![[r#"
            pod/copy created (dry run)
            pod/web-0 deleted (dry run)
        "#]],
    );
    check(
        &env.run(&format!("{COPY} --dry-run=client -o name")),
        expect![[r#"
            pod/copy
        "#]],
    );
    assert!(server.writes().is_empty());
    check(
        &env.run(&format!("{COPY} --dry-run=maybe")),
        expect![[r#"
            --- stderr ---
            error: invalid argument "maybe" for "--dry-run" flag: it must be one of none, client, server
            hint: see 'trocar debug --help' for usage
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn a_dry_run_of_the_servers_asks_it_and_stores_nothing() {
    let (env, server) = online([pod("web-0")]);
    check(
        &env.run(&format!("{COPY} --replace --dry-run=server")),
        expect![[r#"
            pod/copy created (server dry run)
            pod/web-0 deleted (server dry run)
        "#]],
    );
    let writes = server.writes();
    assert_eq!(writes[0].query["dryRun"], "All");
    assert_eq!(writes[1].body.as_ref().unwrap()["dryRun"][0], "All");
    assert_eq!(server.objects().len(), 1);
}

#[test]
fn every_output_is_there_beside_the_deed() {
    for (format, wanted) in [
        ("yaml", "kind: DebugPlan"),
        ("json", "\"kind\": \"DebugPlan\""),
        ("manifest", "kind: Pod"),
        ("diff", "+  - image: busybox:1.36"),
        ("name", "pod/copy\n"),
    ] {
        let (env, server) = online([pod("web-0")]);
        let output = env.run(&format!("{COPY} -o {format}"));
        assert!(output.stdout.contains(wanted), "{format}: {output}");
        assert_eq!((output.stderr.as_str(), output.code), ("", 0), "{format}");
        assert_eq!(server.writes().len(), 1);
    }
}

#[test]
fn notes_do_not_disturb_a_document() {
    let (env, _server) = online([node("n1")]);
    let output = env.run("debug node/n1 --image=busybox:1.36 --suffix=abcde -o json");
    let plan: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(plan["target"]["name"], "n1");
    assert_eq!(
        output.stderr,
        "Creating debugging pod node-debugger-n1-abcde with container debugger on node n1.\n"
    );
}

#[test]
fn created_objects_are_stamped() {
    let (env, server) = online([pod("web-0")]);
    check(&env.run(&format!("{COPY} --suffix=abcde")), "");
    let copy = server.object("Pod", "default", "copy").unwrap();
    let metadata = &copy["metadata"];
    assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "trocar");
    assert_eq!(metadata["labels"]["trocar.dev/session"], "abcde");
    assert_eq!(metadata["annotations"]["trocar.dev/target"], "pod/web-0");
    for hashed in ["trocar.dev/plan", "trocar.dev/strategy"] {
        assert!(
            metadata["annotations"][hashed]
                .as_str()
                .unwrap()
                .contains("sha256:"),
            "{hashed}"
        );
    }
}

#[test]
fn replacing_deletes_the_original_and_no_other() {
    let (env, server) = online([pod("web-0")]);
    check(&env.run(&format!("{COPY} --replace")), "");
    let writes = server.writes();
    assert_eq!(writes[1].line(), "DELETE /api/v1/namespaces/default/pods/web-0");
    let options = writes[1].body.as_ref().unwrap();
    assert_eq!(options["gracePeriodSeconds"], 0);
    assert!(options["preconditions"]["uid"].is_string());
    assert!(server.object("Pod", "default", "web-0").is_none());
}

#[test]
fn flags_without_effect_are_warned_about() {
    let (env, _server) = online([node("n1")]);
    let flags = "debug node/n1 --image=busybox:1.36 -q";
    check(
        &env.run(&format!(
            "{flags} --target=app --keep-labels --keep-startup=false"
        )),
        expect![[r#"
            --- stderr ---
            Warning: --target has no effect when the target is a node
            Warning: --keep-labels has no effect when the target is a node
            Warning: --keep-startup has no effect when the target is a node
        "#]],
    );
    check(
        &env.run(&format!("{flags} --copy-to=x")),
        expect![[r#"
            --- stderr ---
            Warning: --copy-to has no effect when the target is a node
        "#]],
    );
}
