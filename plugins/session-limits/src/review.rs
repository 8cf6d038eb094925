//! From a plan to a decision: limits are written into created pods, and too many debug containers denied. Pure.

use serde::Deserialize;
use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Failure, Object, Pod,
    pod::{ContainerKind, containers_of, object_mut, text},
    policy::{Decision, Review},
};

use crate::quantity::thousandths;

/// How long, how often and with how much.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// After how many seconds a created pod ends.
    pub time_to_live: Option<u64>,
    /// How many debug containers a pod may have.
    pub ephemeral_containers: Option<usize>,
    /// The most that a debug container may use.
    pub resources: Option<Resources>,
    /// The priority class of pods on nodes.
    pub priority_class: Option<String>,
}

/// Amounts as Kubernetes writes them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Resources {
    /// For example `500m`.
    pub cpu: Option<String>,
    /// For example `256Mi`.
    pub memory: Option<String>,
}

impl Resources {
    fn bounds(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let bounds = [("cpu", self.cpu.as_deref()), ("memory", self.memory.as_deref())];
        bounds.into_iter().filter_map(|(name, most)| Some((name, most?)))
    }
}

/// Writes the limits into created pods, and denies one debug container too many.
///
/// # Errors
/// Never fails.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let mut decision = Decision::allow();
    for (index, step) in review.plan.steps.iter().enumerate() {
        match step.action.as_str() {
            "create-pod" => limit_pod(review, index, &step.object, &mut decision),
            "add-ephemeral-container" => count_containers(review, index, &mut decision),
            _ => {}
        }
    }
    Ok(decision)
}

/// Checks what no schema can say: that amounts are amounts.
pub fn check(settings: &Settings) -> Vec<Diagnostic> {
    let resources = settings.resources.iter().flat_map(Resources::bounds);
    let wrong = resources.filter(|(_, most)| thousandths(most).is_none_or(|most| most <= 0.0));
    wrong
        .map(|(name, most)| {
            Diagnostic::error(
                "invalid-amount",
                format!("{most:?} is no amount of {name}, such as 500m or 256Mi"),
            )
            .at(["resources", name])
        })
        .collect()
}

fn count_containers(review: &Review<Settings>, step: usize, decision: &mut Decision) {
    let Some(most) = review.settings.ephemeral_containers else {
        return;
    };
    let there = containers_of(&review.target.0, ContainerKind::Ephemeral).count();
    if there + 1 > most {
        let message = format!("the pod has {there} debug containers already; {most} are allowed");
        let found =
            Diagnostic::error("too-many-containers", message).at(["steps", &step.to_string(), "object"]);
        decision.deny(found.help("kubectl attach comes back to one that runs; --copy-to=NAME debugs a copy"));
    }
}

/// All limits of a created pod, in one change.
fn limit_pod(review: &Review<Settings>, step: usize, before: &Object, decision: &mut Decision) {
    let settings = &review.settings;
    let mut pod = Pod(before.clone());
    let mut told = Vec::new();
    if let Some(most) = settings.time_to_live {
        let asked = pod
            .spec()
            .and_then(|spec| spec.get("activeDeadlineSeconds")?.as_u64());
        if asked.is_none_or(|asked| asked > most) {
            pod.spec_mut().insert("activeDeadlineSeconds".into(), json!(most));
            told.push(("time-to-live", format!("the pod ends by itself after {most} s")));
        }
    }
    if let (Some(class), "Node") = (&settings.priority_class, review.target.kind()) {
        let spec = pod.spec_mut();
        if text(spec, "priorityClassName") != Some(class) {
            spec.insert("priorityClassName".into(), json!(class));
            spec.remove("priority");
            told.push((
                "priority-class",
                format!("the pod has the priority class {class}"),
            ));
        }
    }
    if let Some(resources) = &settings.resources {
        let names = own_containers(review, &pod);
        for container in pod.containers_mut(ContainerKind::Regular) {
            let name = text(container, "name").unwrap_or_default().to_owned();
            if names.contains(&name) && limit_container(container, resources) {
                told.push((
                    "resources",
                    format!("container {name:?} is bounded in its resources"),
                ));
            }
        }
    }
    let at = format!("/steps/{step}/object");
    let mut told = told.into_iter();
    if let Some((code, message)) = told.next() {
        decision.change(
            &at,
            before,
            &pod.0,
            Diagnostic::info(code, message).at_pointer(at.as_str()),
        );
    }
    for (code, message) in told {
        decision.note(Diagnostic::info(code, message).at_pointer(at.as_str()));
    }
}

/// The containers of a created pod that its target does not have.
fn own_containers(review: &Review<Settings>, pod: &Pod) -> Vec<String> {
    let is_pod = review.target.kind() == "Pod";
    let had: Vec<&str> = containers_of(&review.target.0, ContainerKind::Regular)
        .map(|found| found.name())
        .collect();
    let all = pod
        .containers_of(ContainerKind::Regular)
        .map(|found| found.name());
    all.filter(|name| !is_pod || !had.contains(name))
        .map(str::to_owned)
        .collect()
}

/// Lowers what a container asks for to the bounds, and sets the bounds where it asks for nothing. Says whether it changed.
fn limit_container(container: &mut Object, resources: &Resources) -> bool {
    let before = container.get("resources").cloned();
    for (name, most) in resources.bounds() {
        let bound = thousandths(most).unwrap_or(f64::INFINITY);
        let is_above = |asked: &Value| {
            let asked = asked
                .as_str()
                .map(str::to_owned)
                .unwrap_or_else(|| asked.to_string());
            thousandths(&asked).is_none_or(|asked| asked > bound)
        };
        let limits = object_mut(object_mut(container, "resources"), "limits");
        if limits.get(name).is_none_or(is_above) {
            limits.insert(name.into(), json!(most));
        }
        let requests = object_mut(container, "resources")
            .get_mut("requests")
            .and_then(Value::as_object_mut);
        if let Some(requests) = requests
            && requests.get(name).is_some_and(is_above)
        {
            requests.insert(name.into(), json!(most));
        }
    }
    container.get("resources") != before.as_ref()
}
