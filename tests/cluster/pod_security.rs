//! Whatever a strategy plans, the result of the policy `privilege-ceiling` at a Pod Security level passes that level by the judgement
//! of the API server.
//!
//! Each judgement is the API server's answer to the plan's own write with `dryRun=All`: the creation of a pod, or the update of
//! the subresource `ephemeralcontainers` of an existing pod. The namespace enforces the level only after all targets of ephemeral
//! containers were created, so that these may violate the level themselves. The API server judges the whole pod again at the
//! update.
//! Targets of copies are completed by the API server in a dry run, as they are only read.
//!
//! The pods wait at a scheduling gate: no kubelet ever sees them.

use std::{collections::BTreeMap, time::Instant};

use http::Request;
use serde_json::{Value, json};
use trocar::{
    Actor, Context, DebugPlan, Engine, EngineConfig, PlanError, PlanRequest, Planned, PolicyRule, Target,
    capability::Grants,
    plan::{Mode, ReviewVerdict, Step},
    plugin::{Plugin, PluginSource, PluginType},
    policy::Match,
};
use trocar_sdk::{
    Object,
    pod_security::{Level, violations},
};
use trocar_test_support::PATIENCE;

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
    random_debugs::RandomDebug,
};

pub(crate) const TESTS: &[Test] = &[
    ("pod_security::what_the_ceiling_passes_is_baseline", |cluster| {
        what_the_ceiling_passes_is_of(Level::Baseline, cluster);
    }),
    ("pod_security::what_the_ceiling_passes_is_restricted", |cluster| {
        what_the_ceiling_passes_is_of(Level::Restricted, cluster);
    }),
];

/// The minimum of judged plans per level and repetition.
const LEAST_PLANS: usize = 100;
const PLANS_A_TIME: usize = 50;

/// Random debugs that the API server or a strategy refuses are left out. If there are more than this many per planned one, the
/// generator is bad.
const MAX_LEFT_OUT: usize = 3;

const STRATEGIES: [&str; 3] = ["ephemeral", "copy", "node"];

fn what_the_ceiling_passes_is_of(level: Level, cluster: &Cluster) {
    let namespace = cluster.namespace();
    let plugins = Plugins::new(level);
    let plans = LEAST_PLANS.max(cluster.repeat * PLANS_A_TIME);
    let proposals = proposals(&namespace, &plugins, level, plans);
    enforce(&namespace, level);
    let mut counts = Counts::default();
    for proposal in &proposals {
        let judged = Judged::new(&namespace, &plugins, proposal);
        judged.check(level, &namespace);
        counts.add(&judged);
    }
    counts.check(plans);
}

/// The default strategies, and the policy at a level.
struct Plugins {
    engine: Engine,
    strategies: BTreeMap<&'static str, Plugin>,
    ceiling: PolicyRule,
}

impl Plugins {
    fn new(level: Level) -> Self {
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let load = |name: &str, plugin_type| {
            let source = PluginSource::Default(name.into());
            engine.load(&source, plugin_type, &Grants::default()).unwrap()
        };
        let ceiling = PolicyRule {
            name: "ceiling".into(),
            plugin: load("privilege-ceiling", PluginType::Policy),
            mode: Mode::Enforce,
            matches: Match::default(),
            settings: json!({"level": level.name(), "onExcess": "amend"}).to_string(),
        };
        let strategies = STRATEGIES.map(|name| (name, load(name, PluginType::Strategy)));
        Self {
            strategies: strategies.into(),
            ceiling,
            engine,
        }
    }

    fn plan(
        &self,
        debug: &RandomDebug,
        target: &Target,
        namespace: &Namespace<'_>,
        policies: &[&PolicyRule],
    ) -> Result<DebugPlan, PlanError> {
        let context = Context {
            namespace: namespace.name.clone(),
            suffix: "x7k2p".into(),
            time: "2026-01-02T03:04:05Z".into(),
        };
        let planned = self.engine.plan(&PlanRequest {
            strategy_name: None,
            target,
            options: &debug.options,
            strategy: &self.strategies[debug.strategy],
            settings: "{}",
            context: &context,
            actor: &Actor::default(),
            policies,
            reader: None,
            time_to_live: None,
        });
        planned.map(|Planned { plan, .. }| plan)
    }
}

/// A debug and what its strategy plans.
struct Proposal {
    debug: RandomDebug,
    target: Target,
    plan: DebugPlan,
}

impl Proposal {
    /// Returns whether the target violates the level in parts that the debug does not change.
    fn breaks_by_itself(&self, level: Level) -> bool {
        let pod = match &self.plan.steps()[0] {
            Step::AddEphemeralContainer(_) => json!(self.target.object()),
            Step::CreatePod(pod) => {
                let mut pod = json!(pod);
                if let Some(name) = &self.plan.attach() {
                    self.undo(&mut pod, name);
                }
                pod
            }
            other => panic!("no plan begins with {other:?}"),
        };
        let pod = pod.as_object().expect("a pod is an object");
        self.debug.strategy != "node" && !violations(pod, level).is_empty()
    }

    /// Removes the debug from a copy: the container is as in the target, or removed.
    fn undo(&self, copy: &mut Value, name: &str) {
        let target = json!(self.target.object());
        let is_it = |container: &Value| container["name"] == name;
        let containers = target["spec"]["containers"].as_array().into_iter().flatten();
        let original = containers.filter(|container| is_it(container)).cloned();
        let containers = copy["spec"]["containers"]
            .as_array_mut()
            .expect("a copy has containers");
        containers.retain(|container| !is_it(container));
        containers.extend(original);
    }
}

/// Random debugs with a plan. The targets of ephemeral containers are created in the namespace.
fn proposals(namespace: &Namespace<'_>, plugins: &Plugins, level: Level, plans: usize) -> Vec<Proposal> {
    let mut proposals = Vec::with_capacity(plans);
    for seed in 0..(plans * (1 + MAX_LEFT_OUT)) as u64 {
        let debug = RandomDebug::new(seed, level, &namespace.cluster.image);
        let Some(target) = target(namespace, &debug) else {
            continue;
        };
        match plugins.plan(&debug, &target, namespace, &[]) {
            Ok(plan) => proposals.push(Proposal { debug, target, plan }),
            Err(PlanError::Refused { .. } | PlanError::GuardRail { .. }) => {}
            Err(error) => panic!("{debug:#?}: {error}"),
        }
        if proposals.len() == plans {
            return proposals;
        }
    }
    panic!("only {} of the random debugs have a plan", proposals.len());
}

/// The target as stored in the cluster; none if the API server refuses it.
fn target(namespace: &Namespace<'_>, debug: &RandomDebug) -> Option<Target> {
    let cluster = namespace.cluster;
    let object = match &debug.pod {
        None => {
            let path = format!("/api/v1/nodes/{}", cluster.node());
            let mut node = cluster.read(&path).expect("the node is there");
            if debug.is_windows_node {
                node["metadata"]["labels"]["kubernetes.io/os"] = json!("windows");
            }
            node
        }
        Some(pod) => {
            let is_only_read = debug.strategy == "copy";
            let dry_run = if is_only_read { "?dryRun=All" } else { "" };
            let path = format!("{}{dry_run}", namespace.path("pods"));
            let created = valid(debug, cluster.send(Request::post(path), pod))?;
            match &debug.earlier {
                None => created,
                Some(earlier) => {
                    let (path, pod) = with_ephemeral(namespace, &created, earlier);
                    valid(debug, cluster.send(Request::put(path), &pod))?
                }
            }
        }
    };
    Some(Target::new(object, &namespace.name).unwrap())
}

/// The API server's judgement of a write; none if it is invalid.
fn valid(debug: &RandomDebug, written: Result<Value, kube::Error>) -> Option<Value> {
    match written {
        Ok(object) => Some(object),
        Err(kube::Error::Api(status)) if status.code == 422 => None,
        Err(error) => panic!("{debug:#?}: {error}"),
    }
}

/// The update that adds an ephemeral container to a pod, whatever else has changed in the pod meanwhile.
fn with_ephemeral(namespace: &Namespace<'_>, pod: &Value, container: &Value) -> (String, Value) {
    let mut pod = pod.clone();
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
    }
    match pod["spec"]["ephemeralContainers"].as_array_mut() {
        Some(containers) => containers.push(container.clone()),
        None => pod["spec"]["ephemeralContainers"] = json!([container]),
    }
    let name = text(&pod["metadata"]["name"]);
    let path = format!("{}/{name}/ephemeralcontainers", namespace.path("pods"));
    (path, pod)
}

/// Lets the namespace enforce a level, and waits until the API server does.
fn enforce(namespace: &Namespace<'_>, level: Level) {
    let cluster = namespace.cluster;
    let path = format!("/api/v1/namespaces/{}", namespace.name);
    let mut object = cluster.read(&path).expect("the namespace is there");
    object["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!(level.name());
    object["metadata"]["labels"]["pod-security.kubernetes.io/enforce-version"] = json!("latest");
    cluster
        .send(Request::put(&path), &object)
        .expect("a namespace can be labelled");
    let forbidden = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "forbidden"},
        "spec": {"hostPID": true, "containers": [{"name": "app", "image": cluster.image}]}});
    let began = Instant::now();
    while created(namespace, &forbidden) == Judgement::Passes {
        assert!(began.elapsed() < PATIENCE, "the level is never enforced");
    }
}

/// The API server's judgement of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Judgement {
    Passes,
    /// The level forbids it.
    Forbidden(String),
    /// The pod is invalid, whatever the level, which the API server decides first.
    Invalid(String),
}

impl Judgement {
    fn of(written: Result<Value, kube::Error>) -> Self {
        match written {
            Ok(_) => Self::Passes,
            Err(kube::Error::Api(status)) if status.code == 422 => Self::Invalid(status.message.clone()),
            Err(kube::Error::Api(status)) if status.message.contains("violates PodSecurity") => {
                Self::Forbidden(status.message.clone())
            }
            Err(error) => panic!("neither invalid nor against the level: {error}"),
        }
    }
}

fn created(namespace: &Namespace<'_>, pod: &Value) -> Judgement {
    let path = format!("{}?dryRun=All", namespace.path("pods"));
    Judgement::of(namespace.cluster.send(Request::post(path), pod))
}

/// Lets the API server judge what a plan writes. Whether a copy replaces its target does not matter to the level.
fn judgement(namespace: &Namespace<'_>, target: &Target, plan: &DebugPlan) -> Judgement {
    match &plan.steps()[0] {
        Step::CreatePod(pod) => created(namespace, &json!(pod)),
        Step::AddEphemeralContainer(container) => {
            let (path, pod) = with_ephemeral(namespace, &json!(target.object()), &json!(container));
            let path = format!("{path}?dryRun=All");
            Judgement::of(namespace.cluster.send(Request::put(path), &pod))
        }
        other => panic!("no plan begins with {other:?}"),
    }
}

/// The pod of the debug after a plan.
fn resulting_pod(target: &Target, plan: &DebugPlan, namespace: &Namespace<'_>) -> Object {
    let pod = match &plan.steps()[0] {
        Step::CreatePod(pod) => json!(pod),
        Step::AddEphemeralContainer(container) => {
            with_ephemeral(namespace, &json!(target.object()), &json!(container)).1
        }
        other => panic!("no plan begins with {other:?}"),
    };
    pod.as_object().expect("a pod is an object").clone()
}

/// A plan before and after the policy, with the API server's judgements.
struct Judged<'a> {
    proposal: &'a Proposal,
    before: Judgement,
    /// None if the policy denies it.
    after: Option<(DebugPlan, Judgement)>,
}

impl<'a> Judged<'a> {
    fn new(namespace: &Namespace<'_>, plugins: &Plugins, proposal: &'a Proposal) -> Self {
        let Proposal { debug, target, plan } = proposal;
        let before = judgement(namespace, target, plan);
        let after = match plugins.plan(debug, target, namespace, &[&plugins.ceiling]) {
            Ok(plan) => {
                let judged = judgement(namespace, target, &plan);
                Some((plan, judged))
            }
            Err(PlanError::Denied { plan }) => {
                let mut denials = plan.denials();
                let is_decided = denials.all(|review| review.verdict == ReviewVerdict::Deny);
                assert!(
                    is_decided,
                    "{debug:#?}: the policy failed: {:#?}",
                    plan.policies()
                );
                None
            }
            Err(error) => panic!("{debug:#?}: {error}"),
        };
        Self {
            proposal,
            before,
            after,
        }
    }

    /// Checks the property, and that nothing is amended or denied without need.
    fn check(&self, level: Level, namespace: &Namespace<'_>) {
        let proposal = self.proposal;
        let shown = || {
            format!(
                "seed {}, level {}\n{:#?}\nplanned: {:#}\n{:?}\n",
                proposal.debug.seed,
                level.name(),
                proposal.debug,
                json!(proposal.plan.steps()),
                self.before
            )
        };
        let found = violations(&resulting_pod(&proposal.target, &proposal.plan, namespace), level);
        match &self.before {
            Judgement::Passes => assert!(found.is_empty(), "{}: we find {found:#?}", shown()),
            Judgement::Forbidden(_) => assert!(!found.is_empty(), "{}: we find nothing", shown()),
            Judgement::Invalid(_) => {}
        }
        match (&self.before, &self.after) {
            (Judgement::Passes, None) => panic!("{}: denied though it passes", shown()),
            (Judgement::Passes, Some((plan, _))) if plan.steps() != proposal.plan.steps() => {
                panic!("{}: changed though it passes: {:#}", shown(), json!(plan.steps()));
            }
            (_, None) => assert!(
                proposal.breaks_by_itself(level),
                "{}: denied though it could be lowered",
                shown()
            ),
            (_, Some((_, Judgement::Passes))) => {}
            // A pod that could not have been written before need not be valid afterwards.
            (Judgement::Invalid(_), Some((_, Judgement::Invalid(_)))) => {}
            (_, Some((plan, judged))) => {
                panic!("{}: became {:#}: {judged:?}", shown(), json!(plan.steps()));
            }
        }
    }
}

/// Counts of outcomes.
#[derive(Debug, Default)]
struct Counts {
    /// The API server refuses the plan as the strategy made it.
    forbidden_before: usize,
    /// By strategy: the API server accepts what the policy allowed, unchanged or amended.
    passed: BTreeMap<&'static str, usize>,
    amended: usize,
    denied: usize,
    invalid: usize,
}

impl Counts {
    fn add(&mut self, judged: &Judged<'_>) {
        if matches!(judged.before, Judgement::Forbidden(_)) {
            self.forbidden_before += 1;
        }
        match &judged.after {
            None => self.denied += 1,
            Some((plan, Judgement::Passes)) => {
                *self.passed.entry(judged.proposal.debug.strategy).or_default() += 1;
                self.amended += usize::from(plan.steps() != judged.proposal.plan.steps());
            }
            Some(_) => self.invalid += 1,
        }
    }

    /// Checks that enough plans were judged.
    fn check(&self, plans: usize) {
        let passed: usize = self.passed.values().sum();
        assert!(
            passed >= plans / 2,
            "too few plans were judged by the API server: {self:?}"
        );
        assert!(
            self.forbidden_before >= plans / 3 && self.amended >= plans / 4,
            "too few plans break the level: {self:?}"
        );
        for strategy in STRATEGIES {
            let passed = self.passed.get(strategy).copied().unwrap_or_default();
            assert!(
                passed >= plans / 15,
                "too few plans of {strategy:?} were judged: {self:?}"
            );
        }
    }
}
