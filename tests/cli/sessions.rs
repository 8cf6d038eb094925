//! Sessions: the program's output once and in order, its exit code, and errors.
//!
//! The test simulates the kubelet, so that it controls when faults happen.

use serde_json::{Value, json};
use trocar_test_support::{Answer, FakeApiServer, Fault, Gate, Program, Running, TestEnv};

use crate::{check, online, pod};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg --attach";

/// The note at the end of a session with an ephemeral container.
const STAYS: &str = "--- stderr ---\nContainer dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove \
                     ephemeral containers.\n";

/// The same, if lines are shown that only the log has.
fn stays_after_lines_of_the_log() -> String {
    STAYS.replace(
        "Container",
        "Note: lines that only the container's log has are on standard output, whichever stream they were written to.\nContainer",
    )
}

fn begin(flags: &str) -> (TestEnv, FakeApiServer, Program, Running) {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("web-0", "dbg");
    let running = env.start(&format!("{DEBUG} {flags}"));
    (env, server, program, running)
}

#[test]
fn output_before_the_attach_comes_from_the_log_and_the_exit_code_is_ours() {
    let (_env, _server, program, running) = begin("-- count");
    program.writes_unheard("1\n2\n");
    program.starts();
    program.is_attached(1);
    program.writes("3\n");
    program.exits(3);
    check(
        &running.finish(),
        &format!("1\n2\n3\n{}--- exit code 3 ---\n", stays_after_lines_of_the_log()),
    );
}

#[test]
fn a_program_that_has_ended_before_anybody_came_is_shown_whole() {
    let (_env, _server, program, running) = begin("");
    program.starts_unnoticed();
    program.writes("all\n");
    program.exits(0);
    check(
        &running.finish(),
        &format!("all\n{}", stays_after_lines_of_the_log()),
    );
}

#[test]
fn output_without_a_last_line_end_is_whole() {
    let (_env, _server, program, running) = begin("");
    program.starts();
    program.is_attached(1);
    program.writes("no end");
    program.exits(0);
    let output = running.finish();
    assert_eq!((output.stdout.as_str(), output.code), ("no end", 0), "{output}");
}

#[test]
fn the_two_streams_are_kept_apart() {
    let (env, server) = online([pod("web-0")]);
    // The log, which mixes them, comes later than the attach, as it does from a kubelet.
    let log = Gate::new();
    server.inject(Fault::new("GET", "/log", Answer::After(log.clone())));
    let program = server.program("web-0", "dbg");
    let running = env.start(DEBUG);
    program.starts();
    program.is_attached(1);
    program.writes("out\n");
    program.complains("err\n");
    log.is_reached();
    log.open();
    running.stdout_until("out\n");
    running.stderr_until("err\n");
    program.exits(0);
    let output = running.finish();
    assert_eq!((output.stdout.as_str(), output.code), ("out\n", 0), "{output}");
}

#[test]
fn a_connection_that_is_cut_loses_nothing() {
    let (_env, _server, program, running) = begin("");
    program.starts();
    program.is_attached(1);
    program.writes("one\n");
    running.stdout_until("one\n");
    program.attach_is_cut();
    program.writes("two\n");
    program.is_attached(2);
    program.writes("three\n");
    program.exits(0);
    check(
        &running.finish(),
        &format!("one\ntwo\nthree\n{}", stays_after_lines_of_the_log()),
    );
}

#[test]
fn a_frame_that_is_cut_in_the_middle_is_shown_once() {
    let (_env, _server, program, running) = begin("");
    program.starts();
    program.is_attached(1);
    program.writes("one\n");
    running.stdout_until("one\n");
    program.attach_is_cut_within("two, of which only a part arrives\n");
    program.is_attached(2);
    program.writes("three\n");
    program.exits(0);
    check(
        &running.finish(),
        &format!(
            "one\ntwo, of which only a part arrives\nthree\n{}",
            stays_after_lines_of_the_log()
        ),
    );
}

#[test]
fn a_log_that_is_cut_is_read_again() {
    let (_env, _server, program, running) = begin("");
    program.writes_unheard("early\n");
    program.starts();
    program.log_is_read(1);
    program.log_is_cut();
    program.is_attached(1);
    program.writes("late\n");
    program.exits(0);
    check(
        &running.finish(),
        &format!("early\nlate\n{}", stays_after_lines_of_the_log()),
    );
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let (_env, server, program, running) = begin("");
    program.starts();
    program.is_attached(1);
    program.writes("before\n");
    running.stdout_until("before\n");
    server.goes_down();
    program.attach_is_cut();
    program.writes("meanwhile\n");
    server.comes_up();
    program.is_attached(2);
    program.writes("after\n");
    program.exits(0);
    check(
        &running.finish(),
        &format!("before\nmeanwhile\nafter\n{}", stays_after_lines_of_the_log()),
    );
}

/// A program that fails may have broken the connection itself, by ending with input unread; one that succeeds did so on a part.
#[test]
fn input_that_is_cut_is_told_and_a_failure_keeps_its_exit_code() {
    for (code, wanted, told) in [
        (
            4,
            4,
            "Warning: the connection broke before all of standard input was sent: the program failed",
        ),
        (
            0,
            125,
            "error: the connection broke before all of standard input was sent: the program did not get the rest",
        ),
    ] {
        let (_env, _server, program, mut running) = begin("-i -q");
        program.starts();
        running.write("hello\n");
        program.reads_until("hello\n");
        program.attach_is_cut();
        program.exits(code);
        let output = running.finish_with_open_stdin();
        assert_eq!(output.code, wanted, "{output}");
        assert!(output.stderr.contains(told), "{output}");
    }
}

#[test]
fn input_reaches_the_program() {
    let (_env, _server, program, mut running) = begin("-i -q");
    program.starts();
    running.write("hello\n");
    program.reads_until("hello\n");
    program.writes("hello to you\n");
    program.exits(0);
    let output = running.finish_with_open_stdin();
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str(), output.code),
        ("hello to you\n", "", 0)
    );
}

/// With this answer to the attach, the log is shown instead, with the reason.
fn is_shown_the_log(answer: Answer, told: &str) {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new("GET", "/attach", answer));
    let program = server.program("web-0", "dbg");
    let running = env.start(DEBUG);
    program.starts();
    program.writes("out\n");
    program.log_is_read(1);
    program.exits(4);
    check(
        &running.finish(),
        &format!(
            r#"out
--- stderr ---
Warning: couldn't attach, showing the log instead: {told}
Note: lines that only the container's log has are on standard output, whichever stream they were written to.
Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
--- exit code 4 ---
"#
        ),
    );
}

#[test]
fn without_the_right_to_attach_the_log_is_shown() {
    is_shown_the_log(
        Answer::forbidden("pods \"web-0\" is forbidden: no attach"),
        r#"Error from server (Forbidden): pods "web-0" is forbidden: no attach"#,
    );
}

#[test]
fn without_websockets_the_log_is_shown_with_the_reason() {
    for (code, told) in [
        (
            200,
            "the server, or a proxy before it, lets no WebSocket through, and SPDY is not spoken here: failed to switch protocol: 200 OK",
        ),
        (
            403,
            "Error from server (Failed to parse error data): <html>no</html> (a proxy that refuses WebSockets? SPDY is not spoken here)",
        ),
    ] {
        is_shown_the_log(Answer::text(code, "<html>no</html>"), told);
    }
}

#[test]
fn without_the_right_to_read_the_log_a_note_says_what_is_missing() {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new(
        "GET",
        "/log",
        Answer::forbidden("pods \"web-0\" is forbidden: no log"),
    ));
    let program = server.program("web-0", "dbg");
    let running = env.start(DEBUG);
    program.starts();
    program.is_attached(1);
    program.writes("out\n");
    running.stdout_until("out\n");
    program.exits(0);
    check(
        &running.finish(),
        r#"out
--- stderr ---
Warning: the log cannot be read, so what the program wrote before we attached is not shown: Error from server (Forbidden): pods "web-0" is forbidden: no log
Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
"#,
    );
}

#[test]
fn permanent_failures_are_reported_at_once() {
    for (reason, message, wanted) in [
        (
            "InvalidImageName",
            "couldn't parse image name",
            r#"--- stderr ---
error: container "dbg" of pod "web-0" does not start: InvalidImageName: couldn't parse image name
  Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
hint: --image must name an image
--- exit code 125 ---
"#,
        ),
        (
            "CreateContainerConfigError",
            "secret \"s\" not found",
            r#"--- stderr ---
error: container "dbg" of pod "web-0" does not start: CreateContainerConfigError: secret "s" not found
  Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
  If it starts later, come back with: trocar attach pod/web-0:dbg -n default
hint: the container asks for what the pod does not have or may not do; trocar plan shows it, --profile and --custom change it
--- exit code 125 ---
"#,
        ),
        (
            "ErrImageNeverPull",
            "image is not present",
            r#"--- stderr ---
error: container "dbg" of pod "web-0" does not start: ErrImageNeverPull: image is not present
  Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
hint: the image is not on the node, and --image-pull-policy=Never forbids to pull it
--- exit code 125 ---
"#,
        ),
    ] {
        let (_env, _server, program, running) = begin("");
        program.waits(reason, message);
        check(&running.finish(), wanted);
    }
}

#[test]
fn a_command_that_does_not_exist_never_ran() {
    let (_env, _server, program, running) = begin("-- nosuch");
    program.starts_unnoticed();
    program.exits_unnoticed();
    program.status_says(&json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "exec: \"nosuch\": not found"}}));
    check(
        &running.finish(),
        r#"--- stderr ---
error: container "dbg" of pod "web-0" does not start: StartError: exec: "nosuch": not found
  Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
hint: check the command: the word after -- must be an executable in the image
--- exit code 125 ---
"#,
    );
}

/// A copy's container starts again and again. Between the kubelet's knowledge that the first start failed and the status that says
/// it, its log can be opened, and is empty: that does not mean that it ran.
#[test]
fn a_command_that_does_not_exist_never_ran_although_its_log_can_be_read() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("copy", "dbg");
    program.is_known_to_its_kubelet();
    let running = env.start(&format!("{DEBUG} --copy-to=copy -- nosuch"));
    program.waits("ContainerCreating", "");
    server.change_pod("copy", |pod| pod["spec"]["nodeName"] = "node-1".into());
    program.log_is_read(1);
    program.status_says(&json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "exec: \"nosuch\": not found"}}));
    check(
        &running.finish(),
        r#"--- stderr ---
error: container "dbg" of pod "copy" does not start: StartError: exec: "nosuch": not found
  Pod copy stays in namespace default. Remove it with: kubectl delete pod copy -n default
hint: check the command: the word after -- must be an executable in the image
--- exit code 125 ---
"#,
    );
}

#[test]
fn an_image_that_cannot_be_pulled_is_given_up_with_the_events() {
    let (_env, server, program, running) = begin("");
    let uid = server.object("Pod", "default", "web-0").unwrap()["metadata"]["uid"].clone();
    server.put(json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}, "type": "Warning",
        "reason": "Failed", "message": "no such host", "involvedObject": {"uid": uid, "fieldPath": "spec.ephemeralContainers{dbg}"}}));
    program.waits("ImagePullBackOff", "Back-off pulling image \"busybox:1.36\"");
    check(
        &running.finish(),
        r#"--- stderr ---
error: container "dbg" of pod "web-0" does not start: ImagePullBackOff: Back-off pulling image "busybox:1.36"
  event: Failed: no such host
  Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
  If it starts later, come back with: trocar attach pod/web-0:dbg -n default
hint: check the image's name, and whether the node may pull from that registry
--- exit code 125 ---
"#,
    );
}

#[test]
fn a_container_that_does_not_start_in_time() {
    let (_env, _server, program, running) = begin("--pod-running-timeout=300ms");
    program.waits("ContainerCreating", "");
    check(
        &running.finish(),
        r#"--- stderr ---
error: container "dbg" of pod "web-0" did not start within 0.3 s: ContainerCreating
  Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
  If it starts later, come back with: trocar attach pod/web-0:dbg -n default
hint: --pod-running-timeout sets how long to wait
--- exit code 125 ---
"#,
    );
}

#[test]
fn a_pod_that_is_deleted_while_waiting() {
    let (_env, server, program, running) = begin("");
    program.waits("ContainerCreating", "");
    server.delete_pod("web-0");
    check(
        &running.finish(),
        r#"--- stderr ---
error: pod "web-0" was deleted
hint: if a workload owns it, debug the pod that takes its place
--- exit code 125 ---
"#,
    );
}

fn refused_before(change: impl Fn(&mut Value), wanted: &str) {
    let mut unfit = pod("web-0");
    change(&mut unfit);
    let (env, server) = online([unfit]);
    check(&env.run(DEBUG), wanted);
    assert!(server.writes().is_empty());
}

#[test]
fn pods_in_which_no_container_can_start_are_not_changed() {
    refused_before(
        |pod| pod["status"]["phase"] = json!("Succeeded"),
        r"--- stderr ---
error: pod/web-0: the pod has finished: its phase is Succeeded
  nothing was changed
hint: no container starts in a finished pod; --copy-to=NAME debugs a copy of it
--- exit code 125 ---
",
    );
    refused_before(
        |pod| pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        r"--- stderr ---
error: pod/web-0: the pod is being deleted
  nothing was changed
hint: debug the pod that takes its place, or a copy with --copy-to=NAME
--- exit code 125 ---
",
    );
    refused_before(
        |pod| pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"}),
        r"--- stderr ---
error: pod/web-0: the pod is a static pod: its kubelet never starts an ephemeral container in it
  nothing was changed
hint: --copy-to=NAME debugs a copy of it, or debug its node with node/NAME
--- exit code 125 ---
",
    );
}

#[test]
fn watches_that_fail_are_opened_again() {
    for answer in [
        Answer::expired_event(),
        Answer::refusal(410, "Expired", "too old resource version"),
        Answer::too_many_requests(1),
        Answer::unavailable(),
        Answer::text(200, "{\"type\": \"MODIFIED\", \"obj"),
        Answer::Cut,
    ] {
        let (env, server) = online([pod("web-0")]);
        server.inject(
            Fault::new("GET", "/pods", answer)
                .with_query("watch", "true")
                .times(2),
        );
        let program = server.program("web-0", "dbg");
        let running = env.start(DEBUG);
        program.starts();
        program.is_attached(1);
        program.writes("here\n");
        // The end may be known before the client has the answer to its attach.
        running.stdout_until("here\n");
        program.exits(0);
        check(&running.finish(), &format!("here\n{STAYS}"));
    }
}

#[test]
fn an_event_of_another_shape_ends_the_session_with_an_error() {
    for event in [
        "[]",
        "5",
        "null",
        "{\"type\": [], \"object\": \"x\"}",
        "{\"type\": \"ADDED\"}",
    ] {
        let (env, server) = online([pod("web-0")]);
        let watch = Fault::new("GET", "/pods", Answer::text(200, &format!("{event}\n")));
        server.inject(watch.with_query("watch", "true"));
        let output = env.run(DEBUG);
        assert_eq!(output.code, 125, "{event}: {output}");
        let error = "error: the server's answer is not valid: watch pods in namespace \"default\": an event without an object\n";
        assert!(output.stderr.starts_with(error), "{event}: {output}");
    }
}

#[test]
fn without_the_right_to_watch_the_pod_is_polled() {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new("GET", "/pods", Answer::forbidden("no watch")).with_query("watch", "true"));
    let program = server.program("web-0", "dbg");
    let running = env.start(DEBUG);
    program.starts();
    program.is_attached(1);
    program.writes("here\n");
    program.exits(5);
    check(&running.finish(), &format!("here\n{STAYS}--- exit code 5 ---\n"));
}

#[test]
fn a_reader_that_went_away_ends_the_session_quietly() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("web-0", "dbg");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = env.command(DEBUG.split(' '));
    command
        .stdin(std::process::Stdio::null())
        .stdout(writer)
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    // The command holds the writing end as well.
    drop(command);
    drop(reader);
    program.starts();
    program.is_attached(1);
    program.writes("not read by any client\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("Container dbg stays listed") && !said.contains("error"),
        "{said}"
    );
}

#[test]
fn many_targets_end_in_a_table() {
    let (env, server) = online([pod("a"), pod("b")]);
    let running = env.start("debug a b --image=busybox:1.36 -c dbg --attach -q");
    for (name, code) in [("a", 0), ("b", 7)] {
        let program = server.program(name, "dbg");
        program.starts();
        program.is_attached(1);
        program.writes(&format!("from {name}\n"));
        program.exits(code);
    }
    let output = running.finish();
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["[pod/a] from a", "[pod/b] from b"]);
    assert_eq!(
        output.stderr,
        "TARGET   POD   CONTAINER   RESULT\npod/a    a     dbg         exit code 0\npod/b    b     dbg         exit code 7\n"
    );
    assert_eq!(output.code, 7);
}

#[test]
fn a_missing_terminal_is_reported() {
    let (_env, _server, program, running) = begin("-it -q");
    program.starts();
    program.is_attached(1);
    program.writes("plain\r\n");
    program.exits(0);
    check(
        &running.finish_with_open_stdin(),
        "plain\r
--- stderr ---
Unable to use a TTY - input is not a terminal or the right kind of file
",
    );
}

#[test]
fn a_terminal_is_raw_while_attached_and_sane_afterwards() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("web-0", "dbg");
    let mut terminal = env.start_on_terminal("debug -it web-0 --image=busybox:1.36 -c dbg -q");
    program.starts();
    program.is_attached(1);
    program.is_resized_to(80, 24);
    program.writes("/ # ");
    terminal.read_until("/ # ");
    assert!(!terminal.is_sane());
    terminal.resize(100, 30);
    program.is_resized_to(100, 30);
    terminal.write("exit\r");
    program.reads_until("exit\r");
    program.writes("exit\r\n");
    program.exits(9);
    assert_eq!(terminal.wait(), 9);
    terminal.read_to_end();
    assert!(terminal.is_sane());
}

#[test]
fn detach_keys_detach_with_a_note_on_how_to_rejoin() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("web-0", "dbg");
    let mut terminal = env.start_on_terminal("debug -it web-0 --image=busybox:1.36 -c dbg");
    program.starts();
    program.is_attached(1);
    program.writes("/ # ");
    terminal.read_until("/ # ");
    terminal.write("\x10\x11");
    terminal.read_until("come back with: trocar attach pod/web-0:dbg -n default");
    assert_eq!(terminal.wait(), 0);
    terminal.read_to_end();
    assert!(terminal.is_sane());
}

#[test]
fn a_terminal_is_sane_even_after_a_kill() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("web-0", "dbg");
    // As usual, the terminal belongs to a shell.
    let mut terminal = env.start_under_shell("debug -it web-0 --image=busybox:1.36 -c dbg -q");
    program.starts();
    program.is_attached(1);
    program.writes("/ # ");
    terminal.read_until("/ # ");
    assert!(!terminal.is_sane());
    terminal.kill_child();
    terminal.read_until("ended 137");
    terminal.becomes_sane();
}

#[test]
fn ctrl_c_while_waiting_says_what_stays() {
    let (_env, server, program, mut running) = begin("");
    program.waits("ContainerCreating", "");
    // From then on there is a session.
    server.wait_for_request("GET", "/attach");
    running.interrupt();
    check(
        &running.finish_with_open_stdin(),
        r"--- stderr ---
Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.
If it still runs, come back with: trocar attach pod/web-0:dbg -n default
--- exit code 130 ---
",
    );
}
