//! The cost of the sandbox: a plan in a fresh instance against the same function compiled natively, for pods of growing size; the
//! time before the first call of a cached third-party component, by file, by digest, and from a store with signatures; and the
//! cost of policies.
//!
//! Both sides of `plan` parse the request and serialize the answer. The engine's side also checks the plan.
//! `cargo bench -p trocar --bench engine`; results are in docs/performance.md. `TROCAR_BENCH_PLUGINS=FILE:FILE` adds plugins, since
//! large ones are not in the repository.

use std::{
    env, fs,
    hint::black_box,
    iter,
    path::{Path, PathBuf},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use serde_json::{Value, json};
use trocar::{
    Actor, Config, Context, DebugOptions, Engine, EngineConfig, PlanRequest, PolicyRule, Stores, Target,
    capability::Grants,
    config::{self, Layer},
    plan::Mode,
    plugin::{Plugin, PluginSource, PluginType},
    policy::Match,
    registry::Store,
};
use trocar_sdk::Request;

/// Names and approximate sizes of the pods, in bytes.
const SIZES: [(&str, usize); 4] = [
    ("1KB", 1 << 10),
    ("14KB", 14 << 10),
    ("59KB", 59 << 10),
    ("236KB", 236 << 10),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    plan(&mut criterion);
    policies(&mut criterion);
    load(&mut criterion);
    registry(&mut criterion);
    criterion.final_summary();
}

fn plan(criterion: &mut Criterion) {
    let engine = pooling_engine();
    let strategy = default_plugin(&engine, "ephemeral", PluginType::Strategy);
    let (options, context) = asked();
    let mut group = criterion.benchmark_group("plan");
    for (name, size) in SIZES {
        let target = pod(size);
        group.throughput(Throughput::Bytes(target.text().len() as u64));
        group.bench_function(BenchmarkId::new("native", name), |bencher| {
            bencher.iter(|| natively(black_box(&target), &options, &context));
        });
        let request = PlanRequest {
            target: &target,
            options: &options,
            strategy: &strategy,
            strategy_name: None,
            settings: "{}",
            context: &context,
            actor: &Actor::default(),
            policies: &[],
            reader: None,
            time_to_live: None,
        };
        group.bench_function(BenchmarkId::new("plugin", name), |bencher| {
            bencher.iter(|| {
                engine
                    .plan(black_box(&request))
                    .expect("there is nothing to refuse")
            });
        });
    }
    group.finish();
}

fn pooling_engine() -> Engine {
    Engine::new(EngineConfig {
        pooling: true,
        ..EngineConfig::default()
    })
    .expect("an engine without a cache can be made")
}

fn default_plugin(engine: &Engine, name: &str, wanted: PluginType) -> Plugin {
    let loaded = engine.load(&PluginSource::Default(name.into()), wanted, &Grants::default());
    loaded.unwrap_or_else(|error| panic!("{name} is a default plugin: {error}"))
}

/// Plans with and without five policies that allow everything: the difference is their cost.
fn policies(criterion: &mut Criterion) {
    let engine = pooling_engine();
    let strategy = default_plugin(&engine, "ephemeral", PluginType::Strategy);
    let settings = [
        (
            "approved-images",
            json!({"images": [{"registry": "docker.io", "repository": "library/*"}]}),
        ),
        ("privilege-ceiling", json!({"profile": "general"})),
        ("require-reason", json!({"pattern": "OPS-[0-9]+.*"})),
        (
            "protected-targets",
            json!({"namespaces": ["kube-*"], "exceptGroups": ["platform"]}),
        ),
        (
            "session-limits",
            json!({"timeToLive": 3600, "ephemeralContainers": 5}),
        ),
    ];
    let rules = settings.map(|(name, settings)| PolicyRule {
        name: name.into(),
        plugin: default_plugin(&engine, name, PluginType::Policy),
        mode: Mode::Enforce,
        matches: Match::default(),
        settings: settings.to_string(),
    });
    let rules: Vec<&PolicyRule> = rules.iter().collect();
    let (options, context) = asked();
    let target = pod(3 << 10);
    let actor = Actor {
        user: "jane".into(),
        reason: Some("OPS-7 web-0 is slow".into()),
        ..Actor::default()
    };
    let mut group = criterion.benchmark_group("policies");
    for (name, policies) in [("none", &[][..]), ("five", &rules[..])] {
        let request = PlanRequest {
            target: &target,
            options: &options,
            strategy: &strategy,
            strategy_name: None,
            settings: "{}",
            context: &context,
            actor: &actor,
            policies,
            reader: None,
            time_to_live: None,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| engine.plan(black_box(&request)).expect("they allow it"));
        });
    }
    group.finish();
}

/// The work of the plugin without a sandbox: from the request's JSON to the answer's.
fn natively(target: &Target, options: &DebugOptions, context: &Context) -> Vec<(&'static str, String)> {
    let options = serde_json::to_string(options).expect("options can be written");
    let context = serde_json::to_string(context).expect("a context can be written");
    let request = Request::parse(target.text(), &options, "{}".into(), &context).expect("it is well formed");
    let plan = trocar_plugin_ephemeral::make_plan(request).expect("there is nothing to refuse");
    let steps = plan.steps.into_iter();
    steps
        .map(|step| (step.action(), step.into_object().to_string()))
        .collect()
}

/// The default strategy, and the plugins in `TROCAR_BENCH_PLUGINS`.
fn components() -> Vec<PathBuf> {
    let others = env::var_os("TROCAR_BENCH_PLUGINS").unwrap_or_default();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/ephemeral/ephemeral.wasm");
    let others = env::split_paths(&others).filter(|file| !file.as_os_str().is_empty());
    iter::once(committed).chain(others).collect()
}

/// The second load of a component: from a file that is read and hashed, and from one with a record. Each has a new engine, as at a
/// program's start.
fn load(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let config = EngineConfig {
        cache: Some(folder.path().join("cache")),
        ..EngineConfig::default()
    };
    let engine = || Engine::new(config.clone()).expect("the cache is new");
    let mut group = criterion.benchmark_group("second use of a component");
    for component in components() {
        let name = component.file_stem().unwrap_or_default().display().to_string();
        let file = PluginSource::File(component.clone());
        let described = engine().describe(&file).expect("it is a plugin");
        let wanted = described.manifest().plugin_type;
        let pinned = PluginSource::Pinned(component, described.digest().to_owned());
        for (how, source) in [("read and hashed", file), ("known by its digest", pinned)] {
            let load = || {
                let engine = engine();
                let plugin = engine.load(&source, wanted, &Grants::default());
                (plugin.expect("it can be loaded"), engine)
            };
            // The first use compiles.
            load();
            group.bench_function(BenchmarkId::new(how, &name), |bencher| {
                bencher.iter_with_large_drop(load);
            });
        }
    }
    group.finish();
}

/// Finding a plugin from a registry in a store, with signatures made by cosign, without and with trust rules.
fn registry(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let signed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/signatures/cosign");
    let store = Store::of_user(folder.path().join("store"));
    let manifest = keep(&store, &signed);
    let engine = Engine::new(EngineConfig::default())
        .expect("an engine can be made")
        .with_stores(Stores {
            user: Some(store),
            system: None,
        });
    let source = PluginSource::typed(&format!("oci://registry.example/team/signed@{manifest}"));
    let key = fs::read_to_string(signed.join("alice.pub")).expect("the key is committed");
    let signer = json!({"kind": "pubKey", "key": key});
    let trust = json!({"rules": [{"sources": ["registry.example"], "allOf": [signer]}]});
    let text = json!({"apiVersion": "trocar.dev/v1alpha1", "kind": "Config", "trust": trust}).to_string();
    let file = folder.path().join("config.yaml");
    let trusting = config::load(&[(Layer::User, file)], &[], &|_| Ok(text.clone().into_bytes()));
    let trusting = trusting.expect("it is a configuration");
    let mut group = criterion.benchmark_group("a plugin in a store");
    for (name, config) in [
        ("found", Config::default()),
        ("found and its signature verified", trusting),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                engine
                    .find(&config, black_box(&source))
                    .expect("it is there and signed")
            });
        });
    }
    group.finish();
}

/// Stores the blobs of an image layout. Returns the digest of the plugin's manifest.
fn keep(store: &Store, layout: &Path) -> String {
    let blobs = fs::read_dir(layout.join("blobs/sha256")).expect("the layout is committed");
    for blob in blobs.flatten() {
        store
            .write(&fs::read(blob.path()).expect("a blob can be read"))
            .expect("the store is new");
    }
    let index = fs::read(layout.join("index.json")).expect("a layout has an index");
    let index: Value = serde_json::from_slice(&index).expect("it is JSON");
    let tagged = |tag: &str| {
        let mut entries = index["manifests"].as_array().into_iter().flatten();
        let entry = entries.find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
        let digest = entry.and_then(|entry| entry["digest"].as_str());
        digest.expect("the tag is there").to_owned()
    };
    let plugin = tagged("1");
    let referrers = tagged(&plugin.replace(':', "-"));
    let referrers = layout
        .join("blobs/sha256")
        .join(referrers.trim_start_matches("sha256:"));
    let referrers: Value =
        serde_json::from_slice(&fs::read(referrers).expect("it is there")).expect("it is JSON");
    let signatures = referrers["manifests"].as_array().into_iter().flatten();
    let signatures = signatures.filter_map(|entry| entry["digest"].as_str().map(str::to_owned));
    store
        .add_signatures(&plugin, &signatures.collect::<Vec<_>>())
        .expect("the list can be written");
    plugin
}

fn asked() -> (DebugOptions, Context) {
    let options = DebugOptions {
        image: Some("busybox:1.36".into()),
        stdin: true,
        tty: true,
        ..DebugOptions::default()
    };
    let context = Context {
        namespace: "shop".into(),
        suffix: "x7k2p".into(),
        time: "2026-01-02T03:04:05Z".into(),
    };
    (options, context)
}

/// A pod of about `size` bytes, with as many realistic containers as needed.
fn pod(size: usize) -> Target {
    let made = |count: usize| {
        let containers: Vec<Value> = (0..count).map(container).collect();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-0", "namespace": "shop", "labels": {"app": "web", "tier": "front"}},
            "spec": {"containers": containers, "serviceAccountName": "web", "nodeName": "node-1"},
        });
        Target::new(pod, "default").expect("it is a pod")
    };
    let (one, two) = (made(1).text().len(), made(2).text().len());
    let count = 1 + size.saturating_sub(one) / (two - one);
    made(count)
}

fn container(number: usize) -> Value {
    json!({
        "name": format!("app-{number}"),
        "image": "registry.example.com/shop/web:1.25.3",
        "args": ["--listen=:8080", "--log-level=info"],
        "env": [
            {"name": "DATABASE_URL", "value": "postgres://db.shop.svc:5432/orders"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
        ],
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 1},
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web", "readOnly": true}],
    })
}
