//! Shutdown: requests in progress are answered, and clients are told to close their connections.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::process::Signal;
use serde_json::json;
use trocar_test_support::TestEnv;

use crate::{
    IMAGES, Server, adds, as_sent,
    client::{Client, head},
    response,
};

#[test]
fn a_request_that_is_under_way_is_answered_before_the_end() {
    let mut server = Server::start(IMAGES);
    let body = as_sent(&adds("busybox"));
    let mut client = server.client();
    client.send(head("POST", "/validate", body.len()).as_bytes());
    client.send(&body[..10]);
    // It is in progress once the server has read its head.
    assert_eq!(server.client().get("/livez").status, 200);
    server.running.signal(Signal::TERM);
    server.running.stderr_until("\"message\":\"ending\"");
    client.send(&body[10..]);
    assert_eq!(response(&client.answer())["allowed"], true);
    let output = server.running.finish();
    assert_eq!(output.code, 0, "{output}");
    assert!(output.stderr.contains("\"allAnswered\":true"), "{output}");
}

#[test]
fn while_it_lingers_it_answers_and_says_that_it_is_not_ready() {
    let env = TestEnv::new(crate::SERVER);
    crate::configure(&env, IMAGES);
    let mut running =
        env.start("serve --config config.yaml --plain-http --listen 127.0.0.1:0 --no-cluster --linger 3600");
    let log = running.stderr_until("\"message\":\"ready\"");
    let address = crate::address_in(&log, "listen").unwrap();
    let mut kept = Client::plain(address);
    assert_eq!(kept.get("/readyz").status, 200);
    running.interrupt();
    running.stderr_until("\"message\":\"ending\"");
    for (path, wanted) in [("/readyz", 503), ("/livez", 200)] {
        assert_eq!(Client::plain(address).get(path).status, wanted);
    }
    // The next request on this connection is for another server.
    let answer = kept.post("/validate", &as_sent(&adds("evil")));
    assert_eq!(
        (&response(&answer)["allowed"], answer.is_last),
        (&json!(false), true)
    );
    assert!(kept.try_answer().is_none());
}

/// An API server with two replicas behind a service: it keeps connections as long as they stay open, and opens new ones to replicas
/// that are ready.
#[test]
fn two_servers_are_ended_one_after_the_other_under_load_and_no_answer_is_lost() {
    let servers = [(); 2].map(|()| {
        let env = TestEnv::new(crate::SERVER);
        crate::configure(&env, IMAGES);
        let running =
            env.start("serve --config config.yaml --plain-http --listen 127.0.0.1:0 --no-cluster --linger 3");
        let address = crate::address_in(&running.stderr_until("\"message\":\"ready\""), "listen").unwrap();
        (env, running, address)
    });
    let addresses = Mutex::new(servers.iter().map(|(.., address)| *address).collect::<Vec<_>>());
    let [(_first_env, mut first, gone), (_second_env, mut second, _)] = servers;
    let is_over = AtomicBool::new(false);
    let [good, bad] = ["busybox", "evil"].map(|image| as_sent(&adds(image)));
    let load = |number: usize| {
        let mut count = 0;
        while !is_over.load(Ordering::Relaxed) {
            let address = {
                let addresses = addresses.lock().unwrap();
                addresses[(count + number) % addresses.len()]
            };
            let mut client = Client::plain(address);
            for _ in 0..50 {
                let body = if count % 2 == 0 { &good } else { &bad };
                let answer = client.try_post("/validate", body).expect("no answer is lost");
                assert_eq!(response(&answer)["allowed"], count % 2 == 0);
                count += 1;
                if answer.is_last {
                    break;
                }
            }
        }
        count
    };
    thread::scope(|scope| {
        let load = &load;
        let clients: Vec<_> = (0..4).map(|number| scope.spawn(move || load(number))).collect();
        first.signal(Signal::TERM);
        first.stderr_until("\"message\":\"ending\"");
        // The service notices, as by the readiness probe.
        addresses.lock().unwrap().retain(|address| *address != gone);
        let output = first.finish();
        assert!(
            output.code == 0 && output.stderr.contains("\"allAnswered\":true"),
            "{output}"
        );
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
    second.signal(Signal::TERM);
    assert_eq!(second.finish().code, 0);
}
