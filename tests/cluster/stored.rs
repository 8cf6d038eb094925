//! The API server stores what was judged: for any answer of a hostile strategy, and for the normal form of each case of
//! the core.
//!
//! The targets wait at a scheduling gate, and so do their copies: no kubelet ever sees them.

use std::collections::BTreeMap;

use http::Request;
use serde_json::{Value, json};
use trocar::{
    Applied, ApplyError, Context, DebugError, DebugOptions, DebugRequest, Debugger, Engine, EngineConfig,
    PlanError, Planner, PlannerError, PluginChoice, Target, WriteError, config::Layer, plan::Step,
    read_config,
};
use trocar_core::kubernetes::{compare_stored_ephemeral, compare_stored_pod};
use trocar_sdk::pod_security::{Level, violations};

use crate::{
    Test,
    cluster::{Cluster, Namespace, text},
    hostile::REPLAYS,
    policies::with_config,
    random_debugs::RandomAnswer,
};

pub(crate) const TESTS: &[Test] = &[
    (
        "stored::whatever_a_strategy_answers_is_stored_as_it_was_judged",
        whatever_a_strategy_answers_is_stored_as_it_was_judged,
    ),
    (
        "stored::a_normal_form_and_its_original_are_stored_alike",
        a_normal_form_and_its_original_are_stored_alike,
    ),
];

/// The default number of answers; `TROCAR_TEST_ANSWERS` overrides it.
const DEFAULT_ANSWERS: u64 = 60;

/// The hostile strategy under a policy of a level.
struct Hostile<'a> {
    namespace: &'a Namespace<'a>,
    debugger: Debugger,
    level: Level,
}

/// The outcome of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Refused by the normal form or a guard rail.
    Refused,
    Denied,
    /// Refused by the API server.
    Invalid,
    Stored,
}

fn whatever_a_strategy_answers_is_stored_as_it_was_judged(cluster: &Cluster) {
    let answers = std::env::var("TROCAR_TEST_ANSWERS").ok();
    let answers = answers
        .and_then(|answers| answers.parse().ok())
        .unwrap_or(DEFAULT_ANSWERS);
    let namespace = cluster.namespace();
    let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
    let mut hostile =
        [Level::Privileged, Level::Baseline, Level::Restricted].map(|level| Hostile::new(&namespace, level));
    for seed in 0..answers {
        let index = usize::try_from(seed % 3).expect("it is below 3");
        *counts.entry(hostile[index].try_out(seed)).or_default() += 1;
    }
    shown(&counts);
    for outcome in [Outcome::Refused, Outcome::Denied, Outcome::Stored] {
        let count = counts.get(&outcome).copied().unwrap_or_default();
        assert!(count >= answers / 20, "too little is {outcome:?}: {counts:?}");
    }
}

#[expect(clippy::print_stderr, reason = "the figures are worth a note")]
fn shown(counts: &BTreeMap<Outcome, u64>) {
    eprintln!("answers of a hostile strategy: {counts:?}");
}

impl<'a> Hostile<'a> {
    fn new(namespace: &'a Namespace<'a>, level: Level) -> Self {
        with_config(
            namespace,
            &format!(
                "policies: [{{name: ceiling, plugin: privilege-ceiling, settings: {{level: {}}}}}]\n",
                level.name()
            ),
        );
        let file = namespace.env.folder().join("config.yaml");
        let config = read_config(&[(Layer::User, file)]).unwrap();
        let choice = PluginChoice {
            strategy: Some(REPLAYS.into()),
            ..PluginChoice::default()
        };
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let context = Context {
            namespace: namespace.name.clone(),
            suffix: "x7k2p".into(),
            time: "2026-01-02T03:04:05Z".into(),
        };
        let planner = Planner::new(engine, &config).with_plugins(choice);
        Self {
            namespace,
            debugger: Debugger::with_planner(namespace.cluster.connection(), planner, context),
            level,
        }
    }

    /// Applies the answer of a seed, and checks what was stored.
    fn try_out(&mut self, seed: u64) -> Outcome {
        let cluster = self.namespace.cluster;
        let answer = RandomAnswer::new(seed, self.level, &self.namespace.name, &cluster.image);
        let pods = self.namespace.path("pods");
        let mut target = answer.target.clone();
        target["metadata"]["annotations"] =
            json!({"test/steps": json!({"steps": [answer.step]}).to_string()});
        let target = cluster.create(&pods, &target);
        let target = Target::new(target, &self.namespace.name).unwrap();
        let outcome = self.carry_out(&answer, &target);
        for name in [&answer.target, &answer.step["object"]] {
            cluster.delete(&format!("{pods}/{}", text(&name["metadata"]["name"])));
        }
        outcome
    }

    fn carry_out(&mut self, answer: &RandomAnswer, target: &Target) -> Outcome {
        let Self {
            namespace,
            debugger,
            level,
        } = self;
        let request = DebugRequest::new(DebugOptions {
            image: Some(namespace.cluster.image.clone()),
            ..DebugOptions::default()
        });
        let draft = match namespace.cluster.block_on(debugger.plan(&request, target)) {
            Ok(draft) => draft,
            Err(DebugError::Planner(PlannerError::Plan(error))) => match *error {
                PlanError::Denied { .. } => return Outcome::Denied,
                PlanError::GuardRail { .. } | PlanError::Answer { .. } => return Outcome::Refused,
                error => panic!("{answer:#?}: {error}"),
            },
            Err(error) => panic!("{answer:#?}: {error}"),
        };
        let approved = draft.approve(|_| true).unwrap();
        let applied = match namespace.cluster.block_on(debugger.apply(approved)) {
            Ok(applied) => applied,
            Err(ApplyError::Write {
                error: WriteError::Refused(error),
                ..
            }) => {
                let message = error.to_string();
                // Fields that the normal form does not know would be dropped, or are refused by the server.
                assert!(!message.contains("unknown field"), "{answer:#?}: {message}");
                assert!(
                    matches!(error.code(), Some(403 | 404 | 422)),
                    "{answer:#?}: {message}"
                );
                return Outcome::Invalid;
            }
            Err(error) => panic!("{answer:#?}: {error}: {error:#?}"),
        };
        is_as_judged(answer, target, &applied);
        let stored = applied.pod().as_object().expect("a pod is an object");
        let broken = violations(stored, *level);
        assert!(broken.is_empty(), "{answer:#?}: {broken:#?} of {stored:#?}");
        Outcome::Stored
    }
}

/// Checks that nothing differs, except for what every server adds.
fn is_as_judged(answer: &RandomAnswer, target: &Target, applied: &Applied) {
    let stored = applied.pod().as_object().expect("a pod is an object");
    let compared = match &applied.plan().steps()[0] {
        Step::AddEphemeralContainer(container) => {
            compare_stored_ephemeral(container, target.object(), stored)
        }
        Step::CreatePod(pod) => compare_stored_pod(&pod.0, stored),
        other => panic!("no plan begins with {other:?}"),
    };
    assert!(
        compared.differences.is_empty() && applied.stored_otherwise().is_none(),
        "{answer:#?}\njudged: {:#}\nstored: {stored:#?}\n{:#?}",
        json!(applied.plan().steps()),
        compared.differences
    );
}

fn a_normal_form_and_its_original_are_stored_alike(cluster: &Cluster) {
    let namespace = cluster.namespace();
    let account = json!({"metadata": {"name": "powerful"}});
    cluster.create(&namespace.path("serviceaccounts"), &account);
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../host/core/src/kubernetes/cases.json")).unwrap();
    let mut alike = 0;
    for case in cases.iter().filter(|case| case.get("refused").is_none()) {
        let story = text(&case["story"]);
        let stored = ["given", "normal"].map(|form| stored(&namespace, &case[form]));
        let [given, normal] = stored;
        match (given, normal) {
            (Ok(given), Ok(normal)) => {
                assert_eq!(given, normal, "{story}");
                alike += 1;
            }
            (Err(given), Err(normal)) => assert_eq!(given.code, normal.code, "{story}: {given:?} {normal:?}"),
            (given, normal) => panic!("{story}: {given:#?}\nbut of the normal form {normal:#?}"),
        }
    }
    assert!(
        alike > cases.len() / 2,
        "only {alike} of {} were stored",
        cases.len()
    );
}

/// What the server would store of a pod of the cases, without fields that differ from pod to pod.
fn stored(namespace: &Namespace<'_>, case: &Value) -> Result<Value, Box<kube::core::Status>> {
    let mut pod = case.clone();
    if pod["metadata"].is_null() {
        pod["metadata"] = json!({});
    }
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("case");
    pod["metadata"]["namespace"] = json!(namespace.name);
    if pod["spec"]["containers"].is_null() {
        pod["spec"]["containers"] = json!([{"name": "app", "image": "busybox:1.36"}]);
    }
    let path = format!("{}?dryRun=All", namespace.path("pods"));
    match namespace.cluster.send(Request::post(path), &pod) {
        Ok(mut stored) => {
            for field in ["uid", "creationTimestamp", "managedFields", "resourceVersion"] {
                if let Some(metadata) = stored["metadata"].as_object_mut() {
                    metadata.remove(field);
                }
            }
            without_random_names(&mut stored);
            Ok(stored)
        }
        Err(kube::Error::Api(status)) => Err(status),
        Err(error) => panic!("{pod}: {error}"),
    }
}

/// The volume of a pod's token has a random name.
fn without_random_names(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("kube-api-access-") => *value = json!("kube-api-access"),
        Value::Array(items) => items.iter_mut().for_each(without_random_names),
        Value::Object(fields) => fields.values_mut().for_each(without_random_names),
        _ => {}
    }
}
