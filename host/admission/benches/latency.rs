//! What the server adds to a debug at the API server of a cluster: the same patch of a pod where nothing judges it, where a
//! ValidatingAdmissionPolicy does, and where the webhooks do, all in turn. Nothing is stored: the patches are dry runs.
//!
//! `TROCAR_TEST_KUBECONFIG=FILE KUBEBUILDER_ASSETS=FOLDER cargo bench -p trocar-admission --bench latency`, with the kubeconfig of a
//! cluster on this machine that may be used for it and the folder of kubectl. The figures are in docs/performance.md.
#![expect(clippy::print_stdout, reason = "a benchmark shows what it measured")]

#[allow(dead_code, reason = "the benchmark of the servers needs more of it")]
mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use common::{APPROVED, Client, OTHERS, Process, Server};
use serde_json::{Value, json};
use trocar_test_support::measure::{cluster_and_kubectl, median};

/// How often each is measured.
const ROUNDS: usize = 500;

/// Who judges, and what the namespace is named for it.
const JUDGES: [(&str, &str); 4] = [
    ("nothing", "trocar-bench-none"),
    ("a ValidatingAdmissionPolicy", "trocar-bench-policy"),
    ("the validating webhook, five policies", "trocar-bench-one"),
    ("both webhooks, five policies", "trocar-bench-both"),
];

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

fn main() {
    let Some((kubeconfig, kubectl)) = cluster_and_kubectl() else {
        return;
    };
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let key =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    for (name, text) in [
        ("tls.crt", key.cert.pem()),
        ("tls.key", key.signing_key.serialize_pem()),
    ] {
        fs::write(folder.path().join(name), text).expect("a temporary file can be written");
    }
    let server = Server::start(folder.path(), &format!("{APPROVED}{OTHERS}"), true);
    let mut cluster = Cluster::open(&kubeconfig, &kubectl);
    cluster.prepare(&server, &BASE64.encode(key.cert.pem()));
    let mut took = [(); 4].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, namespace), took) in JUDGES.iter().zip(&mut took) {
            let began = Instant::now();
            let answer = cluster.add(namespace, "registry.example.com/debug/tools:1");
            took.push(began.elapsed());
            assert_eq!(answer["kind"], "Pod", "{answer}");
        }
    }
    let medians = took.map(|took| median(took.into_iter()));
    for ((who, _), took) in JUDGES.iter().zip(medians) {
        let added = took.saturating_sub(medians[0]);
        println!("{who:44} {took:8.2?} added {added:8.2?}");
    }
}

/// The API server, through a proxy that knows its credentials.
struct Cluster {
    client: Client,
    _proxy: Process,
}

impl Cluster {
    fn open(kubeconfig: &Path, kubectl: &Path) -> Self {
        let mut command = Command::new(kubectl);
        command.env("KUBECONFIG", kubeconfig).args(["proxy", "--port=0"]);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl can be run");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it says where it serves");
        let address = line
            .rsplit(' ')
            .next()
            .and_then(|address| address.trim().parse().ok());
        Self {
            client: Client::new(address.expect("it says where it serves")),
            _proxy: Process(child),
        }
    }

    fn send(&mut self, method: &str, path: &str, kind: &str, body: &Value) -> Value {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/{kind}"
        );
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.client.ask(&head, &body);
        serde_json::from_str(&answer).unwrap_or_default()
    }

    fn create(&mut self, path: &str, object: &Value) {
        self.send("POST", path, "json", object);
    }

    /// Adds a debug container to a pod, as a dry run.
    fn add(&mut self, namespace: &str, image: &str) -> Value {
        let path = format!("/api/v1/namespaces/{namespace}/pods/web/ephemeralcontainers?dryRun=All");
        let container = json!({"name": "debugger", "image": image, "targetContainerName": "app-0",
            "env": [{"name": "TROCAR_REASON", "value": "OPS-7"}]});
        let body = json!({"spec": {"ephemeralContainers": [container]}});
        self.send("PATCH", &path, "strategic-merge-patch+json", &body)
    }

    /// Makes a pod in each namespace, and lets it be judged there.
    fn prepare(&mut self, server: &Server, authority: &str) {
        self.remove();
        let mut pod: Value = serde_json::from_str(include_str!("common/pod.json")).expect("it is JSON");
        pod["metadata"] = json!({"name": "web", "labels": pod["metadata"]["labels"]});
        pod["status"] = json!({});
        for field in [
            "nodeName",
            "priority",
            "preemptionPolicy",
            "tolerations",
            "volumes",
        ] {
            drop(pod["spec"].as_object_mut().and_then(|spec| spec.remove(field)));
        }
        for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
            drop(
                container
                    .as_object_mut()
                    .and_then(|container| container.remove("volumeMounts")),
            );
        }
        // No node takes it, so that nothing happens to it.
        pod["spec"]["nodeSelector"] = json!({"trocar.dev/none": "none"});
        pod["spec"]["automountServiceAccountToken"] = json!(false);
        for (_, namespace) in JUDGES {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            self.wait(|cluster| {
                cluster.create("/api/v1/namespaces", &object);
                let path = format!("/api/v1/namespaces/{namespace}/pods");
                cluster.create(&path, &pod);
                cluster.send("GET", &format!("{path}/web"), "json", &Value::Null)["kind"] == "Pod"
            });
        }
        for (kind, path, namespaces) in [
            ("Validating", "validate", vec![JUDGES[2].1, JUDGES[3].1]),
            ("Mutating", "mutate", vec![JUDGES[3].1]),
        ] {
            let webhook = json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
                "metadata": {"name": "trocar-bench"},
                "webhooks": [{
                    "name": format!("{path}.trocar.dev"), "admissionReviewVersions": ["v1"], "sideEffects": "None",
                    "clientConfig": {"url": format!("https://{}/{path}", server.address), "caBundle": authority},
                    "namespaceSelector": {"matchExpressions": [
                        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces}]},
                    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                        "resources": ["pods/ephemeralcontainers"]}],
                }],
            });
            let path = format!("{GROUP}/{}webhookconfigurations", kind.to_ascii_lowercase());
            self.create(&path, &webhook);
        }
        self.create(&format!("{GROUP}/validatingadmissionpolicies"), &policy());
        let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "trocar-bench"},
            "spec": {"policyName": "trocar-bench", "validationActions": ["Deny"], "matchResources": {"namespaceSelector":
                {"matchLabels": {"kubernetes.io/metadata.name": JUDGES[1].1}}}}});
        self.create(&format!("{GROUP}/validatingadmissionpolicybindings"), &binding);
        for (_, namespace) in &JUDGES[1..] {
            self.wait(|cluster| cluster.add(namespace, "evil")["status"] == "Failure");
        }
    }

    fn wait(&mut self, mut is_so: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the cluster does not come to what is measured"
            );
        }
    }

    fn remove(&mut self) {
        let mut paths: Vec<String> = [
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ]
        .map(|kind| format!("{GROUP}/{kind}/trocar-bench"))
        .into();
        paths.extend(
            JUDGES.map(|(_, namespace)| {
                format!("/api/v1/namespaces/{namespace}/pods/web?gracePeriodSeconds=0")
            }),
        );
        paths.extend(JUDGES.map(|(_, namespace)| format!("/api/v1/namespaces/{namespace}")));
        for path in paths {
            self.send("DELETE", &path, "json", &Value::Null);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What approved-images comes to where its rule can be said in CEL.
fn policy() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "trocar-bench"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"],
                "resources": ["pods/ephemeralcontainers"]}]},
            "validations": [{"expression":
                "object.spec.ephemeralContainers.all(c, c.image.startsWith('registry.example.com/debug/'))"}],
        },
    })
}
