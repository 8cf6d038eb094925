//! What a review costs in the process: from the bytes of a request to those of its answer, for each default policy alone and
//! for all five, and beside it what reading the review alone costs. No network is part of it.
//!
//! `cargo bench -p trocar-admission --bench reviews`

use std::{fs, hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion};
use serde_json::{Value, json};
use trocar::{Engine, EngineConfig};
use trocar_admission::{
    review::{Request, Webhook, answer},
    rules::Rules,
};

/// Each default policy with settings that let the review pass.
const POLICIES: [(&str, &str); 5] = [
    (
        "approved-images",
        "{images: [{registry: registry.example.com, repository: 'debug/*'}]}",
    ),
    ("privilege-ceiling", "{level: baseline}"),
    ("require-reason", "{pattern: 'OPS-[0-9]+'}"),
    ("protected-targets", "{labels: {tier: gold}}"),
    ("session-limits", "{ephemeralContainers: 5, timeToLive: 3600}"),
];

/// The pods, by about how large a review of them is.
const SIZES: [(&str, usize); 3] = [("1KB", 0), ("3KB", 1), ("60KB", 30)];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let engine = EngineConfig {
        pooling: true,
        ..EngineConfig::default()
    };
    let engine = Arc::new(Engine::new(engine).expect("an engine without a cache can be made"));
    let mut sets: Vec<(&str, Vec<(&str, &str)>)> =
        POLICIES.iter().map(|policy| (policy.0, vec![*policy])).collect();
    sets.push(("all", POLICIES.to_vec()));
    sets.push(("none", Vec::new()));
    for (size, containers) in SIZES {
        let body = review(containers).to_string();
        let mut group = criterion.benchmark_group(format!("review/{size}"));
        group.bench_function("read", |bencher| {
            bencher.iter(|| Request::read(black_box(body.as_bytes())).expect("it is a review"));
        });
        for (name, policies) in &sets {
            let rules = rules(&engine, policies);
            group.bench_function(BenchmarkId::new("judge", name), |bencher| {
                bencher.iter(|| judged(&rules, black_box(body.as_bytes())));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

fn judged(rules: &Rules, body: &[u8]) -> String {
    let request = Request::read(body).expect("it is a review");
    let verdict = rules.judge(&request, Webhook::Validate, None, "2026-01-01T00:00:00Z", None);
    assert!(verdict.is_allowed(), "{}", verdict.message());
    answer(&request.uid, &verdict).to_string()
}

fn rules(engine: &Arc<Engine>, policies: &[(&str, &str)]) -> Rules {
    let policies: String = policies
        .iter()
        .map(|(name, settings)| format!("- {{name: {name}, settings: {settings}}}\n"))
        .collect();
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let file = folder.path().join("config.yaml");
    let list = if policies.is_empty() {
        "policies: []\n"
    } else {
        "policies:\n"
    };
    let text = format!("apiVersion: trocar.dev/v1alpha1\nkind: Config\n{list}{policies}");
    fs::write(&file, text).expect("a temporary file can be written");
    Rules::load(engine, &file, None, |_| {}).expect("the default policies take these settings")
}

/// A debug container for a pod with some more containers.
fn review(more: usize) -> Value {
    let app = |name: String| {
        json!({"name": name, "image": "registry.example.com/shop/web:1.2.3", "imagePullPolicy": "IfNotPresent",
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "env": [{"name": "HOST", "value": "db.example.com"}, {"name": "PORT", "value": "5432"}],
            "ports": [{"containerPort": 8080, "protocol": "TCP"}]})
    };
    let containers: Vec<Value> = (0..more + 1).map(|index| app(format!("app-{index}"))).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "1", "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "serviceAccountName": "default", "containers": containers}});
    let mut after = pod.clone();
    after["spec"]["ephemeralContainers"] = json!([{"name": "debugger-x7k2p", "image": "registry.example.com/debug/tools:1",
        "targetContainerName": "app-0", "env": [{"name": "TROCAR_REASON", "value": "OPS-7"}]}]);
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": "ephemeralcontainers", "operation": "UPDATE", "namespace": "shop",
            "userInfo": {"username": "jane", "groups": ["dev", "system:authenticated"]}, "object": after, "oldObject": pod,
        },
    })
}
