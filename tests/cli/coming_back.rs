//! Rejoining a session: `trocar attach`, `--reuse` instead of one more container, and sessions that cannot be rejoined.
//!
//! The test simulates the kubelet.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};
use trocar_test_support::{Answer, CommandOutput, FakeApiServer, Fault, Program, TestEnv};

use crate::{audit::records_of, check, configure, misused, online, pod, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 --suffix=abc12";
const NAME: &str = "debugger-abc12";
const PATCH: &str = "PATCH /api/v1/namespaces/default/pods/web-0/ephemeralcontainers";

/// The user's own running container in the pod `web-0`.
fn with_container() -> (TestEnv, FakeApiServer, Program) {
    let (env, server) = online([pod("web-0")]);
    assert_eq!(env.run(&format!("{DEBUG} -q")).code, 0);
    let program = server.program("web-0", NAME);
    program.starts();
    (env, server, program)
}

#[test]
fn output_from_before_rejoining_is_shown_or_its_last_lines() {
    for (tail, wanted) in [
        ("", "one\ntwo\nthree\nfour\n"),
        ("--tail=2", "two\nthree\nfour\n"),
        ("--tail=0", "four\n"),
        ("--tail=9", "one\ntwo\nthree\nfour\n"),
    ] {
        let (env, _server, program) = with_container();
        program.writes_unheard("one\ntwo\nthree\n");
        let running = env.start(&format!("attach web-0 -q {tail}"));
        program.is_attached(1);
        program.writes("four\n");
        program.exits(5);
        check(&running.finish(), &format!("{wanted}--- exit code 5 ---\n"));
    }
}

#[test]
fn an_unreadable_log_has_no_last_lines_which_is_noted() {
    let (env, server, program) = with_container();
    program.writes_unheard("one\n");
    server.inject(Fault::new("GET", "/log", Answer::forbidden("no log")));
    let running = env.start("attach web-0 --tail=1");
    program.is_attached(1);
    program.writes("two\n");
    running.stdout_until("two\n");
    program.exits(0);
    let output = running.finish();
    assert!(output.stderr.contains("the log cannot be read"), "{output}");
    assert_eq!(output.stdout, "two\n");
}

/// Runs a second debug with `--reuse`. Its exit code is 7 if it joined the running program.
fn reused(env: &TestEnv, server: &FakeApiServer, flags: &str, is_same: bool) -> CommandOutput {
    let running = env.start(&format!("debug web-0 --suffix=def34 --attach --reuse {flags}"));
    let program = server.program("web-0", if is_same { NAME } else { "debugger-def34" });
    if !is_same {
        program.starts();
    }
    program.is_attached(1);
    program.exits(7);
    running.finish()
}

#[test]
fn a_container_that_runs_and_is_the_same_is_used_again() {
    let (env, server, program) = with_container();
    program.writes_unheard("before\n");
    check(
        &reused(&env, &server, "--image=busybox:1.36", true),
        "before
--- stderr ---
pod/web-0:debugger-abc12 still runs, and is as planned: attaching to it.
Note: lines that only the container's log has are on standard output, whichever stream they were written to.
Container debugger-abc12 stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
--- exit code 7 ---
",
    );
    assert_eq!(touched(&server), [PATCH]);
}

#[test]
fn anything_else_than_the_same_is_added() {
    for flags in [
        "--image=busybox:1.37",
        "--image=busybox:1.36 --env=A=1",
        "--image=busybox:1.36 --profile=sysadmin",
        "--image=busybox:1.36 --target=app",
        "--image=busybox:1.36 -i",
    ] {
        let (env, server, _program) = with_container();
        assert_eq!(reused(&env, &server, flags, false).code, 7, "{flags}");
        assert_eq!(touched(&server), [PATCH, PATCH], "{flags}");
    }
}

#[test]
fn ended_changed_and_foreign_containers_are_not_reused() {
    let (env, server, program) = with_container();
    program.exits(0);
    assert_eq!(reused(&env, &server, "--image=busybox:1.36", false).code, 7);

    let (env, server) = online([pod("web-0")]);
    let changed = Answer::stored_as(|pod| {
        let containers = pod["spec"]["ephemeralContainers"].as_array_mut();
        for container in containers.into_iter().flatten() {
            container["env"] = json!([{"name": "HTTP_PROXY", "value": "proxy"}]);
        }
    });
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", changed).times(1));
    assert_eq!(env.run(&format!("{DEBUG} -q")).code, 0);
    server.program("web-0", NAME).starts();
    assert_eq!(reused(&env, &server, "--image=busybox:1.36", false).code, 7);

    let (mut env, server, _program) = with_container();
    let other = env.folder().join("other");
    fs::create_dir(&other).unwrap();
    env.set("HOME", &other.display().to_string());
    assert_eq!(reused(&env, &server, "--image=busybox:1.36", false).code, 7);
    assert_eq!(touched(&server), [PATCH, PATCH]);
}

#[test]
fn a_container_of_the_same_name_in_the_pod_that_took_its_place_is_not_used_again() {
    let (env, server, _program) = with_container();
    server.change_pod("web-0", |pod| pod["metadata"]["uid"] = json!("another"));
    assert_eq!(reused(&env, &server, "--image=busybox:1.36", false).code, 7);
}

#[test]
fn policies_are_asked_and_the_decision_is_written_down() {
    let (env, server, _program) = with_container();
    configure(
        &env,
        "policies: [{name: require-reason}]\naudit: [{sink: file, file: audit.jsonl}]\n",
    );
    let denied = env.run("debug web-0 --image=busybox:1.36 --attach --reuse");
    assert_eq!(denied.code, 125, "{denied}");
    assert_eq!(
        reused(&env, &server, "--image=busybox:1.36 --reason=OPS-7", true).code,
        7
    );
    let events: Vec<Value> = records_of(&env)
        .iter()
        .map(|record| json!([record["event"], record["actor"]["reason"]]))
        .collect();
    assert_eq!(
        events,
        [
            json!(["denied", null]),
            json!(["allowed", "OPS-7"]),
            json!(["ended", "OPS-7"])
        ]
    );
    assert_eq!(touched(&server), [PATCH]);
}

#[test]
fn without_a_session_to_rejoin_the_error_lists_what_exists() {
    let (env, server) = online([pod("web-0"), pod("web-1")]);
    for (typed, wanted, hint) in [
        (
            "debug web-0 --image=busybox:1.36 --reuse",
            "--reuse needs a session",
            "trocar sessions",
        ),
        (
            "debug web-0 --image=busybox:1.36 --attach --reuse -c dbg",
            "--container cannot be used",
            "trocar attach pod/NAME:CONTAINER",
        ),
        (
            "debug web-0 web-1 --image=busybox:1.36 --attach --reuse",
            "--reuse is for one target",
            "trocar attach",
        ),
        (
            "debug web-0 --image=busybox:1.36 --attach --reuse --copy-to=copy",
            "--reuse: pod/web-0 is not debugged with an ephemeral container",
            "--rm deletes it",
        ),
        (
            "debug web-0 --image=busybox:1.36 --attach --tail=5",
            "--reuse",
            "--help",
        ),
    ] {
        misused(&env, typed, wanted, hint);
    }
    assert!(touched(&server).is_empty());
}

#[test]
fn of_two_that_run_one_has_to_be_named() {
    let (env, server, _program) = with_container();
    assert_eq!(
        env.run("debug web-0 --image=busybox:1.36 --suffix=def34 -q").code,
        0
    );
    let second = server.program("web-0", "debugger-def34");
    second.starts();
    for typed in ["attach", "attach web-0"] {
        check(
            &env.run(typed),
            r"--- stderr ---
error: several sessions run: pod/web-0:debugger-abc12, pod/web-0:debugger-def34
hint: name one of them
--- exit code 2 ---
",
        );
    }
    let running = env.start("attach pod/web-0:debugger-def34 -q");
    second.is_attached(1);
    second.exits(3);
    assert_eq!(running.finish().code, 3);
}

#[test]
fn a_foreign_session_can_be_rejoined_with_a_note_about_its_owner() {
    let (mut env, _server, program) = with_container();
    let other = env.folder().join("other");
    fs::create_dir(&other).unwrap();
    env.set("HOME", &other.display().to_string());
    let nothing = env.run("attach");
    assert!(
        nothing
            .stderr
            .contains("no session of yours runs in namespace default"),
        "{nothing}"
    );
    let running = env.start("attach web-0");
    program.is_attached(1);
    program.exits(0);
    let output = running.finish();
    let told = "Warning: pod/web-0:debugger-abc12: its owner is unknown\n";
    assert!(output.stderr.starts_with(told), "{output}");
}

#[test]
fn ended_sessions_and_replaced_pods_are_gone() {
    let (env, server, program) = with_container();
    program.exits(7);
    check(
        &env.run("attach web-0"),
        r"--- stderr ---
error: pod/web-0:debugger-abc12 has exited 7
hint: kubectl logs web-0 -c debugger-abc12 -n default shows its output; trocar debug begins another session
--- exit code 125 ---
",
    );
    check(
        &env.run("clean"),
        "--- stderr ---\nNothing to delete: an ephemeral container that has ended is deleted with its pod.\n",
    );
    assert!(env.run("attach").stderr.contains("no session of yours runs"));
    // Between the list and the read, another pod takes its name.
    let (env, server_2, _program) = with_container();
    drop(server);
    let replaced = Answer::changed_before(|pod| pod["metadata"]["uid"] = json!("another"));
    server_2.inject(Fault::new("GET", "/pods/web-0", replaced));
    check(
        &env.run("attach web-0"),
        r"--- stderr ---
error: pod/web-0:debugger-abc12 is gone
hint: trocar sessions lists the sessions to attach to
--- exit code 125 ---
",
    );
}

#[test]
fn sessions_being_deleted_are_marked_and_only_found_by_name() {
    let (env, server, program) = with_container();
    server.change_pod("web-0", |pod| {
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    let listed = env.run("sessions");
    assert!(listed.stdout.contains("running, being deleted\n"), "{listed}");
    check(
        &env.run("attach web-0"),
        r"--- stderr ---
error: pod/web-0:debugger-abc12 is being deleted
hint: trocar debug begins another session
--- exit code 125 ---
",
    );
    assert!(env.run("attach").stderr.contains("no session of yours runs"));
    let running = env.start("attach web-0:debugger-abc12");
    program.is_attached(1);
    program.exits(0);
    let told = "Warning: pod web-0 is being deleted: the session ends with it\n";
    assert!(running.finish().stderr.contains(told));
}

#[test]
fn a_damaged_journal_is_reported_and_its_valid_lines_are_used() {
    let (env, _server, program) = with_container();
    let file = env.folder().join(".local/state/trocar/sessions.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{{\"time\": \"20\n{text}\u{0}\u{0}")).unwrap();
    let output = env.run("sessions -o name --mine");
    let told = "Warning: 2 lines of $HOME/.local/state/trocar/sessions.jsonl are damaged: the sessions recorded there are not \
                recognised as yours\n";
    assert_eq!(output.stderr, told);
    assert_eq!(output.stdout, "pod/web-0:debugger-abc12\n");
    // The next line is on its own.
    assert_eq!(
        env.run("debug web-0 --image=busybox:1.36 --suffix=def34 -q").code,
        0
    );
    let output = env.run("sessions -o name --mine");
    assert!(output.stdout.ends_with("pod/web-0:debugger-def34\n"), "{output}");

    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let running = env.start("attach web-0:debugger-abc12");
    program.is_attached(1);
    program.exits(0);
    let output = running.finish();
    assert!(
        output.stderr.contains("sessions.jsonl cannot be read"),
        "{output}"
    );
    assert!(output.stderr.contains("its owner is unknown"), "{output}");
}

#[test]
fn a_pod_that_changed_since_it_was_listed_is_not_deleted() {
    let (env, server) = online([pod("web-0")]);
    let copy = "debug web-0 --image=busybox:1.36 -c dbg --copy-to=copy -q";
    assert_eq!(env.run(copy).code, 0);
    let changed = Answer::changed_before(|pod| {
        pod["metadata"]["annotations"]["trocar.dev/reason"] = json!("still needed");
    });
    server.inject(Fault::new("DELETE", "/pods/copy", changed).times(1));
    let output = env.run("clean copy -y");
    assert_eq!(output.code, 1, "{output}");
    let told =
        "Warning: pod/copy in namespace default has changed since it was listed, so it was not deleted\n";
    assert!(output.stderr.starts_with(told), "{output}");
    assert!(server.object("Pod", "default", "copy").is_some());
    assert_eq!(env.run("clean copy -y").code, 0);
    assert!(server.object("Pod", "default", "copy").is_none());
}

#[test]
fn a_pod_whose_status_is_written_once_more_is_deleted_as_it_was_shown() {
    let (env, server) = online([pod("web-0")]);
    let copy = "debug web-0 --image=busybox:1.36 -c dbg --copy-to=copy -q";
    assert_eq!(env.run(copy).code, 0);
    let written = Answer::changed_before(|pod| pod["status"]["podIP"] = json!("10.0.0.9"));
    server.inject(Fault::new("DELETE", "/pods/copy", written).times(2));
    let output = env.run("clean copy -y");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output}");
    assert!(server.object("Pod", "default", "copy").is_none());
}

#[test]
fn without_the_right_to_list_what_the_journal_names_is_read() {
    let (env, server, program) = with_container();
    let listed = Fault::new("GET", "/namespaces/default/pods", Answer::forbidden("no list"));
    // Listing is refused by its path without a name; reading and watching one pod still works.
    server.inject(listed.with_query("limit", "500"));
    let output = env.run("sessions -o name");
    assert_eq!(output.stdout, "pod/web-0:debugger-abc12\n", "{output}");
    assert!(output.stderr.contains("you may not list pods here"), "{output}");
    let running = env.start("attach -q");
    program.is_attached(1);
    program.exits(4);
    assert_eq!(running.finish().code, 4);
}

#[test]
fn a_signal_leaves_a_session_that_one_came_back_to() {
    let (env, _server, program) = with_container();
    let mut running = env.start("attach web-0");
    program.is_attached(1);
    program.writes("here\n");
    running.stdout_until("here\n");
    running.signal(Signal::TERM);
    let output = running.finish_with_open_stdin();
    assert_eq!(output.code, 143, "{output}");
    assert!(
        output
            .stderr
            .ends_with("come back with: trocar attach pod/web-0:debugger-abc12 -n default\n"),
        "{output}"
    );
}
