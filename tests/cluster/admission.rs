//! The admission server in a real cluster: the API server calls its webhooks, which are a process of the test on the loopback
//! interface. The same debugs are made with kubectl, with trocar, and by requests that bypass both.
//!
//! Skipped if the server was not built, kubectl is missing, or the API server is not on this machine.

use std::{env, path::PathBuf, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::Request;
use serde_json::{Value, json};
use trocar_test_support::{CommandOutput, PATIENCE, Running, TestEnv, in_path, skipped};

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
    policies::with_config,
};

pub(crate) const TESTS: &[Test] = &[
    ("admission::approved_images", approved_images),
    ("admission::images_from_a_mirror", images_from_a_mirror),
    ("admission::a_ceiling", a_ceiling),
    ("admission::a_ceiling_that_amends", a_ceiling_that_amends),
    ("admission::a_reason", a_reason),
    ("admission::protected_targets", protected_targets),
    ("admission::limits", limits),
    ("admission::a_warning_and_a_note", a_warning_and_a_note),
    ("admission::ways_around", ways_around),
    ("admission::other_requests", other_requests),
    ("admission::who_creates_a_pod", who_creates_a_pod),
    ("admission::hostile_pods", hostile_pods),
    ("admission::sessions", sessions),
    ("admission::records", records),
];

/// An image that is not approved. It need not exist.
pub(crate) const OTHER_IMAGE: &str = "registry.example.com/tools/other:1";

/// The API server's message for what a webhook denies.
pub(crate) const DENIES: &str = "denied the request";

/// The server, and its webhooks for one namespace, which are deleted on drop.
struct Door<'a> {
    namespace: Namespace<'a>,
    env: TestEnv,
    health: String,
    kubectl: PathBuf,
    _running: Running,
}

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

impl<'a> Door<'a> {
    /// Creates a namespace whose debugs are judged by these policies, with a pod `web`. None if a requirement is missing.
    fn open(cluster: &'a Cluster, config: &str) -> Option<Self> {
        let server = PathBuf::from(env!("CARGO_BIN_EXE_trocar")).with_file_name("trocar-admission");
        let kubectl = kubectl();
        let missing = match (cluster.is_on_loopback(), server.exists(), &kubectl) {
            (false, ..) => "the API server is not on this machine",
            (_, false, _) => "trocar-admission is not built",
            (.., None) => "there is no kubectl",
            _ => "",
        };
        let Some(kubectl) = kubectl.filter(|_| missing.is_empty()) else {
            skipped(&format!("no admission server at the door: {missing}"));
            return None;
        };
        let namespace = cluster.namespace();
        namespace.pod("web");
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
            .expect("a certificate for an address can be made");
        let env = TestEnv::new(server);
        env.write("tls.crt", &key.cert.pem());
        env.write("tls.key", &key.signing_key.serialize_pem());
        env.write("kubeconfig", &cluster.kubeconfig().to_string());
        env.write(
            "config.yaml",
            &format!("apiVersion: trocar.dev/v1alpha1\nkind: Config\n{config}"),
        );
        let running = env.start(
            "serve --config config.yaml --listen 127.0.0.1:0 --health-listen 127.0.0.1:0 --tls-cert tls.crt \
             --tls-key tls.key --kubeconfig kubeconfig --linger 0",
        );
        let log = running.stderr_until("\"message\":\"ready\"");
        let address = |field: &str| {
            let rest = log.split(&format!("\"{field}\":\"")).nth(1);
            rest.and_then(|rest| rest.split('"').next())
                .expect("it says where it listens")
                .to_owned()
        };
        let door = Self {
            health: address("health"),
            namespace,
            env,
            kubectl,
            _running: running,
        };
        door.register(&address("listen"), &BASE64.encode(key.cert.pem()));
        Some(door)
    }

    /// Registers the webhooks, and waits until the API server calls them.
    fn register(&self, address: &str, authority: &str) {
        let rule = |resource: &str, operation: &str| json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": [resource], "operations": [operation]});
        for (kind, path) in [("Mutating", "mutate"), ("Validating", "validate")] {
            let webhook = json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
                "metadata": {"name": self.namespace.name},
                "webhooks": [{
                    "name": format!("{path}.trocar.dev"), "admissionReviewVersions": ["v1"], "sideEffects": "None",
                    "clientConfig": {"url": format!("https://{address}/{path}"), "caBundle": authority},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace.name}},
                    "rules": [
                        rule("pods", "CREATE"), rule("pods/ephemeralcontainers", "UPDATE"),
                        rule("pods/exec", "CONNECT"), rule("pods/attach", "CONNECT"),
                    ],
                }],
            });
            let path = configurations(kind);
            self.namespace.cluster.create(&path, &webhook);
        }
        // A dry run, for which the webhooks are called, too.
        let probe = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
            "spec": {"containers": [{"name": "a", "image": OTHER_IMAGE}]}});
        let path = format!("{}?dryRun=All", self.namespace.path("pods"));
        let began = Instant::now();
        loop {
            drop(self.namespace.cluster.send(Request::post(&path), &probe));
            let metrics = self.metrics();
            let is_asked = |webhook: &str| metrics.contains(&format!("reviews_total{{webhook=\"{webhook}\""));
            if is_asked("mutate") && is_asked("validate") {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "the webhooks are never asked");
        }
    }

    fn metrics(&self) -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&self.health).expect("the server listens");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .expect("it takes a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers with text");
        text
    }

    /// Runs `kubectl debug` with a container `dbg`. `$IMAGE` in the flags is the image for tests, `$NODE` a node.
    fn kubectl(&self, flags: &str) -> CommandOutput {
        let mut command = vec![
            "debug".to_owned(),
            format!("--namespace={}", self.namespace.name),
            "-q".to_owned(),
        ];
        command.extend(self.typed(flags));
        let mut env = TestEnv::new(&self.kubectl);
        let kubeconfig = self.env.folder().join("kubeconfig");
        env.set("KUBECONFIG", &kubeconfig.display().to_string());
        env.run_with(command)
    }

    /// Runs `trocar debug` with the same flags, without policies of its own.
    fn trocar(&self, flags: &str) -> CommandOutput {
        self.namespace
            .debug(&format!("-q {}", self.typed(flags).join(" ")), &[])
    }

    fn typed(&self, flags: &str) -> Vec<String> {
        let node = self.namespace.cluster.node();
        let image = &self.namespace.cluster.image;
        flags
            .split_whitespace()
            .map(|flag| {
                flag.replace("$IMAGE", image)
                    .replace("$OTHER", OTHER_IMAGE)
                    .replace("$NODE", &node)
            })
            .collect()
    }

    /// Makes the same debug with kubectl and with trocar: both are allowed, or both denied with this message.
    fn both(&self, flags: &str, denied: Option<&str>) {
        for (who, output) in [("kubectl", self.kubectl(flags)), ("trocar", self.trocar(flags))] {
            match denied {
                None => assert_eq!(output.code, 0, "{who} {flags}: {output}"),
                Some(words) => {
                    let is_denied = output.code != 0 && output.stderr.contains(DENIES);
                    assert!(
                        is_denied && output.stderr.contains(words),
                        "{who} {flags} is not denied with {words:?}: {output}"
                    );
                }
            }
        }
    }

    /// Makes the same debugs with the same policies in the user's configuration, without webhooks: the verdicts are the same.
    fn as_at_home(&self, cluster: &Cluster, config: &str, cases: &[(&str, Option<&str>)]) {
        let home = cluster.namespace();
        home.pod("web");
        let file = with_config(&home, config);
        for (flags, denied) in cases {
            let flags = self.typed(flags).join(" ");
            let output = home.debug(&format!("-q {file} --yes {flags}"), &[]);
            let wanted = denied.is_none();
            assert_eq!(output.code == 0, wanted, "at home {flags}: {output}");
        }
    }

    fn judge(&self, cluster: &Cluster, config: &str, cases: &[(&str, Option<&str>)]) {
        for (flags, denied) in cases {
            self.both(flags, *denied);
        }
        self.as_at_home(cluster, config, cases);
    }

    fn debug_containers(&self) -> Vec<Value> {
        let pod = self.namespace.read_pod("web");
        pod["spec"]["ephemeralContainers"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// The API server's answer to a request.
    fn send(&self, request: http::request::Builder, body: &Value) -> Result<Value, String> {
        let sent = self.namespace.cluster.send(request, body);
        sent.map_err(|error| error.to_string())
    }

    fn pod_path(&self, rest: &str) -> String {
        format!("{}/web{rest}", self.namespace.path("pods"))
    }
}

impl Drop for Door<'_> {
    fn drop(&mut self) {
        for kind in ["Mutating", "Validating"] {
            let path = format!("{}/{}", configurations(kind), self.namespace.name);
            self.namespace.cluster.delete(&path);
        }
    }
}

fn configurations(kind: &str) -> String {
    format!("{GROUP}/{}webhookconfigurations", kind.to_ascii_lowercase())
}

pub(crate) fn kubectl() -> Option<PathBuf> {
    let asset = env::var_os("KUBEBUILDER_ASSETS").map(|folder| PathBuf::from(folder).join("kubectl"));
    asset.filter(|file| file.is_file()).or_else(|| in_path("kubectl"))
}

pub(crate) const IMAGES: &str = "policies:\n- name: images\n  plugin: approved-images\n  settings: {images: [{repository: library/busybox}, {registry: '127.0.0.1:*'}]}\n";

fn approved_images(cluster: &Cluster) {
    let Some(door) = Door::open(cluster, IMAGES) else {
        return;
    };
    let words = Some("is not approved");
    door.judge(
        cluster,
        IMAGES,
        &[
            ("web --image=$IMAGE", None),
            ("web --image=$OTHER", words),
            ("web --image=$OTHER --copy-to=copy", words),
            ("node/$NODE --image=$IMAGE", None),
            ("node/$NODE --image=$OTHER", words),
        ],
    );
    assert_eq!(
        door.kubectl("web --image=$IMAGE --copy-to=copy-of-kubectl").code,
        0
    );
    assert_eq!(door.trocar("web --image=$IMAGE --copy-to=copy-of-trocar").code, 0);
}

fn images_from_a_mirror(cluster: &Cluster) {
    let config = "policies:\n- name: images\n  plugin: approved-images\n  settings: {mirrors: [{from: docker.io, to: mirror.example.com/hub}]}\n";
    let Some(door) = Door::open(cluster, config) else {
        return;
    };
    let output = door.kubectl("web --image=tool:1 -c kubectls");
    assert!(
        output.code == 0 && output.stderr.contains("Warning: policy images changed the plan"),
        "{output}"
    );
    assert_eq!(door.trocar("web --image=tool:1 -c trocars").code, 0);
    for container in door.debug_containers() {
        assert_eq!(
            container["image"], "mirror.example.com/hub/library/tool:1",
            "{container:#}"
        );
    }
    assert_eq!(door.debug_containers().len(), 2);
    assert_eq!(door.kubectl("web --image=tool:1 --copy-to=copy -c dbg").code, 0);
    let copy = door.namespace.read_pod("copy");
    let images: Vec<String> = copy["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| text(&c["image"]))
        .collect();
    assert!(
        images.contains(&"mirror.example.com/hub/library/tool:1".to_owned()),
        "{images:?}"
    );
    // The server's additions are still there, once.
    let volumes = copy["spec"]["volumes"].as_array().unwrap();
    assert_eq!(volumes.len(), 1, "{volumes:#?}");
}

const CEILING: &str =
    "policies:\n- name: ceiling\n  plugin: privilege-ceiling\n  settings: {level: baseline}\n";

fn a_ceiling(cluster: &Cluster) {
    let Some(door) = Door::open(cluster, CEILING) else {
        return;
    };
    let words = Some("Pod Security level baseline");
    door.judge(
        cluster,
        CEILING,
        &[
            ("web --image=$IMAGE --profile=sysadmin", words),
            ("web --image=$IMAGE --profile=baseline", None),
            (
                "web --image=$IMAGE --profile=sysadmin --copy-to=copy -c dbg",
                words,
            ),
            ("node/$NODE --image=$IMAGE --profile=general", words),
        ],
    );
    assert_eq!(
        door.kubectl("web --image=$IMAGE --profile=baseline --copy-to=copy -c dbg")
            .code,
        0
    );
}

fn a_ceiling_that_amends(cluster: &Cluster) {
    let config = CEILING.replace("level: baseline", "level: baseline, onExcess: amend");
    let Some(door) = Door::open(cluster, &config) else {
        return;
    };
    door.both("web --image=$IMAGE --profile=sysadmin", None);
    let containers = door.debug_containers();
    assert_eq!(containers.len(), 2);
    for container in containers {
        assert_ne!(container["securityContext"]["privileged"], true, "{container:#}");
    }
    assert_eq!(
        door.kubectl("web --image=$IMAGE --profile=sysadmin --copy-to=copy -c dbg")
            .code,
        0
    );
    let copy = door.namespace.read_pod("copy");
    assert_ne!(
        copy["spec"]["containers"][1]["securityContext"]["privileged"], true,
        "{copy:#}"
    );
}

fn a_reason(cluster: &Cluster) {
    let config =
        "policies:\n- name: reasons\n  plugin: require-reason\n  settings: {pattern: 'OPS-[0-9]+'}\n";
    let Some(door) = Door::open(cluster, config) else {
        return;
    };
    for target in ["web", "node/$NODE", "web --copy-to=copy -c dbg"] {
        door.both(&format!("{target} --image=$IMAGE"), Some("policy reasons"));
    }
    for (target, index) in [("web", 1), ("node/$NODE", 2), ("web --copy-to=copy", 3)] {
        let copy = |who: &str| match target.contains("copy-to") {
            true => format!("web --copy-to={who} -c dbg"),
            false => target.to_owned(),
        };
        let output = door.kubectl(&format!(
            "{} --image=$IMAGE --env=TROCAR_REASON=OPS-{index}",
            copy("a")
        ));
        assert_eq!(output.code, 0, "{target}: {output}");
        let output = door.trocar(&format!("{} --image=$IMAGE --reason=OPS-{index}", copy("b")));
        assert_eq!(output.code, 0, "{target}: {output}");
    }
    let output = door.trocar("web --image=$IMAGE --reason=because");
    assert!(output.code != 0 && output.stderr.contains(DENIES), "{output}");
}

fn protected_targets(cluster: &Cluster) {
    let config = "policies:\n- name: protected\n  plugin: protected-targets\n  settings: {labels: {test: web}, controlPlane: false}\n";
    let Some(door) = Door::open(cluster, config) else {
        return;
    };
    door.judge(
        cluster,
        config,
        &[
            ("web --image=$IMAGE", Some("protects it")),
            ("node/$NODE --image=$IMAGE", None),
        ],
    );
    let node = door.namespace.cluster.node();
    let config = format!(
        "policies:\n- name: protected\n  plugin: protected-targets\n  settings: {{nodes: ['{node}']}}\n"
    );
    drop(door);
    let Some(door) = Door::open(cluster, &config) else {
        return;
    };
    let cases = [
        ("node/$NODE --image=$IMAGE", Some("may not be debugged")),
        ("web --image=$IMAGE", None),
    ];
    door.judge(cluster, &config, &cases);
    let config = "policies:\n- name: protected\n  plugin: protected-targets\n  settings: {namespaces: ['trocar-test-*'], exceptUsers: [root]}\n";
    drop(door);
    let Some(door) = Door::open(cluster, config) else {
        return;
    };
    let words = Some("nothing may be debugged in namespace");
    let cases = [
        ("web --image=$IMAGE", words),
        ("web --image=$IMAGE --copy-to=copy -c dbg", words),
        ("node/$NODE --image=$IMAGE", words),
    ];
    door.judge(cluster, config, &cases);
}

fn limits(cluster: &Cluster) {
    let config = "policies:\n- name: limits\n  plugin: session-limits\n  settings: {ephemeralContainers: 2, timeToLive: 600}\n";
    let Some(door) = Door::open(cluster, config) else {
        return;
    };
    door.both("web --image=$IMAGE", None);
    door.both("web --image=$IMAGE", Some("has 2 debug containers already"));
    for target in ["web --copy-to=copy -c dbg", "node/$NODE"] {
        assert_eq!(door.kubectl(&format!("{target} --image=$IMAGE")).code, 0);
    }
    let pods = door.namespace.pods();
    let made: Vec<&String> = pods.iter().filter(|pod| *pod != "web").collect();
    assert_eq!(made.len(), 2, "{pods:?}");
    for pod in made {
        let pod = door.namespace.read_pod(pod);
        let seconds = pod["spec"]["activeDeadlineSeconds"].as_u64();
        assert!(seconds.is_some_and(|seconds| seconds <= 600), "{pod:#}");
    }
}

fn a_warning_and_a_note(cluster: &Cluster) {
    let config = IMAGES.replace("  plugin:", "  mode: warn\n  plugin:");
    let Some(door) = Door::open(cluster, &config) else {
        return;
    };
    let output = door.kubectl("web --image=$OTHER");
    assert!(
        output.code == 0 && output.stderr.contains("Warning: policy images would deny this"),
        "{output}"
    );
    drop(door);
    let config = IMAGES.replace("  plugin:", "  mode: audit\n  plugin:");
    let Some(door) = Door::open(cluster, &config) else {
        return;
    };
    let output = door.kubectl("web --image=$OTHER");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output}");
}

/// Requests that bypass kubectl and trocar: other verbs, several containers at once, forged metadata.
fn ways_around(cluster: &Cluster) {
    let config = format!(
        "{IMAGES}- name: protected\n  plugin: protected-targets\n  settings: {{labels: {{tier: gold}}}}\n"
    );
    let Some(door) = Door::open(cluster, &config) else {
        return;
    };
    let container = |name: &str, image: &str| json!({"name": name, "image": image});
    let good = text(&json!(door.namespace.cluster.image));
    let path = door.pod_path("/ephemeralcontainers");
    let merge = |body: &Value| {
        let request = Request::patch(&path).header("content-type", "application/strategic-merge-patch+json");
        send_as(&door, request, body)
    };
    // A denied one behind an allowed one.
    let two = json!({"spec": {"ephemeralContainers": [container("a", &good), container("b", OTHER_IMAGE)]}});
    let told = merge(&two).unwrap_err();
    assert!(told.contains("\"b\"") && !told.contains("\"a\""), "{told}");
    // PUT instead of PATCH.
    let mut pod = door.namespace.read_pod("web");
    pod["spec"]["ephemeralContainers"] = json!([container("c", OTHER_IMAGE)]);
    assert!(door.send(Request::put(&path), &pod).unwrap_err().contains(DENIES));
    // A JSON Patch.
    let patch =
        json!([{"op": "add", "path": "/spec/ephemeralContainers", "value": [container("d", OTHER_IMAGE)]}]);
    let request = Request::patch(&path).header("content-type", "application/json-patch+json");
    assert!(send_as(&door, request, &patch).unwrap_err().contains(DENIES));
    // Forged labels and annotations in the same request.
    let forged = json!({"metadata": {"labels": {"tier": "silver"}, "annotations": {"trocar.dev/plan": "sha256:0"}},
        "spec": {"ephemeralContainers": [container("e", &good)]}});
    let label = json!({"metadata": {"labels": {"tier": "gold"}}});
    let request = Request::patch(door.pod_path("")).header("content-type", "application/merge-patch+json");
    send_as(&door, request, &label).expect("a label can be set");
    assert!(merge(&forged).unwrap_err().contains("tier=gold"));
    // A service account is judged at a debug container as every user is.
    let account = format!("system:serviceaccount:{}:default", door.namespace.name);
    door.namespace.grant(
        &account,
        &[(&["pods", "pods/ephemeralcontainers"], &["get", "patch"])],
    );
    let request = Request::patch(&path)
        .header("content-type", "application/strategic-merge-patch+json")
        .header("impersonate-user", &account)
        .header("impersonate-group", "system:serviceaccounts");
    let body = json!({"spec": {"ephemeralContainers": [container("f", &good)]}});
    assert!(send_as(&door, request, &body).unwrap_err().contains("tier=gold"));
    assert!(door.debug_containers().is_empty());
    let generated = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}, "spec": {"containers": [container("a", OTHER_IMAGE)]}});
    assert!(
        door.send(Request::post(door.namespace.path("pods")), &generated)
            .unwrap_err()
            .contains(DENIES)
    );
}

/// Requests that no debugging tool makes, and requests that cannot add a container.
fn other_requests(cluster: &Cluster) {
    let Some(door) = Door::open(cluster, IMAGES) else {
        return;
    };
    let bad = json!([{"name": "a", "image": OTHER_IMAGE}]);
    let added = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"ephemeralContainers": bad}});
    let pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dry"}, "spec": {"containers": bad}});
    let patch = |path: &str, kind: &str, body: &Value| {
        let request =
            Request::patch(door.pod_path(path)).header("content-type", format!("application/{kind}"));
        send_as(&door, request, body)
    };
    for (what, sent) in [
        (
            "server-side apply",
            patch(
                "/ephemeralcontainers?fieldManager=test&force=true",
                "apply-patch+yaml",
                &added,
            ),
        ),
        (
            "a merge patch",
            patch("/ephemeralcontainers", "merge-patch+json", &added),
        ),
        (
            "a dry run",
            patch(
                "/ephemeralcontainers?dryRun=All",
                "strategic-merge-patch+json",
                &added,
            ),
        ),
        (
            "a dry run of a pod",
            door.send(
                Request::post(format!("{}?dryRun=All", door.namespace.path("pods"))),
                &pod,
            ),
        ),
        (
            "a pod by server-side apply",
            send_as(
                &door,
                Request::patch(format!("{}/dry?fieldManager=test", door.namespace.path("pods")))
                    .header("content-type", "application/apply-patch+yaml"),
                &pod,
            ),
        ),
    ] {
        let told = sent.expect_err(what);
        assert!(
            told.contains(DENIES) && told.contains("is not approved"),
            "{what}: {told}"
        );
    }
    // Updates of the pod and its status cannot add a debug container, so policies are not needed.
    for path in ["", "/status"] {
        drop(patch(path, "strategic-merge-patch+json", &added));
    }
    assert!(door.debug_containers().is_empty());
    assert_eq!(door.namespace.pods(), ["web"]);
}

/// Sends a request with a content type of its own.
fn send_as(door: &Door<'_>, request: http::request::Builder, body: &Value) -> Result<Value, String> {
    let sent = door.namespace.cluster.send_as_is(request, body);
    sent.map_err(|error| error.to_string())
}

/// Pods of controllers and service accounts do not count as debugs, unless all pods are judged.
fn who_creates_a_pod(cluster: &Cluster) {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"}, "spec": {
        "selector": {"matchLabels": {"app": "app"}},
        "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "a", "image": OTHER_IMAGE}]}}}});
    // The controllers of a cluster for tests may be administrators.
    let config = format!("{IMAGES}admission: {{exemptGroups: ['system:masters']}}\n");
    let Some(door) = Door::open(cluster, &config) else {
        return;
    };
    let created = || {
        door.namespace
            .pods()
            .into_iter()
            .any(|pod| pod.starts_with("app-"))
    };
    door.namespace
        .cluster
        .create(&door.namespace.path_of("apps", "deployments"), &deployment);
    let began = Instant::now();
    while !created() {
        assert!(
            began.elapsed() < PATIENCE,
            "the Deployment's pod is never created"
        );
    }
    drop(door);
    let Some(door) = Door::open(cluster, &format!("{IMAGES}admission: {{pods: all}}\n")) else {
        return;
    };
    door.namespace
        .cluster
        .create(&door.namespace.path_of("apps", "deployments"), &deployment);
    let path = door.namespace.path_of("apps", "replicasets");
    let told = |set: &Value| {
        let conditions = set["status"]["conditions"].as_array()?;
        let failure = conditions
            .iter()
            .find(|condition| condition["type"] == "ReplicaFailure")?;
        failure["message"].as_str().map(str::to_owned)
    };
    let began = Instant::now();
    loop {
        let sets = door.namespace.cluster.read(&path).expect("they can be listed");
        let found = sets["items"].as_array().into_iter().flatten().find_map(told);
        if let Some(message) = found {
            assert!(message.contains("is not approved"), "{message}");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the controller is never denied");
    }
    assert_eq!(door.namespace.pods(), ["web"]);
}

macro_rules! plan {
    ($name:literal) => {
        ($name, include_str!(concat!("plans/", $name, ".json")))
    };
}

/// Plans of hostile strategies, sent without trocar.
fn hostile_pods(cluster: &Cluster) {
    let config = "policies:\n- name: ceiling\n  plugin: privilege-ceiling\n  settings: {profile: restricted}\n\
                  - name: limits\n  plugin: session-limits\n  settings: {timeToLive: 30, resources: {cpu: '1', memory: 1Gi}}\n";
    let Some(door) = Door::open(cluster, config) else {
        return;
    };
    let send = |(name, plan): (&'static str, &str)| {
        let mut step: Value = serde_json::from_str(plan).expect("a plan is JSON");
        if step["action"] == "add-ephemeral-container" {
            let request = Request::patch(door.pod_path("/ephemeralcontainers"))
                .header("content-type", "application/strategic-merge-patch+json");
            let body = json!({"spec": {"ephemeralContainers": [step["object"]]}});
            return (name, send_as(&door, request, &body));
        }
        let object = &mut step["object"];
        object["metadata"]["namespace"] = json!(door.namespace.name);
        object["metadata"]["name"] = json!(name);
        for list in ["containers", "initContainers"] {
            for container in object["spec"][list].as_array_mut().into_iter().flatten() {
                container["image"] = json!(door.namespace.cluster.image);
            }
        }
        let path = format!("{}?dryRun=All", door.namespace.path("pods"));
        (name, door.send(Request::post(path), object))
    };
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "powerful"}});
    door.namespace
        .cluster
        .create(&door.namespace.path("serviceaccounts"), &account);
    // A patch directive takes the security context away; what is left is judged.
    for plan in [
        plan!("a-container-that-hides-a-patch-directive"),
        plan!("a-node-pod-on-another-node"),
        plan!("a-path-that-erases-the-screen"),
        plan!("another-account-by-its-old-name"),
        plan!("secrets-of-others"),
        plan!("a-priority-of-the-system"),
    ] {
        let (name, sent) = send(plan);
        let told = sent.expect_err(name);
        assert!(told.contains(DENIES), "{name}: {told}");
    }
    for plan in [
        plan!("a-day-to-end"),
        plan!("a-sidecar-without-bounds"),
        plan!("a-pod-without-bounds"),
    ] {
        let (name, sent) = send(plan);
        match sent {
            Err(told) => assert!(told.contains(DENIES), "{name}: {told}"),
            Ok(pod) => {
                let of = |field: &str| pod["spec"][field].as_u64().unwrap_or(u64::MAX);
                let within = of("activeDeadlineSeconds").saturating_add(of("terminationGracePeriodSeconds"));
                assert!(within <= 30, "{name}: {pod:#}");
            }
        }
    }
    assert!(door.debug_containers().is_empty());
}

/// Sessions with containers of a running pod.
fn sessions(cluster: &Cluster) {
    let config = "policies:\n- name: protected\n  plugin: protected-targets\n  settings: {labels: {tier: gold}}\n\
                  admission: {connect: [exec, attach]}\n";
    let Some(door) = Door::open(cluster, config) else {
        return;
    };
    let kubectl = |command: &str| {
        let mut env = TestEnv::new(&door.kubectl);
        let kubeconfig = door.env.folder().join("kubeconfig");
        env.set("KUBECONFIG", &kubeconfig.display().to_string());
        env.run(&format!("--namespace={} {command}", door.namespace.name))
    };
    let output = kubectl("exec web -c app -- echo here");
    assert_eq!((output.code, output.stdout.as_str()), (0, "here\n"), "{output}");
    assert_eq!(
        door.kubectl("web --image=$IMAGE -c dbg --stdin=false -- sh").code,
        0
    );
    let label = json!({"metadata": {"labels": {"tier": "gold"}}});
    let request = Request::patch(door.pod_path("")).header("content-type", "application/merge-patch+json");
    send_as(&door, request, &label).expect("a label can be set");
    for command in ["exec web -c app -- echo here", "attach web -c app"] {
        let output = kubectl(command);
        assert!(output.code != 0 && output.stdout.is_empty(), "{output}");
        assert!(output.stderr.contains("tier=gold"), "{output}");
    }
}

fn records(cluster: &Cluster) {
    let config = format!("{IMAGES}audit: [{{sink: file, file: audit.jsonl, required: true}}]\n");
    let Some(door) = Door::open(cluster, &config) else {
        return;
    };
    let path = format!("{}?dryRun=All", door.namespace.path("pods"));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dry"},
        "spec": {"containers": [{"name": "a", "image": door.namespace.cluster.image}]}});
    door.send(Request::post(path), &pod)
        .expect("a dry run is allowed");
    assert_eq!(door.kubectl("web --image=$IMAGE -c one").code, 0);
    assert_ne!(door.kubectl("web --image=$OTHER -c two").code, 0);
    let text_of = std::fs::read_to_string(door.env.folder().join("audit.jsonl")).unwrap_or_default();
    let records: Vec<Value> = text_of
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record is JSON"))
        .collect();
    // The API server calls again if the pod has changed meanwhile.
    let is_of = |record: &&Value| record["target"]["name"] == "web";
    assert!(
        records.iter().all(|record| is_of(&record)),
        "a dry run must not be recorded: {records:#?}"
    );
    let of = |event: &str| {
        let found = records.iter().find(|record| record["event"] == event);
        found.unwrap_or_else(|| panic!("nothing was {event}: {records:#?}"))
    };
    let (record, denied) = (of("admitted"), of("denied"));
    assert_eq!(denied["policies"][0]["verdict"], "deny");
    assert_eq!(record["object"]["containers"][0]["name"], "one");
    assert!(
        record["actor"]["user"]
            .as_str()
            .is_some_and(|user| !user.is_empty())
    );
}
