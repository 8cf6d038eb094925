//! Watching the list of sessions, and rejoining one.

use expect_test::expect;
use serde_json::{Value, json};
use trocar_test_support::{Answer, Fault};

use crate::{
    audit::{events, records},
    check, configure, knows, online, pod,
};

/// A copy with a stamp of alice.
fn copy(name: &str) -> Value {
    let mut copy = pod(name);
    copy["metadata"]["labels"] = json!({"trocar.dev/session": "abc12"});
    copy["metadata"]["annotations"] = json!({"trocar.dev/requester": "alice", "trocar.dev/container": "app", "trocar.dev/target": "pod/web-0"});
    copy["status"] =
        json!({"phase": "Running", "containerStatuses": [{"name": "app", "state": {"running": {}}}]});
    copy
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_watch_shows_claims_as_the_list_does_and_what_came_between_two_watches() {
    let (env, server) = online([copy("one"), copy("two")]);
    knows(&server, "alice", &[]);
    // The first list is from before the second copy, and the first watch ends without a change.
    let one = server.object("Pod", "default", "one");
    let before =
        json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [one]});
    let list = Fault::new("GET", "/pods", Answer::status(200, &before)).with_query("limit", "500");
    server.inject(list.times(1));
    let ended = Fault::new("GET", "/pods", Answer::text(200, "")).with_query("watch", "true");
    server.inject(ended.times(1));
    let mut running = env.start("sessions --watch");
    let row = || words(&running.stdout_until("\n"));
    assert_eq!(row(), ["NAME", "KIND", "OWNER", "AGE", "STATE"]);
    assert_eq!(row()[..3], ["pod/one:app", "copy", "you?"]);
    assert_eq!(row()[..3], ["pod/two:app", "copy", "you?"]);
    server.change_pod("one", |pod| {
        pod["status"]["containerStatuses"][0]["state"] = json!({"terminated": {"exitCode": 3}});
    });
    assert_eq!(row()[..3], ["pod/one:app", "copy", "you?"]);
    server.delete_pod("two");
    assert_eq!(row()[0], "pod/two:app", "it is shown once more");
    running.interrupt();
    drop(running.finish());
}

#[test]
fn a_watch_whose_version_is_too_old_begins_with_a_new_list() {
    for answer in [
        Answer::expired_event(),
        Answer::refusal(410, "Expired", "too old resource version"),
    ] {
        let (env, server) = online([copy("one")]);
        server.inject(
            Fault::new("GET", "/pods", answer)
                .with_query("watch", "true")
                .times(1),
        );
        let mut running = env.start("sessions --watch -o name");
        assert_eq!(running.stdout_until("\n"), "pod/one:app\n");
        server.wait_for_request("GET", "/pods");
        server.put(copy("two"));
        assert_eq!(
            running.stdout_until("\n"),
            "pod/two:app\n",
            "and what is known is not shown again"
        );
        running.interrupt();
        drop(running.finish());
    }
}

#[test]
fn rejoining_identifies_the_user_once_and_audits_the_real_user() {
    let (env, server) = online([copy("one")]);
    configure(&env, "audit: [{sink: stderr}]\n");
    knows(&server, "alice", &[]);
    let program = server.program("one", "app");
    let running = env.start("attach pod/one:app -q");
    program.starts();
    program.is_attached(1);
    program.exits(3);
    let output = running.finish();
    assert_eq!(output.code, 3, "{output}");
    let written = records(&output.stderr);
    assert_eq!(events(&written), ["allowed", "ended"]);
    assert_eq!(written[0]["actor"]["user"], "alice");
    let asked = |lines: Vec<String>| {
        lines
            .iter()
            .filter(|line| line.ends_with("/selfsubjectreviews"))
            .count()
    };
    assert_eq!(asked(server.request_lines()), 1);

    let (env, server) = online([copy("one")]);
    configure(&env, "audit: [{sink: stderr}]\n");
    knows(&server, "alice", &[]);
    let program = server.program("one", "app");
    let running = env.start("attach pod/one:app -q --as=bob");
    program.starts();
    program.is_attached(1);
    program.exits(0);
    let written = records(&running.finish().stderr);
    assert_eq!(written[0]["impersonator"], "alice");
}

#[test]
fn an_audit_file_that_can_grow_no_more_ends_a_comeback_with_an_error_and_not_with_a_signal() {
    let (env, _server) = online([copy("one")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl, required: true}]\n");
    let limit = crate::audit::largest_file(&env);
    let file = crate::audit::audit_file(&env);
    std::fs::write(&file, vec![b'x'; limit - 300]).unwrap();
    check(
        &env.run_limited(crate::audit::FULL, "attach pod/one:app -q"),
        expect![[r#"
            --- stderr ---
            error: the audit file $HOME/.config/trocar/audit.jsonl cannot be written: File too large (os error 27)
            hint: the configuration requires it, so nothing is debugged without it
            --- exit code 125 ---
        "#]],
    );
}
