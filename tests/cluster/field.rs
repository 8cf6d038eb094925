//! Regressions that users reported, on the real cluster.

use std::time::{Duration, Instant};

use serde_json::json;
use trocar_test_support::CommandOutput;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[
    (
        "field::a_target_in_a_crash_loop_is_joined_when_it_runs",
        a_target_in_a_crash_loop_is_joined,
    ),
    (
        "field::a_target_behind_its_init_containers_is_waited_for",
        a_target_behind_its_init_containers,
    ),
    (
        "field::the_servers_warnings_of_every_kind_of_debug",
        the_servers_warnings,
    ),
    (
        "field::a_copy_whose_priority_class_has_changed",
        a_copy_whose_priority_class_has_changed,
    ),
    (
        "field::a_node_that_is_not_there_any_more",
        a_node_that_is_not_there,
    ),
    (
        "field::a_copy_that_a_jobs_controller_ends",
        a_copy_that_a_jobs_controller_ends,
    ),
    (
        "field::a_copy_of_a_stateful_sets_pod_lacks_its_ordinal",
        a_copy_lacks_its_ordinal,
    ),
    ("field::a_copy_with_the_gates_of_its_original", a_copy_with_gates),
    (
        "field::a_windows_pod_with_every_profile",
        a_windows_pod_with_every_profile,
    ),
    (
        "field::a_copy_that_no_node_takes_is_given_up",
        a_copy_that_no_node_takes,
    ),
    (
        "field::a_node_is_waited_for_as_long_as_was_typed",
        a_node_is_waited_for_as_long_as_was_typed,
    ),
];

#[track_caller]
fn says(output: &CommandOutput, parts: &[&str]) {
    for part in parts {
        assert!(output.stderr.contains(part), "{part:?} is not in:\n{output}");
    }
}

fn a_target_in_a_crash_loop_is_joined(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.create_pod("web", &["sh", "-c", "echo up; sleep 6; exit 1"], &json!({}));
    namespace.wait_for_pod("web", "in a crash loop", |pod| {
        let state = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        (state["reason"] == "CrashLoopBackOff").then_some(())
    });
    let output = namespace.debug("web --image=$IMAGE --target=app --attach -q", &["echo", "joined"]);
    assert_eq!((output.stdout.as_str(), output.code), ("joined\n", 0), "{output}");
}

fn a_target_behind_its_init_containers(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let init =
        json!({"initContainers": [{"name": "bootstrap", "image": cluster.image, "command": ["sleep", "6"]}]});
    namespace.create_pod("web", &["sleep", "36000"], &init);
    namespace.wait_for_pod("web", "in its init container", |pod| {
        pod["status"]["initContainerStatuses"][0]["state"]["running"]
            .is_object()
            .then_some(())
    });
    let output = namespace.debug("web --image=$IMAGE --target=app --attach -q", &["echo", "joined"]);
    assert_eq!((output.stdout.as_str(), output.code), ("joined\n", 0), "{output}");
    says(
        &output,
        &["is not running (init container \"bootstrap\" comes first)"],
    );
}

fn the_servers_warnings(cluster: &Cluster) {
    let namespace = cluster.namespace_with(&json!({"pod-security.kubernetes.io/warn": "restricted"}));
    namespace.pod("web");
    let node = cluster.node();
    let warning = "Warning: would violate PodSecurity \"restricted:latest\"";
    for flags in [
        "web --image=$IMAGE".to_owned(),
        "web --image=$IMAGE -q".to_owned(),
        "web --image=$IMAGE --dry-run=server".to_owned(),
        "web --image=$IMAGE --copy-to=copy".to_owned(),
        format!("node/{node} --image=$IMAGE"),
    ] {
        let output = namespace.debug(&flags, &[]);
        assert_eq!(output.code, 0, "{output}");
        assert_eq!(output.stderr.matches(warning).count(), 1, "{flags}: {output}");
    }
    let output = namespace.debug("web --image=$IMAGE -q --warnings-as-errors", &[]);
    assert_eq!(output.code, 125, "{output}");
    says(&output, &["error: 1 warning received"]);
}

/// Classes are cluster-scoped, so it has a unique name.
fn a_copy_whose_priority_class_has_changed(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let class = |value: u32| json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": namespace.name}, "value": value});
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let own = format!("{classes}/{}", namespace.name);
    cluster.create(classes, &class(1000));
    namespace.create_pod(
        "web",
        &["sleep", "36000"],
        &json!({"priorityClassName": namespace.name}),
    );
    cluster.delete(&own);
    let output = namespace.debug("web --image=$IMAGE --copy-to=none -q", &[]);
    assert_eq!(output.code, 125, "{output}");
    says(
        &output,
        &[
            "(Forbidden)",
            "PriorityClass",
            "hint: this is a rule of the cluster",
        ],
    );
    assert!(
        !output.stderr.contains("with the rule"),
        "no role is missing: {output}"
    );
    cluster.create(classes, &class(2000));
    // Admission reads classes from a cache, with some delay.
    let copied = (0..20).find_map(|attempt| {
        let output = namespace.debug(&format!("web --image=$IMAGE --copy-to=copy-{attempt} -q"), &[]);
        let name = format!("copy-{attempt}");
        (output.code == 0).then(|| namespace.read_pod(&name))
    });
    cluster.delete(&own);
    assert_eq!(copied.expect("the copy is admitted")["spec"]["priority"], 2000);
}

fn a_node_that_is_not_there(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let name = format!("{}-node", namespace.name);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]}});
    cluster.create("/api/v1/nodes", &node);
    namespace.create_pod(
        "web",
        &["sleep", "36000"],
        &json!({"nodeName": name, "tolerations": [{"operator": "Exists"}]}),
    );
    let began = Instant::now();
    let outputs = ["web".to_owned(), format!("node/{name}")]
        .map(|target| namespace.debug(&format!("{target} --image=$IMAGE --attach"), &["true"]));
    let took = began.elapsed();
    cluster.delete(&format!("/api/v1/nodes/{name}"));
    for output in &outputs {
        assert_eq!(output.code, 125, "{output}");
        says(output, &[&format!("node {name} "), "nothing was changed"]);
    }
    assert!(
        took < Duration::from_secs(10),
        "it is told at once, and not after {took:?}"
    );
    assert!(namespace.ephemeral_containers("web").is_empty());
}

fn job(namespace: &Namespace<'_>) -> String {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "shard"},
        "spec": {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "work", "image": namespace.cluster.image, "command": ["sleep", "36000"]}]}}}
    });
    namespace
        .cluster
        .create(&namespace.path_of("batch", "jobs"), &job);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(pod) = namespace
            .pods()
            .into_iter()
            .find(|name| name.starts_with("shard-0"))
        {
            return pod;
        }
        assert!(Instant::now() < deadline, "the job has no pod");
        std::thread::yield_now();
    }
}

fn a_copy_that_a_jobs_controller_ends(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let pod = job(&namespace);
    let output = namespace.debug(
        &format!("{pod} --copy-to=copy --keep-labels -c work --attach"),
        &["sh", "-c", "echo began; exec sleep 300"],
    );
    says(
        &output,
        &[
            "Warning: the copy has the labels that Job shard selects its pods by",
            "Pod copy was deleted meanwhile: Job shard deleted it.",
        ],
    );
    assert_ne!(output.code, 0, "{output}");
    let output = namespace.debug(&format!("{pod} --copy-to=index -c work -q"), &["true"]);
    says(&output, &["variable JOB_COMPLETION_INDEX reads "]);
}

fn a_copy_lacks_its_ordinal(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let path = "metadata.labels['apps.kubernetes.io/pod-index']";
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "sts"},
        "spec": {"serviceName": "sts", "selector": {"matchLabels": {"app": "sts"}}, "template": {
            "metadata": {"labels": {"app": "sts"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "app", "image": cluster.image,
                "command": ["sleep", "36000"], "env": [{"name": "ORD", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}]}}}
    });
    cluster.create(&namespace.path_of("apps", "statefulsets"), &set);
    namespace.wait_for_pod("sts-0", "there", |_| Some(()));
    let output = namespace.debug("sts-0 --copy-to=copy -c app -q", &["true"]);
    says(
        &output,
        &[
            "variable ORD reads label apps.kubernetes.io/pod-index",
            "a copy that keeps its labels has it",
        ],
    );
}

fn a_copy_with_gates(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let gates = json!({"schedulingGates": [{"name": "example.com/queue"}]});
    namespace.create_pod("web", &["sleep", "36000"], &gates);
    let output = namespace.debug(
        "web --copy-to=copy -c app --attach -q --pod-running-timeout=2s",
        &["true"],
    );
    assert_eq!(output.code, 125, "{output}");
    says(
        &output,
        &[
            "Warning: the copy has the scheduling gates",
            "example.com/queue",
            "Waiting: SchedulingGated",
        ],
    );
}

/// No node of the cluster runs Windows: this tests that the API server accepts the plan.
fn a_windows_pod_with_every_profile(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let windows = json!({"os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/os": "windows"},
        "securityContext": {"windowsOptions": {"gmsaCredentialSpecName": "webapp-gmsa"}}});
    namespace.create_pod("win", &["ping", "-t", "localhost"], &windows);
    for profile in [
        "legacy",
        "general",
        "baseline",
        "restricted",
        "netadmin",
        "sysadmin",
    ] {
        for mode in ["".to_owned(), format!("--copy-to=copy-{profile}")] {
            let output = namespace.debug(&format!("win --image=$IMAGE --profile={profile} {mode}"), &[]);
            assert_eq!(output.code, 0, "{profile} {mode}: {output}");
            let has_nothing = matches!(profile, "netadmin" | "sysadmin");
            assert_eq!(
                output.stderr.contains("the pod runs on Windows"),
                has_nothing,
                "{output}"
            );
        }
    }
    let share = namespace.debug("win --image=$IMAGE --copy-to=shared --share-processes", &[]);
    assert_eq!(share.code, 0, "{share}");
    // A node that is labelled as a Windows node: the pod is accepted as well.
    let name = format!("{}-win", namespace.name);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/os": "windows"}}});
    cluster.create("/api/v1/nodes", &node);
    let outputs = ["sysadmin", "general"]
        .map(|profile| namespace.debug(&format!("node/{name} --image=$IMAGE --profile={profile}"), &[]));
    cluster.delete(&format!("/api/v1/nodes/{name}"));
    for output in &outputs {
        assert_eq!(output.code, 0, "{output}");
    }
    says(
        &outputs[1],
        &["runs Windows, where --profile=general gives no access to the node"],
    );
}

fn a_copy_that_no_node_takes(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.create_pod(
        "web",
        &["sleep", "36000"],
        &json!({"nodeSelector": {"trocar.dev/no-node-has": "this"}}),
    );
    let began = Instant::now();
    let output = namespace.debug("web --image=$IMAGE --copy-to=copy --attach -q", &["true"]);
    assert_eq!(output.code, 125, "{output}");
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "not after the whole minute\n{output}"
    );
    says(
        &output,
        &[
            "Waiting: Unschedulable: ",
            "didn't match Pod's node affinity/selector",
            "hint: no node takes the pod as it is",
            "If it starts later, come back with: trocar attach",
        ],
    );
    assert!(
        !output.stderr.contains("event: FailedScheduling"),
        "it is told once\n{output}"
    );
}

fn a_node_is_waited_for_as_long_as_was_typed(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.create_pod(
        "web",
        &["sleep", "36000"],
        &json!({"nodeSelector": {"trocar.dev/no-node-has": "this"}}),
    );
    let flags = "web --image=$IMAGE --copy-to=copy --attach -q --pod-running-timeout=12s";
    let output = namespace.debug(flags, &["true"]);
    assert_eq!(output.code, 125, "{output}");
    says(
        &output,
        &[
            "did not start within 12 s",
            "didn't match Pod's node affinity/selector",
        ],
    );
    assert!(
        !output.stderr.contains("no node takes the pod as it is"),
        "{output}"
    );
}
