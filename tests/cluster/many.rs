//! Listing thousands of pods, and cleaning up hundreds. Durations are printed, not asserted.
//!
//! These pods are never scheduled. They are not kept in memory here: a process's memory counts for the peak of the programs that
//! it starts.

use serde_json::{Value, json};
use trocar_test_support::measure::{Measured, measure};

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
};

pub(crate) const TESTS: &[Test] = &[
    ("many::leftovers_are_cleaned", leftovers_are_cleaned),
    ("many::pods_are_listed", pods_are_listed),
];

/// A number that an environment variable may set.
pub(crate) fn count(variable: &str, usual: usize) -> usize {
    let set = std::env::var(variable).ok().and_then(|set| set.parse().ok());
    set.unwrap_or(usual)
}

#[expect(clippy::print_stderr, reason = "what was measured is of use to a person only")]
fn tell(what: &str, cost: Measured) {
    eprintln!(
        "{what}: {:.2} s, {:.2} s of processors, {} MiB at the most",
        cost.wall.as_secs_f64(),
        cost.cpu.as_secs_f64(),
        cost.peak >> 20
    );
}

/// A realistic pod: several containers, labels, environment and volumes.
fn pod(name: &str, metadata: &Value) -> Value {
    let container = |number: usize| {
        let env: Vec<Value> = (0..12)
            .map(|index| json!({"name": format!("SETTING_{index}"), "value": format!("value {index} of some length")}))
            .collect();
        json!({
            "name": format!("app-{number}"), "image": "registry.example/shop/app:1.2.3", "env": env,
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
        })
    };
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "shop", "tier": "web", "pod-template-hash": "5d4f8c7b9"}},
        "spec": {
            "schedulerName": "none", "terminationGracePeriodSeconds": 0,
            "containers": [container(0), container(1), container(2)],
        },
    });
    for (field, value) in metadata.as_object().into_iter().flatten() {
        pod["metadata"][field] = value.clone();
    }
    pod
}

fn words<'a>(namespace: &'a Namespace<'_>, arguments: &'a str) -> impl Iterator<Item = &'a str> {
    arguments
        .split_whitespace()
        .chain(["--namespace", namespace.name.as_str()])
}

fn leftovers_are_cleaned(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let wanted = count("TROCAR_TEST_LEFTOVERS", 40);
    let server = text(&cluster.kubeconfig()["clusters"][0]["cluster"]["server"]);
    let marks = json!({
        "labels": {"trocar.dev/session": "abc12"},
        "annotations": {"trocar.dev/target": "pod/web", "trocar.dev/expires": "2020-01-01T00:00:00Z"},
    });
    let pods = (0..wanted).map(|number| pod(&format!("copy-{number}"), &marks));
    // The journal as if they had been created one after the other.
    let lines = cluster.create_all(&namespace.path("pods"), pods, |pod| {
        let entry = json!({
            "time": "2026-01-01T00:00:00Z", "server": server, "namespace": namespace.name, "pod": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"], "container": "app-0", "kind": "PodCopy", "plan": "sha256:0",
        });
        format!("{entry}\n")
    });
    let folder = namespace.env.folder().join(".local/state/trocar");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    std::fs::write(folder.join("sessions.jsonl"), lines.concat()).expect("it can be written");
    // Not the user's own, with the same stamps.
    cluster.create(&namespace.path("pods"), &pod("other", &marks));
    let cost = measure(&mut namespace.env.command(words(&namespace, "clean -y")));
    tell(&format!("{wanted} leftovers cleaned"), cost);
    assert_eq!(namespace.pods(), ["other"]);
}

fn pods_are_listed(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let wanted = count("TROCAR_TEST_PODS", 600);
    let pods = (0..wanted).map(|number| {
        let marks = match number % 50 {
            0 => json!({"annotations": {"trocar.dev/target": "pod/web"}, "labels": {"trocar.dev/session": "abc12"}}),
            _ => json!({}),
        };
        pod(&format!("pod-{number}"), &marks)
    });
    cluster.create_all(&namespace.path("pods"), pods, |_| ());
    let listed = namespace.env.run_with(words(&namespace, "sessions -o name"));
    assert_eq!(listed.stdout.lines().count(), wanted.div_ceil(50), "{listed}");
    let cost = measure(&mut namespace.env.command(words(&namespace, "sessions -o name")));
    tell(&format!("{wanted} pods listed"), cost);
    let program = std::env::var_os("TROCAR_TEST_PROGRAM");
    if let Some(program) = program {
        // Another build, such as a release, for comparison.
        let command = namespace.env.command(words(&namespace, "sessions -o name"));
        let mut other = std::process::Command::new(&program);
        other.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            other.env(name, value.unwrap_or_default());
        }
        tell(
            &format!("{wanted} pods listed by {}", program.display()),
            measure(&mut other),
        );
    }
    // Deleting the namespace would take as long.
    cluster.delete(&format!(
        "{}?propagationPolicy=Background",
        namespace.path("pods")
    ));
}
