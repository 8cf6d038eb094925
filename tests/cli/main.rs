//! The program as a person or a script meets it: transcripts, and whatever can be wrong with what it is given.
//!
//! Each test shows all that the program writes, so that "nothing on stdout" and "no backtrace" are part of every one. A real
//! kubelet is for `tests/cluster`.

mod bad_documents;
mod connecting;
mod documents;
mod pages;
mod plan;
mod plugin;
mod refusals;
mod sessions;
mod targets;
mod writing;

use serde_json::{Value, json};
use trocar_test_support::{CommandOutput, FakeApiServer, TestEnv};

/// The program under test.
const TROCAR: &str = env!("CARGO_BIN_EXE_trocar");

/// An environment without a cluster.
fn offline() -> TestEnv {
    TestEnv::new(TROCAR)
}

/// An environment with a server that holds these objects.
fn online(objects: impl IntoIterator<Item = Value>) -> (TestEnv, FakeApiServer) {
    let server = FakeApiServer::start(objects);
    (TestEnv::with_server(TROCAR, &server.url()), server)
}

/// A pod that runs one container, `app`.
fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "registry.example/app:1"}]},
        "status": {"phase": "Running"},
    })
}

/// A node.
fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
}

/// A pod as a person writes it.
const POD_YAML: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web-0
spec:
  containers:
  - name: app
    image: registry.example/app:1
";

/// Holds a transcript against what is wanted. The server's port is written as `PORT`.
#[track_caller]
fn check(output: &CommandOutput, wanted: &str) {
    let got = output.to_string();
    assert!(got == wanted, "wanted:\n{wanted}\ngot <<<{got}>>> for {wanted:?}");
}

/// The same, where the server's address is in it.
#[track_caller]
fn check_at(output: &CommandOutput, server: &FakeApiServer, wanted: &str) {
    let text = |text: &str| text.replace(&server.port().to_string(), "PORT");
    let masked = CommandOutput {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        code: output.code,
    };
    check(&masked, wanted);
}
