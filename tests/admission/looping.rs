//! Policies that never return, and more reviews than can be judged at once.

use std::thread;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use trocar_test_support::TestEnv;

use crate::{
    Server, adds, as_sent,
    client::{Client, head},
    configure, guest, large, response,
};

/// A policy that allows everything, and never ends where the plan names `loop.example`.
fn policy(env: &TestEnv) -> String {
    let component = guest::component_of("allows", |text| {
        text.replace(
            "(func $judge (type $evaluate) (call $decide (i32.const 0)))",
            "(data (i32.const 1024) \"loop.example\\00\")
             (func $judge (type $evaluate)
               (if (call $holds (local.get 0) (local.get 1) (i32.const 1024)) (then (loop $again (br $again))))
               (call $decide (i32.const 0)))",
        )
    });
    let (plugin, _) = trocar::plugin::pack(&component, &guest::manifest("allows")).unwrap();
    env.write_bytes("allows.wasm", &plugin);
    let digest = Sha256::digest(&plugin);
    format!(
        "plugins: [{{name: allows, file: allows.wasm, digest: \"sha256:{digest:x}\"}}]\npolicies: [{{name: allows}}]\n"
    )
}

fn start(flags: &str) -> Server {
    let env = TestEnv::new(crate::SERVER);
    let config = policy(&env);
    Server::start_in(env, &config, &format!("--plain-http --policy-time 1500 {flags}"))
}

#[test]
fn a_policy_that_does_not_end_in_time_denies() {
    let server = start("");
    assert_eq!(server.validate(&adds("busybox"))["allowed"], true);
    let denied = server.validate(&adds("loop.example/a"));
    assert_eq!(denied["allowed"], false);
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("policy allows") && message.contains("time limit of 1500ms"),
        "{message}"
    );
}

#[test]
fn the_answer_comes_before_the_api_server_gives_up() {
    let server = start("");
    let body = as_sent(&adds("loop.example/a"));
    let denied = response(&server.client().post("/validate?timeout=1s", &body));
    assert_eq!(
        (&denied["allowed"], &denied["status"]["code"]),
        (&json!(false), &json!(503))
    );
    assert!(
        denied["status"]["message"]
            .as_str()
            .unwrap()
            .contains("did not judge it in time"),
        "{denied}"
    );
}

#[test]
fn endless_policies_do_not_block_health_and_reviews_that_wait_too_long_are_denied() {
    let server = start("--judging 2");
    thread::scope(|scope| {
        let looping: Vec<_> = (0..2)
            .map(|_| {
                let mut client = server.client();
                let body = as_sent(&adds("loop.example/a"));
                scope.spawn(move || response(&client.post("/validate", &body)))
            })
            .collect();
        // Both run once a third one has to wait.
        let late = loop {
            let body = as_sent(&adds("busybox"));
            let answer = response(&server.client().post("/validate?timeout=1s", &body));
            if answer["allowed"] == false || looping.iter().all(|one| one.is_finished()) {
                break answer;
            }
        };
        assert_eq!(server.client().get("/livez").status, 200);
        for one in looping {
            assert_eq!(one.join().unwrap()["allowed"], false);
        }
        if late["allowed"] == false {
            assert!(
                late["status"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("is overloaded"),
                "{late}"
            );
        }
    });
    assert_eq!(server.validate(&adds("busybox"))["allowed"], true);
}

#[test]
fn a_request_that_adds_very_many_containers_gives_its_turn_back() {
    let server = Server::start_with(crate::IMAGES, "--judging 1");
    let mut many = adds("busybox");
    let containers = (0..5000).map(|index| json!({"name": format!("dbg-{index}"), "image": "busybox"}));
    many["request"]["object"]["spec"]["ephemeralContainers"] = containers.collect();
    let denied = response(&server.client().post("/validate?timeout=1s", &as_sent(&many)));
    assert_eq!(denied["allowed"], false, "{denied}");
    assert_eq!(server.validate(&adds("busybox"))["allowed"], true);
}

/// A server with a long time limit for policies, and its answer to a review.
fn patient(flags: &str) -> (Server, impl Fn(&str, &[u8]) -> String) {
    let env = TestEnv::new(crate::SERVER);
    let config = policy(&env);
    let server = Server::start_in(env, &config, &format!("--plain-http --policy-time 10000 {flags}"));
    let address = server.address;
    let told = move |path: &str, body: &[u8]| {
        let mut client = Client::plain(address);
        // An answer may come before the whole request was read, and be lost while the rest is being sent.
        let answer = client.try_post(path, body).or_else(|| client.try_answer());
        let Some(answer) = answer else {
            return "not received in time".to_owned();
        };
        let message = response(&answer)["status"]["message"].take();
        message.as_str().unwrap_or_default().to_owned()
    };
    (server, told)
}

/// Sends a review without waiting for the answer.
fn send(server: &Server, body: &[u8]) -> Client {
    let mut client = server.client();
    client.send(head("POST", "/validate?timeout=30s", body.len()).as_bytes());
    client.send(body);
    client
}

#[test]
fn waiting_reviews_count_for_the_capacity() {
    const ROOM: usize = 4;
    let (server, told) = patient("--judging 1");
    let forever = as_sent(&adds("loop.example/a"));
    // One after the other, and so for as long as a review may take.
    let looping = [(); 3].map(|()| send(&server, &forever));
    while !told("/validate?timeout=1s", &as_sent(&adds("busybox"))).contains("is overloaded") {}
    let large = large("busybox");
    // These wait in memory for as long as the endless ones run. They are all there once one more is not let in.
    let waiting = [(); ROOM].map(|()| send(&server, &large));
    while !told("/validate?timeout=5s", &large).contains("not received in time") {}
    let answers: Vec<String> = thread::scope(|scope| {
        let ask = |_| scope.spawn(|| told("/validate?timeout=1s", &large));
        let asking: Vec<_> = (0..2 * ROOM).map(ask).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let are_outside = answers
        .iter()
        .all(|answer| answer.contains("not received in time"));
    assert!(are_outside, "{answers:#?}");
    drop((looping, waiting));
}

#[test]
fn a_plugin_that_does_not_end_holds_up_no_other_review_while_there_are_turns() {
    let (server, told) = patient("--judging 3");
    let forever = as_sent(&adds("loop.example/a"));
    let looping = [(); 2].map(|()| send(&server, &forever));
    for _ in 0..50 {
        assert_eq!(told("/validate", &as_sent(&adds("busybox"))), "");
    }
    drop(looping);
}

#[test]
fn large_reviews_are_judged_one_after_the_other_and_small_ones_beside_them() {
    let (server, told) = patient("--judging 4");
    let looping = send(&server, &large("loop.example/a"));
    let large = large("busybox");
    let mut answers = (0..50).map(|_| told("/validate?timeout=1s", &large));
    assert!(answers.any(|answer| answer.contains("is overloaded")));
    assert_eq!(told("/validate?timeout=1s", &as_sent(&adds("busybox"))), "");
    drop(looping);
}

#[test]
fn a_policy_that_fails_at_the_simplest_debug_is_not_taken() {
    let env = TestEnv::new(crate::SERVER);
    let component = guest::plugin("ponders");
    env.write_bytes("ponders.wasm", &component);
    let digest = Sha256::digest(&component);
    configure(
        &env,
        &format!(
            "plugins: [{{name: ponders, file: ponders.wasm, digest: \"sha256:{digest:x}\"}}]\npolicies: [{{name: ponders, match: {{namespaces: [none]}}}}]\n"
        ),
    );
    let output =
        env.run("serve --config config.yaml --plain-http --listen 127.0.0.1:0 --no-cluster --policy-time 50");
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stderr.contains("fails at the simplest debug"), "{output}");
}
