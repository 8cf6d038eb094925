//! The program as users and scripts run it: transcripts, with correct and wrong input.
//!
//! Each transcript has the program's whole output, so that "nothing on stdout" and "no backtrace" are always checked. Tests with a
//! real kubelet are in `tests/cluster`.

mod as_target;
mod audit;
mod bad_documents;
mod canary;
mod comfort;
mod coming_back;
mod completion;
mod config;
mod connecting;
mod cosign;
mod documents;
#[path = "../engine/guest.rs"]
#[allow(dead_code, reason = "the tests of the engine need more of it")]
mod guest;
mod harmless;
mod hostile_plugins;
mod kuberc;
mod languages;
mod listed;
mod pages;
mod peers;
mod plan;
mod plugin;
mod policies;
mod policy_cases;
mod policy_debugs;
mod proxies;
mod refusals;
mod registries;
mod removal;
mod schemas;
mod sessions;
mod stored;
mod storing;
mod targets;
mod transcripts;
mod writing;

use expect_test::Expect;
use serde_json::{Value, json};
use trocar_test_support::{Answer, CommandOutput, FakeApiServer, Fault, TestEnv};

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

/// The writes to the cluster, without reviews of the user's identity.
fn touched(server: &FakeApiServer) -> Vec<String> {
    let lines = server.writes().into_iter().map(|write| write.line());
    lines
        .filter(|line| !line.ends_with("/selfsubjectreviews") && !line.ends_with("/selfsubjectaccessreviews"))
        .collect()
}

/// Sets the user's identity in the server.
fn knows(server: &FakeApiServer, user: &str, groups: &[&str]) {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
        "status": {"userInfo": {"username": user, "groups": groups, "uid": "u-7", "extra": {"scopes": ["all"]}}},
    });
    server.inject(Fault::new(
        "POST",
        "/selfsubjectreviews",
        Answer::status(201, &review),
    ));
}

/// Writes a configuration file into the test's folder, under `.config` where the program looks for the user's.
fn configure(env: &TestEnv, text: &str) {
    std::fs::create_dir_all(env.folder().join(".config/trocar")).unwrap();
    env.write(".config/trocar/config.yaml", &config_file(text));
}

fn config_file(text: &str) -> String {
    format!("apiVersion: trocar.dev/v1alpha1\nkind: Config\n{text}")
}

/// Writes a guest of `tests/guests` as a plugin. Returns its entry for a configuration.
fn plugin_entry(env: &TestEnv, guest: &str) -> String {
    let name = guest::plugin_name(guest);
    std::fs::create_dir_all(env.folder().join(".config/trocar")).unwrap();
    let bytes = guest::plugin(guest);
    env.write_bytes(&format!(".config/trocar/{name}.wasm"), &bytes);
    let digest = env
        .run(&format!("plugin inspect .config/trocar/{name}.wasm -o json"))
        .stdout;
    let digest: Value = serde_json::from_str(&digest).unwrap();
    let digest = digest["digest"].as_str().unwrap();
    format!("{{name: {name}, file: {name}.wasm, digest: \"{digest}\"}}")
}

/// Makes the test's folder the system's configuration, with a policy `rule` that is a guest. The test's user acts as
/// root.
fn as_the_system(env: &mut TestEnv, guest: &str) {
    let name = guest::plugin_name(guest);
    let entry = plugin_entry(env, guest);
    let folder = env.folder().join("system");
    std::fs::create_dir(&folder).unwrap();
    allow(&folder, 0o755);
    let plugin = format!("{name}.wasm");
    std::fs::rename(
        env.folder().join(".config/trocar").join(&plugin),
        folder.join(&plugin),
    )
    .unwrap();
    allow(&folder.join(&plugin), 0o644);
    let config = config_file(&format!(
        "plugins: [{entry}]\npolicies: [{{name: rule, plugin: {name}}}]\n"
    ));
    let config = env.write("system/config.yaml", &config);
    env.set("__TROCAR_SYSTEM_CONFIG", &config.display().to_string());
    let root = env.folder().display().to_string();
    env.set("__TROCAR_SYSTEM_ROOT", &root);
}

fn allow(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A pod as a user writes it.
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

/// Checks that a command line is refused before anything is read, with this error and hint.
#[track_caller]
fn misused(env: &TestEnv, typed: &str, wanted: &str, hint: &str) {
    let output = env.run(typed);
    assert_eq!(output.code, 2, "{typed}: {output}");
    assert!(
        output.stderr.contains(wanted) && output.stderr.contains(hint),
        "{typed}: {output}"
    );
}

/// An expected transcript: a text, or a snapshot that `UPDATE_EXPECT=1` rewrites in place.
trait Wanted {
    fn hold(&self, got: &str);
}

impl Wanted for &str {
    #[track_caller]
    fn hold(&self, got: &str) {
        assert!(got == *self, "wanted:\n{self}\ngot <<<{got}>>> for {self:?}");
    }
}

impl Wanted for &String {
    #[track_caller]
    fn hold(&self, got: &str) {
        self.as_str().hold(got);
    }
}

impl Wanted for Expect {
    fn hold(&self, got: &str) {
        self.assert_eq(got);
    }
}

/// Compares a transcript with the expected one.
#[track_caller]
fn check(output: &CommandOutput, wanted: impl Wanted) {
    wanted.hold(&output.to_string());
}

/// The same, with the server's port replaced by `PORT`.
#[track_caller]
fn check_at(output: &CommandOutput, server: &FakeApiServer, wanted: impl Wanted) {
    let text = |text: &str| text.replace(&server.port().to_string(), "PORT");
    let masked = CommandOutput {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        code: output.code,
    };
    check(&masked, wanted);
}
