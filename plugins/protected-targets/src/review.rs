//! Decides by target and user. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use trocar_sdk::{
    Actor, Diagnostic, Failure, Object,
    policy::{Decision, PlanTarget, Review},
};
use wildmatch::WildMatch;

/// The labels of control plane nodes.
const CONTROL_PLANE: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

/// The policy's settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Namespaces in which nothing is debugged.
    pub namespaces: Vec<String>,
    /// Labels of objects that are not debugged.
    pub labels: BTreeMap<String, String>,
    /// Names of nodes that are not debugged.
    pub nodes: Vec<String>,
    /// Protects nodes of the control plane.
    pub control_plane: bool,
    /// Groups that may debug protected targets.
    pub except_groups: Vec<String>,
    /// Users who may debug protected targets.
    pub except_users: Vec<String>,
    /// The contact in messages.
    pub contact: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            labels: BTreeMap::new(),
            nodes: Vec::new(),
            control_plane: true,
            except_groups: Vec::new(),
            except_users: Vec::new(),
            contact: None,
        }
    }
}

/// The target of the plan.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Plan {
    target: PlanTarget,
}

/// The labels of the target.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    metadata: Option<Metadata>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    labels: Option<Object>,
}

/// Denies debugs of protected targets, except by excepted users and groups.
///
/// # Errors
/// Fails when the plan or the target is malformed.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let settings = &review.settings;
    let mut decision = Decision::allow();
    if is_excepted(settings, &review.actor) {
        return Ok(decision);
    }
    let mut deny = |code: &str, message: String, at: &[&str]| {
        decision.deny(with_help(settings, Diagnostic::error(code, message).at(at)));
    };
    let plan: Plan = review.plan.read()?;
    let of_pod = plan.target.namespace.as_deref();
    let namespace = of_pod.unwrap_or_else(|| &review.context.namespace);
    if fits(&settings.namespaces, namespace) {
        let message = format!("nothing may be debugged in namespace {namespace:?}");
        deny("protected-namespace", message, &["target", "namespace"]);
    }
    if settings.labels.is_empty() && plan.target.kind != "Node" {
        return Ok(decision);
    }
    let target: Target = review.target.read()?;
    let labels = target.metadata.and_then(|metadata| metadata.labels);
    let labels = labels.as_ref();
    for (name, pattern) in &settings.labels {
        if let Some(value) = label(labels, name).filter(|value| WildMatch::new(pattern).matches(value)) {
            let message = format!("the label {name}={value} protects it from being debugged");
            deny("protected-label", message, &["target"]);
        }
    }
    if plan.target.kind != "Node" {
        return Ok(decision);
    }
    let name = &plan.target.name;
    if fits(&settings.nodes, name) {
        deny(
            "protected-node",
            format!("node {name:?} may not be debugged"),
            &["target", "name"],
        );
    }
    if settings.control_plane && CONTROL_PLANE.iter().any(|role| label(labels, role).is_some()) {
        let message = format!("node {name:?} belongs to the control plane, which may not be debugged");
        deny("protected-control-plane", message, &["target"]);
    }
    Ok(decision)
}

fn label<'a>(labels: Option<&'a Object>, name: &str) -> Option<&'a str> {
    labels?.get(name).and_then(Value::as_str)
}

fn is_excepted(settings: &Settings, actor: &Actor) -> bool {
    fits(&settings.except_users, &actor.user) && !actor.user.is_empty()
        || actor
            .groups
            .iter()
            .any(|group| fits(&settings.except_groups, group))
}

fn fits(patterns: &[String], value: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| WildMatch::new(pattern).matches(value))
}

fn with_help(settings: &Settings, found: Diagnostic) -> Diagnostic {
    let excepted = match settings.except_groups.as_slice() {
        [] => String::new(),
        groups => format!("members of {} may", groups.join(", ")),
    };
    let contact = settings
        .contact
        .as_deref()
        .map(|contact| format!("ask {contact}"));
    let parts: Vec<String> = contact
        .into_iter()
        .chain(Some(excepted))
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        return found;
    }
    found.help(parts.join("; "))
}
