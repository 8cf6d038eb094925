//! The admission server over HTTP and TLS on loopback, with malformed requests and files. Tests with a real API server are in
//! `tests/cluster`.

mod bad_input;
mod client;
mod commands;
mod ending;
#[path = "../engine/guest.rs"]
#[allow(dead_code, reason = "the tests of the engine need more of it")]
mod guest;
mod looping;
mod reloading;
mod reviewing;
mod tls;

use std::net::SocketAddr;

use serde_json::{Value, json};
use trocar_test_support::{Running, TestEnv};

use client::{Answer, Client};

/// The program under test.
const SERVER: &str = env!("CARGO_BIN_EXE_trocar-admission");

const HEAD: &str = "apiVersion: trocar.dev/v1alpha1\nkind: Config\n";

/// A configuration that approves busybox only.
const IMAGES: &str = "policies:\n- name: images\n  plugin: approved-images\n  settings: {images: [{repository: library/busybox}]}\n";

/// A running server.
struct Server {
    env: TestEnv,
    running: Running,
    address: SocketAddr,
    /// The address of the health endpoints, if it is a separate one.
    health: Option<SocketAddr>,
}

impl Server {
    /// Starts a server of plain HTTP with a configuration.
    fn start(config: &str) -> Self {
        Self::start_with(config, "")
    }

    fn start_with(config: &str, flags: &str) -> Self {
        let env = TestEnv::new(SERVER);
        Self::start_in(env, config, &format!("--plain-http {flags}"))
    }

    fn start_in(env: TestEnv, config: &str, flags: &str) -> Self {
        configure(&env, config);
        let command = format!(
            "serve --config config.yaml --listen 127.0.0.1:0 --no-cluster --reload 0.05 --linger 0 {flags}"
        );
        let running = env.start(&command);
        let log = running.stderr_until("\"message\":\"ready\"");
        let address = address_in(&log, "listen");
        let address = address.unwrap_or_else(|| panic!("it does not say where it listens: {log}"));
        Self {
            env,
            running,
            address,
            health: address_in(&log, "health"),
        }
    }

    fn client(&self) -> Client {
        Client::plain(self.address)
    }

    fn validate(&self, review: &Value) -> Value {
        response(&self.client().post("/validate", review.to_string().as_bytes()))
    }
}

/// An address in the line that a server prints when it is ready.
fn address_in(log: &str, field: &str) -> Option<SocketAddr> {
    let rest = log.split(&format!("\"{field}\":\"")).nth(1)?;
    rest.split('"').next()?.parse().ok()
}

/// Writes a configuration.
fn configure(env: &TestEnv, config: &str) {
    env.write("config.yaml", &format!("{HEAD}{config}"));
}

/// The response in an answer.
fn response(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let review: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
    assert_eq!(review["kind"], "AdmissionReview");
    review["response"].clone()
}

/// The review of adding a debug container with an image.
fn adds(image: &str) -> Value {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop", "uid": "1"},
        "spec": {"containers": [{"name": "app", "image": "web:1"}]}});
    let mut after = pod.clone();
    after["spec"]["ephemeralContainers"] =
        json!([{"name": "dbg", "image": image, "imagePullPolicy": "Always"}]);
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": "ephemeralcontainers", "operation": "UPDATE", "namespace": "shop",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]}, "object": after, "oldObject": pod,
        },
    })
}

/// The same with the field order of an API server: the identity comes first.
fn as_sent(review: &Value) -> Vec<u8> {
    let mut request = review["request"].clone();
    let uid = request["uid"].take();
    request
        .as_object_mut()
        .expect("a review has a request")
        .remove("uid");
    let rest = request.to_string();
    format!(
        "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":{uid},{}}}",
        &rest[1..]
    )
    .into_bytes()
}

/// A review of almost the maximum size.
fn large(image: &str) -> Vec<u8> {
    let mut large = adds(image);
    large["request"]["object"]["metadata"]["labels"] = json!("x".repeat(8_000_000));
    as_sent(&large)
}
