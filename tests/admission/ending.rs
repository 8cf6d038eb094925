//! The order to end: what is under way is answered, and clients are told before.

use crate::{IMAGES, Server, adds, as_sent, client::head, response};

#[test]
fn a_request_that_is_under_way_is_answered_before_the_end() {
    let mut server = Server::start(IMAGES);
    let body = as_sent(&adds("busybox"));
    let mut client = server.client();
    client.send(head("POST", "/validate", body.len()).as_bytes());
    client.send(&body[..10]);
    // It is under way once the server has seen its head, for which another one waits behind it.
    assert_eq!(server.client().get("/livez").status, 200);
    server.running.signal(rustix::process::Signal::TERM);
    server.running.stderr_until("\"message\":\"ending\"");
    client.send(&body[10..]);
    assert_eq!(response(&client.answer())["allowed"], true);
    let output = server.running.finish();
    assert_eq!(output.code, 0, "{output}");
    assert!(output.stderr.contains("\"allAnswered\":true"), "{output}");
}

#[test]
fn while_it_lingers_it_answers_and_says_that_it_is_not_ready() {
    let env = trocar_test_support::TestEnv::new(crate::SERVER);
    crate::configure(&env, IMAGES);
    let mut running =
        env.start("serve --config config.yaml --plain-http --listen 127.0.0.1:0 --no-cluster --linger 3600");
    let log = running.stderr_until("\"message\":\"ready\"");
    let mut client = crate::Client::plain(crate::address_in(&log, "listen").unwrap());
    assert_eq!(client.get("/readyz").status, 200);
    running.interrupt();
    running.stderr_until("\"message\":\"ending\"");
    assert_eq!(
        (client.get("/readyz").status, client.get("/livez").status),
        (503, 200)
    );
    assert_eq!(
        response(&client.post("/validate", &as_sent(&adds("evil"))))["allowed"],
        false
    );
}
