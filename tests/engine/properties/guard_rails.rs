//! The guard rails hold for every answer of a guest, by an independent implementation on the JSON.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use trocar::{
    Actor, Context, DebugOptions, Target,
    plan::{DebugPlan, PluginId, RightKind, Step},
    target::TargetKind,
};
use trocar_core::planning::{
    self, Author, Decision, Documents, Draft, Guests, PlanError, PlanInputs, Proposal,
};
use trocar_sdk::Failure;

use super::{
    config,
    json::{any_json, text},
    targets::{names, object},
};

/// A step as a guest might write it: almost valid with some changes, or anything.
fn step() -> impl Strategy<Value = (String, Value)> {
    let action = prop_oneof![
        8 => select(vec!["add-ephemeral-container", "create-pod", "delete-pod"]).prop_map(str::to_owned),
        1 => text(),
    ];
    let good = |action: &str| match action {
        "add-ephemeral-container" => json!({"name": "dbg", "image": "busybox"}),
        "create-pod" => json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy", "namespace": "shop"},
            "spec": {"containers": [{"name": "dbg", "image": "busybox"}]},
        }),
        _ => json!({"name": "web-0"}),
    };
    let odd = (checked_place(), any_json()).prop_map(|((place, _), value)| (place, value));
    let change = prop_oneof![3 => checked_place(), 1 => odd];
    let changes = prop_oneof![2 => Just(Vec::new()), 3 => vec(change, 1..4)];
    prop_oneof![
        9 => (action.clone(), changes).prop_map(move |(action, changes)| {
            let mut object = good(&action);
            for (pointer, value) in changes {
                put(&mut object, pointer, value);
            }
            (action, object)
        }),
        1 => (action, any_json()),
    ]
}

/// A place that a guard rail checks, and a valid or invalid value for it.
fn checked_place() -> impl Strategy<Value = (&'static str, Value)> {
    let pairs: Vec<(&'static str, Value)> = places()
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(place, values)| {
            let place: &'static str = place.clone().leak();
            values
                .as_array()
                .unwrap()
                .iter()
                .map(move |value| (place, value.clone()))
        })
        .collect();
    select(pairs)
}

/// The places that a guard rail checks, with values for them.
fn places() -> Value {
    let names = json!([
        "app",
        "init",
        "dbg",
        "web-0",
        "other",
        "Not a name",
        "",
        "a.b",
        null,
        1,
        {}
    ]);
    let objects = json!([null, {}, {"limits": {"cpu": 1}}, []]);
    json!({
        "name": names,
        "image": ["", "busybox", null, 1],
        "ports": objects,
        "resources": objects,
        "lifecycle": objects,
        "livenessProbe": objects,
        "restartPolicy": ["Always"],
        "env": [[{"name": "A"}]],
        "targetContainerName": names,
        "securityContext": [null, {"privileged": true}, {"capabilities": {"add": ["SYS_ADMIN"]}}, true],
        "future": objects,
        "apiVersion": ["v1", "v2", null],
        "kind": ["Pod", "Secret", null],
        "metadata": [null, {}, "app"],
        "metadata/name": names,
        "metadata/namespace": ["shop", "ops", "kube-system", "", null, 1],
        "metadata/generateName": names,
        "metadata/finalizers": [[], ["x"]],
        "metadata/labels": [{"app": "web"}, null],
        "metadata/ownerReferences": [
            null,
            [],
            "web",
            [{"kind": "ReplicaSet", "name": "web"}],
            [{"kind": "Other", "name": "web", "uid": "u-1"}],
            [{"uid": "u-1"}],
            [{"kind": "ReplicaSet", "name": "other", "uid": "u-2"}],
            [{"kind": "Other", "name": "web", "uid": "u-3"}, {"kind": "ReplicaSet", "name": "web"}],
        ],
        "spec": [null, {}, []],
        "spec/containers": [
            null,
            [],
            "app",
            [{"name": "a"}, {"name": "dbg", "image": "b"}],
            [{"name": "a", "image": "a"}, {"name": "dbg", "image": "b", "securityContext": {"privileged": true}}],
        ],
        "spec/initContainers": [
            [{}],
            [{"name": "init", "image": "i"}],
            [{"name": "a", "image": "i", "securityContext": {"privileged": true}}],
            {},
        ],
        "spec/ephemeralContainers": [[{"name": "app", "securityContext": {"privileged": true}}]],
        "spec/hostPID": [true, false, "true"],
        "spec/volumes": [[{"name": "v", "hostPath": {"path": "/"}}], [{"name": "v"}], null],
        "gracePeriodSeconds": [30, 0, -1, 1.5, "30", null],
    })
}

/// Sets a value at a place. Creates objects on the way.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for part in pointer.split('/') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[part];
    }
    *place = value;
}

/// A strategy with one answer, and no policies.
struct Answers(Proposal);

impl Guests for Answers {
    type Error = String;

    fn propose(&mut self, _: &Documents<'_>) -> Result<Result<Proposal, Failure>, String> {
        Ok(Ok(self.0.clone()))
    }

    fn evaluate(&mut self, _: usize, _: &str, _: &Documents<'_>) -> Result<Decision, String> {
        Err("there are no policies".into())
    }
}

/// The host's result for an answer.
fn drafted(
    steps: &[(String, Value)],
    attach: Option<&str>,
    target: &Target,
    replace: bool,
) -> Result<Draft, PlanError<String>> {
    let steps = steps
        .iter()
        .map(|(action, object)| (action.clone(), object.to_string()));
    let proposal = Proposal {
        steps: steps.collect(),
        attach: attach.map(str::to_owned),
        diagnostics: Vec::new(),
    };
    let id = PluginId {
        name: "any".into(),
        version: "1.0.0".into(),
        digest: "sha256:0".into(),
        signers: Vec::new(),
    };
    let inputs = PlanInputs {
        target,
        options: &DebugOptions {
            replace,
            ..DebugOptions::default()
        },
        context: &Context {
            namespace: "ops".into(),
            suffix: "x7k2p".into(),
            time: "2026-01-02T03:04:05Z".into(),
        },
        actor: &Actor::default(),
        strategy: &Author {
            id,
            is_default: false,
        },
        reviewers: &[],
        time_to_live: None,
    };
    planning::draft(&inputs, &mut Answers(proposal))
}

fn guarded_target() -> impl Strategy<Value = Target> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web-0", "namespace": "shop",
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "uid": "u-1"}],
        },
        "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "init"}]},
    });
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "web-0"}});
    prop_oneof![3 => Just(pod), 1 => Just(node)].prop_map(|object| Target::new(object, "default").unwrap())
}

/// The fields that the API server accepts in an ephemeral container, by the API's documentation.
fn is_ephemeral_field(field: &str) -> bool {
    let refused = [
        "ports",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "restartPolicy",
        "resizePolicy",
    ];
    let taken = [
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "env",
        "envFrom",
        "resources",
        "volumeMounts",
        "volumeDevices",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
        "targetContainerName",
    ];
    !refused.contains(&field) && taken.contains(&field)
}

fn is_dns_name(name: &str, longest: usize, dots: bool) -> bool {
    let good = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(good)
            && label.ends_with(good)
            && label.chars().all(|letter| good(letter) || letter == '-')
    };
    name.len() <= longest
        && if dots {
            name.split('.').all(label)
        } else {
            label(name)
        }
}

/// The guard rails, implemented again on the JSON.
fn assert_guarded(
    steps: &[Step],
    attach: Option<&str>,
    target: &Target,
    replace: bool,
) -> Result<(), TestCaseError> {
    let is_pod = target.id().kind == TargetKind::Pod;
    let original = object(target);
    let taken: Vec<String> = ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .flat_map(|list| names(&original, list))
        .collect();
    prop_assert!((1..=8).contains(&steps.len()));
    let mut made: Vec<String> = Vec::new();
    let mut created = 0;
    let mut deleted = 0;
    for step in steps {
        let object = step.object();
        match step.action() {
            "add-ephemeral-container" => {
                prop_assert!(is_pod);
                made.push(assert_ephemeral_container_guarded(&object, &taken)?);
                created += 1;
            }
            "create-pod" => {
                assert_created_pod_guarded(&object, is_pod)?;
                for list in ["containers", "initContainers"] {
                    let listed = object["spec"][list].as_array().into_iter().flatten();
                    made.extend(
                        listed
                            .filter_map(|container| container["name"].as_str())
                            .map(str::to_owned),
                    );
                }
                created += 1;
            }
            _ => {
                prop_assert!(is_pod && replace && created == 1 && deleted == 0);
                prop_assert_eq!(&object["name"], "web-0");
                deleted += 1;
            }
        }
    }
    prop_assert_eq!(created, 1);
    if let Some(name) = attach {
        prop_assert!(made.contains(&name.to_owned()));
    }
    Ok(())
}

/// The guard rails for one step. Returns the container's name.
fn assert_ephemeral_container_guarded(object: &Value, taken: &[String]) -> Result<String, TestCaseError> {
    let name = object["name"].as_str().unwrap();
    prop_assert!(is_dns_name(name, 63, false) && !taken.contains(&name.to_owned()));
    prop_assert!(object["image"].as_str().is_some_and(|image| !image.is_empty()));
    prop_assert!(
        object
            .as_object()
            .unwrap()
            .keys()
            .all(|field| is_ephemeral_field(field))
    );
    let resources = &object["resources"];
    prop_assert!(resources.as_object().map_or(resources.is_null(), Map::is_empty));
    if let Some(joined) = object["targetContainerName"].as_str() {
        prop_assert!(taken.contains(&joined.to_owned()));
    }
    Ok(name.to_owned())
}

/// The guard rails for a created pod.
fn assert_created_pod_guarded(object: &Value, is_pod: bool) -> Result<(), TestCaseError> {
    prop_assert_eq!(&object["apiVersion"], "v1");
    prop_assert_eq!(&object["kind"], "Pod");
    let metadata = &object["metadata"];
    prop_assert!(is_dns_name(metadata["name"].as_str().unwrap(), 253, true));
    prop_assert_eq!(&metadata["namespace"], if is_pod { "shop" } else { "ops" });
    prop_assert!(metadata.get("finalizers").is_none() && metadata.get("generateName").is_none());
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        let is_targets = owner["uid"] == "u-1" || owner["kind"] == "ReplicaSet" && owner["name"] == "web";
        prop_assert!(!(is_pod && is_targets), "{}", owner);
    }
    Ok(())
}

/// The privileged containers of a step, found again on the JSON.
fn privileged_containers<'a>(step: &Step, object: &'a Value) -> Vec<&'a Value> {
    let containers = match step {
        Step::AddEphemeralContainer(_) => vec![object],
        _ => ["containers", "initContainers", "ephemeralContainers"]
            .iter()
            .flat_map(|list| object["spec"][*list].as_array().into_iter().flatten())
            .collect(),
    };
    let privileged = |container: &&Value| container["securityContext"]["privileged"] == true;
    containers.into_iter().filter(privileged).collect()
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn whatever_a_guest_answers_the_guard_rails_hold(
        proposed in prop_oneof![3 => vec(step(), 1..3), 1 => vec(step(), 0..12)],
        attach in option::of(select(vec!["dbg", "app", "a", "", "other"])),
        target in guarded_target(),
        replace in any::<bool>(),
    ) {
        let Ok(draft) = drafted(&proposed, attach, &target, replace) else { return Ok(()) };
        let plan: &DebugPlan = draft.plan();
        assert_guarded(plan.steps(), plan.attach(), &target, replace)?;
        // And what goes beyond the options is shown.
        let shown = draft.rights();
        for step in plan.steps() {
            let object = step.object();
            for container in privileged_containers(step, &object) {
                let name = container["name"].as_str().map(str::to_owned);
                prop_assert!(shown.iter().any(|found| found.kind == RightKind::Privileged && found.container == name));
            }
            if object["spec"]["hostPID"] == true {
                prop_assert!(shown.iter().any(|found| found.kind == RightKind::HostNamespace));
            }
            if object["spec"]["volumes"][0].get("hostPath").is_some() {
                prop_assert!(shown.iter().any(|found| found.kind == RightKind::HostPath));
            }
        }
    }

    #[test]
    fn no_text_makes_reading_a_step_panic(action in text(), object in prop_oneof![text(), any_json().prop_map(|json| json.to_string())]) {
        for action in ["add-ephemeral-container", "create-pod", "delete-pod", &action] {
            if let Ok(step) = Step::parse(action, &object) {
                prop_assert_eq!(step.action(), action);
            }
        }
    }
}

/// Checks that the generator makes enough plans that pass.
#[test]
fn some_of_what_guests_are_made_to_answer_is_let_through_and_some_is_not() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut through, mut refused) = (0, 0);
    let target = Target::new(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": {}}),
        "default",
    )
    .unwrap();
    for _ in 0..500 {
        let proposed = step().new_tree(&mut runner).unwrap().current();
        match drafted(&[proposed], None, &target, false) {
            Ok(_) => through += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        through > 50 && refused > 50,
        "{through} are let through, {refused} refused"
    );
}

/// Regression: a container without a name was taken for one of the plan's, and attached to.
#[test]
fn a_container_without_a_name_is_not_a_plan_and_not_attached_to() {
    let target = Target::new(
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "web-0"}}),
        "default",
    )
    .unwrap();
    for (list, nameless) in [
        ("initContainers", json!({})),
        ("initContainers", json!({"name": "", "image": "busybox"})),
        ("containers", json!({"image": "busybox"})),
        ("containers", json!({"name": "dbg"})),
    ] {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copy", "namespace": "ops"},
            "spec": {"nodeName": "web-0", "containers": [{"name": "dbg", "image": "busybox"}]},
        });
        let step = |pod: &Value| ("create-pod".to_owned(), pod.clone());
        assert!(drafted(&[step(&pod)], Some("dbg"), &target, false).is_ok());
        pod["spec"][list] = json!([nameless]);
        let refused = drafted(&[step(&pod)], Some(""), &target, false).unwrap_err();
        let PlanError::GuardRail { violation, .. } = refused else {
            panic!("{refused:?}");
        };
        assert!(
            violation.message.contains("Container needs the field"),
            "{violation}"
        );
    }
}
