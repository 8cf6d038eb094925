//! What holds for every pod and for whatever a guest answers, tried on pods and answers that nobody thought of: fields that
//! nobody knows at every level, odd but valid values, many containers, text in all scripts, numbers at the edges.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Map, Number, Value, json};
use trocar::{
    Actor, Context, DebugOptions, Engine, EngineConfig, EnvVar, Keep, PlanError, PlanRequest, Planned,
    Profile, Target,
    capability::Grants,
    plan::{Step, after::changes, check::check, excess::excess},
    plugin::{Plugin, PluginSource, PluginType},
    target::TargetKind,
};

/// An engine with the default strategies.
struct Setup {
    engine: Engine,
    plugins: BTreeMap<&'static str, Plugin>,
}

impl Setup {
    fn new(pooling: bool) -> Self {
        let engine = Engine::new(EngineConfig {
            pooling,
            ..EngineConfig::default()
        })
        .unwrap();
        let load = |name: &'static str| {
            let source = PluginSource::Default(name.into());
            let plugin = engine.load(&source, PluginType::Strategy, &Grants::default());
            (name, plugin.unwrap())
        };
        let plugins = ["ephemeral", "copy", "node"].map(load).into();
        Self { engine, plugins }
    }

    fn plan(
        &self,
        strategy: &str,
        target: &Target,
        options: &DebugOptions,
    ) -> Result<Planned, Box<PlanError>> {
        let context = Context {
            namespace: "ops".into(),
            suffix: "x7k2p".into(),
            time: "2026-01-02T03:04:05Z".into(),
        };
        let request = PlanRequest {
            target,
            options,
            strategy: &self.plugins[strategy],
            settings: "{}",
            context: &context,
            actor: &Actor::default(),
            policies: &[],
            reader: None,
        };
        self.engine.plan(&request).map_err(Box::new)
    }
}

static ONE: LazyLock<Setup> = LazyLock::new(|| Setup::new(false));
static OTHER: LazyLock<Setup> = LazyLock::new(|| Setup::new(true));

/// Every field that a strategy, a profile or a flag names: what is generated as unknown has none of these names.
const KNOWN: [&str; 27] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "managedFields",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "nodeName",
    "hostPID",
    "shareProcessNamespace",
    "securityContext",
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "env",
    "stdin",
    "tty",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(any::<char>(), 0..12).prop_map(String::from_iter),
        "[a-z0-9./ -]{0,20}",
        select(vec![
            "",
            "null",
            "yes",
            "0644",
            "\0",
            "\u{feff}",
            "\u{1b}[31m",
            "𝕏",
            "\u{10ffff}"
        ])
        .prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-9_i64..10).prop_map(Number::from),
        any::<f64>().prop_filter_map("JSON has finite numbers only", Number::from_f64),
        select(vec![0.1, -0.0, 1e300, 5e-324, 1.0, 9_007_199_254_740_993.0])
            .prop_filter_map("finite", Number::from_f64),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map(text(), inner, 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Fields of which no host and no strategy has ever heard.
fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![
        text(),
        "[a-z]{1,10}",
        select(vec!["a/b", "~0", "Containers", "Name", "$ref"]).prop_map(str::to_owned)
    ]
    .prop_filter("it is known", |name| !KNOWN.contains(&name.as_str()));
    btree_map(name, any_json(), 0..3).prop_map(|fields| fields.into_iter().collect())
}

/// Puts known fields, where they are there, beside unknown ones.
fn with(
    mut unknown: Map<String, Value>,
    known: impl IntoIterator<Item = (&'static str, Option<Value>)>,
) -> Value {
    let known = known
        .into_iter()
        .filter_map(|(field, value)| Some((field.to_owned(), value?)));
    unknown.extend(known);
    Value::Object(unknown)
}

fn probe() -> impl Strategy<Value = Option<Value>> {
    option::weighted(
        0.4,
        unknown_fields().prop_map(|unknown| with(unknown, [("periodSeconds", Some(json!(3)))])),
    )
}

fn container_security() -> impl Strategy<Value = Value> {
    let capabilities = (
        unknown_fields(),
        option::of(vec(select(vec!["CHOWN", "NET_ADMIN", "all"]), 0..3)),
    );
    (
        unknown_fields(),
        option::of(capabilities),
        option::of(any::<bool>()),
    )
        .prop_map(|(unknown, capabilities, privileged)| {
            let capabilities = capabilities
                .map(|(unknown, added)| with(unknown, [("add", added.map(|added| json!(added)))]));
            with(
                unknown,
                [
                    ("capabilities", capabilities),
                    ("privileged", privileged.map(Value::Bool)),
                ],
            )
        })
}

fn container() -> impl Strategy<Value = Value> {
    let runs = (
        option::of(text()),
        option::of(vec(text(), 0..3)),
        option::of(vec(
            unknown_fields().prop_map(|unknown| with(unknown, [("name", Some(json!("A")))])),
            0..3,
        )),
        option::of(any::<bool>()),
        option::of(select(vec!["Always", "Never", "OnFailure"])),
    );
    let probes = (probe(), probe(), probe());
    (unknown_fields(), runs, probes, option::of(container_security())).prop_map(
        |(unknown, (image, command, env, stdin, restart), (live, ready, started), security)| {
            with(
                unknown,
                [
                    ("image", image.map(Value::String)),
                    ("command", command.map(|command| json!(command))),
                    ("env", env.map(Value::Array)),
                    ("stdin", stdin.map(Value::Bool)),
                    ("restartPolicy", restart.map(Value::from)),
                    ("livenessProbe", live),
                    ("readinessProbe", ready),
                    ("startupProbe", started),
                    ("securityContext", security),
                ],
            )
        },
    )
}

/// Containers with names that are not in the way of each other.
fn named(prefix: &str, containers: Vec<Value>) -> Value {
    let containers = containers.into_iter().enumerate().map(|(number, mut container)| {
        container["name"] = json!(format!("{prefix}-{number}"));
        container
    });
    Value::Array(containers.collect())
}

fn texts() -> impl Strategy<Value = Value> {
    prop_oneof![
        9 => btree_map(text(), text(), 0..4).prop_map(|texts| json!(texts)),
        1 => Just(Value::Null),
    ]
}

fn metadata(name: &'static str) -> impl Strategy<Value = Value> {
    let owner = unknown_fields().prop_map(|unknown| {
        with(
            unknown,
            [
                ("kind", Some(json!("ReplicaSet"))),
                ("name", Some(json!("web"))),
                ("uid", Some(json!("u-1"))),
            ],
        )
    });
    let fields = (
        option::of(texts()),
        option::of(texts()),
        option::of(vec(owner, 0..3)),
        option::of("[0-9a-f-]{8}"),
    );
    (unknown_fields(), fields, option::of(Just("shop"))).prop_map(
        move |(unknown, (labels, annotations, owners, uid), namespace)| {
            with(
                unknown,
                [
                    ("name", Some(json!(name))),
                    ("namespace", namespace.map(Value::from)),
                    ("labels", labels),
                    ("annotations", annotations),
                    ("ownerReferences", owners.map(Value::Array)),
                    ("uid", uid.map(Value::String)),
                    ("managedFields", Some(json!([{"manager": "someone"}]))),
                ],
            )
        },
    )
}

fn pod() -> impl Strategy<Value = Target> {
    let containers = (
        vec(container(), 1..6),
        option::of(vec(container(), 0..3)),
        option::of(vec(container(), 0..3)),
    );
    let flags = (
        option::weighted(0.3, any::<bool>().prop_map(Value::Bool)),
        option::weighted(
            0.3,
            prop_oneof![any::<bool>().prop_map(Value::Bool), Just(Value::Null)],
        ),
        option::of(Just("node-1")),
        option::of(unknown_fields().prop_map(|unknown| with(unknown, [("runAsUser", Some(json!(1000)))]))),
    );
    let parts = (
        metadata("web-0"),
        unknown_fields(),
        unknown_fields(),
        option::of(any_json()),
    );
    (parts, containers, flags).prop_map(
        |((metadata, top, spec, status), (regular, init, ephemeral), (host_pid, share, node, security))| {
            let spec = with(
                spec,
                [
                    ("containers", Some(named("app", regular))),
                    ("initContainers", init.map(|init| named("init", init))),
                    (
                        "ephemeralContainers",
                        ephemeral.map(|ephemeral| named("old", ephemeral)),
                    ),
                    ("hostPID", host_pid),
                    ("shareProcessNamespace", share),
                    ("nodeName", node.map(Value::from)),
                    ("securityContext", security),
                ],
            );
            let pod = with(
                top,
                [
                    ("apiVersion", Some(json!("v1"))),
                    ("kind", Some(json!("Pod"))),
                    ("metadata", Some(metadata)),
                    ("spec", Some(spec)),
                    ("status", status),
                ],
            );
            Target::new(pod, "default").unwrap()
        },
    )
}

fn node() -> impl Strategy<Value = (Target, Target)> {
    let parts = (
        metadata("node-1"),
        unknown_fields(),
        option::of(any_json()),
        option::of(any_json()),
    );
    parts.prop_map(|(metadata, top, spec, status)| {
        let labels = metadata.get("labels").cloned();
        let node = with(
            top,
            [
                ("apiVersion", Some(json!("v1"))),
                ("kind", Some(json!("Node"))),
                ("metadata", Some(metadata)),
                ("spec", spec),
                ("status", status),
            ],
        );
        let bare =
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "labels": labels}});
        (
            Target::new(node, "default").unwrap(),
            Target::new(bare, "default").unwrap(),
        )
    })
}

fn keep() -> impl Strategy<Value = Keep> {
    any::<[bool; 6]>().prop_map(
        |[labels, annotations, liveness, readiness, startup, init_containers]| Keep {
            labels,
            annotations,
            liveness,
            readiness,
            startup,
            init_containers,
        },
    )
}

fn options() -> impl Strategy<Value = DebugOptions> {
    let run = (
        vec(text(), 0..3),
        any::<bool>(),
        vec(
            ("[A-Z]{1,5}", text()).prop_map(|(name, value)| EnvVar { name, value }),
            0..3,
        ),
        any::<bool>(),
        any::<bool>(),
        option::of(select(vec!["Always", "IfNotPresent", "Never"])),
    );
    let copy = (any::<bool>(), any::<bool>(), option::of(any::<bool>()), keep());
    (run, copy, select(Profile::ALL.to_vec())).prop_map(
        |(
            (args, arguments_only, env, stdin, tty, pull),
            (replace, same_node, share_processes, keep),
            profile,
        )| {
            DebugOptions {
                image: Some("busybox:1.36".into()),
                args,
                arguments_only,
                env,
                stdin,
                tty,
                image_pull_policy: pull.map(str::to_owned),
                profile,
                replace,
                same_node,
                share_processes,
                keep,
                ..DebugOptions::default()
            }
        },
    )
}

/// A partial container, with lists that are merged item by item.
fn custom() -> impl Strategy<Value = Map<String, Value>> {
    let item = prop_oneof![
        unknown_fields().prop_map(|unknown| with(unknown, [("name", Some(json!("A")))])),
        any_json(),
    ];
    (vec(item, 0..3), option::of(container_security())).prop_map(|(env, security)| {
        let custom = with(
            Map::new(),
            [("env", Some(json!(env))), ("securityContext", security)],
        );
        custom.as_object().unwrap().clone()
    })
}

/// How a copy is debugged: with a new container, by changing one, or with other images only.
#[derive(Clone, Debug)]
enum Debugged {
    New(Option<&'static str>),
    Changed(Index),
    Images(Index),
    AllImages,
}

fn debugged() -> impl Strategy<Value = Debugged> {
    prop_oneof![
        select(vec![None, Some("mine")]).prop_map(Debugged::New),
        any::<Index>().prop_map(Debugged::Changed),
        any::<Index>().prop_map(Debugged::Images),
        Just(Debugged::AllImages),
    ]
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    let containers = pod["spec"][list].as_array().cloned().unwrap_or_default();
    let name = |container: &Value| container["name"].as_str().unwrap().to_owned();
    containers.iter().map(name).collect()
}

fn object(target: &Target) -> Value {
    Value::Object(target.object().clone())
}

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

/// The copy as the flags describe it, without what is debugged in it: an own account of what `kubectl debug` documents.
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
    for (field, kept) in [
        ("labels", keep.labels && !legacy),
        ("annotations", keep.annotations || legacy),
    ] {
        if let (true, Some(value)) = (kept, original["metadata"].get(field)) {
            copy["metadata"][field] = value.clone();
        }
    }
    remove(&mut copy["spec"], "ephemeralContainers");
    if !options.same_node {
        remove(&mut copy["spec"], "nodeName");
    }
    if legacy {
        return copy;
    }
    if !keep.init_containers {
        remove(&mut copy["spec"], "initContainers");
    }
    for (probe, kept) in [
        ("livenessProbe", keep.liveness),
        ("readinessProbe", keep.readiness),
        ("startupProbe", keep.startup),
    ] {
        if !kept {
            containers(&mut copy, "containers").for_each(|container| remove(container, probe));
            containers(&mut copy, "initContainers")
                .filter(|container| container["restartPolicy"] == "Always")
                .for_each(|container| remove(container, probe));
        }
    }
    copy
}

/// The fields of a container that flags and profiles name.
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

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

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
        let Step::CreatePod(created) = &plan.steps[0] else { panic!("{plan:?}") };
        let (mut made, mut wanted) = (json!(created), copy_without_debugging(&pod, &options));
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
        prop_assert_eq!(&made, &wanted);
        prop_assert_eq!(plan.steps.len(), if options.replace { 2 } else { 1 });
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
        prop_assert_eq!(&plan.steps, &plan_of_bare.steps);
        prop_assert_eq!(&plan.steps[0].object()["spec"]["nodeName"], "node-1");
    }

    #[test]
    fn a_generated_name_is_never_taken(pod in pod(), taken in 0..4_usize) {
        // Takes the first names that a strategy would think of.
        let mut original = object(&pod);
        for _ in 0..taken {
            let target = Target::new(original.clone(), "default").unwrap();
            let plan = ONE.plan("ephemeral", &target, &DebugOptions { image: Some("b".into()), ..Default::default() });
            let name = plan.unwrap().plan.attach.unwrap();
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

/// A pod of about as many bytes, made of many small things or of one large thing.
fn large_pod() -> impl Strategy<Value = Target> {
    (pod(), 0..256_usize << 10, 0..3_u8, text()).prop_map(|(pod, size, shape, text)| {
        let mut pod = object(&pod);
        // By what it takes as JSON, where an escaped letter is six.
        let filler = |size: usize| text.repeat(size / json!(text).to_string().len());
        match shape {
            0 => pod["metadata"]["annotations"] = json!({"large": "x".repeat(size)}),
            1 => {
                let names = (0..size / 64).map(|number| (format!("annotation-{number}"), filler(30)));
                pod["metadata"]["annotations"] = json!(names.collect::<BTreeMap<_, _>>());
            }
            _ => {
                let more = (0..size / 400).map(|number| {
                    json!({"name": format!("c-{number}"), "image": "i", "env": [{"name": "A", "value": filler(300)}]})
                });
                pod["spec"]["containers"].as_array_mut().unwrap().extend(more);
            }
        }
        let pod = Target::new(pod, "default").unwrap();
        assert!(pod.text().len() < 400 << 10, "{} bytes are too many", pod.text().len());
        pod
    })
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
        "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "setup"}]},
    });
    let pod = Target::new(pod, "default").unwrap();
    let mut options = DebugOptions {
        image: Some("busybox".into()),
        copy_to: Some("copy".into()),
        container: Some("setup".into()),
        ..DebugOptions::default()
    };
    assert!(ONE.plan("copy", &pod, &options).is_ok());
    options.keep.init_containers = false;
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
            "spec": {"containers": [{"name": "app"}], "future": inner},
        });
        Target::new(pod, "default").unwrap()
    };
    let options = DebugOptions {
        image: Some("busybox".into()),
        copy_to: Some("copy".into()),
        ..DebugOptions::default()
    };
    for strategy in ["ephemeral", "copy"] {
        assert!(ONE.plan(strategy, &nested(120), &options).is_ok());
        let error = ONE.plan(strategy, &nested(1000), &options).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }
}

/// A step as a guest might write it: nearly right, with some things changed, or anything at all.
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
    let odd = (telling(), any_json()).prop_map(|((place, _), value)| (place, value));
    let change = prop_oneof![3 => telling(), 1 => odd];
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

/// A place that a guard rail is about, and a value that would be let through there, or must not be.
fn telling() -> impl Strategy<Value = (&'static str, Value)> {
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
    let places = json!({
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
            [{"name": "a"}, {"name": "dbg", "securityContext": {"privileged": true}}],
        ],
        "spec/initContainers": [[{"name": "init"}], [{"name": "a", "securityContext": {"privileged": true}}], {}],
        "spec/ephemeralContainers": [[{"name": "app", "securityContext": {"privileged": true}}]],
        "spec/hostPID": [true, false, "true"],
        "spec/volumes": [[{"name": "v", "hostPath": {"path": "/"}}], [{"name": "v"}], null],
        "gracePeriodSeconds": [30, 0, -1, 1.5, "30", null],
    });
    let pairs: Vec<(&'static str, Value)> = places
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

/// Puts a value at a place, making objects on the way there.
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

/// What the API server takes in an ephemeral container, by the API's own documentation.
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

/// The guard rails, told once more and on the JSON alone.
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
                let name = object["name"].as_str().unwrap();
                prop_assert!(is_pod && is_dns_name(name, 63, false) && !taken.contains(&name.to_owned()));
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
                made.push(name.to_owned());
                created += 1;
            }
            "create-pod" => {
                prop_assert_eq!(&object["apiVersion"], "v1");
                prop_assert_eq!(&object["kind"], "Pod");
                let metadata = &object["metadata"];
                prop_assert!(is_dns_name(metadata["name"].as_str().unwrap(), 253, true));
                prop_assert_eq!(&metadata["namespace"], if is_pod { "shop" } else { "ops" });
                prop_assert!(metadata.get("finalizers").is_none() && metadata.get("generateName").is_none());
                for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
                    let is_targets =
                        owner["uid"] == "u-1" || owner["kind"] == "ReplicaSet" && owner["name"] == "web";
                    prop_assert!(!(is_pod && is_targets), "{}", owner);
                }
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

/// The privileged containers of a step, found once more and on the JSON alone.
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
        let steps: Result<Vec<Step>, String> =
            proposed.iter().map(|(action, object)| Step::parse(action, &object.to_string())).collect();
        let Ok(steps) = steps else { return Ok(()) };
        let options = DebugOptions { replace, ..DebugOptions::default() };
        if check(&steps, attach, &target, &options, "ops").is_err() {
            return Ok(());
        }
        assert_guarded(&steps, attach, &target, replace)?;
        // And what goes beyond the options is shown.
        let shown = excess(&steps, &target, &options);
        for step in &steps {
            let object = step.object();
            for container in privileged_containers(step, &object) {
                let name = container["name"].as_str().map(str::to_owned);
                prop_assert!(shown.iter().any(|found| found.right == "privileged" && found.container == name));
            }
            if object["spec"]["hostPID"] == true {
                prop_assert!(shown.iter().any(|found| found.right == "host-namespace"));
            }
            if object["spec"]["volumes"][0].get("hostPath").is_some() {
                prop_assert!(shown.iter().any(|found| found.right == "host-path"));
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

/// The generator would be worth little if hardly anything that it makes were let through.
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
        let (action, object) = step().new_tree(&mut runner).unwrap().current();
        let Ok(step) = Step::from_value(&action, object) else {
            refused += 1;
            continue;
        };
        match check(&[step], None, &target, &DebugOptions::default(), "ops") {
            Ok(()) => through += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        through > 50 && refused > 50,
        "{through} are let through, {refused} refused"
    );
}
