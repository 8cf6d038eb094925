//! Writes, without a connection. Codes and messages are those of an API server of Kubernetes 1.37.

use std::collections::BTreeMap;

use super::*;
use crate::{
    Answer, Fault,
    api::{fault, routes},
};

const POD: &str = "/api/v1/namespaces/default/pods/web";
const EPHEMERAL: &str = "/api/v1/namespaces/default/pods/web/ephemeralcontainers";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// An answer: its code, its body, its warnings.
struct Answered {
    code: u16,
    body: Value,
    warnings: Vec<String>,
}

impl Answered {
    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    fn version(&self) -> u64 {
        let version = self.body["metadata"]["resourceVersion"].as_str();
        version.expect("a stored object has a version").parse().unwrap()
    }

    fn names(&self) -> Vec<&str> {
        let containers = self.body["spec"]["ephemeralContainers"].as_array();
        let names = containers
            .into_iter()
            .flatten()
            .map(|container| &container["name"]);
        names.map(|name| name.as_str().unwrap()).collect()
    }
}

/// A server with a pod `web` that has the container `app`.
struct Server(State);

impl Server {
    fn new() -> Self {
        let mut state = State::default();
        state.store.put(json!({
            "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "app", "image": "i"}]}, "status": {"phase": "Running"},
        }));
        Self(state)
    }

    fn ask(&mut self, method: &str, target: &str, content_type: &str, body: &Value) -> Answered {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
            headers: BTreeMap::from([("content-type".into(), content_type.into())]),
            body: body.to_string().into_bytes(),
        };
        let (hooks, _) = fault::met(&mut self.0.faults, &request);
        let route = Route::parse(path).unwrap();
        let response = routes::respond(&mut self.0, &route, &request, &hooks);
        let warnings = response.headers.iter().filter(|(name, _)| name == "Warning");
        Answered {
            code: response.code,
            body: serde_json::from_slice(&response.body).unwrap(),
            warnings: warnings.map(|(_, text)| text.clone()).collect(),
        }
    }

    fn patch(&mut self, content_type: &str, body: &Value) -> Answered {
        let target = format!("{EPHEMERAL}?fieldValidation=Strict");
        self.ask("PATCH", &target, content_type, body)
    }

    fn create(&mut self, query: &str, pod: &Value) -> Answered {
        let target = format!("/api/v1/namespaces/default/pods?{query}");
        self.ask("POST", &target, "application/json", pod)
    }
}

fn container(name: &str) -> Value {
    json!({"name": name, "image": "i"})
}

/// The operation that adds the first ephemeral container.
fn first(container: &Value) -> Value {
    json!({"op": "add", "path": "/spec/ephemeralContainers", "value": [container]})
}

fn append(container: &Value) -> Value {
    json!({"op": "add", "path": "/spec/ephemeralContainers/-", "value": container})
}

fn pod(metadata: &Value, containers: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}})
}

#[test]
fn a_json_patch_appends_and_each_write_has_a_later_version() {
    let mut server = Server::new();
    let refused = server.patch(JSON_PATCH, &json!([append(&container("a"))]));
    assert_eq!(refused.code, 422, "there is no list yet");
    let one = server.patch(JSON_PATCH, &json!([first(&container("a"))]));
    let two = server.patch(JSON_PATCH, &json!([append(&container("b"))]));
    assert_eq!((one.names(), two.names()), (vec!["a"], vec!["a", "b"]));
    assert!(one.version() < two.version());
    assert_eq!(one.body["metadata"]["uid"], two.body["metadata"]["uid"]);
    let same = server.patch(JSON_PATCH, &json!([]));
    assert_eq!(
        (same.code, same.version()),
        (200, two.version()),
        "what changes nothing is not a write"
    );
}

#[test]
fn a_strategic_merge_patch_prepends() {
    let mut server = Server::new();
    server.patch(JSON_PATCH, &json!([first(&container("a"))]));
    let patch = json!({"spec": {"ephemeralContainers": [container("b")]}});
    assert_eq!(server.patch(STRATEGIC, &patch).names(), ["b", "a"]);
}

#[test]
fn a_stale_version_is_a_conflict_whatever_else_is_wrong() {
    let mut server = Server::new();
    for version in ["999", "77"] {
        let stale = json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version});
        let refused = server.patch(JSON_PATCH, &json!([stale, first(&json!({"name": "a"}))]));
        assert_eq!((refused.code, &refused.body["reason"]), (409, &json!("Conflict")));
        assert_eq!(
            refused.message(),
            "Operation cannot be fulfilled on pods \"web\": the object has been modified; please apply your changes to the \
             latest version and try again"
        );
        assert_eq!(refused.body["details"], json!({"name": "web", "kind": "pods"}));
    }
    let patch =
        json!({"metadata": {"resourceVersion": "1"}, "spec": {"ephemeralContainers": [container("a")]}});
    assert_eq!(server.patch(STRATEGIC, &patch).code, 200);
    assert_eq!(server.patch(STRATEGIC, &patch).code, 409);
}

#[test]
fn another_uid_is_invalid_and_a_test_of_it_is_refused_without_a_reason() {
    let mut server = Server::new();
    let immutable = "Pod \"web\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable";
    let replace = json!([{"op": "replace", "path": "/metadata/uid", "value": "x"}]);
    for (content_type, patch) in [
        (JSON_PATCH, replace),
        (STRATEGIC, json!({"metadata": {"uid": "x"}})),
        (MERGE_PATCH, json!({"metadata": {"uid": "x"}})),
    ] {
        let refused = server.patch(content_type, &patch);
        assert_eq!(
            (refused.code, refused.message()),
            (422, immutable),
            "{content_type}"
        );
    }
    let refused = server.patch(
        JSON_PATCH,
        &json!([{"op": "test", "path": "/metadata/uid", "value": "x"}]),
    );
    assert_eq!(
        (refused.code, refused.message(), &refused.body["details"]),
        (
            422,
            "the server rejected our request due to an error in our request",
            &json!({})
        )
    );
}

#[test]
fn strict_validation_refuses_unknown_fields_and_says_where() {
    let mut hostile = container("a");
    hostile["securityContext"] = json!({"runAsNonRoot": true, "$patch": "delete"});
    let field = "unknown field \"spec.ephemeralContainers[0].securityContext.$patch\"";
    let mut server = Server::new();
    let refused = server.patch(JSON_PATCH, &json!([first(&hostile)]));
    assert_eq!((refused.code, &refused.body["reason"]), (422, &json!("Invalid")));
    let message = refused.message();
    assert!(
        message.starts_with(" \"\" is invalid: patch: Invalid value: \"{\\\"apiVersion\\\":\\\"v1\\\"")
            && message.ends_with(&format!(": strict decoding error: {field}")),
        "{message}"
    );
    // The patch of old clients: without a list, the directive is applied.
    let patch = json!({"spec": {"ephemeralContainers": [hostile.clone()]}});
    assert_eq!(
        server.patch(STRATEGIC, &patch).body["spec"]["ephemeralContainers"],
        json!([container("a")])
    );
    hostile["name"] = json!("b");
    let patch = json!({"spec": {"ephemeralContainers": [hostile]}});
    let refused = server.patch(STRATEGIC, &patch);
    assert_eq!(
        refused.message(),
        format!(
            " \"\" is invalid: patch: Invalid value: \"map[spec:map[ephemeralContainers:[map[image:i name:b \
             securityContext:map[$patch:delete runAsNonRoot:true]]]]]\": strict decoding error: {field}"
        )
    );
    let told = server.ask("PATCH", EPHEMERAL, STRATEGIC, &patch);
    assert_eq!(told.names(), ["b", "a"]);
    assert_eq!(told.warnings, [format!("299 - {field:?}")]);
    assert_eq!(
        told.body["spec"]["ephemeralContainers"][0]["securityContext"],
        json!({"runAsNonRoot": true})
    );
    let member = json!([{"op": "test", "path": "/kind", "value": "Pod", "zap": 1}]);
    let refused = server.patch(JSON_PATCH, &member);
    assert!(
        refused
            .message()
            .ends_with("strict decoding error: json patch unknown field \"[0].zap\"")
    );
}

#[test]
fn only_ephemeral_containers_change_through_their_subresource() {
    let mut server = Server::new();
    let patch = json!([
        {"op": "add", "path": "/metadata/labels", "value": {"tier": "gold"}},
        {"op": "add", "path": "/spec/hostNetwork", "value": true},
        {"op": "replace", "path": "/status/phase", "value": "Failed"},
        first(&container("a")),
    ]);
    let answered = server.patch(JSON_PATCH, &patch);
    assert_eq!((answered.code, answered.names()), (200, vec!["a"]));
    assert_eq!(answered.body["metadata"]["labels"], Value::Null);
    assert_eq!(answered.body["spec"]["hostNetwork"], Value::Null);
    assert_eq!(answered.body["status"]["phase"], "Running");
    let other = json!({"spec": {"ephemeralContainers": [container("b")]}});
    let refused = server.ask("PATCH", POD, STRATEGIC, &other);
    assert!(
        refused.code == 422
            && refused
                .message()
                .contains("spec: Forbidden: pod updates may not change"),
        "{}",
        refused.message()
    );
    let label = server.ask(
        "PATCH",
        POD,
        MERGE_PATCH,
        &json!({"metadata": {"labels": {"a": "b"}}}),
    );
    assert_eq!(
        (label.code, &label.body["metadata"]["labels"]["a"]),
        (200, &json!("b"))
    );
}

#[test]
fn invalid_objects_are_not_stored() {
    let mut server = Server::new();
    let refused = server.patch(JSON_PATCH, &json!([first(&json!({"name": "a"}))]));
    assert_eq!(
        refused.message(),
        "Pod \"web\" is invalid: spec.ephemeralContainers[0].image: Required value"
    );
    server.patch(JSON_PATCH, &json!([first(&container("a"))]));
    let removed = server.patch(
        MERGE_PATCH,
        &json!({"spec": {"ephemeralContainers": [container("b")]}}),
    );
    assert_eq!(
        removed.message(),
        "Pod \"web\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"a\" may not be removed\n"
    );
    let stored = server.0.store.get("Pod", "default", "web").unwrap();
    assert_eq!(stored["spec"]["ephemeralContainers"], json!([container("a")]));
}

#[test]
fn a_dry_run_is_checked_and_not_stored() {
    let mut server = Server::new();
    let target = format!("{EPHEMERAL}?dryRun=All");
    let tried = server.ask("PATCH", &target, JSON_PATCH, &json!([first(&container("a"))]));
    assert_eq!((tried.code, tried.version(), tried.names()), (200, 1, vec!["a"]));
    let tried = server.create(
        "dryRun=All",
        &pod(&json!({"name": "p"}), &json!([container("a")])),
    );
    assert_eq!(tried.code, 201);
    assert!(tried.body["metadata"]["uid"].is_string() && tried.body["metadata"]["resourceVersion"].is_null());
    assert_eq!(
        server
            .create("dryRun=All", &pod(&json!({"name": "p"}), &json!([{}])))
            .code,
        422
    );
    assert_eq!(server.0.store.objects().count(), 1);
}

#[test]
fn creating_a_pod() {
    let mut server = Server::new();
    let containers = json!([container("a")]);
    let web = server.create("", &pod(&json!({"name": "web"}), &containers));
    assert_eq!(
        (web.code, &web.body["reason"], web.message()),
        (409, &json!("AlreadyExists"), "pods \"web\" already exists")
    );
    let given = json!({"name": "new", "uid": "mine", "resourceVersion": "77"});
    let new = server.create("", &pod(&given, &containers));
    assert_eq!((new.code, new.version()), (201, 2));
    assert_ne!(new.body["metadata"]["uid"], "mine", "the server gives uids");
    let one = server.create("", &pod(&json!({"generateName": "gen-"}), &containers));
    let two = server.create("", &pod(&json!({"generateName": "gen-"}), &containers));
    let name = |answered: &Answered| answered.body["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name(&one).starts_with("gen-") && name(&one).len() == 9 && name(&one) != name(&two));
    for (query, pod, code, message) in [
        (
            "fieldValidation=Strict",
            pod(
                &json!({"name": "p"}),
                &json!([{"name": "a", "image": "i", "securityContext": {"$patch": "delete"}}]),
            ),
            400,
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \
             \"spec.containers[0].securityContext.$patch\"",
        ),
        (
            "",
            pod(&json!({"name": "p", "labels": ["a"]}), &containers),
            400,
            "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal array into Go struct field \
             ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            "",
            pod(&json!({"name": "p", "namespace": "other"}), &containers),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            "",
            pod(&json!({}), &containers),
            422,
            "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
        (
            "",
            pod(&json!({"name": "p"}), &json!([{}])),
            422,
            "Pod \"p\" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]",
        ),
        (
            "",
            json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "p"}}),
            400,
            "Node in version \"v1\" cannot be handled as a Pod: converting (v1.Node) to (core.Pod): unknown conversion",
        ),
    ] {
        let refused = server.create(query, &pod);
        assert_eq!((refused.code, refused.message()), (code, message));
    }
    let mut unknown = pod(&json!({"name": "p"}), &containers);
    unknown["spec"]["hostNetwrk"] = json!(true);
    let told = server.create("", &unknown);
    assert_eq!(told.warnings, [r#"299 - "unknown field \"spec.hostNetwrk\"""#]);
    assert_eq!(told.body["spec"]["hostNetwrk"], Value::Null);
}

#[test]
fn another_client_changes_the_pod_between_reading_and_writing() {
    let mut server = Server::new();
    let label = |pod: &mut Value| pod["metadata"]["labels"] = json!({"tier": "gold"});
    server
        .0
        .faults
        .push(Fault::new("PATCH", "/ephemeralcontainers", Answer::changed_before(label)).times(1));
    let at = |version: &str| json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version});
    let refused = server.patch(JSON_PATCH, &json!([at("1"), first(&container("a"))]));
    assert_eq!(refused.code, 409);
    let written = server.patch(JSON_PATCH, &json!([at("2"), first(&container("a"))]));
    assert_eq!(written.code, 200, "the fault was for one request");
    assert_eq!(written.body["metadata"]["labels"]["tier"], "gold");
}

#[test]
fn a_webhook_changes_what_is_stored_and_the_server_warns() {
    let mut server = Server::new();
    let widen = |object: &mut Value| {
        for list in ["containers", "ephemeralContainers"] {
            for container in object["spec"][list].as_array_mut().into_iter().flatten() {
                container["securityContext"] = json!({"privileged": true});
            }
        }
    };
    for (method, path) in [("PATCH", "/ephemeralcontainers"), ("POST", "/pods")] {
        server
            .0
            .faults
            .push(Fault::new(method, path, Answer::stored_as(widen)));
        server
            .0
            .faults
            .push(Fault::new(method, path, Answer::warned("a \"rule\" was broken")));
    }
    let patched = server.patch(JSON_PATCH, &json!([first(&container("a"))]));
    let stored = json!({"name": "a", "image": "i", "securityContext": {"privileged": true}});
    assert_eq!(patched.body["spec"]["ephemeralContainers"], json!([stored]));
    assert_eq!(
        patched.body["spec"]["containers"],
        json!([{"name": "app", "image": "i"}]),
        "through the subresource a webhook changes nothing else either"
    );
    assert_eq!(patched.warnings, [r#"299 - "a \"rule\" was broken""#]);
    let created = server.create("", &pod(&json!({"name": "p"}), &json!([container("a")])));
    assert_eq!(created.body["spec"]["containers"], json!([stored]));
    assert_eq!(created.warnings.len(), 1);
    server.0.faults.clear();
    server.0.faults.push(Fault::new(
        "POST",
        "/pods",
        Answer::stored_as(|pod| pod["spec"]["containers"][0]["image"] = json!("")),
    ));
    let refused = server.create("", &pod(&json!({"name": "q"}), &json!([container("a")])));
    assert_eq!(refused.code, 422, "what a webhook makes is checked");
}

#[test]
fn a_deletion_names_what_it_is_meant_for() {
    let mut server = Server::new();
    let refused = server.ask(
        "DELETE",
        POD,
        "application/json",
        &json!({"preconditions": {"uid": "x"}}),
    );
    assert_eq!(
        (refused.code, refused.message()),
        (
            409,
            "Operation cannot be fulfilled on Pod \"web\": the UID in the precondition (x) does not match the UID in record \
             (00000000-0000-0000-0000-000000000001). The object might have been deleted and then recreated"
        )
    );
    let refused = server.ask(
        "DELETE",
        POD,
        "application/json",
        &json!({"preconditions": {"resourceVersion": "9"}}),
    );
    assert_eq!(refused.code, 409);
    let tried = server.ask("DELETE", POD, "application/json", &json!({"dryRun": ["All"]}));
    assert_eq!((tried.code, server.0.store.objects().count()), (200, 1));
    assert_eq!(
        server.ask("DELETE", POD, "application/json", &json!({})).code,
        200
    );
    assert_eq!(server.0.store.objects().count(), 0);
}

#[test]
fn static_pods_take_no_ephemeral_containers() {
    let mut server = Server::new();
    let mut mirror = server.0.store.get("Pod", "default", "web").cloned().unwrap();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    server.0.store.put(mirror);
    let refused = server.patch(JSON_PATCH, &json!([first(&container("a"))]));
    assert_eq!(
        refused.message(),
        "Pod \"web\" is invalid: []: Forbidden: static pods do not support ephemeral containers"
    );
}
