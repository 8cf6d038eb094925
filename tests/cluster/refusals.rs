//! Failing debugs: the error comes soon, with a hint and trocar's own exit code.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trocar_test_support::{CommandOutput, skipped};

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "refusals::an_image_that_does_not_exist",
        an_image_that_does_not_exist,
    ),
    ("refusals::an_image_without_a_name", an_image_without_a_name),
    (
        "refusals::a_command_that_does_not_exist",
        a_command_that_does_not_exist,
    ),
    (
        "refusals::a_container_that_may_not_be_root",
        a_container_that_may_not_be_root,
    ),
    ("refusals::a_static_pod", a_static_pod),
    ("refusals::a_finished_pod", a_finished_pod),
    (
        "refusals::a_pod_deleted_while_waiting",
        a_pod_deleted_while_waiting,
    ),
    (
        "refusals::a_pod_deleted_while_attached",
        a_pod_deleted_while_attached,
    ),
    ("refusals::a_user_without_rights", a_user_without_rights),
    ("refusals::a_user_who_may_not_attach", a_user_who_may_not_attach),
    (
        "refusals::a_user_who_may_not_read_logs",
        a_user_who_may_not_read_logs,
    ),
    (
        "refusals::a_namespace_that_enforces_restricted",
        a_namespace_that_enforces_restricted,
    ),
    ("refusals::a_quota", a_quota),
    (
        "refusals::a_quota_that_takes_no_pod_without_resources",
        a_quota_that_wants_resources,
    ),
    ("refusals::a_limit_range", a_limit_range),
    ("refusals::a_copy_that_fits_nowhere", a_copy_that_fits_nowhere),
    (
        "refusals::a_pod_with_a_hundred_ephemeral_containers",
        a_pod_with_a_hundred_ephemeral_containers,
    ),
];

/// trocar's own exit code when it fails itself.
const FAILED: i32 = 125;

/// Runs the program, and checks that it fails in time.
fn fails_within(seconds: u64, namespace: &Namespace<'_>, flags: &str, command: &[&str]) -> CommandOutput {
    let began = Instant::now();
    let output = namespace.debug(flags, command);
    let took = began.elapsed();
    assert_eq!(output.code, FAILED, "{output}");
    assert!(took < Duration::from_secs(seconds), "it took {took:?}\n{output}");
    output
}

fn says(output: &CommandOutput, parts: &[&str]) {
    for part in parts {
        assert!(output.stderr.contains(part), "{part:?} is not in:\n{output}");
    }
}

fn an_image_that_does_not_exist(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let output = fails_within(10, &namespace, "-i web --image=busybox:no-such-tag -c dbg", &[]);
    says(
        &output,
        &[
            "container \"dbg\" of pod \"web\" does not start",
            "busybox:no-such-tag",
            "check the image's name",
        ],
    );
    says(&output, &["Container dbg stays listed in pod web"]);
}

/// An image name that parses, and that kubelets refuse.
fn an_image_without_a_name(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let output = fails_within(
        10,
        &namespace,
        &format!("-i web --image={}", "0a".repeat(32)),
        &[],
    );
    says(&output, &["InvalidImageName", "--image must name an image"]);
}

fn a_command_that_does_not_exist(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let output = fails_within(10, &namespace, "-i web --image=$IMAGE", &["no-such-program"]);
    says(&output, &["no-such-program", "check the command:"]);
    let output = fails_within(
        10,
        &namespace,
        "-i web --image=$IMAGE --copy-to=copy -c dbg",
        &["no-such-program"],
    );
    says(&output, &["no-such-program", "kubectl delete pod copy"]);
}

fn a_container_that_may_not_be_root(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let output = fails_within(
        10,
        &namespace,
        "-i web --image=$IMAGE --profile=restricted",
        &["sh"],
    );
    says(&output, &["runAsNonRoot and image will run as root", "--custom"]);
}

fn a_static_pod(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let Some((pod, in_namespace, _manifest)) = static_pod(&namespace) else {
        skipped("no static pod: the cluster has none, and TROCAR_TEST_STATIC_PODS names no folder");
        return;
    };
    let began = Instant::now();
    let command = [
        "debug",
        "-i",
        pod.as_str(),
        "-n",
        in_namespace.as_str(),
        "--image",
        &cluster.image,
    ];
    let output = namespace.env.run_with(command);
    assert_eq!(output.code, FAILED, "{output}");
    assert!(began.elapsed() < Duration::from_secs(3));
    says(
        &output,
        &["the pod is a static pod", "--copy-to=NAME", "nothing was changed"],
    );
}

/// A static pod's manifest, removed on drop.
struct Manifest(std::path::PathBuf);

impl Drop for Manifest {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// An existing static pod, or one of a new manifest.
fn static_pod(namespace: &Namespace<'_>) -> Option<(String, String, Option<Manifest>)> {
    let cluster = namespace.cluster;
    let is_static = |pod: &&Value| pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string();
    let pods = cluster.read("/api/v1/pods").expect("pods can be listed");
    let found = pods["items"].as_array().into_iter().flatten().find(is_static);
    if let Some(found) = found {
        return Some((
            text(&found["metadata"]["name"]),
            text(&found["metadata"]["namespace"]),
            None,
        ));
    }
    let folder = std::env::var_os("TROCAR_TEST_STATIC_PODS")?;
    let name = format!("static-{}", namespace.name);
    let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace.name},
        "spec": {"containers": [{"name": "app", "image": cluster.image, "command": ["sleep", "36000"]}], "terminationGracePeriodSeconds": 0}});
    let file = std::path::Path::new(&folder).join(format!("{name}.json"));
    std::fs::write(&file, manifest.to_string()).expect("TROCAR_TEST_STATIC_PODS can be written to");
    let manifest = Manifest(file);
    let node = cluster.node();
    let mirror = format!("{name}-{node}");
    namespace.wait_for_pod(&mirror, "running", |pod| {
        (pod["status"]["phase"] == "Running").then_some(())
    });
    Some((mirror, namespace.name.clone(), Some(manifest)))
}

fn a_finished_pod(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.create_pod("done", &["true"], &json!({"restartPolicy": "Never"}));
    namespace.wait_for_pod("done", "finished", |pod| {
        (pod["status"]["phase"] == "Succeeded").then_some(())
    });
    let output = fails_within(3, &namespace, "-i done --image=$IMAGE", &[]);
    says(
        &output,
        &[
            "the pod has finished: its phase is Succeeded",
            "--copy-to=NAME",
            "nothing was changed",
        ],
    );
    assert!(namespace.ephemeral_containers("done").is_empty());
}

fn a_pod_deleted_while_waiting(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    // An image whose pull takes longer than the test.
    let mut running = namespace.start(
        "-i web --image=busybox:no-such-tag --pod-running-timeout=5m -c dbg",
        &[],
    );
    namespace.wait_for_pod("web", "with a debug container", |pod| {
        pod["spec"]["ephemeralContainers"].is_array().then_some(())
    });
    cluster.delete(&format!("{}/web", namespace.path("pods")));
    let began = Instant::now();
    running.close_stdin();
    let output = running.finish();
    assert!(began.elapsed() < Duration::from_secs(3), "{output}");
    assert_eq!(output.code, FAILED, "{output}");
    assert!(output.stderr.contains("deleted"), "{output}");
}

fn a_pod_deleted_while_attached(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let running = namespace.start(
        "-i web --image=$IMAGE -c dbg",
        &["sh", "-c", "echo here; sleep 600"],
    );
    running.stdout_until("here\n");
    cluster.delete(&format!("{}/web", namespace.path("pods")));
    let output = running.finish_with_open_stdin();
    // The kubelet may still have reported the program's end.
    assert!([FAILED, 137, 143].contains(&output.code), "{output}");
}

fn a_user_without_rights(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let output = fails_within(3, &namespace, "-i web --image=$IMAGE --as=no-such-user", &[]);
    says(
        &output,
        &[
            "cannot get resource \"pods\"",
            "you may not get pods",
            "verbs: [\"get\"]",
        ],
    );

    namespace.grant("reader", &[(&["pods"], &["get"])]);
    let output = fails_within(3, &namespace, "-i web --image=$IMAGE --as=reader", &[]);
    let role = format!(
        "a Role in namespace {:?} with the rule {{apiGroups: [\"\"], resources: [\"pods/ephemeralcontainers\"], verbs: [\"patch\"]}}",
        namespace.name
    );
    says(
        &output,
        &["cannot patch resource \"pods/ephemeralcontainers\"", &role],
    );
    assert!(namespace.ephemeral_containers("web").is_empty());
}

const DEBUGS: (&[&str], &[&str]) = (&["pods/ephemeralcontainers"], &["patch"]);

/// Without attach, the program gets no input, and its output comes from the log.
fn a_user_who_may_not_attach(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.grant(
        "logger",
        &[DEBUGS, (&["pods", "pods/log"], &["get", "list", "watch"])],
    );
    let program = "echo one; sleep 1; echo two; exit 8";
    let output = namespace.debug(
        "--attach web --image=$IMAGE --as=logger -q",
        &["sh", "-c", program],
    );
    assert_eq!(
        (output.stdout.as_str(), output.code),
        ("one\ntwo\n", 8),
        "{output}"
    );
    says(
        &output,
        &["couldn't attach, showing the log instead", "pods/attach"],
    );
}

/// Output from before the attach is lost, which is reported. This user may not watch, either.
fn a_user_who_may_not_read_logs(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    namespace.grant(
        "attacher",
        &[DEBUGS, (&["pods", "pods/attach"], &["get", "create"])],
    );
    let program = "echo one; sleep 2; echo two; exit 8";
    let output = namespace.debug(
        "--attach web --image=$IMAGE --as=attacher -q",
        &["sh", "-c", program],
    );
    assert!(output.stdout.ends_with("two\n"), "{output}");
    assert_eq!(output.code, 8, "{output}");
    says(&output, &["the log cannot be read", "pods/log"]);
}

fn a_namespace_that_enforces_restricted(cluster: &Cluster) {
    let namespace = cluster.namespace_with(&json!({"pod-security.kubernetes.io/enforce": "restricted"}));
    let security = json!({"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let container = json!({"name": "app", "image": cluster.image, "command": ["sleep", "36000"], "securityContext": security});
    namespace.create_pod("web", &[], &json!({"containers": [container]}));
    namespace.wait_for_pod("web", "running", |pod| {
        (pod["status"]["phase"] == "Running").then_some(())
    });
    let output = fails_within(3, &namespace, "-i web --image=$IMAGE --profile=sysadmin", &["sh"]);
    says(
        &output,
        &[
            "violates PodSecurity \"restricted",
            "privileged",
            "--profile=restricted",
        ],
    );
    assert!(namespace.ephemeral_containers("web").is_empty());
    let custom = namespace
        .env
        .write("custom.json", r#"{"securityContext": {"runAsUser": 1000}}"#);
    let flags = format!(
        "-q --attach web --image=$IMAGE --profile=restricted --custom={}",
        custom.display()
    );
    let output = namespace.debug(&flags, &["id", "-u"]);
    assert_eq!((output.stdout.as_str(), output.code), ("1000\n", 0), "{output}");
}

fn a_quota(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}});
    cluster.create(&namespace.path("resourcequotas"), &quota);
    cluster.wait_for(&namespace.path("resourcequotas"), "small", "counted", |quota| {
        (quota["status"]["used"]["pods"] == "1").then_some(())
    });
    let output = fails_within(3, &namespace, "-i web --image=$IMAGE --copy-to=copy", &[]);
    says(
        &output,
        &[
            "exceeded quota: small",
            "quota \"small\" of the namespace is used up",
        ],
    );
    assert_eq!(namespace.pods(), ["web"]);
}

fn a_quota_that_wants_resources(cluster: &Cluster) {
    let namespace = cluster.namespace();
    for (name, hard) in [
        ("cpu", json!({"requests.cpu": "1", "limits.cpu": "2"})),
        ("memory", json!({"memory": "1Gi", "limits.memory": "1Gi"})),
    ] {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}});
        cluster.create(&namespace.path("resourcequotas"), &quota);
        cluster.wait_for(&namespace.path("resourcequotas"), name, "counted", |quota| {
            quota["status"]["used"].is_object().then_some(())
        });
    }
    let flags = format!("node/{} --image=$IMAGE --attach", cluster.node());
    let dry = namespace.debug(&format!("{flags} --dry-run=server"), &["true"]);
    assert_eq!(dry.code, 0, "{dry}");
    let output = namespace.debug(&flags, &["echo", "in"]);
    assert_eq!(
        (output.stdout.lines().last(), output.code),
        (Some("in"), 0),
        "{output}"
    );
    for output in [&dry, &output] {
        says(
            output,
            &[
                "quota \"cpu\" requires resources, so the debug container gets requests.cpu=10m, limits.cpu=500m",
                "quota \"memory\" requires resources, so the debug container gets requests.memory=32Mi, limits.memory=256Mi",
            ],
        );
    }
}

fn a_limit_range(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"},
        "spec": {"limits": [{"type": "Container", "min": {"memory": "8Mi"}, "max": {"memory": "16Mi"}}]}});
    cluster.create(&namespace.path("limitranges"), &limits);
    let custom = namespace
        .env
        .write("custom.json", r#"{"resources": {"limits": {"memory": "64Mi"}}}"#);
    let flags = format!(
        "-i web --image=$IMAGE --copy-to=copy --custom={}",
        custom.display()
    );
    let began = Instant::now();
    // The admission plugin has a cache of its own.
    let output = loop {
        let output = namespace.debug(&format!("{flags} --dry-run=server"), &[]);
        if output.code != 0 || began.elapsed() > Duration::from_secs(10) {
            break output;
        }
    };
    assert_eq!(output.code, FAILED, "{output}");
    says(
        &output,
        &[
            "maximum memory usage per Container is 16Mi",
            "a LimitRange of the namespace bounds resources",
        ],
    );
    assert_eq!(namespace.pods(), ["web"]);
}

fn a_copy_that_fits_nowhere(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let selector = json!({"nodeSelector": {"trocar.dev/no-node-has": "this"}});
    namespace.create_pod("web", &["sleep", "36000"], &selector);
    let output = fails_within(
        8,
        &namespace,
        "-i web --image=$IMAGE --copy-to=copy --pod-running-timeout=3s",
        &[],
    );
    says(
        &output,
        &[
            "did not start within 3 s",
            "nodes are available",
            "node affinity/selector",
            "kubectl delete pod copy",
        ],
    );
}

fn a_pod_with_a_hundred_ephemeral_containers(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.create_pod(
        "web",
        &["sleep", "36000"],
        &json!({"nodeName": "there-is-no-such-node"}),
    );
    let containers: Vec<Value> = (0..100)
        .map(|number| json!({"name": format!("debugger-{number}"), "image": cluster.image, "command": ["true"]}))
        .collect();
    let path = format!("{}/web/ephemeralcontainers", namespace.path("pods"));
    let mut pod = namespace.read_pod("web");
    pod["spec"]["ephemeralContainers"] = containers.into();
    cluster
        .send(http::Request::put(path), &pod)
        .expect("a pod takes a hundred ephemeral containers");
    let output = fails_within(
        6,
        &namespace,
        "-i web --image=$IMAGE --pod-running-timeout=2s -c another",
        &[],
    );
    says(
        &output,
        &["did not start within 2 s", "Container another stays listed"],
    );
    let output = fails_within(3, &namespace, "-i web --image=$IMAGE -c debugger-7", &[]);
    says(&output, &["debugger-7"]);
    assert_eq!(namespace.ephemeral_containers("web").len(), 101);
}
