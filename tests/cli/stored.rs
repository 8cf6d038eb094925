//! Differences between what was judged and what the server stores: they are reported and audited, and under enforced policies a
//! session begins only if these allow them. Also writes whose answer is lost.

use serde_json::{Value, json};
use trocar_test_support::{Answer, CommandOutput, FakeApiServer, Fault, TestEnv};

use crate::{audit::records_of, check, configure, online, pod, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg --profile=restricted";

const COPY: &str = "debug web-0 --image=busybox:1.36 -c dbg --profile=restricted --copy-to=copy --replace";

const PATCH: &str = "PATCH /api/v1/namespaces/default/pods/web-0/ephemeralcontainers";
const CREATE: &str = "POST /api/v1/namespaces/default/pods";
const DELETE: &str = "DELETE /api/v1/namespaces/default/pods/web-0";

const AUDIT: &str = "audit: [{sink: file, file: audit.jsonl}]\n";

/// Says nothing about rights.
const REASON: &str = "policies: [{name: require-reason}]\n";

/// Does not allow a privileged container.
const CEILING: &str = "policies: [{name: privilege-ceiling, settings: {level: baseline}}]\n";

/// A server with a mutating webhook that makes each container `dbg` privileged, and a configuration.
fn widening(config: &str) -> (TestEnv, FakeApiServer) {
    let (env, server) = online([pod("web-0")]);
    configure(&env, &format!("{config}{AUDIT}"));
    let widen = || {
        Answer::stored_as(|pod| {
            for list in ["containers", "ephemeralContainers"] {
                let containers = pod["spec"][list].as_array_mut().into_iter().flatten();
                for container in containers.filter(|container| container["name"] == "dbg") {
                    container["securityContext"]["privileged"] = json!(true);
                    container["securityContext"]["allowPrivilegeEscalation"] = Value::Null;
                }
            }
        })
    };
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", widen()));
    server.inject(Fault::new("POST", "/pods", widen()));
    (env, server)
}

fn records_of_stored(env: &TestEnv) -> Vec<Value> {
    let mut records = records_of(env);
    records.retain(|record| record["event"] == "stored");
    records
}

const TOLD: &str = "/spec/ephemeralContainers/0/securityContext/privileged is a right that was not part of the plan; \
                    /spec/ephemeralContainers/0/securityContext/allowPrivilegeEscalation is a restriction of the plan that was \
                    not stored";

#[test]
fn a_webhook_that_adds_rights_is_reported_and_audited() {
    let (env, server) = widening("");
    let told = format!(
        "--- stderr ---\nWarning: the server stored something else than was planned for pod/web-0: {TOLD}\n"
    );
    check(&env.run(DEBUG), &told);
    assert_eq!(touched(&server), [PATCH]);
    let records = records_of_stored(&env);
    assert_eq!(
        records[0]["differences"],
        json!([
            "/spec/ephemeralContainers/0/securityContext/privileged",
            "/spec/ephemeralContainers/0/securityContext/allowPrivilegeEscalation",
        ])
    );
    assert_eq!((records.len(), &records[0]["allowed"]), (1, &json!(true)));
}

#[test]
fn denied_differences_get_no_session_and_replace_nothing() {
    let denied = |list: &str, kind: &str, left: &str| {
        format!(
            "--- stderr ---
error: the server stores something other than what was judged, and the policies do not allow that
  /spec/{list}/securityContext/privileged is a right that was not part of the plan
  /spec/{list}/securityContext/allowPrivilegeEscalation is a restriction of the plan that was not stored
  privilege-ceiling: {kind} sets privileged to true; only false or nothing is allowed (privileged-containers, Pod Security level \
baseline) (the Pod Security level baseline is allowed)
  {left}
hint: a webhook of the cluster, or a feature that it lacks, changes what is written: its operators know which
--- exit code 125 ---
"
        )
    };
    let (env, server) = widening(CEILING);
    check(
        &env.run(&format!("{DEBUG} --attach")),
        &denied(
            "ephemeralContainers/0",
            "/steps/0/object/securityContext/privileged: ephemeral container \"dbg\"",
            "Container dbg stays listed in pod web-0 of namespace default: Kubernetes cannot remove ephemeral containers.",
        ),
    );
    assert!(!server.request_lines().iter().any(|line| line.contains("/attach")));
    let records = records_of_stored(&env);
    assert_eq!((records.len(), &records[0]["allowed"]), (1, &json!(false)));
    assert_eq!(records[0]["policies"][0]["verdict"], "deny");

    let (env, server) = widening(CEILING);
    check(
        &env.run(COPY),
        &denied(
            "containers/1",
            "/steps/0/object/spec/containers/1/securityContext/privileged: container \"dbg\"",
            "Pod copy stays in namespace default. Remove it with: kubectl delete pod copy -n default",
        ),
    );
    assert_eq!(touched(&server), [CREATE]);
    assert!(server.object("Pod", "default", "web-0").is_some());
}

#[test]
fn allowed_differences_get_a_session() {
    for config in [
        REASON,
        &CEILING.replace("name:", "mode: warn, name:"),
        &CEILING.replace("name:", "mode: audit, name:"),
    ] {
        let (env, server) = widening(config);
        let output = env.run(&format!("{COPY} --reason=OPS-1"));
        assert_eq!(output.code, 0, "{config}: {output}");
        assert!(
            output.stderr.contains("the server stored something else"),
            "{output}"
        );
        assert_eq!(touched(&server), [CREATE, DELETE], "{config}");
        assert_eq!(records_of_stored(&env)[0]["allowed"], true, "{config}");
    }
}

/// A mutating webhook that adds a controller's owner reference to each pod.
fn adopting(config: &str) -> (TestEnv, FakeApiServer) {
    let (env, server) = online([pod("web-0")]);
    configure(&env, &format!("{config}{AUDIT}"));
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u-1"});
    let adopt = Answer::stored_as(move |pod| pod["metadata"]["ownerReferences"] = json!([owner]));
    server.inject(Fault::new("POST", "/pods", adopt));
    (env, server)
}

#[test]
fn broken_guard_rails_get_no_session_under_any_policy() {
    let guard_rail = "the pod would belong to ReplicaSet \"web\"; it may only belong to its target";
    let (env, server) = adopting("");
    let output = env.run(COPY);
    assert_eq!(output.code, 0, "{output}");
    let told = format!("a right that was not part of the plan; it breaks a guard rail: {guard_rail}");
    assert!(output.stderr.contains(&told), "{output}");
    assert_eq!(touched(&server), [CREATE, DELETE]);
    let stored = &records_of_stored(&env)[0];
    assert_eq!(
        (&stored["guardRail"], &stored["allowed"]),
        (&json!(guard_rail), &json!(true))
    );

    let (env, server) = adopting(REASON);
    let output = env.run(&format!("{COPY} --reason=OPS-1 --attach"));
    assert_eq!(output.code, 125, "{output}");
    let told = format!("\n  it breaks a guard rail: {guard_rail}\n");
    let says = |text: &str| output.stderr.contains(text);
    assert!(
        says(&told) && says("and a guard rail does not allow that"),
        "{output}"
    );
    assert_eq!(touched(&server), [CREATE]);
    assert_eq!(records_of_stored(&env)[0]["allowed"], false);
}

#[test]
fn a_dry_run_of_the_server_says_the_same_beforehand() {
    for (command, denied) in [
        (
            DEBUG,
            "Warning: the server would store something else than was planned for pod/web-0",
        ),
        (
            COPY,
            "Warning: the server would store something else than was planned for pod/web-0",
        ),
    ] {
        let (env, server) = widening("");
        let output = env.run(&format!("{command} --dry-run=server"));
        assert!(output.code == 0 && output.stderr.contains(denied), "{output}");
        let (env, stricter) = widening(CEILING);
        let output = env.run(&format!("{command} --dry-run=server"));
        let says = |text: &str| output.stderr.contains(text);
        assert!(
            output.code == 125 && says("the policies do not allow that") && says("sets privileged to true"),
            "{output}"
        );
        assert!(!says("stays"), "nothing was made: {output}");
        for server in [server, stricter] {
            assert_eq!(
                server.objects(),
                [server.object("Pod", "default", "web-0").unwrap()]
            );
            assert!(
                server.object("Pod", "default", "web-0").unwrap()["spec"]["ephemeralContainers"].is_null()
            );
        }
        assert!(records_of(&env).is_empty(), "nothing was stored");
    }
}

/// Runs a debug during which the answer to a request is lost.
fn losing(method: &str, path: &str, answer: Answer, command: &str) -> (CommandOutput, FakeApiServer) {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new(method, path, answer).times(1));
    (env.run(command), server)
}

#[test]
fn a_write_whose_answer_is_lost_is_looked_for_and_not_done_again() {
    for (method, path, command, writes) in [
        ("PATCH", "/ephemeralcontainers", DEBUG, &[PATCH][..]),
        ("POST", "/pods", COPY, &[CREATE, DELETE]),
        ("DELETE", "/pods/web-0", COPY, &[CREATE, DELETE]),
    ] {
        let (output, server) = losing(method, path, Answer::Half, command);
        check(&output, "");
        assert_eq!(touched(&server), writes, "{method}");
    }
}

#[test]
fn a_write_that_is_not_to_be_found_may_still_happen() {
    let is_unknown = "  Whether this was carried out is not known. Check with: kubectl get pod";
    let stays = "  Pod copy stays in namespace default. Remove it with: kubectl delete pod copy -n default\n";
    for (method, path, command, pod, left) in [
        ("PATCH", "/ephemeralcontainers", DEBUG, "web-0", ""),
        ("POST", "/pods", COPY, "copy", ""),
        ("DELETE", "/pods/web-0", COPY, "copy", stays),
    ] {
        let (output, server) = losing(method, path, Answer::Cut, command);
        assert_eq!(output.code, 125, "{output}");
        let told = format!("{is_unknown} {pod} -n default -o yaml\n{left}");
        assert!(output.stderr.ends_with(&told), "{output}");
        assert!(server.object("Pod", "default", "web-0").is_some());
    }
}

#[test]
fn a_server_that_failed_and_did_nothing_is_known_to_have_done_nothing() {
    let (output, _server) = losing("PATCH", "/ephemeralcontainers", Answer::unavailable(), DEBUG);
    assert_eq!(output.code, 125);
    assert!(!output.stderr.contains("not known"), "{output}");
}

/// Another pod has a container of this name, which must not be taken for ours.
#[test]
fn a_container_in_another_pod_of_the_same_name_is_not_ours() {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new("PATCH", "/ephemeralcontainers", Answer::Cut).times(1));
    let mut first = pod("web-0");
    first["metadata"]["uid"] = json!("first");
    first["metadata"]["resourceVersion"] = json!("1");
    let mut other = pod("web-0");
    other["metadata"]["uid"] = json!("other");
    other["spec"]["ephemeralContainers"] = json!([{"name": "dbg", "image": "other:1"}]);
    for read in [first, other] {
        server.inject(Fault::new("GET", "/pods/web-0", Answer::status(200, &read)).times(1));
    }
    let output = env.run(DEBUG);
    assert!(
        output.code == 125
            && output
                .stderr
                .contains("Whether this was carried out is not known"),
        "{output}"
    );
}
