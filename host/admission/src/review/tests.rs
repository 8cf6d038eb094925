//! Reviews as an API server sends them, judged by the default policies.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use trocar::{
    AuditEvent, Engine, EngineConfig, PolicyRule,
    capability::{ClusterReader, Grants, ObjectRef, Query, ReadError, WrittenDown},
    config::{AdmissionEntry, JudgedPods},
    plan::{ConnectionKind, Mode},
    plugin::{PluginSource, PluginType},
};

use super::{Door, Found, Request, Verdict, Webhook, answer, judge, unheard};

/// An engine, and the policies of a configuration.
struct Scene {
    engine: Engine,
    policies: Vec<PolicyRule>,
    admission: AdmissionEntry,
    reader: Option<Arc<dyn ClusterReader>>,
}

/// A scene with default policies: name, mode, settings.
fn scene(policies: &[(&str, Mode, Value)]) -> Scene {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let policies = policies.iter().map(|(plugin, mode, settings)| {
        let source = PluginSource::Default((*plugin).to_owned());
        PolicyRule {
            name: (*plugin).to_owned(),
            plugin: engine
                .load(&source, PluginType::Policy, &Grants::default())
                .unwrap(),
            mode: *mode,
            matches: Default::default(),
            settings: settings.to_string(),
        }
    });
    let policies = policies.collect();
    let node = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
    let mut web = stored(json!([container("dbg", "busybox")]));
    web["metadata"]["labels"] = json!({"tier": "gold"});
    let nodes = vec![
        web,
        node("n1", json!({})),
        node("cp", json!({"node-role.kubernetes.io/control-plane": ""})),
    ];
    Scene {
        engine,
        policies,
        admission: AdmissionEntry::default(),
        reader: Some(Arc::new(WrittenDown(nodes))),
    }
}

fn images(mode: Mode) -> (&'static str, Mode, Value) {
    (
        "approved-images",
        mode,
        json!({"images": [{"repository": "library/busybox"}]}),
    )
}

impl Scene {
    fn pods(mut self, pods: JudgedPods) -> Self {
        self.admission.pods = pods;
        self
    }

    fn judged(&self, review: &Value, webhook: Webhook) -> Verdict {
        self.judged_until(review, webhook, None)
    }

    fn judged_until(&self, review: &Value, webhook: Webhook, until: Option<Instant>) -> Verdict {
        let request = Request::read(review.to_string().as_bytes()).unwrap();
        judge(
            &request,
            &Door {
                engine: &self.engine,
                policies: &self.policies,
                admission: &self.admission,
                reader: self.reader.as_ref(),
                webhook,
                time: "2026-01-01T00:00:00Z",
                until,
            },
        )
    }

    fn validated(&self, review: &Value) -> Verdict {
        self.judged(review, Webhook::Validate)
    }

    fn mutated(&self, review: &Value) -> Verdict {
        self.judged(review, Webhook::Mutate)
    }
}

fn review(subresource: &str, operation: &str, object: Value, old: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "resource": {"group": "", "version": "v1", "resource": "pods"}, "subResource": subresource,
            "operation": operation, "namespace": "shop",
            "userInfo": {"username": "jane", "groups": ["dev", "system:authenticated"]},
            "object": object, "oldObject": old,
        },
    })
}

fn stored(containers: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop", "uid": "1"},
        "spec": {"containers": [{"name": "app", "image": "web:1"}], "ephemeralContainers": containers}})
}

/// A debug container as an API server sends it.
fn container(name: &str, image: &str) -> Value {
    json!({"name": name, "image": image, "resources": {}, "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File", "imagePullPolicy": "Always"})
}

/// The addition of containers to a pod that has some.
fn adds(before: Value, after: Value) -> Value {
    review("ephemeralcontainers", "UPDATE", stored(after), stored(before))
}

fn creates(pod: Value) -> Value {
    let mut whole = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"name": "debugger", "image": "busybox"}]}});
    merge(&mut whole, pod);
    review("", "CREATE", whole, Value::Null)
}

fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (field, value) in new {
                merge(old.entry(field).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new,
    }
}

fn by(mut review: Value, user: &str, groups: &[&str]) -> Value {
    review["request"]["userInfo"] = json!({"username": user, "groups": groups});
    review
}

#[test]
fn a_container_is_judged_as_it_will_be_stored() {
    let scene = scene(&[images(Mode::Enforce)]);
    let verdict = scene.validated(&adds(json!(null), json!([container("dbg", "busybox:1.36")])));
    assert_eq!(
        (verdict.is_allowed(), verdict.found, verdict.mode),
        (true, Found::Allowed, Some(Mode::Enforce))
    );
    assert_eq!(verdict.judged[0].event, AuditEvent::Admitted);
    assert_eq!(
        json!(verdict.judged[0].plan.strategy()),
        json!({"name": "external"})
    );
    let verdict = scene.validated(&adds(json!(null), json!([container("dbg", "evil/tool")])));
    assert_eq!((verdict.is_allowed(), verdict.found), (false, Found::Denied));
    assert!(
        verdict
            .message()
            .starts_with("policy approved-images: container \"dbg\""),
        "{}",
        verdict.message()
    );
    assert_eq!(verdict.judged[0].event, AuditEvent::Denied);
}

#[test]
fn the_rest_of_the_object_is_not_believed() {
    let scene = scene(&[(
        "protected-targets",
        Mode::Enforce,
        json!({"labels": {"tier": "gold"}}),
    )]);
    let mut gold = stored(json!(null));
    gold["metadata"]["labels"] = json!({"tier": "gold"});
    // The same request says that the label is another one.
    let forged = review(
        "ephemeralcontainers",
        "UPDATE",
        stored(json!([container("dbg", "busybox")])),
        gold,
    );
    assert_eq!(scene.validated(&forged).found, Found::Denied);
}

#[test]
fn each_container_of_a_request_is_judged_after_those_before_it() {
    let scene = scene(&[("session-limits", Mode::Enforce, json!({"ephemeralContainers": 2}))]);
    let one = container("a", "busybox");
    let two = json!([one, container("b", "busybox")]);
    let three = json!([one, container("b", "busybox"), container("c", "busybox")]);
    assert_eq!(scene.validated(&adds(json!([one]), two)).found, Found::Allowed);
    let verdict = scene.validated(&adds(json!([one]), three));
    assert_eq!((verdict.found, verdict.judged.len()), (Found::Denied, 2));
    assert!(
        verdict.message().contains("has 2 debug containers already"),
        "{}",
        verdict.message()
    );
    assert!(
        verdict
            .judged
            .iter()
            .all(|judged| judged.event == AuditEvent::Denied),
        "one denies all"
    );
}

#[test]
fn a_container_that_is_there_can_neither_be_changed_nor_removed() {
    let scene = scene(&[images(Mode::Audit)]);
    let before = json!([container("a", "busybox")]);
    for after in [
        json!([container("a", "evil")]),
        json!([]),
        json!(null),
        json!([container("b", "busybox")]),
    ] {
        let verdict = scene.validated(&adds(before.clone(), after.clone()));
        assert_eq!(
            (verdict.is_allowed(), verdict.found),
            (false, Found::Denied),
            "{after}"
        );
        assert!(verdict.message().contains("\"a\""), "{}", verdict.message());
    }
    // Two of one name: the second is another container.
    let twice = json!([container("a", "busybox"), container("a", "evil")]);
    assert_eq!(scene.validated(&adds(before.clone(), twice)).judged.len(), 1);
    assert_eq!(
        scene.validated(&adds(before.clone(), before)).found,
        Found::Skipped
    );
}

#[test]
fn containers_that_cannot_be_judged_in_time_are_denied() {
    let review = adds(json!([]), json!([container("dbg", "busybox")]));
    for (mode, is_allowed) in [(Mode::Enforce, false), (Mode::Warn, true)] {
        let scene = scene(&[images(mode)]);
        let verdict = scene.judged_until(&review, Webhook::Validate, Some(Instant::now()));
        assert_eq!(
            (verdict.is_allowed(), verdict.found),
            (is_allowed, Found::NotJudged)
        );
        assert!(verdict.judged.is_empty());
        assert_eq!(
            scene.judged_until(&review, Webhook::Validate, None).found,
            Found::Allowed
        );
    }
}

#[test]
fn the_mutating_webhook_changes_what_the_validating_one_would_deny() {
    let mirror = json!({"mirrors": [{"from": "docker.io", "to": "mirror.example.com/hub"}]});
    let scene = scene(&[("approved-images", Mode::Enforce, mirror)]);
    let review = adds(
        json!([container("a", "b")]),
        json!([container("a", "b"), container("dbg", "busybox:1")]),
    );
    let verdict = scene.mutated(&review);
    assert_eq!((verdict.is_allowed(), verdict.found), (true, Found::Amended));
    let [patch] = &verdict.patch[..] else {
        panic!("{:?}", verdict.patch)
    };
    assert_eq!(
        (&patch["op"], &patch["path"]),
        (&json!("replace"), &json!("/spec/ephemeralContainers/1"))
    );
    assert_eq!(
        patch["value"]["image"],
        "mirror.example.com/hub/library/busybox:1"
    );
    assert_eq!(
        patch["value"]["terminationMessagePolicy"], "File",
        "what the server put in stays"
    );
    let denied = scene.validated(&review);
    assert_eq!(denied.found, Found::Denied);
    assert!(
        denied
            .message()
            .contains("with a change that was not made: /steps/0/object/image"),
        "{}",
        denied.message()
    );
    let changed = adds(
        json!([container("a", "b")]),
        json!([container("a", "b"), patch["value"]]),
    );
    assert_eq!(scene.validated(&changed).found, Found::Allowed);
}

#[test]
fn what_is_denied_passes_the_mutating_webhook_so_that_the_other_one_writes_it_down() {
    let scene = scene(&[images(Mode::Enforce)]);
    let bad = adds(json!(null), json!([container("dbg", "evil/tool")]));
    let passed = scene.mutated(&bad);
    assert_eq!((passed.is_allowed(), passed.found), (true, Found::Denied));
    assert!(passed.patch.is_empty() && passed.told().is_empty());
    assert!(!scene.validated(&bad).is_allowed());
    assert!(unheard(Webhook::Mutate, [Mode::Enforce].into_iter(), "late").is_allowed());
}

#[test]
fn a_created_pod_is_changed_below_its_spec() {
    let scene = scene(&[("session-limits", Mode::Enforce, json!({"timeToLive": 60}))]);
    let token = json!({"name": "kube-api-access-1", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]}});
    let review = creates(json!({"spec": {"volumes": [token], "priority": 0}}));
    let verdict = scene.mutated(&review);
    assert_eq!(verdict.found, Found::Amended);
    assert_eq!(verdict.patch.len(), 1, "{:?}", verdict.patch);
    let spec = &verdict.patch[0]["value"];
    assert_eq!(verdict.patch[0]["path"], "/spec");
    assert!(spec["activeDeadlineSeconds"].as_u64().unwrap() <= 60);
    assert_eq!(
        (&spec["volumes"][0]["name"], &spec["priority"]),
        (&json!("kube-api-access-1"), &json!(0))
    );
    let mut changed = review;
    changed["request"]["object"]["spec"] = spec.clone();
    assert_eq!(scene.validated(&changed).found, Found::Allowed);
}

#[test]
fn warnings_are_told_and_audits_are_noted() {
    let bad = adds(json!(null), json!([container("dbg", "evil/tool")]));
    let warned = scene(&[images(Mode::Warn)]).validated(&bad);
    assert!(
        warned.is_allowed() && warned.told()[0].starts_with("policy approved-images would deny this"),
        "{:?}",
        warned.told()
    );
    let audited = scene(&[images(Mode::Audit)]).validated(&bad);
    assert!(audited.is_allowed() && audited.told().is_empty());
    assert!(
        audited.notes["policies"].starts_with("approved-images=deny(audit)@sha256:"),
        "{:?}",
        audited.notes
    );
    assert!(audited.notes["plan"].starts_with("sha256:"));
}

#[test]
fn why_is_asked_of_what_is_added() {
    let scene = scene(&[("require-reason", Mode::Enforce, json!({"pattern": "OPS-[0-9]+"}))]);
    let with = |env: Value| {
        let mut container = container("dbg", "busybox");
        container["env"] = env;
        scene.validated(&adds(json!(null), json!([container])))
    };
    let reason = |value: &str| json!([{"name": "TROCAR_REASON", "value": value}]);
    assert_eq!(with(json!(null)).found, Found::Denied);
    assert_eq!(with(reason("because")).found, Found::Denied);
    let allowed = with(reason("OPS-7"));
    assert_eq!(allowed.found, Found::Allowed);
    assert_eq!(allowed.judged[0].actor.reason.as_deref(), Some("OPS-7"));
    for pod in [
        json!({"metadata": {"annotations": {"trocar.dev/reason": "OPS-7"}}}),
        json!({"spec": {"containers": [{"name": "a", "image": "b", "env": reason("OPS-7")}]}}),
    ] {
        assert_eq!(scene.validated(&creates(pod)).found, Found::Allowed);
    }
    assert_eq!(scene.validated(&creates(json!({}))).found, Found::Denied);
}

#[test]
fn which_pods_are_judged_is_decided_by_who_creates_them() {
    let person = ("jane", &["dev"][..]);
    let account = ("system:serviceaccount:shop:ci", &["system:serviceaccounts"][..]);
    let kubelet = ("system:node:n1", &["system:nodes"][..]);
    let manager = ("system:kube-controller-manager", &["system:authenticated"][..]);
    let exempt = ("bot", &["bots"][..]);
    let marked = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "kubectl-debug"}}});
    let privileged = json!({"spec": {"containers": [{"name": "a", "image": "b", "securityContext": {"privileged": true}}]}});
    for (pods, (user, groups), pod, judged) in [
        (JudgedPods::People, person, json!({}), true),
        (JudgedPods::People, account, marked.clone(), false),
        (JudgedPods::People, kubelet, json!({}), false),
        (JudgedPods::People, manager, json!({}), false),
        (JudgedPods::People, exempt, json!({}), false),
        (JudgedPods::All, account, json!({}), true),
        (JudgedPods::All, exempt, json!({}), true),
        (JudgedPods::Marked, person, json!({}), false),
        (JudgedPods::Marked, person, marked.clone(), true),
        (JudgedPods::Rights, person, json!({}), false),
        (JudgedPods::Rights, person, marked, true),
        (JudgedPods::Rights, person, privileged.clone(), true),
        (JudgedPods::Rights, account, privileged, false),
    ] {
        let mut scene = scene(&[images(Mode::Audit)]).pods(pods);
        scene.admission.exempt_groups = vec!["bots".to_owned()];
        let review = by(creates(pod.clone()), user, groups);
        assert_eq!(
            !scene.validated(&review).judged.is_empty(),
            judged,
            "{pods:?} {user} {pod}"
        );
    }
    let mirror = creates(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}));
    let scene = scene(&[images(Mode::Enforce)]).pods(JudgedPods::All);
    assert_eq!(
        scene.validated(&by(mirror.clone(), kubelet.0, kubelet.1)).found,
        Found::Skipped
    );
    assert_ne!(
        scene.validated(&mirror).found,
        Found::Skipped,
        "the mark exempts no other user"
    );
}

#[test]
fn a_pod_that_is_bound_to_a_node_debugs_that_node() {
    let scene = scene(&[("protected-targets", Mode::Enforce, json!({}))]);
    let on = |node: &str| creates(json!({"spec": {"nodeName": node}}));
    assert_eq!(scene.validated(&on("n1")).found, Found::Allowed);
    let denied = scene.validated(&on("cp"));
    assert!(denied.message().contains("control plane"), "{}", denied.message());
    assert_eq!(
        scene.validated(&on("not-there")).found,
        Found::Allowed,
        "no kubelet runs it"
    );
    let unread = Scene {
        reader: None,
        ..scene
    };
    let verdict = unread.validated(&on("n1"));
    assert_eq!((verdict.is_allowed(), verdict.found), (false, Found::NotJudged));
    assert!(
        verdict.message().contains("no access to the API"),
        "{}",
        verdict.message()
    );
}

/// A cluster that must not be asked.
struct Silent;

impl ClusterReader for Silent {
    fn get(&self, object: &ObjectRef, _: Duration) -> Result<Value, ReadError> {
        panic!("{object:?} is read")
    }

    fn list(&self, query: &Query, _: Duration) -> Result<Vec<Value>, ReadError> {
        panic!("{query:?} is read")
    }
}

#[test]
fn nothing_is_read_for_what_no_policy_is_asked_about() {
    let mut scene = scene(&[("protected-targets", Mode::Enforce, json!({}))]);
    scene.reader = Some(Arc::new(Silent));
    scene.policies[0].matches = serde_json::from_value(json!({"namespaces": ["other"]})).unwrap();
    let on_node = creates(json!({"spec": {"nodeName": "cp"}}));
    assert_eq!(scene.validated(&on_node).found, Found::Allowed);
}

#[test]
fn a_policy_for_some_is_asked_where_it_is_not_known_for_whom_it_is() {
    let mut scene = scene(&[images(Mode::Enforce)]);
    let evil = || creates(json!({"spec": {"containers": [{"name": "a", "image": "evil"}]}}));
    let mut denied = |matches: Value| {
        scene.policies[0].matches = serde_json::from_value(matches).unwrap();
        !scene.validated(&evil()).is_allowed()
    };
    for matches in [
        json!({"strategies": ["copy"]}),
        json!({"strategies": ["external"]}),
        json!({"labels": {"tier": "gold"}}),
        json!({"contexts": ["prod"]}),
        json!({"kinds": ["Pod"], "namespaces": ["shop"]}),
        json!({"users": ["jane"]}),
    ] {
        assert!(denied(matches.clone()), "{matches}");
    }
    for matches in [
        json!({"strategies": ["ephemeral"]}),
        json!({"kinds": ["Node"]}),
        json!({"namespaces": ["other"]}),
        json!({"groups": ["ops"]}),
    ] {
        assert!(!denied(matches.clone()), "{matches}");
    }
}

#[test]
fn what_cannot_be_judged_weighs_as_the_policies_that_would_have_judged_it() {
    let unknown = adds(
        json!(null),
        json!([{"name": "dbg", "image": "busybox", "newField": 1}]),
    );
    let other = review("exec", "CONNECT", json!({"kind": "PodExecOptions"}), Value::Null);
    let no_pod = review(
        "ephemeralcontainers",
        "UPDATE",
        stored(json!([container("a", "b")])),
        json!({"spec": 1}),
    );
    let no_container = adds(json!(null), json!(["x"]));
    let bad_pod = creates(json!({"spec": {"containers": []}}));
    for review in [unknown, other, no_pod, no_container, bad_pod] {
        for (mode, is_allowed, warnings) in [
            (Mode::Enforce, false, 0),
            (Mode::Warn, true, 1),
            (Mode::Audit, true, 0),
        ] {
            let verdict = scene(&[images(mode)]).validated(&review);
            let found = (verdict.is_allowed(), verdict.told().len(), verdict.found);
            assert_eq!(found, (is_allowed, warnings, Found::NotJudged), "{review}");
        }
        assert!(
            scene(&[]).validated(&review).is_allowed(),
            "no policy is there to judge it"
        );
    }
}

#[test]
fn an_answer_holds_what_an_api_server_reads() {
    let scene = scene(&[images(Mode::Enforce)]);
    let verdict = scene.validated(&adds(json!(null), json!([container("dbg", "evil/tool")])));
    let answer = answer("u", &verdict);
    assert_eq!(
        (&answer["kind"], &answer["apiVersion"]),
        (&json!("AdmissionReview"), &json!("admission.k8s.io/v1"))
    );
    let response = &answer["response"];
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&json!("u"), &json!(false))
    );
    assert_eq!(
        (&response["status"]["code"], &response["status"]["reason"]),
        (&json!(403), &json!("Forbidden"))
    );
    assert_eq!(response["auditAnnotations"]["verdict"], "denied");
    assert_eq!(response.get("patch"), None);
}

#[test]
fn what_was_not_heard_is_denied_where_any_policy_is_to_be_obeyed() {
    for (modes, is_allowed) in [
        (vec![Mode::Audit, Mode::Enforce, Mode::Warn], false),
        (vec![Mode::Warn, Mode::Audit], true),
        (vec![], true),
    ] {
        let verdict = unheard(Webhook::Validate, modes.iter().copied(), "too large");
        assert_eq!(verdict.is_allowed(), is_allowed, "{modes:?}");
        let answer = answer("u", &verdict);
        assert_eq!(answer["response"]["status"]["code"] == 503, !is_allowed);
    }
}

#[test]
fn words_of_a_policy_are_bounded_and_harmless() {
    let contact = format!("\u{1b}[2K{}", "x".repeat(9000));
    let mut policy = images(Mode::Enforce);
    policy.2["contact"] = json!(contact);
    let bad = adds(json!(null), json!([container("dbg", "evil/tool")]));
    let message = scene(&[policy.clone()]).validated(&bad).message();
    assert!(
        message.len() <= 4096 && !message.contains('\u{1b}'),
        "{}",
        message.len()
    );
    policy.1 = Mode::Warn;
    let told = scene(&[policy]).validated(&bad).told();
    assert!(told[0].len() <= 256 && !told[0].contains('\u{1b}'), "{told:?}");
}

/// A session with a container of pod `web-0`.
fn connects(subresource: &str, pod: &str, container: &str) -> Value {
    let options = json!({"kind": "PodExecOptions", "container": container, "command": ["sh"], "stdin": true});
    let mut review = review(subresource, "CONNECT", options, Value::Null);
    review["request"]["name"] = json!(pod);
    review
}

#[test]
fn sessions_are_judged_by_the_policies_that_declare_them() {
    let protected = (
        "protected-targets",
        Mode::Enforce,
        json!({"labels": {"tier": "gold"}}),
    );
    let reasons = ("require-reason", Mode::Enforce, json!({}));
    let mut scene = scene(&[protected, reasons]);
    assert_eq!(
        scene.validated(&connects("exec", "web-0", "app")).found,
        Found::NotJudged,
        "the configuration does not ask for it"
    );
    scene.admission.connect = vec![ConnectionKind::Exec, ConnectionKind::Attach];
    let denied = scene.validated(&connects("exec", "web-0", "app"));
    assert_eq!(denied.found, Found::Denied);
    assert!(
        denied.message().contains("tier=gold") && !denied.message().contains("reason"),
        "{}",
        denied.message()
    );
    let document = denied.judged[0].plan.under_review();
    assert_eq!(
        document["steps"],
        json!([{"action": "connect-exec", "object": {"container": "app", "command": ["sh"], "stdin": true}}])
    );
    assert_eq!(
        scene.validated(&connects("attach", "web-0", "app")).found,
        Found::Denied
    );
    let own = scene.validated(&connects("attach", "web-0", "dbg"));
    assert_eq!(
        (own.found, own.judged.len()),
        (Found::Allowed, 0),
        "it was judged when it was added"
    );
    let gone = scene.validated(&connects("exec", "gone", "app"));
    assert_eq!((gone.is_allowed(), gone.found), (false, Found::NotJudged));
    scene.policies.remove(0);
    let unasked = scene.validated(&connects("exec", "gone", "app"));
    assert_eq!(
        (unasked.found, unasked.judged.len()),
        (Found::Allowed, 0),
        "nothing had to be read"
    );
}
