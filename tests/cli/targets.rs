//! Targets: names, workloads, selectors, and missing objects.

use expect_test::expect;
use serde_json::{Value, json};
use trocar_test_support::{Answer, Fault};

use crate::{check, node, online, pod};

const FLAGS: &str = "--image=busybox:1.36 -c dbg";

fn workload(kind: &str, group: &str, name: &str) -> Value {
    let selector = match kind {
        "Service" => json!({"app": "web"}),
        _ => json!({"matchLabels": {"app": "web"}}),
    };
    json!({"apiVersion": format!("{group}v1"), "kind": kind, "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"selector": selector}})
}

fn ready(name: &str, created: &str) -> Value {
    let mut pod = pod(name);
    pod["metadata"]["creationTimestamp"] = json!(created);
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    pod
}

#[test]
fn a_pod_that_does_not_exist_has_neighbours() {
    let (env, server) = online([pod("web-0"), pod("web-1"), pod("db-0")]);
    check(
        &env.run(&format!("debug web-2 {FLAGS}")),
        expect![[r#"
            --- stderr ---
            Error from server (NotFound): pods "web-2" not found
            --- exit code 125 ---
        "#]],
    );
    let on_terminal = {
        let mut terminal = env.start_on_terminal(&format!("debug web-2 {FLAGS}"));
        assert_eq!(terminal.wait(), 125);
        terminal.read_to_end()
    };
    assert!(
        on_terminal.contains("hint: did you mean web-0 or web-1?"),
        "{on_terminal}"
    );
    assert!(server.writes().is_empty());
}

#[test]
fn a_missing_namespace_is_named_in_the_error() {
    let (env, _server) = online([pod("web-0")]);
    check(
        &env.run(&format!("debug web-0 -n nowhere {FLAGS}")),
        expect![[r#"
            --- stderr ---
            Error from server (NotFound): namespaces "nowhere" not found
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn one_missing_target_stops_all() {
    let (env, server) = online([pod("web-0"), pod("web-1")]);
    check(
        &env.run(&format!("debug web-0 ghost web-1 {FLAGS}")),
        expect![[r#"
            --- stderr ---
            Error from server (NotFound): pods "ghost" not found
            --- exit code 125 ---
        "#]],
    );
    assert!(server.writes().is_empty());
}

#[test]
fn a_pod_costs_two_requests_and_no_discovery() {
    let (env, server) = online([pod("web-0")]);
    check(&env.run(&format!("debug web-0 {FLAGS}")), "");
    assert_eq!(
        server.request_lines(),
        [
            "GET /api/v1/namespaces/default/pods/web-0",
            "PATCH /api/v1/namespaces/default/pods/web-0/ephemeralcontainers"
        ]
    );
    let patch = &server.writes()[0];
    assert_eq!(patch.content_type(), "application/json-patch+json");
    assert_eq!(patch.query["fieldManager"], "trocar");
}

#[test]
fn a_copy_and_a_node_cost_two_as_well() {
    let (env, server) = online([pod("web-0"), node("n1")]);
    check(&env.run(&format!("debug web-0 --copy-to=copy {FLAGS}")), "");
    check(
        &env.run(&format!("debug node/n1 {FLAGS} --suffix=abcde")),
        expect![[r#"
            Creating debugging pod node-debugger-n1-abcde with container dbg on node n1.
        "#]],
    );
    assert_eq!(
        server.request_lines(),
        [
            "GET /api/v1/namespaces/default/pods/web-0",
            "POST /api/v1/namespaces/default/pods",
            "GET /api/v1/nodes/n1",
            "POST /api/v1/namespaces/default/pods"
        ]
    );
}

#[test]
fn the_best_pod_of_every_kind_of_workload() {
    for (typed, kind, group) in [
        ("deploy/x", "Deployment", "apps/"),
        ("sts/x", "StatefulSet", "apps/"),
        ("ds/x", "DaemonSet", "apps/"),
        ("rs/x", "ReplicaSet", "apps/"),
        ("job/x", "Job", "batch/"),
        ("svc/x", "Service", ""),
    ] {
        let objects = [
            workload(kind, group, "x"),
            pod("unready"),
            ready("old", "2026-01-01T00:00:00Z"),
            ready("new", "2026-02-01T00:00:00Z"),
        ];
        let (env, server) = online(objects);
        let output = env.run(&format!("debug {typed} {FLAGS}"));
        let said = format!(
            "{}/x: debugging pod/new, the best of its 3 pods.\n",
            kind.to_lowercase()
        );
        assert_eq!((output.stderr, output.code), (said, 0), "{typed}");
        assert_eq!(
            server.writes()[0].path,
            "/api/v1/namespaces/default/pods/new/ephemeralcontainers"
        );
    }
}

#[test]
fn the_pods_of_a_cron_job_are_those_of_its_newest_job() {
    let mut cron_job = workload("CronJob", "batch/", "nightly");
    cron_job["spec"] = json!({});
    let mut job = workload("Job", "batch/", "nightly-1");
    job["metadata"]["ownerReferences"] = json!([{"kind": "CronJob", "name": "nightly", "uid": "nightly"}]);
    let (env, _server) = online([cron_job, job, pod("nightly-1-x")]);
    check(
        &env.run(&format!("debug cj/nightly {FLAGS}")),
        expect![[r#"
            --- stderr ---
            cronjob/nightly: debugging pod/nightly-1-x, its only pod.
        "#]],
    );
}

#[test]
fn workloads_without_pods_say_why() {
    let mut scaled = workload("Deployment", "apps/", "scaled");
    scaled["spec"]["replicas"] = json!(0);
    let mut external = workload("Service", "", "external");
    external["spec"] = json!({});
    let (env, _server) = online([scaled, external]);
    check(
        &env.run(&format!("debug deploy/scaled {FLAGS}")),
        expect![[r#"
            --- stderr ---
            error: deployment/scaled has no pods: it is scaled to 0
            hint: kubectl get pods --show-labels lists the pods
            --- exit code 125 ---
        "#]],
    );
    check(
        &env.run(&format!("debug svc/external {FLAGS}")),
        expect![[r#"
            --- stderr ---
            error: service/external has no pods: the service selects none
            hint: kubectl get pods --show-labels lists the pods
            --- exit code 125 ---
        "#]],
    );
    check(
        &env.run(&format!("debug deploy/ghost {FLAGS}")),
        expect![[r#"
            --- stderr ---
            Error from server (NotFound): deployments "ghost" not found
            --- exit code 125 ---
        "#]],
    );
    check(
        &env.run(&format!("debug deploymnt/x {FLAGS}")),
        expect![[r#"
            --- stderr ---
            error: the server doesn't have a resource type "deploymnt"
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn all_pods_and_selectors() {
    let objects = || [workload("Deployment", "apps/", "x"), pod("a"), pod("b")];
    let patched = |server: &trocar_test_support::FakeApiServer| -> Vec<String> {
        let paths = server.writes().into_iter().map(|write| write.path);
        paths
            .map(|path| path.split('/').nth(6).unwrap().to_owned())
            .collect()
    };
    let (env, server) = online(objects());
    check(&env.run(&format!("debug deploy/x --all-pods {FLAGS}")), "");
    assert_eq!(patched(&server), ["a", "b"]);
    let (env, server) = online(objects());
    check(&env.run(&format!("debug -l app=web {FLAGS}")), "");
    assert_eq!(patched(&server), ["a", "b"]);
    check(
        &env.run(&format!("debug -l app=none {FLAGS}")),
        expect![[r#"
            --- stderr ---
            error: no pod in namespace "default" matches "app=none"
            --- exit code 125 ---
        "#]],
    );
    check(
        &env.run(&format!("debug a -l app=web {FLAGS}")),
        expect![[r#"
            --- stderr ---
            error: name cannot be provided when a selector is specified
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn a_pod_that_is_found_twice_is_debugged_once() {
    let (env, server) = online([workload("Deployment", "apps/", "x"), pod("a")]);
    check(
        &env.run(&format!("debug deploy/x a {FLAGS}")),
        expect![[r#"
            --- stderr ---
            deployment/x: debugging pod/a, its only pod.
        "#]],
    );
    assert_eq!(server.writes().len(), 1);
}

#[test]
fn two_copies_cannot_have_one_name() {
    let (env, server) = online([pod("a"), pod("b")]);
    check(
        &env.run(&format!("debug a b --copy-to=copy {FLAGS}")),
        expect![[r#"
            --- stderr ---
            error: pod/a and pod/b would both become pod "copy"
            hint: debug them one at a time, each with a --copy-to of its own
            --- exit code 125 ---
        "#]],
    );
    assert!(server.writes().is_empty());
}

#[test]
fn a_file_names_what_is_in_the_cluster() {
    let (env, server) = online([pod("web-0")]);
    env.write("pod.yaml", crate::POD_YAML);
    check(&env.run(&format!("debug -f pod.yaml {FLAGS}")), "");
    assert_eq!(
        server.request_lines()[0],
        "GET /api/v1/namespaces/default/pods/web-0"
    );
    check(
        &env.run(&format!("debug -f pod.yaml web-0 {FLAGS}")),
        expect![[r#"
            --- stderr ---
            error: resource/name arguments cannot be provided when a path is specified
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn without_the_right_to_list_there_are_no_suggestions_and_no_other_error() {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new("GET", "/pods", Answer::forbidden("no")).with_query("limit", "500"));
    check(
        &env.run(&format!("debug web-1 {FLAGS}")),
        expect![[r#"
            --- stderr ---
            Error from server (NotFound): pods "web-1" not found
            --- exit code 125 ---
        "#]],
    );
}
