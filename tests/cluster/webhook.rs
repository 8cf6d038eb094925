//! A mutating webhook that adds rights: the API server stores something other than what was judged. The webhook is a server of the
//! test on the loopback interface; skipped if the API server cannot reach it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::Request;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use trocar_test_support::{PATIENCE, skipped};

use crate::{
    Test,
    cluster::{Cluster, Namespace},
    policies::{CEILING, debug, records},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "webhook::what_it_adds_is_told_and_written_down",
        what_it_adds_is_told_and_written_down,
    ),
    (
        "webhook::under_a_policy_no_session_begins_with_what_it_made",
        under_a_policy_no_session_begins_with_what_it_made,
    ),
];

/// trocar's own exit code when it fails itself.
const FAILED: i32 = 125;

const AUDIT: &str = "\naudit: [{sink: file, file: audit.jsonl}]\n";

fn what_it_adds_is_told_and_written_down(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let Some(_webhook) = Webhook::start(&namespace) else {
        return;
    };
    for (flags, place) in [
        ("", "/spec/ephemeralContainers/0/securityContext/privileged"),
        ("--copy-to=copy", "/spec/containers/1/securityContext/privileged"),
    ] {
        let flags = format!("web --profile=baseline {flags}");
        let told =
            format!("something else than was planned for pod/web: {place} is a right that was not part");
        let output = debug(&namespace, AUDIT, &format!("{flags} --dry-run=server"), &[]);
        assert!(output.code == 0 && output.stderr.contains(&told), "{output}");
        let output = debug(&namespace, AUDIT, &format!("{flags} --attach"), &["echo", "here"]);
        assert!(output.code == 0 && output.stderr.contains(&told), "{output}");
        assert_eq!(output.stdout, "here\n", "{output}");
    }
    let stored: Vec<Value> = of_stored(&namespace);
    assert_eq!(
        (stored.len(), &stored[0]["allowed"]),
        (2, &json!(true)),
        "{stored:#?}"
    );
}

fn under_a_policy_no_session_begins_with_what_it_made(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let Some(_webhook) = Webhook::start(&namespace) else {
        return;
    };
    let config = format!("{CEILING}{AUDIT}");
    let privileged = "ceiling: /steps/0/object/";
    for (flags, left) in [
        ("--dry-run=server", None),
        ("", Some("Container dbg stays listed in pod web")),
        ("--copy-to=copy --replace", Some("kubectl delete pod copy")),
    ] {
        let flags = format!("web --profile=baseline --attach {flags}");
        let output = debug(&namespace, &config, &flags, &["echo", "here"]);
        let says = |text: &str| output.stderr.contains(text);
        assert_eq!((output.code, output.stdout.as_str()), (FAILED, ""), "{output}");
        assert!(
            says("the policies do not allow that") && says(privileged),
            "{output}"
        );
        assert_eq!(says("stays"), left.is_some(), "{output}");
        assert!(left.is_none_or(says), "{output}");
    }
    assert_eq!(namespace.pods(), ["copy", "web"], "the original is not deleted");
    let stored = of_stored(&namespace);
    assert_eq!(
        (stored.len(), &stored[0]["allowed"]),
        (2, &json!(false)),
        "{stored:#?}"
    );
}

fn of_stored(namespace: &Namespace<'_>) -> Vec<Value> {
    let mut records = records(namespace);
    records.retain(|record| record["event"] == "stored");
    records
}

/// A webhook for one namespace that makes containers `dbg` privileged. Deleted on drop.
struct Webhook<'a> {
    cluster: &'a Cluster,
    name: String,
}

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

impl<'a> Webhook<'a> {
    /// Starts it, and waits until the API server calls it. None if the API server cannot reach it.
    fn start(namespace: &Namespace<'a>) -> Option<Self> {
        if !namespace.cluster.is_on_loopback() {
            skipped("no webhook: the API server is not on this machine");
            return None;
        }
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
            .expect("a certificate for an address can be made");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback interface has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let certificate = key.cert.pem();
        let config = server_config(key);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let config = config.clone();
                std::thread::spawn(move || serve(config, connection));
            }
        });
        let rule = |resource: &str, operation: &str| json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": [resource], "operations": [operation]});
        let webhook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": namespace.name},
            "webhooks": [{
                "name": "widens.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"url": format!("https://127.0.0.1:{port}/"), "caBundle": BASE64.encode(certificate)},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
                "rules": [rule("pods", "CREATE"), rule("pods/ephemeralcontainers", "UPDATE")],
            }],
        });
        namespace.cluster.create(CONFIGURATIONS, &webhook);
        let webhook = Self {
            cluster: namespace.cluster,
            name: namespace.name.clone(),
        };
        wait_until_asked(namespace);
        Some(webhook)
    }
}

impl Drop for Webhook<'_> {
    fn drop(&mut self) {
        self.cluster.delete(&format!("{CONFIGURATIONS}/{}", self.name));
    }
}

/// Waits: the API server sees a webhook with some delay.
fn wait_until_asked(namespace: &Namespace<'_>) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "dbg", "image": "a"}]}});
    let path = format!("{}?dryRun=All", namespace.path("pods"));
    let began = Instant::now();
    let is_asked = || {
        let created = namespace.cluster.send(Request::post(&path), &pod);
        created.is_ok_and(|pod| pod["spec"]["containers"][0]["securityContext"]["privileged"] == true)
    };
    while !is_asked() {
        assert!(began.elapsed() < PATIENCE, "the webhook is never asked");
    }
}

fn server_config(key: rcgen::CertifiedKey<rcgen::KeyPair>) -> Arc<ServerConfig> {
    let certificates = vec![key.cert.der().clone()];
    let key = key.signing_key.serialize_der().try_into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_no_client_auth()
        .with_single_cert(certificates, key.expect("a key of ours is well formed"));
    Arc::new(config.expect("key and certificate belong together"))
}

/// Answers the requests of one connection.
fn serve(config: Arc<ServerConfig>, connection: TcpStream) {
    let session = ServerConnection::new(config).expect("the configuration is complete");
    let mut stream = BufReader::new(StreamOwned::new(session, connection));
    while let Some(review) = read_review(&mut stream) {
        let answer = reviewed(&review).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        let stream = stream.get_mut();
        let written = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(answer.as_bytes()))
            .and_then(|()| stream.flush());
        if written.is_err() {
            return;
        }
    }
}

/// Reads the body of the next request; none at the end of the connection.
fn read_review(stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// The answer: every container `dbg` becomes privileged.
fn reviewed(review: &Value) -> Value {
    let mut spec = review["request"]["object"]["spec"].clone();
    for list in ["containers", "ephemeralContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            if container["name"] == "dbg" {
                container["securityContext"]["privileged"] = json!(true);
            }
        }
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
    let patch = json!([{"op": "replace", "path": "/spec", "value": spec}]);
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"], "allowed": true,
            "patchType": "JSONPatch", "patch": BASE64.encode(patch.to_string()),
        },
    })
}
