//! What a whole run costs, from its start to its end: planning without a cluster, with policies, of many targets, and
//! `trocar debug` against a server that records, in turn with `kubectl debug` of the folder that `KUBEBUILDER_ASSETS` names.
//!
//! `cargo bench -p trocar-cli --bench processes`, and a word after `--` chooses by name. The figures are in docs/performance.md.
#![expect(clippy::print_stdout, reason = "a benchmark shows what it measured")]

use std::{env, path::Path, process::Command};

use serde_json::{Value, json};
use trocar_test_support::{
    FakeApiServer, TestEnv,
    measure::{Runs, measure, paired, ratios},
};

const TROCAR: &str = env!("CARGO_BIN_EXE_trocar");

/// How often each process is run.
const ROUNDS: usize = 100;

/// The same for those that take longer.
const LONG_ROUNDS: usize = 20;

/// Five policies that let a plain debug pass.
const POLICIES: &str = "\
apiVersion: trocar.dev/v1alpha1
kind: Config
policies:
- name: approved-images
  settings:
    images: [{registry: docker.io}]
- name: privilege-ceiling
  settings: {profile: sysadmin}
- name: require-reason
- name: protected-targets
- name: session-limits
  settings: {timeToLive: 60}
";

fn main() {
    let wanted = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let benches: [(&str, fn()); 5] = [
        ("plan", plan),
        ("policies", policies),
        ("thousand-targets", thousand_targets),
        ("thousand-cases", thousand_cases),
        ("debug", debug),
    ];
    for (name, bench) in benches {
        if wanted
            .as_ref()
            .is_none_or(|wanted| name.contains(wanted.as_str()))
        {
            bench();
        }
    }
}

/// A pod of about so many bytes, as a server holds it: kubectl wants a securityContext, be it empty.
fn pod(name: &str, size: usize) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "annotations": {}},
        "spec": {"nodeName": "n1", "securityContext": {}, "containers": [{"name": "app", "image": "registry.example/app:1"}]},
        "status": {"phase": "Running"},
    });
    let mut number = 0;
    while pod.to_string().len() < size {
        pod["metadata"]["annotations"][format!("example.com/note-{number}")] = "a text of some length".into();
        number += 1;
    }
    pod
}

fn report(what: &str, runs: &Runs) {
    println!("{what:44} {runs}");
}

fn alone(what: &str, rounds: usize, mut command: Command) {
    measure(&mut command);
    let mut runs = Runs::default();
    for _ in 0..rounds {
        runs.push(measure(&mut command));
    }
    report(what, &runs);
}

fn plan() {
    let env = TestEnv::new(TROCAR);
    let file = env.write("pod.json", &pod("web-0", 3 << 10).to_string());
    let arguments = ["plan", "-f", path(&file), "--image=busybox:1.36"];
    alone("trocar plan, 3 KB pod", ROUNDS, env.command(arguments));
}

fn policies() {
    let env = TestEnv::new(TROCAR);
    let file = env.write("pod.json", &pod("web-0", 3 << 10).to_string());
    let config = env.write("config.yaml", POLICIES);
    let arguments = [
        "plan",
        "-f",
        path(&file),
        "--image=busybox:1.36",
        "--reason=OPS-123",
        "--config",
        path(&config),
    ];
    alone(
        "trocar plan, 3 KB pod, five policies",
        ROUNDS,
        env.command(arguments),
    );
}

fn thousand_targets() {
    let env = TestEnv::new(TROCAR);
    let items: Vec<Value> = (0..1000)
        .map(|number| pod(&format!("web-{number}"), 3 << 10))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let file = env.write("list.json", &list.to_string());
    let arguments = ["plan", "-f", path(&file), "--image=busybox:1.36", "-o", "name"];
    alone(
        "trocar plan, 1,000 pods of 3 KB",
        LONG_ROUNDS,
        env.command(arguments),
    );
}

fn thousand_cases() {
    let env = TestEnv::new(TROCAR);
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let cases = plugins.join("privilege-ceiling/cases/privilege-ceiling.cases.yaml");
    let text = std::fs::read_to_string(&cases).expect("the default policies have cases");
    let own = text.matches("\n- name:").count();
    let copies = 1000_usize.div_ceil(own);
    for copy in 0..copies {
        env.write(&format!("copy-{copy}.cases.yaml"), &text);
    }
    let what = format!("trocar policy test, {} cases", copies * own);
    alone(
        &what,
        LONG_ROUNDS,
        env.command(["policy", "test", path(env.folder())]),
    );
}

/// Adds an ephemeral container and does not attach. Before each run the server has the pod as it was.
fn debug() {
    let Some(assets) = env::var_os("KUBEBUILDER_ASSETS") else {
        println!("SKIPPED: debug, since KUBEBUILDER_ASSETS names no folder with kubectl");
        return;
    };
    let server = FakeApiServer::start([pod("web-0", 3 << 10)]);
    let env = TestEnv::with_server(TROCAR, &server.url());
    let kubectl = TestEnv::with_server(Path::new(&assets).join("kubectl"), &server.url());
    let mut number = 0;
    let mut next = |env: &TestEnv| {
        number += 1;
        let container = format!("dbg-{number}");
        let arguments = [
            "debug",
            "web-0",
            "--image=busybox:1.36",
            "--profile=general",
            "-c",
            &container,
        ];
        let mut command = env.command(arguments);
        let measured = measure(&mut command);
        server.put(pod("web-0", 3 << 10));
        measured
    };
    let next = std::cell::RefCell::new(&mut next);
    let runs = paired(
        ROUNDS,
        || (next.borrow_mut())(&env),
        || (next.borrow_mut())(&kubectl),
    );
    report("trocar debug, a server that records", &runs[0]);
    report("kubectl debug, the same server", &runs[1]);
    println!("{:44} {}", "", ratios(&runs));
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary files are named in UTF-8")
}
