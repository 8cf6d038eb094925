//! Malformed and oversized reviews: answered with an error or refused, never allowed by mistake.

use serde_json::{Value, json};
use trocar_test_support::{TestEnv, skipped};

use crate::{
    IMAGES, Server, adds, as_sent,
    client::{Client, head},
    large, response,
};

#[test]
fn malformed_reviews_are_refused_and_the_connection_is_kept() {
    let server = Server::start(IMAGES);
    let mut client = server.client();
    let mut beta = adds("busybox");
    beta["apiVersion"] = json!("admission.k8s.io/v1beta1");
    for (body, wanted) in [
        (b"".to_vec(), "not valid JSON"),
        (b"\xff\xfe".to_vec(), "not UTF-8"),
        (b"[".repeat(100_000), "levels deep"),
        (b"{\"a\":".repeat(100_000), "levels deep"),
        (b"{}".to_vec(), "another kind"),
        (beta.to_string().into_bytes(), "another version"),
        (b"{\"kind\":1,\"kind\":2}".to_vec(), "twice"),
    ] {
        let answer = client.post("/validate", &body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(wanted), "{}", answer.text());
    }
    client.send(
        b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    );
    assert_eq!(client.answer().status, 415);
    assert_eq!(
        response(&client.post("/validate", &as_sent(&adds("busybox"))))["allowed"],
        true
    );
}

#[test]
fn requests_that_are_not_debugs_are_not_allowed() {
    let server = Server::start(IMAGES);
    for (operation, subresource, resource) in [
        ("CONNECT", "exec", "pods"),
        ("CONNECT", "ephemeralcontainers", "pods"),
        ("DELETE", "", "pods"),
        ("UPDATE", "", "pods"),
        ("CREATE", "", "secrets"),
        ("", "", ""),
    ] {
        let mut review = adds("busybox");
        review["request"]["operation"] = json!(operation);
        review["request"]["subResource"] = json!(subresource);
        review["request"]["resource"]["resource"] = json!(resource);
        let answer = server.validate(&review);
        assert_eq!(answer["allowed"], false, "{operation} {resource}/{subresource}");
        assert_eq!(answer["auditAnnotations"]["verdict"], "not-judged");
    }
}

#[test]
fn a_pod_of_megabytes_is_judged() {
    let server = Server::start(IMAGES);
    let mut review = adds("busybox");
    let large = json!("x".repeat(3 << 20));
    for object in ["object", "oldObject"] {
        review["request"][object]["metadata"]["annotations"] = json!({"large": large});
    }
    assert_eq!(server.validate(&review)["allowed"], true);
    review["request"]["object"]["spec"]["ephemeralContainers"][0]["image"] = json!("evil");
    assert_eq!(server.validate(&review)["allowed"], false);
}

#[test]
fn too_much_is_denied_by_a_verdict() {
    let server = Server::start(IMAGES);
    let with_labels = |value: Value| {
        let mut review = adds("busybox");
        review["request"]["object"]["metadata"]["labels"] = value;
        as_sent(&review)
    };
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let deep: Value = serde_json::from_str(&deep).unwrap();
    for (body, wanted) in [
        (
            with_labels(json!("x".repeat(9 << 20))),
            "larger than 8388608 bytes",
        ),
        (with_labels(deep), "levels deep"),
        (with_labels(json!(vec![0; 500_001])), "more than 500000 values"),
    ] {
        let mut client = server.client();
        // An answer may come before the whole request was read.
        let answer = client
            .try_post("/validate", &body)
            .or_else(|| client.try_answer());
        let denied = response(&answer.expect("it is answered"));
        assert_eq!(
            (&denied["allowed"], &denied["status"]["code"]),
            (&json!(false), &json!(503))
        );
        let message = denied["status"]["message"].as_str().unwrap();
        assert!(message.contains(wanted), "{message}");
    }
    let warned = Server::start(&IMAGES.replace("plugin:", "mode: warn\n  plugin:"));
    let answer = warned
        .client()
        .try_post("/validate", &with_labels(json!("x".repeat(9 << 20))));
    let allowed = response(&answer.expect("it is answered"));
    assert!(
        allowed["allowed"] == true && allowed["warnings"][0].is_string(),
        "{allowed}"
    );
}

#[test]
fn a_body_that_does_not_come_in_time_is_denied_by_a_verdict() {
    let server = Server::start(IMAGES);
    let body = as_sent(&adds("busybox"));
    let mut client = server.client();
    client.send(head("POST", "/validate?timeout=1s", body.len()).as_bytes());
    client.send(&body[..body.len() - 1]);
    let denied = response(&client.answer());
    assert_eq!(denied["allowed"], false);
    assert!(
        denied["status"]["message"]
            .as_str()
            .unwrap()
            .contains("not received in time"),
        "{denied}"
    );
}

#[test]
fn those_who_are_slow_over_large_reviews_hold_up_no_other() {
    let server = Server::start(IMAGES);
    let body = large("busybox");
    let slow = |_| {
        let mut client = server.client();
        client.send(head("POST", "/validate?timeout=30s", body.len()).as_bytes());
        client.send(&body[..100_000]);
        client
    };
    // More connections than the server accepts at once.
    let slow: Vec<_> = (0..12).map(slow).collect();
    let answer = server.client().post("/validate", &as_sent(&adds("busybox")));
    assert_eq!(response(&answer)["allowed"], true);
    drop(slow);
}

#[test]
fn of_ten_thousand_connections_those_for_which_there_is_room_are_answered_and_the_others_closed() {
    const ROOM: usize = 1024;
    const CLIENTS: usize = 10_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.current.is_some_and(|files| files < 2 * CLIENTS as u64) {
        return skipped("this process may not have enough connections (ulimit -n)");
    }
    let server = Server::start(IMAGES);
    let mut kept = server.client();
    assert_eq!(kept.get("/livez").status, 200);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let body = as_sent(&adds("evil"));
    let answered = clients
        .iter_mut()
        .filter_map(|client| client.try_post("/validate", &body));
    let answered: Vec<bool> = answered
        .map(|answer| response(&answer)["allowed"] == false)
        .collect();
    assert_eq!(answered, [true; ROOM - 1]);
    assert_eq!(response(&kept.post("/validate", &body))["allowed"], false);
    drop(clients);
    // New ones are accepted once the server has noticed that these are closed.
    while server.client().try_post("/validate", &body).is_none() {}
}

#[test]
fn connections_beyond_the_most_are_closed_and_one_that_is_kept_goes_on() {
    let server = Server::start_with(IMAGES, "--connections 4");
    let mut kept = server.client();
    assert_eq!(kept.get("/livez").status, 200);
    let mut idle: Vec<_> = (0..3).map(|_| server.client()).collect();
    // All of them are read once the last one was answered.
    assert_eq!(idle[2].get("/livez").status, 200);
    for _ in 0..200 {
        let mut client = server.client();
        assert!(client.try_post("/validate", &as_sent(&adds("busybox"))).is_none());
    }
    let answer = response(&kept.post("/validate", &as_sent(&adds("busybox"))));
    assert_eq!(answer["allowed"], true);
    assert!(
        kept.get("/metrics")
            .text()
            .contains("refused_total{reason=\"connections\"} 200")
    );
}

#[test]
fn connections_that_are_not_http_are_closed() {
    let server = Server::start(IMAGES);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(bytes);
        let answer = client.try_answer();
        assert!(answer.is_none_or(|answer| answer.status >= 400));
    }
    let head = format!("GET /livez HTTP/1.1\r\nx: {}\r\n", "x".repeat(1 << 20));
    let mut client = server.client();
    drop(client.try_send(head.as_bytes()));
    assert!(client.try_answer().is_none_or(|answer| answer.status >= 400));
    assert_eq!(server.client().get("/livez").status, 200);
}

#[test]
fn a_server_that_is_begun_with_few_files_takes_more() {
    let env = TestEnv::new("/bin/sh");
    crate::configure(&env, IMAGES);
    let command = format!(
        "ulimit -Sn 64; exec {} serve --config config.yaml --plain-http --listen 127.0.0.1:0 --no-cluster",
        crate::SERVER
    );
    let running = env.start_with(["-c", &command]);
    let log = running.stderr_until("\"message\":\"ready\"");
    let address = crate::address_in(&log, "listen").unwrap();
    let mut clients: Vec<_> = (0..200).map(|_| Client::plain(address)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/livez").status, 200);
    }
}
