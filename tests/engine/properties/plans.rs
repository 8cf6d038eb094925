//! Plans of the default strategies, for generated pods, nodes and options.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{option, prelude::*, sample::Index};
use serde_json::{Value, json};
use trocar::{
    DebugOptions, PlanError, Profile, Target,
    plan::{Step, after::changes},
};
use trocar_core::kubernetes::normalize_pod;

use super::{
    ONE, OTHER, config,
    options::{Debugged, custom, debugged, options},
    targets::{large_pod, names, node, object, pod},
};

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

fn containers<'a>(pod: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    pod["spec"]
        .get_mut(list)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// The copy without its debug container, by an independent implementation of what `kubectl debug` documents.
fn copy_without_debugging(target: &Target, options: &DebugOptions) -> Value {
    let original = object(target);
    let mut copy = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": options.copy_to, "namespace": original["metadata"]["namespace"]},
        "spec": original["spec"],
    });
    let keep = &options.keep;
    let legacy = options.profile == Profile::Legacy;
    // With a debug container, `legacy` ignores `--keep-*` flags, as kubectl does.
    let is_debugged = options.set_image.is_empty() || options.image.is_some() || !options.args.is_empty();
    // What `legacy` keeps by default; without a debug container, typed flags are obeyed.
    let by_legacy = |typed: Option<bool>| legacy && (is_debugged || typed != Some(false));
    for (field, kept) in [
        ("labels", keep.labels == Some(true) && !(legacy && is_debugged)),
        (
            "annotations",
            keep.annotations == Some(true) || by_legacy(keep.annotations),
        ),
    ] {
        if let (true, Some(value)) = (kept, original["metadata"].get(field)) {
            copy["metadata"][field] = value.clone();
        }
    }
    remove(&mut copy["spec"], "ephemeralContainers");
    if !options.same_node {
        remove(&mut copy["spec"], "nodeName");
    }
    if keep.init_containers == Some(false) && !(legacy && is_debugged) {
        remove(&mut copy["spec"], "initContainers");
    }
    for (probe, kept) in [
        ("livenessProbe", keep.liveness),
        ("readinessProbe", keep.readiness),
        ("startupProbe", keep.startup),
    ] {
        if !(kept == Some(true) || by_legacy(kept)) {
            containers(&mut copy, "containers").for_each(|container| remove(container, probe));
            containers(&mut copy, "initContainers")
                .filter(|container| container["restartPolicy"] == "Always")
                .for_each(|container| remove(container, probe));
        }
    }
    copy
}

/// The fields of a container that flags and profiles set.
const CHANGED: [&str; 8] = [
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "env",
    "stdin",
    "tty",
    "securityContext",
];

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_copy_keeps_everything_that_no_flag_names(pod in pod(), options in options(), debugged in debugged()) {
        let original = object(&pod);
        let regular = names(&original, "containers");
        let mut options = DebugOptions { copy_to: Some("web-0-debug".into()), ..options };
        match &debugged {
            Debugged::New(name) => options.container = name.map(str::to_owned),
            Debugged::Changed(index) => options.container = Some(index.get(&regular).clone()),
            Debugged::Images(index) => {
                options.image = None;
                options.args.clear();
                options.set_image = BTreeMap::from([(index.get(&regular).clone(), "new:2".into())]);
            }
            Debugged::AllImages => {
                options.image = None;
                options.args.clear();
                options.set_image = BTreeMap::from([("*".into(), "new:2".into())]);
            }
        }
        let plan = ONE.plan("copy", &pod, &options).unwrap().plan;
        let Step::CreatePod(created) = &plan.steps()[0] else { panic!("{plan:?}") };
        let wanted = copy_without_debugging(&pod, &options).as_object().unwrap().clone();
        let wanted = normalize_pod(wanted, Some(pod.object())).unwrap();
        let (mut made, mut wanted) = (json!(created), Value::Object(wanted));
        match &debugged {
            Debugged::New(name) => {
                let added = made["spec"]["containers"].as_array_mut().unwrap().pop().unwrap();
                prop_assert_eq!(&added["name"], name.unwrap_or("debugger-x7k2p"));
                prop_assert_eq!(&added["image"], "busybox:1.36");
            }
            Debugged::Changed(index) => {
                let changed = index.get(&regular).as_str();
                for pod in [&mut made, &mut wanted] {
                    for container in containers(pod, "containers").filter(|container| container["name"] == changed) {
                        CHANGED.iter().for_each(|field| remove(container, field));
                    }
                }
            }
            Debugged::Images(_) | Debugged::AllImages => {
                for container in containers(&mut wanted, "containers") {
                    let name = container["name"].as_str().unwrap();
                    if options.set_image.contains_key("*") || options.set_image.contains_key(name) {
                        container["image"] = json!("new:2");
                    }
                }
            }
        }
        for pod in [&mut made, &mut wanted] {
            remove(&mut pod["spec"], "shareProcessNamespace");
        }
        prop_assert_eq!(made, wanted);
        prop_assert_eq!(plan.steps().len(), if options.replace { 2 } else { 1 });
    }

    #[test]
    fn a_pod_with_an_ephemeral_container_is_the_pod_and_that_container(
        pod in pod(),
        options in options(),
        joins in option::of(any::<Index>()),
    ) {
        let before = object(&pod);
        let regular = names(&before, "containers");
        let target_container = joins.map(|index| index.get(&regular).clone());
        let options = DebugOptions { target_container: target_container.clone(), ..options };
        let plan = ONE.plan("ephemeral", &pod, &options).unwrap().plan;
        let [change] = changes(&plan, &pod).try_into().unwrap();
        prop_assert_eq!(change.before.as_ref(), Some(&before));
        let mut after = change.after.unwrap();
        let list = after["spec"]["ephemeralContainers"].as_array_mut().unwrap();
        let added = list.pop().unwrap();
        if list.is_empty() && before["spec"].get("ephemeralContainers").is_none() {
            remove(&mut after["spec"], "ephemeralContainers");
        }
        prop_assert_eq!(&after, &before, "everything else is as it was");
        prop_assert_eq!(&added["name"], "debugger-x7k2p");
        prop_assert_eq!(added.get("targetContainerName").and_then(Value::as_str), target_container.as_deref());
    }

    #[test]
    fn a_node_debug_pod_has_nothing_of_the_node_but_its_name((node, bare) in node(), options in options()) {
        let plan = ONE.plan("node", &node, &options).unwrap().plan;
        let plan_of_bare = ONE.plan("node", &bare, &options).unwrap().plan;
        prop_assert_eq!(&plan.steps(), &plan_of_bare.steps());
        prop_assert_eq!(&plan.steps()[0].object()["spec"]["nodeName"], "node-1");
    }

    #[test]
    fn a_generated_name_is_never_taken(pod in pod(), taken in 0..4_usize) {
        // Takes the first names that a strategy would generate.
        let mut original = object(&pod);
        for _ in 0..taken {
            let target = Target::new(original.clone(), "default").unwrap();
            let plan = ONE.plan("ephemeral", &target, &DebugOptions { image: Some("b".into()), ..Default::default() });
            let name = plan.unwrap().plan.attach().unwrap().to_owned();
            let mut all = names(&original, "containers");
            all.extend(names(&original, "initContainers"));
            all.extend(names(&original, "ephemeralContainers"));
            prop_assert!(!all.contains(&name), "{} is taken", name);
            original["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": name}));
        }
    }

    #[test]
    fn the_same_request_gives_the_same_bytes(
        pod in pod(),
        options in options(),
        custom in option::of(custom()),
    ) {
        let options = DebugOptions { copy_to: Some("copy".into()), custom, ..options };
        for strategy in ["ephemeral", "copy"] {
            let made: BTreeSet<(String, String)> = [&ONE, &ONE, &OTHER]
                .map(|setup| setup.plan(strategy, &pod, &options).unwrap().plan)
                .map(|plan| (plan.document().to_string(), plan.hash()))
                .into();
            prop_assert_eq!(made.len(), 1, "{:?}", made);
        }
    }

    #[test]
    fn a_target_reaches_a_plugin_as_it_is(pod in pod()) {
        let read: Value = serde_json::from_str(pod.text()).unwrap();
        prop_assert_eq!(read, object(&pod));
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn no_pod_of_a_size_that_a_cluster_stores_reaches_a_limit(
        pod in large_pod(),
        options in options(),
        custom in option::of(custom()),
    ) {
        let options = DebugOptions { copy_to: Some("copy".into()), custom, ..options };
        for strategy in ["ephemeral", "copy"] {
            let planned = ONE.plan(strategy, &pod, &options);
            prop_assert!(planned.is_ok(), "{} bytes: {:?}", pod.text().len(), planned.unwrap_err());
        }
        let refused = ONE.plan("node", &pod, &options);
        let is_refusal = matches!(refused.as_ref().map_err(|error| &**error), Err(PlanError::Refused { .. }));
        prop_assert!(is_refusal, "{:?}", refused);
    }
}

#[test]
fn a_container_that_the_copy_leaves_out_cannot_be_debugged_in_it() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"},
        "spec": {"containers": [{"name": "app", "image": "a"}], "initContainers": [{"name": "setup", "image": "s"}]},
    });
    let pod = Target::new(pod, "default").unwrap();
    let mut options = DebugOptions {
        image: Some("busybox".into()),
        copy_to: Some("copy".into()),
        container: Some("setup".into()),
        ..DebugOptions::default()
    };
    assert!(ONE.plan("copy", &pod, &options).is_ok());
    options.keep.init_containers = Some(false);
    let error = ONE.plan("copy", &pod, &options).unwrap_err();
    assert!(matches!(*error, PlanError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "--container=setup names an init container, which --keep-init-containers=false leaves out"
    );
}

#[test]
fn a_pod_is_planned_however_deep_it_is_and_refused_beyond_what_json_readers_take() {
    let nested = |depth: usize| {
        let inner = (0..depth).fold(json!(1), |inner, _| json!({ "deeper": inner }));
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"},
            "spec": {"containers": [{"name": "app", "image": "a"}], "future": inner},
        });
        Target::new(pod, "default").unwrap()
    };
    let options = DebugOptions {
        image: Some("busybox".into()),
        copy_to: Some("copy".into()),
        ..DebugOptions::default()
    };
    for strategy in ["ephemeral", "copy"] {
        assert!(ONE.plan(strategy, &nested(60), &options).is_ok());
        let error = ONE.plan(strategy, &nested(1000), &options).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }
}
