//! `cluster-read`: a guest may read only what its manifest declares, what was granted, and what is in scope.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use trocar::{
    Blame, LogLevel, Planned, WasmError,
    capability::{ClusterReader, Grants, ObjectRef, Query, ReadError},
    plugin::{Plugin, PluginError, PluginType},
};

use crate::{
    guest,
    host::{Asked, Host, lines, reason, told},
};

/// A fake cluster with one answer, which records the reads.
struct Cluster {
    answer: Result<Value, ReadError>,
    asked: Mutex<Vec<String>>,
}

impl Cluster {
    fn with(answer: Result<Value, ReadError>) -> Arc<Self> {
        Arc::new(Self {
            answer,
            asked: Mutex::new(Vec::new()),
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl ClusterReader for Cluster {
    fn get(&self, object: &ObjectRef, _within: Duration) -> Result<Value, ReadError> {
        self.asked.lock().unwrap().push(format!(
            "get {} {} {}/{}",
            object.api_version,
            object.kind,
            object.namespace.as_deref().unwrap_or_default(),
            object.name
        ));
        self.answer.clone()
    }

    fn list(&self, query: &Query, _within: Duration) -> Result<Vec<Value>, ReadError> {
        self.asked.lock().unwrap().push(format!("list {query:?}"));
        self.answer.clone().map(|object| vec![object; 3])
    }
}

/// A manifest that declares `cluster-read` for some kinds.
fn manifest(guest: &str, kinds: &[&str]) -> String {
    let scope: Vec<Value> = kinds
        .iter()
        .map(|kind| json!({"apiVersion": "v1", "kind": kind}))
        .collect();
    let mut manifest: Value = serde_json::from_str(&guest::manifest(guest)).unwrap();
    manifest["capabilities"] = json!([{"name": "cluster-read", "reason": "to test it", "scope": scope}]);
    manifest.to_string()
}

fn granted() -> Grants {
    let mut grants = Grants::default();
    grants.add("cluster-read").unwrap();
    grants
}

fn load(host: &Host, guest: &str, kinds: &[&str], grants: &Grants) -> Result<Plugin, PluginError> {
    let plugin = guest::plugin_with(guest, &manifest(guest, kinds));
    host.engine
        .load(&host.file(guest, &plugin), PluginType::Strategy, grants)
}

/// Runs a guest that may read nodes and pods and tries to read a kind.
fn read(host: &Host, guest: &str, kind: &str, reader: Option<Arc<Cluster>>) -> Planned {
    let plugin = load(host, guest, &["Node", "Pod"], &granted()).unwrap();
    let asked = Asked {
        settings: json!(kind).to_string(),
        reader: reader.map(|reader| -> Arc<dyn ClusterReader> { reader }),
        ..Asked::default()
    };
    host.plan(&plugin, &asked).unwrap()
}

fn object() -> Value {
    json!({"kind": "Pod", "metadata": {"name": "web-0", "unheard": [1.5, null]}, "spec": {"a": 1}})
}

#[test]
fn reads() {
    let cluster = Cluster::with(Ok(object()));
    let planned = read(&Host::new(), "reads", "Pod", Some(cluster.clone()));
    let seen: Value = serde_json::from_str(lines(&planned, LogLevel::Info)[0]).unwrap();
    assert_eq!(seen, object());
    assert_eq!(cluster.asked(), ["get v1 Pod shop/web-0"]);
}

#[test]
fn only_the_fields_that_are_asked_for_are_handed_over() {
    let planned = read(&Host::new(), "reads", "Pod*", Some(Cluster::with(Ok(object()))));
    let seen: Value = serde_json::from_str(lines(&planned, LogLevel::Info)[0]).unwrap();
    assert_eq!(
        seen,
        json!({"metadata": {"name": "web-0", "unheard": [1.5, null]}})
    );
}

#[test]
fn lists() {
    let cluster = Cluster::with(Ok(object()));
    let planned = read(&Host::new(), "lists", "Node", Some(cluster.clone()));
    assert_eq!(lines(&planned, LogLevel::Info).len(), 3);
    let query = Query {
        api_version: "v1".into(),
        kind: "Node".into(),
        namespace: None,
        label_selector: Some("app=web".into()),
        limit: 10,
    };
    assert_eq!(cluster.asked(), [format!("list {query:?}")]);
}

#[test]
fn a_strategy_on_the_sdk_reads_too() {
    let host = Host::new();
    let file = host.file("namespace-image", &guest::committed("namespace-image"));
    let plugin = host.engine.load(&file, PluginType::Strategy, &granted()).unwrap();
    let cluster = Cluster::with(Ok(
        json!({"metadata": {"annotations": {"debug-image": "tools:1", "other": 1}}}),
    ));
    let asked = Asked {
        reader: Some(cluster.clone()),
        ..Asked::default()
    };
    let planned = host.plan(&plugin, &asked).unwrap();
    let plan = planned.plan.document();
    assert_eq!(plan["steps"][0]["object"]["image"], "tools:1", "{plan}");
    assert_eq!(cluster.asked(), ["get v1 Namespace /ops"]);
}

#[test]
fn a_capability_that_is_not_declared_is_no_capability() {
    for guest in ["reads", "lists"] {
        let plugin = guest::with_section(guest::component(guest), &guest::manifest(guest));
        let error = Host::new().refuses_bytes(guest, &plugin);
        assert!(
            matches!(reason(&error), WasmError::ManifestMismatch { .. }),
            "{error:?}"
        );
        told(
            &error,
            &format!("{guest}.wasm"),
            Blame::Plugin,
            &["the plugin needs no capability, but the component imports trocar:plugin/cluster"],
        );
    }
}

#[test]
fn a_capability_that_is_declared_and_not_used_is_a_lie() {
    let plugin = guest::with_section(guest::component("trap"), &manifest("trap", &["Node"]));
    let error = Host::new().refuses_bytes("trap", &plugin);
    told(
        &error,
        "trap.wasm",
        Blame::Plugin,
        &["the plugin needs the capability \"cluster-read\", but the component does not import"],
    );
}

#[test]
fn a_capability_that_is_not_granted_is_refused() {
    let host = Host::new();
    let error = load(&host, "reads", &["Node"], &Grants::default()).unwrap_err();
    assert!(matches!(reason(&error), WasmError::NotGranted(_)), "{error:?}");
    told(
        &error,
        "\"reads 0.1.0\"",
        Blame::User,
        &["needs the capability \"cluster-read\", which is not granted"],
    );
    assert!(load(&host, "reads", &["Node"], &granted()).is_ok());
}

#[test]
fn a_kind_out_of_scope_is_not_read() {
    for kind in ["ConfigMap", "Secret", "pod", "Pods", ""] {
        for guest in ["reads", "lists"] {
            let cluster = Cluster::with(Ok(object()));
            // Both look for an asterisk at the end of the kind, so it has to have one letter at least.
            let kind = if kind.is_empty() { "?" } else { kind };
            let planned = read(&Host::new(), guest, kind, Some(cluster.clone()));
            assert_eq!(lines(&planned, LogLevel::Warn)[0], "0", "{guest} {kind}");
            assert_eq!(lines(&planned, LogLevel::Info), [""; 0], "{guest} {kind}");
            assert_eq!(cluster.asked(), [""; 0], "{guest} {kind}");
        }
    }
    let planned = read(&Host::new(), "reads", "Secret", Some(Cluster::with(Ok(object()))));
    assert_eq!(lines(&planned, LogLevel::Warn), ["0", "v1/Node, v1/Pod"]);
}

#[test]
fn every_failure_to_read_reaches_the_guest_as_itself() {
    for (answer, wanted) in [
        (ReadError::NotFound, &["1"][..]),
        (ReadError::Forbidden("no".into()), &["2", "no"]),
        (ReadError::Unavailable("gone".into()), &["3", "gone"]),
    ] {
        let planned = read(&Host::new(), "reads", "Pod", Some(Cluster::with(Err(answer))));
        assert_eq!(lines(&planned, LogLevel::Warn), wanted);
    }
}

#[test]
fn without_a_cluster_nothing_can_be_read() {
    for guest in ["reads", "lists"] {
        let planned = read(&Host::new(), guest, "Pod", None);
        assert_eq!(lines(&planned, LogLevel::Warn)[0], "3", "{guest}");
    }
}

#[test]
fn an_answer_that_is_too_large_is_not_handed_over() {
    let host = Host::limited(|limits| limits.data = 64 << 10);
    let large = |size: usize| Cluster::with(Ok(json!({"data": "x".repeat(size)})));
    for guest in ["reads", "lists"] {
        let planned = read(&host, guest, "Pod", Some(large(65 << 10)));
        assert_eq!(lines(&planned, LogLevel::Warn), ["4"], "{guest}");
    }
    // Each of the three is below the limit, all together are not.
    let planned = read(&host, "lists", "Pod", Some(large(30 << 10)));
    assert_eq!(lines(&planned, LogLevel::Warn), ["4"]);
}

#[test]
fn an_unknown_capability_cannot_be_granted() {
    let error = Grants::default().add("cluster-write").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown capability \"cluster-write\"; there is \"cluster-read\""
    );
}
