//! Refusals of the API server: each reason has its own message and next step.

use expect_test::expect;
use serde_json::json;
use trocar_test_support::{Answer, Fault};

use crate::{check, node, online, pod};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg";
const COPY: &str = "debug web-0 --image=busybox:1.36 -c dbg --copy-to=copy";

#[track_caller]
fn check_refusal(command: &str, method: &str, path: &str, answer: Answer, wanted: &str) {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new(method, path, answer));
    check(&env.run(command), wanted);
    assert_eq!(server.objects().len(), 1);
    assert_eq!(
        server.object("Pod", "default", "web-0").unwrap()["spec"]["ephemeralContainers"],
        json!(null)
    );
}

#[test]
fn the_role_that_is_missing() {
    let message = "pods \"web-0\" is forbidden: User \"jane\" cannot patch resource \"pods/ephemeralcontainers\" in API group \
                   \"\" in the namespace \"default\"";
    check_refusal(
        DEBUG,
        "PATCH",
        "/ephemeralcontainers",
        Answer::forbidden(message),
        r#"--- stderr ---
Error from server (Forbidden): pods "web-0" is forbidden: User "jane" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "default"
hint: you may not patch pods/ephemeralcontainers; you need a Role in namespace "default" with the rule {apiGroups: [""], resources: ["pods/ephemeralcontainers"], verbs: ["patch"]}
hint: ask a cluster administrator to bind it to you
--- exit code 125 ---
"#,
    );
    let message = "pods \"web-0\" is forbidden: User \"jane\" cannot get resource \"pods\"";
    check_refusal(
        DEBUG,
        "GET",
        "/pods/web-0",
        Answer::forbidden(message),
        r#"--- stderr ---
Error from server (Forbidden): pods "web-0" is forbidden: User "jane" cannot get resource "pods"
hint: you may not get pods; you need a Role in namespace "default" with the rule {apiGroups: [""], resources: ["pods"], verbs: ["get"]}
hint: ask a cluster administrator to bind it to you
--- exit code 125 ---
"#,
    );
    let message = "pods is forbidden: User \"jane\" cannot create resource \"pods\"";
    check_refusal(
        COPY,
        "POST",
        "/pods",
        Answer::forbidden(message),
        r#"--- stderr ---
Error from server (Forbidden): pods is forbidden: User "jane" cannot create resource "pods"
hint: you may not create pods; you need a Role in namespace "default" with the rule {apiGroups: [""], resources: ["pods"], verbs: ["create"]}
hint: ask a cluster administrator to bind it to you
--- exit code 125 ---
"#,
    );
}

#[test]
fn admission_of_every_kind() {
    for (message, wanted) in [
        (
            "pods \"copy\" is forbidden: violates PodSecurity \"restricted:latest\": unrestricted capabilities",
            r#"--- stderr ---
Error from server (Forbidden): pods "copy" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities
hint: the namespace enforces the Pod Security level "restricted"; --profile=restricted asks for no more than that
hint: if the pod itself breaks the level, only an administrator of the namespace can change that
--- exit code 125 ---
"#,
        ),
        (
            "pods \"copy\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5",
            r#"--- stderr ---
Error from server (Forbidden): pods "copy" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5
hint: quota "small" of the namespace is used up: delete something, or debug without a new pod
--- exit code 125 ---
"#,
        ),
        (
            "pods \"copy\" is forbidden: failed quota: small: must specify limits.cpu",
            r#"--- stderr ---
Error from server (Forbidden): pods "copy" is forbidden: failed quota: small: must specify limits.cpu
hint: the namespace's quota requires resources: --custom=FILE with {resources: {requests: …, limits: …}}
--- exit code 125 ---
"#,
        ),
        (
            "pods \"copy\" is forbidden: maximum cpu usage per Container is 1, but limit is 2",
            r#"--- stderr ---
Error from server (Forbidden): pods "copy" is forbidden: maximum cpu usage per Container is 1, but limit is 2
hint: a LimitRange of the namespace bounds resources: --custom=FILE with {resources: {…}} sets them
--- exit code 125 ---
"#,
        ),
        (
            "admission webhook \"guard.example.com\" denied the request: no debugging on Fridays",
            r#"--- stderr ---
Error from server (Forbidden): admission webhook "guard.example.com" denied the request: no debugging on Fridays
hint: this is a rule of the cluster (webhook "guard.example.com"): ask its operators what is allowed
--- exit code 125 ---
"#,
        ),
        (
            "unable to create new content in namespace default because it is being terminated",
            r"--- stderr ---
Error from server (Forbidden): unable to create new content in namespace default because it is being terminated
hint: the namespace is being deleted; nothing can be created in it
--- exit code 125 ---
",
        ),
    ] {
        check_refusal(COPY, "POST", "/pods", Answer::forbidden(message), wanted);
    }
}

#[test]
fn resources_that_a_quota_requires_are_added_and_noted() {
    let wants = |wanted: &str| {
        let message = format!("pods \"node-debugger-n1-abcde\" is forbidden: failed quota: {wanted}");
        Fault::new("POST", "/pods", Answer::forbidden(&message)).times(1)
    };
    let (env, server) = online([node("n1")]);
    // A namespace may have several quotas, and a server names one at a time.
    server.inject(wants(
        "one: must specify limits.cpu for: debugger; requests.cpu for: debugger",
    ));
    server.inject(wants("two: must specify memory for: debugger"));
    let flags = "debug node/n1 --image=busybox:1.36";
    check(
        &env.run(&format!("{flags} -q --suffix=abcde")),
        expect![[r#"
            --- stderr ---
            Warning: quota "one" requires resources, so the debug container gets requests.cpu=10m, limits.cpu=500m; --custom sets others
            Warning: quota "two" requires resources, so the debug container gets requests.memory=32Mi; --custom sets others
        "#]],
    );
    let resources = |pod: &serde_json::Value| pod["spec"]["containers"][0]["resources"].clone();
    let created = server.object("Pod", "default", "node-debugger-n1-abcde").unwrap();
    let wanted = json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m"}});
    assert_eq!(resources(&created), wanted);
    // A dry run says the same and shows the pod as it would be.
    server.inject(wants("one: must specify limits.memory for: debugger"));
    let output = env.run(&format!("{flags} --dry-run=server -o json"));
    let shown: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(
        output
            .stderr
            .contains("requests.memory=32Mi, limits.memory=256Mi"),
        "{output}"
    );
    let wanted = json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "256Mi"}});
    assert_eq!(resources(&shown["steps"][0]["object"]), wanted, "{output}");
}

#[test]
fn a_quota_that_cannot_be_satisfied_is_reported() {
    for (wanted, tries) in [
        ("must specify limits.cpu for: debugger,proxy", 1),
        ("must specify limits.cpu for: debugger", 2),
    ] {
        let (env, server) = online([node("n1")]);
        let message = format!("pods \"x\" is forbidden: failed quota: small: {wanted}");
        server.inject(Fault::new("POST", "/pods", Answer::forbidden(&message)));
        check(
            &env.run("debug node/n1 --image=busybox:1.36 -q"),
            &format!(
                r#"--- stderr ---
Error from server (Forbidden): pods "x" is forbidden: failed quota: small: {wanted}
hint: the namespace's quota requires resources: --custom=FILE with {{resources: {{requests: …, limits: …}}}}
--- exit code 125 ---
"#
            ),
        );
        assert_eq!(server.writes().len(), tries);
    }
}

#[test]
fn the_causes_of_what_is_invalid() {
    let one = [("spec.ephemeralContainers[0].image", "Required value")];
    check_refusal(
        DEBUG,
        "PATCH",
        "/ephemeralcontainers",
        Answer::invalid("web-0", &one),
        r#"--- stderr ---
The Pod "web-0" is invalid: spec.ephemeralContainers[0].image: Required value
hint: trocar plan … -o manifest shows the object that was refused; --custom changes the debug container
--- exit code 125 ---
"#,
    );
    let two = [
        ("spec.containers[1].name", "Invalid value: \"x\""),
        ("spec.nodeName", "Forbidden: no"),
    ];
    check_refusal(
        COPY,
        "POST",
        "/pods",
        Answer::invalid("copy", &two),
        r#"--- stderr ---
The Pod "copy" is invalid: 
* spec.containers[1].name: Invalid value: "x"
* spec.nodeName: Forbidden: no
hint: trocar plan … -o manifest shows the object that was refused; --custom changes the debug container
--- exit code 125 ---
"#,
    );
}

#[test]
fn a_cluster_without_ephemeral_containers() {
    let (env, server) = online([pod("web-0")]);
    server.lacks_ephemeral_containers();
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: ephemeral containers are disabled for this cluster (error from server: "the server could not find the requested resource")
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn a_text_of_the_server_cannot_drive_the_terminal() {
    let answer = Answer::forbidden("\u{1b}[2J\u{1b}]0;owned\u{7} denied the request");
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", answer));
    let output = env.run(DEBUG);
    assert!(
        !output.stderr.contains('\u{1b}') && !output.stderr.contains('\u{7}'),
        "{output:?}"
    );
}

#[test]
fn a_conflict_is_met_with_a_new_plan() {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", Answer::conflict()).times(2));
    check(&env.run(DEBUG), "");
    let read = "GET /api/v1/namespaces/default/pods/web-0";
    let write = "PATCH /api/v1/namespaces/default/pods/web-0/ephemeralcontainers";
    assert_eq!(server.request_lines(), [read, write, read, write, read, write]);
}

#[test]
fn conflicts_without_end_are_given_up() {
    check_refusal(
        DEBUG,
        "PATCH",
        "/ephemeralcontainers",
        Answer::conflict(),
        r#"--- stderr ---
Error from server (Conflict): Operation cannot be fulfilled on pods "web-0": the object has been modified; please apply your changes to the latest version and try again
--- exit code 125 ---
"#,
    );
}

#[test]
fn another_pod_of_the_same_name_is_not_the_one_that_was_looked_at() {
    let (env, server) = online([pod("web-0")]);
    let gate = trocar_test_support::Gate::new();
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", Answer::After(gate.clone())).times(1));
    let running = env.start(DEBUG);
    gate.is_reached();
    server.delete_pod("web-0");
    let mut other = pod("web-0");
    other["spec"]["containers"][0]["name"] = json!("dbg");
    server.put(other);
    gate.open();
    check(
        &running.finish(),
        expect![[r#"
            --- stderr ---
            error: pod "web-0" already has a container named "dbg"; the names taken are "dbg"
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn a_copy_whose_name_is_taken() {
    let (env, server) = online([pod("web-0"), pod("copy")]);
    check(
        &env.run(COPY),
        expect![[r#"
            --- stderr ---
            Error from server (AlreadyExists): pods "copy" already exists
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(server.objects().len(), 2);
}

#[test]
fn a_copy_stays_when_the_original_cannot_be_deleted() {
    let (env, server) = online([pod("web-0")]);
    let message = "pods \"web-0\" is forbidden: User \"jane\" cannot delete resource \"pods\"";
    server.inject(Fault::new("DELETE", "/pods/web-0", Answer::forbidden(message)));
    check(
        &env.run(&format!("{COPY} --replace")),
        expect![[r#"
            --- stderr ---
            Error from server (Forbidden): pods "web-0" is forbidden: User "jane" cannot delete resource "pods"
              Pod copy stays in namespace default. Remove it with: kubectl delete pod copy -n default
            hint: you may not delete pods; you need a Role in namespace "default" with the rule {apiGroups: [""], resources: ["pods"], verbs: ["delete"]}
            hint: ask a cluster administrator to bind it to you
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(server.objects().len(), 2);
}

/// The exit code distinguishes a mistake in the command line from a refusal of the cluster.
#[test]
fn a_command_line_that_makes_no_sense_ends_with_2_whatever_the_command_and_nothing_is_asked_of_a_cluster() {
    let (env, server) = online([pod("web-0")]);
    env.write("pod.yaml", &pod("web-0").to_string());
    for command in [
        "debug web-0 --imge=busybox",
        "debug web-0",
        "debug --image=busybox",
        "debug web-0 --image=busybox --profile=genaral",
        "debug web-0 --image=busybox --env=nonsense",
        "debug web-0 --image=busybox --tty=perhaps",
        "debug web-0 --image=busybox --detach-keys=ctrl-",
        "debug web-0 --image=busybox --pod-running-timeout=soon",
        "debug web-0 --image=busybox --limit=tiem=5s",
        "debug web-0 --image=busybox --set=nonsense",
        "debug web-0 --image=busybox --suffix=Ä",
        "debug web-0 -l app=web --image=busybox",
        "plan --imge=busybox",
        "plan -f pod.yaml --suffix=Ä --image=busybox",
        "policy test --output=xml",
        "policy nonsense",
        "config view nonsense",
        "plugin inspect",
        "nonsense",
    ] {
        let output = env.run(command);
        assert_eq!(output.code, 2, "{command}: {output}");
        assert_eq!(output.stdout, "", "{command}");
    }
    assert_eq!(server.requests().len(), 0, "{:?}", server.requests());
    for (command, code) in [
        ("debug gone --image=busybox", 125),
        ("debug web-0 --image=busybox --strategy=./gone.wasm", 125),
        ("debug web-0 --image=busybox --target=gone", 125),
        ("plan -f gone.yaml --image=busybox", 1),
        ("policy test gone", 1),
        ("plugin inspect ./gone.wasm", 1),
    ] {
        let output = env.run(command);
        assert_eq!(output.code, code, "{command}: {output}");
    }
}
