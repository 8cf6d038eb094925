//! `--rm`: the created pod is deleted when its program or trocar ends, for any reason, and stays after a detach.
//!
//! The test simulates the kubelet. Deleted pods are gone at once.

use std::fs;

use expect_test::expect;
use rustix::process::Signal;
use serde_json::{Value, json};
use trocar_test_support::{Answer, FakeApiServer, Fault, Gate, Program, Running, Terminal, TestEnv};

use crate::{check, configure, knows, misused, node, online, pod, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg --copy-to=copy --rm --attach";

const CREATE: &str = "POST /api/v1/namespaces/default/pods";
const DELETE: &str = "DELETE /api/v1/namespaces/default/pods/copy";

fn begin(flags: &str) -> (TestEnv, FakeApiServer, Program, Running) {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("copy", "dbg");
    let running = env.start(&format!("{DEBUG} {flags}"));
    (env, server, program, running)
}

/// A session with a running program.
fn attached(program: &Program, running: &Running) {
    program.starts();
    program.is_attached(1);
    program.writes("here\n");
    running.stdout_until("here\n");
}

/// A session on a terminal after the detach keys were pressed.
fn left() -> (TestEnv, FakeApiServer, Program, Terminal) {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("copy", "dbg");
    let mut terminal =
        env.start_on_terminal("debug -it web-0 --image=busybox:1.36 -c dbg --copy-to=copy --rm");
    program.starts();
    program.is_attached(1);
    program.writes("/ # ");
    terminal.read_until("/ # ");
    terminal.write("\x10\x11");
    (env, server, program, terminal)
}

fn uid(server: &FakeApiServer) -> Value {
    server.object("Pod", "default", "copy").unwrap()["metadata"]["uid"].clone()
}

#[test]
fn the_pod_goes_when_its_program_has_ended_and_is_known_by_its_unique_id() {
    let (_env, server, program, running) = begin("");
    attached(&program, &running);
    let uid = uid(&server);
    program.exits(3);
    check(
        &running.finish(),
        expect![[r#"
            here
            --- stderr ---
            Pod copy was deleted.
            --- exit code 3 ---
        "#]],
    );
    assert_eq!(touched(&server), [CREATE, DELETE]);
    let deletion = server.writes().pop().unwrap().body.unwrap();
    assert_eq!(deletion["preconditions"], json!({"uid": uid}));
}

#[test]
fn the_pod_goes_with_every_signal_that_ends_trocar() {
    for (signal, code) in [
        (Signal::INT, 130),
        (Signal::TERM, 143),
        (Signal::HUP, 129),
        (Signal::KILL, 137),
    ] {
        let (_env, server, program, mut running) = begin("");
        attached(&program, &running);
        running.signal(signal);
        server.wait_until_gone("Pod", "copy");
        let output = running.finish_with_open_stdin();
        assert_eq!(output.code, code, "{output}");
        let told = if signal == Signal::KILL {
            ""
        } else {
            "Pod copy was deleted.\n"
        };
        assert_eq!(output.stderr, told);
    }
}

#[test]
fn the_pod_goes_when_trocar_is_killed_before_it_knows_that_there_is_one() {
    let (env, server) = online([pod("web-0")]);
    let gate = Gate::new();
    server.inject(Fault::new("POST", "/pods", Answer::After(gate.clone())).times(1));
    let mut running = env.start(DEBUG);
    gate.is_reached();
    running.signal(Signal::KILL);
    gate.open();
    server.wait_for_request("DELETE", "/pods/copy");
    server.wait_until_gone("Pod", "copy");
    assert_eq!(running.finish_with_open_stdin().code, 137);
}

#[test]
fn a_pod_of_the_same_name_that_another_made_stays() {
    let (env, server) = online([pod("web-0"), pod("copy")]);
    let output = env.run(DEBUG);
    assert_eq!(output.code, 125, "{output}");
    assert!(output.stderr.contains("already exists"), "{output}");
    assert!(server.object("Pod", "default", "copy").is_some());
    assert_eq!(touched(&server), [CREATE]);

    // Also if it is not known yet that our pod was not created.
    let gate = Gate::new();
    server.inject(Fault::new("POST", "/pods", Answer::After(gate.clone())).times(1));
    let mut running = env.start(DEBUG);
    gate.is_reached();
    running.signal(Signal::KILL);
    gate.open();
    running.finish_with_open_stdin();
    assert!(server.object("Pod", "default", "copy").is_some());
    assert_eq!(touched(&server), [CREATE, CREATE]);
}

#[test]
fn a_pod_that_took_the_place_of_ours_stays() {
    let (_env, server, program, mut running) = begin("");
    attached(&program, &running);
    server.change_pod("copy", |pod| pod["metadata"]["uid"] = json!("another"));
    running.interrupt();
    running.finish_with_open_stdin();
    assert!(server.object("Pod", "default", "copy").is_some());
}

#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        let (_env, server, program, mut running) = begin("");
        attached(&program, &running);
        server.inject(Fault::new("DELETE", "/pods/copy", Answer::Cut).times(2));
        server.inject(Fault::new("DELETE", "/pods/copy", Answer::unavailable()).times(2));
        match signal {
            Some(signal) => running.signal(signal),
            None => program.exits(0),
        }
        server.wait_until_gone("Pod", "copy");
        running.finish_with_open_stdin();
    }
}

#[test]
fn a_session_that_is_left_keeps_the_pod_and_the_one_that_comes_back_deletes_it() {
    let (env, server, program, mut terminal) = left();
    terminal
        .read_until("Pod copy stays in namespace default, and is deleted at the end of a session with it.");
    terminal.read_until("come back with: trocar attach pod/copy:dbg -n default");
    assert_eq!(terminal.wait(), 0);
    // The process that would delete it has ended, too: the terminal is released.
    terminal.read_to_end();
    assert_eq!(touched(&server), [CREATE]);

    let running = env.start("attach copy");
    program.is_attached(2);
    program.exits(7);
    let output = running.finish();
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (7, "Pod copy was deleted.\n"),
        "{output}"
    );
    assert_eq!(touched(&server), [CREATE, DELETE]);
}

#[test]
fn a_session_that_was_come_back_to_and_is_killed_leaves_no_pod() {
    let (env, server, program, mut terminal) = left();
    assert_eq!(terminal.wait(), 0);
    let mut running = env.start("attach copy");
    program.is_attached(2);
    running.signal(Signal::KILL);
    server.wait_until_gone("Pod", "copy");
    running.finish_with_open_stdin();
}

#[test]
fn of_several_pods_each_goes_with_its_own_program_and_all_with_trocar() {
    let several =
        "debug node/n1 node/n2 --image=busybox:1.36 --suffix=abc12 --rm --attach -q --pod-running-timeout=1m";
    let names = ["node-debugger-n1-abc12", "node-debugger-n2-abc12"];
    for is_killed in [false, true] {
        let (env, server) = online([node("n1"), node("n2")]);
        let mut running = env.start(several);
        let programs = names.map(|name| server.program(name, "debugger"));
        programs.iter().for_each(Program::starts);
        programs.iter().for_each(|program| program.is_attached(1));
        programs[0].exits(0);
        server.wait_until_gone("Pod", names[0]);
        assert!(server.object("Pod", "default", names[1]).is_some());
        match is_killed {
            true => running.signal(Signal::KILL),
            false => programs[1].exits(0),
        }
        server.wait_until_gone("Pod", names[1]);
        let code = running.finish_with_open_stdin().code;
        assert_eq!(code, if is_killed { 137 } else { 0 });
    }
}

#[test]
fn a_session_that_another_person_comes_back_to_deletes_nothing() {
    let (mut env, server, program, mut terminal) = left();
    assert_eq!(terminal.wait(), 0);
    let other = env.folder().join("other");
    fs::create_dir(&other).unwrap();
    env.set("HOME", &other.display().to_string());
    let running = env.start("attach copy -q");
    program.is_attached(2);
    program.exits(0);
    check(
        &running.finish(),
        expect![[r#"
        / # [no line end]
    "#]],
    );
    assert!(server.object("Pod", "default", "copy").is_some());
}

#[test]
fn a_container_that_does_not_start_is_no_reason_to_keep_the_pod() {
    let (_env, server, program, running) = begin("");
    program.waits("InvalidImageName", "couldn't parse image name");
    check(
        &running.finish(),
        expect![[r#"
            --- stderr ---
            error: container "dbg" of pod "copy" does not start: InvalidImageName: couldn't parse image name
              Pod copy was deleted.
            hint: --image must name an image
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(touched(&server), [CREATE, DELETE]);
}

#[test]
fn a_pod_that_was_stored_with_more_than_the_policies_allow_goes_at_once() {
    let (env, server) = online([pod("web-0")]);
    configure(
        &env,
        "policies: [{name: privilege-ceiling, settings: {level: baseline}}]\n",
    );
    server.inject(Fault::new(
        "POST",
        "/pods",
        Answer::stored_as(|pod| {
            let containers = pod["spec"]["containers"].as_array_mut().unwrap();
            containers[1]["securityContext"] = json!({"privileged": true});
        }),
    ));
    let output = env.run(&format!("{DEBUG} --profile=baseline"));
    assert_eq!(output.code, 125, "{output}");
    assert!(!output.stderr.contains("stays"), "{output}");
    assert_eq!(touched(&server), [CREATE, DELETE]);
}

#[test]
fn rm_without_the_right_to_delete_is_refused_before_anything_is_created() {
    let (env, server) = online([pod("web-0")]);
    for (typed, wanted, hint) in [
        (
            "debug web-0 --image=busybox:1.36 --rm --attach",
            "--rm: pod/web-0 is debugged with an ephemeral container, which stays until its pod ends",
            "--copy-to debugs a copy",
        ),
        (
            "debug web-0 --image=busybox:1.36 --copy-to=copy --rm",
            "--rm needs a session: it deletes the pod when the session ends",
            "--attach waits until the program ends",
        ),
        (
            "debug web-0 --image=busybox:1.36 --copy-to=copy --rm -i --attach=false",
            "--rm needs a session: it deletes the pod when the session ends",
            "--ttl=30m ends a pod without a session",
        ),
        (
            "debug web-0 --image=busybox:1.36 --copy-to=copy --rm --attach --replace",
            "--rm cannot be used with --replace: the copy takes the workload's place",
            "trocar clean pod/NAME",
        ),
    ] {
        misused(&env, typed, wanted, hint);
    }
    assert!(touched(&server).is_empty());
}

fn may_not_delete(server: &FakeApiServer) {
    let review = json!({"status": {"allowed": false}});
    server.inject(Fault::new(
        "POST",
        "/selfsubjectaccessreviews",
        Answer::status(201, &review),
    ));
}

#[test]
fn the_right_to_delete_is_asked_for_before_anything_is_made() {
    let (env, server) = online([pod("web-0")]);
    may_not_delete(&server);
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: --rm: you may not delete pods in namespace default
              nothing was changed
            hint: ask for {apiGroups: [""], resources: ["pods"], verbs: ["delete"]}, or let the pod end by itself: --ttl=30m
            --- exit code 125 ---
        "#]],
    );
    assert!(touched(&server).is_empty());
    let review = server.writes().pop().unwrap().body.unwrap();
    assert_eq!(
        review["spec"]["resourceAttributes"],
        json!({"namespace": "default", "verb": "delete", "resource": "pods", "name": "copy"})
    );
}

#[test]
fn the_default_holds_where_it_can_and_is_ignored_elsewhere() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "defaults: {rm: true, ttl: 2h}\n");
    let view = env.run("config view").stdout;
    for wanted in [
        "config.yaml:3:12 (user)\n  rm: true\n",
        "config.yaml:3:22 (user)\n  ttl: 2h\n",
    ] {
        assert!(view.contains(wanted), "{wanted}: {view}");
    }
    knows(&server, "eve", &[]);
    // An ephemeral container, and a debug without a session.
    let running = env.start("debug web-0 --image=busybox:1.36 -c dbg --attach -q");
    let program = server.program("web-0", "dbg");
    program.starts();
    program.exits(0);
    assert_eq!(running.finish().code, 0);
    let asks = |line: &String| line.ends_with("/selfsubjectaccessreviews");
    assert!(
        !server.request_lines().iter().any(asks),
        "there is nothing to delete"
    );
    assert_eq!(
        env.run("debug web-0 --image=busybox:1.36 --copy-to=alone -q")
            .code,
        0
    );
    let alone = server.object("Pod", "default", "alone").unwrap();
    assert_eq!(alone["spec"]["activeDeadlineSeconds"], 7170);

    let running = env.start("debug web-0 --image=busybox:1.36 -c dbg --copy-to=copy --attach -q");
    let program = server.program("copy", "dbg");
    program.starts();
    program.exits(0);
    assert_eq!(running.finish().code, 0);
    assert!(server.object("Pod", "default", "copy").is_none());

    // The flag is stronger.
    let kept = "debug web-0 --image=busybox:1.36 -c dbg --copy-to=kept --attach -q --rm=false --ttl=1h";
    let running = env.start(kept);
    let program = server.program("kept", "dbg");
    program.starts();
    program.exits(0);
    assert_eq!(running.finish().code, 0);
    let kept = server.object("Pod", "default", "kept").unwrap();
    assert_eq!(kept["spec"]["activeDeadlineSeconds"], 3570);

    // Without the right the debug goes on, and says so.
    may_not_delete(&server);
    let running = env.start("debug web-0 --image=busybox:1.36 -c dbg --copy-to=stays --attach");
    let program = server.program("stays", "dbg");
    program.starts();
    program.exits(0);
    let output = running.finish();
    let told = "Warning: you may not delete pods in namespace default, so what is created stays\n";
    assert!(output.code == 0 && output.stderr.starts_with(told), "{output}");

    // The workload does not end with a session, and has no time to live.
    let running = env.start("debug web-0 --image=busybox:1.36 -c dbg --copy-to=new --replace --attach -q");
    let program = server.program("new", "dbg");
    program.starts();
    program.exits(0);
    assert_eq!(running.finish().code, 0);
    let new = server.object("Pod", "default", "new").unwrap();
    assert!(new["spec"]["activeDeadlineSeconds"].is_null());
}

#[test]
fn cleaners_find_their_marks_and_policies_see_them_as_the_hosts() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "cleaners: [kyverno, kube-janitor]\n");
    let output = env.run("debug web-0 --image=busybox:1.36 --copy-to=copy --ttl=1h -q");
    check(&output, "");
    let copy = server.object("Pod", "default", "copy").unwrap();
    assert_eq!(copy["metadata"]["labels"]["cleanup.kyverno.io/ttl"], "3600s");
    assert_eq!(copy["metadata"]["annotations"]["janitor/ttl"], "3600s");
    // They are part of the plan, so policies see them.
    let plan = env.run("debug web-0 --image=busybox:1.36 --copy-to=two --ttl=1h --dry-run -o json");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let labels = &plan["steps"][0]["object"]["metadata"]["labels"];
    assert_eq!(labels["cleanup.kyverno.io/ttl"], "3600s");
    assert!(plan["beyondOptions"].is_null(), "{plan}");
    // Without a time there is nothing to clean.
    assert_eq!(
        env.run("debug web-0 --image=busybox:1.36 --copy-to=three -q")
            .code,
        0
    );
    let three = server.object("Pod", "default", "three").unwrap();
    assert!(three["metadata"]["labels"]["cleanup.kyverno.io/ttl"].is_null());
    let view = env.run("config view").stdout;
    assert!(view.contains("config.yaml:3:12 (user)\n- kyverno\n"), "{view}");
}

/// The processes that a process has started.
fn children(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}

#[test]
fn the_other_process_has_its_credentials_neither_in_arguments_nor_in_its_environment() {
    const CANARY: &str = "zanzibarzanzibar";
    let (env, server) = online([pod("web-0")]);
    let program = server.program("copy", "dbg");
    let address = server.url().replace("http://", &format!("http://jane:{CANARY}@"));
    let mut running = env.start(&format!("{DEBUG} -s {address}"));
    attached(&program, &running);
    let others = children(running.id());
    assert_eq!(others.len(), 1);
    for part in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{}/{part}", others[0])).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(CANARY), "{part}: {text}");
    }
    running.signal(Signal::KILL);
    server.wait_until_gone("Pod", "copy");
    let deletion = server.writes().pop().unwrap();
    assert!(deletion.headers["authorization"].starts_with("Basic "));
    running.finish_with_open_stdin();
}

#[test]
fn ctrl_c_on_the_terminal_and_its_end_do_not_reach_the_other_process() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("copy", "dbg");
    let running = env.start(DEBUG);
    attached(&program, &running);
    let other = children(running.id())[0];
    let stat = fs::read_to_string(format!("/proc/{other}/stat")).unwrap();
    // Behind the name: state, parent, process group, session.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(fields[2..4], [other.to_string(), other.to_string()]);
    program.exits(0);
    assert_eq!(running.finish().code, 0);
}

#[test]
fn ctrl_c_while_the_container_does_not_run_yet_leaves_no_pod() {
    let (env, server) = online([pod("web-0")]);
    let program = server.program("copy", "dbg");
    let mut terminal =
        env.start_on_terminal("debug -it web-0 --image=busybox:1.36 -c dbg --copy-to=copy --rm");
    program.waits("ContainerCreating", "");
    terminal.read_until("ContainerCreating");
    // The terminal sends the signal to its whole process group.
    terminal.write("\x03");
    terminal.read_until("Pod copy was deleted.");
    assert_eq!(terminal.wait(), 130);
    assert!(server.object("Pod", "default", "copy").is_none());
}

#[test]
fn another_text_than_messages_removes_nothing() {
    let (env, server) = online([pod("web-0")]);
    for text in [
        "",
        "\n",
        "{}\n",
        "{\"pod\": 5}\n",
        "{\"connection\": {\"server\": \"SECRET\"}}\n",
    ] {
        let output = env.run_fed("__remove-pods", text);
        assert!(!output.to_string().contains("SECRET"), "{output}");
        assert_eq!(output.code, i32::from(!text.is_empty()), "{text:?}: {output}");
    }
    assert!(server.requests().is_empty());
}
