//! Workloads, labels and many pods at once.

use serde_json::{Value, json};

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "targets::the_best_pod_of_every_workload",
        the_best_pod_of_every_workload,
    ),
    ("targets::every_pod_and_a_table", every_pod_and_a_table),
    ("targets::one_of_many_fails", one_of_many_fails),
    ("targets::many_that_want_input", many_that_want_input),
    (
        "targets::nothing_is_touched_when_a_target_is_missing",
        nothing_is_touched_when_a_target_is_missing,
    ),
];

/// The template of a workload's pods.
fn template(cluster: &Cluster, app: &str, command: &[&str]) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": cluster.image, "command": command}]},
    })
}

fn workload(namespace: &Namespace<'_>, kind: &str, resource: &str, more: &Value) {
    let app = kind.to_lowercase();
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": app},
        "spec": {
            "selector": {"matchLabels": {"app": app}},
            "template": template(namespace.cluster, &app, &["sleep", "36000"]),
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    namespace
        .cluster
        .create(&namespace.path_of("apps", resource), &object);
}

/// Waits until a number of pods with a label run.
fn wait_for_pods(namespace: &Namespace<'_>, app: &str, count: usize) {
    let path = format!("{}?labelSelector=app%3D{app}", namespace.path("pods"));
    for name in std::iter::repeat_with(|| names(namespace, &path))
        .find(|names| names.len() >= count)
        .into_iter()
        .flatten()
    {
        namespace.wait_for_pod(&name, "running", |pod| {
            (pod["status"]["phase"] == "Running").then_some(())
        });
    }
}

fn names(namespace: &Namespace<'_>, path: &str) -> Vec<String> {
    let pods = namespace.cluster.read(path).expect("pods can be listed");
    let pods = pods["items"].as_array().into_iter().flatten();
    pods.map(|pod| text(&pod["metadata"]["name"])).collect()
}

fn the_best_pod_of_every_workload(cluster: &Cluster) {
    let namespace = cluster.namespace();
    workload(&namespace, "Deployment", "deployments", &json!({"replicas": 2}));
    workload(
        &namespace,
        "StatefulSet",
        "statefulsets",
        &json!({"serviceName": "none"}),
    );
    workload(&namespace, "DaemonSet", "daemonsets", &json!({}));
    workload(&namespace, "ReplicaSet", "replicasets", &json!({}));
    let mut template = template(cluster, "job", &["sleep", "36000"]);
    template["spec"]["restartPolicy"] = "Never".into();
    let cron_job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "cronjob"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}});
    let cron_job = cluster.create(&namespace.path_of("batch", "cronjobs"), &cron_job);
    // A job as the CronJob would create it.
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job", "ownerReferences": [{
        "apiVersion": "batch/v1", "kind": "CronJob", "name": "cronjob", "uid": cron_job["metadata"]["uid"], "controller": true}]},
        "spec": {"template": template}});
    cluster.create(&namespace.path_of("batch", "jobs"), &job);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "service"},
        "spec": {"selector": {"app": "deployment"}, "ports": [{"port": 80}]}});
    cluster.create(&namespace.path("services"), &service);
    for (app, count) in [
        ("deployment", 2),
        ("statefulset", 1),
        ("daemonset", 1),
        ("replicaset", 1),
        ("job", 1),
    ] {
        wait_for_pods(&namespace, app, count);
    }
    for (target, app, said) in [
        ("deploy/deployment", "deployment", "the best of its 2 pods"),
        ("sts/statefulset", "statefulset", "its only pod"),
        ("ds/daemonset", "daemonset", ""),
        ("rs/replicaset", "replicaset", "its only pod"),
        ("job/job", "job", "its only pod"),
        ("cronjob/cronjob", "job", "its only pod"),
        ("svc/service", "deployment", "the best of its 2 pods"),
    ] {
        let output = namespace.debug(&format!("--attach {target} --image=$IMAGE"), &["hostname"]);
        assert_eq!(output.code, 0, "{output}");
        let pod = output.stdout.lines().last().unwrap_or_default();
        assert!(pod.starts_with(app), "{target}: {output}");
        assert!(
            output.stderr.contains(&format!("debugging pod/{pod}")),
            "{target}: {output}"
        );
        assert!(output.stderr.contains(said), "{target}: {output}");
    }
}

fn every_pod_and_a_table(cluster: &Cluster) {
    let namespace = cluster.namespace();
    workload(&namespace, "Deployment", "deployments", &json!({"replicas": 3}));
    wait_for_pods(&namespace, "deployment", 3);
    for flags in ["--all-pods deploy/deployment", "-l app=deployment"] {
        let output = namespace.debug(
            &format!("-q --attach {flags} --image=$IMAGE"),
            &["sh", "-c", "hostname; sleep 1; echo bad >&2; exit 0"],
        );
        assert_eq!(output.code, 0, "{output}");
        for pod in namespace.pods() {
            let (marked, bad) = (format!("[pod/{pod}] {pod}\n"), format!("[pod/{pod}] bad\n"));
            assert!(output.stdout.contains(&marked), "{output}");
            // On a busy node an attach may come after the program's end: then the log has the line, without its stream.
            let is_shown = [&output.stdout, &output.stderr]
                .into_iter()
                .any(|shown| shown.contains(&bad));
            assert!(is_shown, "{output}");
            let row = output
                .stderr
                .lines()
                .find(|line| line.starts_with(&format!("pod/{pod} ")));
            assert!(row.is_some_and(|row| row.ends_with("exit code 0")), "{output}");
        }
        assert!(output.stderr.contains("TARGET"), "{output}");
    }
}

fn one_of_many_fails(cluster: &Cluster) {
    let namespace = cluster.namespace();
    for pod in ["one", "two", "three"] {
        namespace.pod(pod);
    }
    let program = "case $(hostname) in two) exit 3;; *) echo fine;; esac";
    let output = namespace.debug("-q --attach one two three --image=$IMAGE", &["sh", "-c", program]);
    assert_eq!(output.code, 3, "{output}");
    let ends = |pod: &str, end: &str| {
        let row = output
            .stderr
            .lines()
            .find(|line| line.starts_with(&format!("pod/{pod} ")));
        assert!(row.is_some_and(|row| row.ends_with(end)), "{output}");
    };
    ends("one", "exit code 0");
    ends("two", "exit code 3");
    ends("three", "exit code 0");
}

/// Several targets cannot share standard input: a script is refused, and without `-i` it is empty for all of them.
fn many_that_want_input(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("one");
    namespace.pod("two");
    let output = namespace.debug("-q -i one two --image=$IMAGE", &["cat"]);
    assert_eq!(output.code, 2, "{output}");
    assert!(namespace.ephemeral_containers("one").is_empty());
    let output = namespace.debug(
        "-q --attach one two --image=$IMAGE",
        &["sh", "-c", "cat; echo over"],
    );
    assert_eq!(output.code, 0, "{output}");
    assert!(
        output.stdout.contains("[pod/one] over\n") && output.stdout.contains("[pod/two] over\n"),
        "{output}"
    );
}

fn nothing_is_touched_when_a_target_is_missing(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web-0");
    let output = namespace.debug("-i web-0 web-1 --image=$IMAGE", &[]);
    assert_eq!(output.code, 125, "{output}");
    assert!(output.stderr.contains("web-1"), "{output}");
    assert!(namespace.ephemeral_containers("web-0").is_empty());
}
