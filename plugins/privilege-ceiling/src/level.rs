//! The Pod Security level that the resulting pod must pass, and amendments that make a debug pass it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Object,
    pod::{ContainerKind, list, object_mut},
    pod_security::{BASELINE_CAPABILITIES, Level, Violation, violations, violations_with},
};

use crate::{ceiling::remove_volumes, planned::Planned};

pub(crate) const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// The fields of a container that a level judges, besides its security context.
const OTHER_FIELDS: [&str; 5] = ["ports", "lifecycle", PROBES[0], PROBES[1], PROBES[2]];

/// The most containers whose violations are listed; the rest is counted.
const MAX_TOLD: usize = 5;

/// The violations of a pod: those of the debug by container, and those of the target itself in one line.
pub(crate) fn above(level: Level, planned: &Planned<'_>) -> Vec<Diagnostic> {
    let found = violations_with(planned.pod, planned.added, level);
    if found.is_empty() {
        return Vec::new();
    }
    let (of_target, own): (Vec<Violation>, Vec<Violation>) = match planned.added {
        Some(_) => {
            let added = added_at(planned);
            found
                .into_iter()
                .partition(|violation| !violation.at.starts_with(&added))
        }
        None => {
            let of_original = planned.original.map(|original| violations(original, level));
            let of_original = of_original.unwrap_or_default().into_iter();
            let known: BTreeSet<(&'static str, String)> = of_original
                .map(|violation| (violation.control, violation.message))
                .collect();
            found
                .into_iter()
                .partition(|violation| known.contains(&(violation.control, violation.message.clone())))
        }
    };
    let mut told = own_told(level, planned, own);
    told.extend(target_told(level, planned, &of_target));
    told
}

/// The place of the added container in the resulting pod.
fn added_at(planned: &Planned<'_>) -> String {
    let field = ContainerKind::Ephemeral.field();
    let there = planned.spec().map_or(0, |spec| list(spec, field).len());
    format!("/spec/{field}/{there}")
}

/// One line per container, and one for the pod.
fn own_told(level: Level, planned: &Planned<'_>, own: Vec<Violation>) -> Vec<Diagnostic> {
    let mut by_owner: Vec<(String, Vec<Violation>)> = Vec::new();
    let mut places = BTreeMap::new();
    for violation in own {
        let place = *places.entry(violation.owner.clone()).or_insert_with(|| {
            by_owner.push((violation.owner.clone(), Vec::new()));
            by_owner.len() - 1
        });
        by_owner[place].1.push(violation);
    }
    let left_out = by_owner.len().saturating_sub(MAX_TOLD);
    by_owner.truncate(MAX_TOLD);
    let root = match planned.added {
        Some(_) => added_at(planned),
        None => String::new(),
    };
    let lines = by_owner.into_iter().enumerate().map(|(index, (owner, found))| {
        let place = found[0].at.strip_prefix(&root).unwrap_or_default();
        let at = format!("{}{place}", planned.root());
        let more = match (left_out, index + 1 == MAX_TOLD) {
            (1.., true) => format!("; and {left_out} more of the plan's containers break it"),
            _ => String::new(),
        };
        let message = match found.as_slice() {
            [one] => format!(
                "{} ({}, Pod Security level {}){more}",
                one.message,
                one.control,
                level.name()
            ),
            several => {
                let facts: Vec<String> = several.iter().map(|found| fact(&owner, &found.message)).collect();
                let facts = facts.join("; ");
                format!("{owner} {facts} (Pod Security level {}){more}", level.name())
            }
        };
        Diagnostic::error("pod-security", message).at_pointer(at)
    });
    lines.collect()
}

/// A message without its subject: `sets hostPID to true (only false or nothing is allowed)`.
fn fact(owner: &str, message: &str) -> String {
    let fact = match message.strip_prefix(owner) {
        Some(fact) => fact.trim_start(),
        None => message,
    };
    match fact.rsplit_once("; ") {
        Some((fact, allowed)) => format!("{fact} ({allowed})"),
        None => fact.to_owned(),
    }
}

/// Violations of the target itself, which no flag changes: their number, and the first one.
fn target_told(level: Level, planned: &Planned<'_>, found: &[Violation]) -> Option<Diagnostic> {
    let first = found.first()?;
    let others = match found.len() - 1 {
        0 => String::new(),
        1 => ", and there is one more such place".to_owned(),
        more => format!(", and there are {more} more such places"),
    };
    let message = format!(
        "the pod itself breaks the level {} of Pod Security: {}{others}",
        level.name(),
        fact("", &first.message)
    );
    let help = match planned.added {
        Some(_) => "nothing can be added to it; --copy-to may help",
        None => "a copy takes it over; what --container names can be made to fit",
    };
    Some(
        Diagnostic::error("pod-security", message)
            .at(["target"])
            .help(help),
    )
}

/// Amends what the debug adds or changes to pass the level. What it copies from the target is not changed.
pub(crate) fn lower(level: Level, planned: &Planned<'_>, written: &mut Object) {
    if level == Level::Privileged {
        return;
    }
    let is_windows = planned.is_windows();
    if planned.added.is_some() {
        lower_container(written, level, is_windows);
        return;
    }
    let spec = object_mut(written, "spec");
    if planned.original.is_none() {
        lower_pod(spec);
    }
    for judged in planned.containers() {
        let is_own = judged
            .before
            .is_none_or(|before| is_changed(before, judged.container));
        let container = spec
            .get_mut(judged.kind.field())
            .and_then(|list| list.get_mut(judged.index)?.as_object_mut());
        if let Some(container) = container.filter(|_| is_own) {
            lower_container(container, level, is_windows);
        }
    }
}

/// Returns whether the debug changes fields of the target's container that a level judges. A copy may drop probes, which does not
/// change the container's rights; a profile may drop a security context, which does.
fn is_changed(before: &Object, container: &Object) -> bool {
    let differs = |field: &str| container.get(field) != before.get(field);
    differs("securityContext")
        || OTHER_FIELDS
            .iter()
            .any(|field| container.contains_key(*field) && differs(field))
}

/// All of a node pod is the debug's own.
fn lower_pod(spec: &mut Object) {
    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
        spec.remove(namespace);
    }
    if let Some(context) = spec.get_mut("securityContext").and_then(Value::as_object_mut) {
        context.remove("windowsOptions");
        context.remove("sysctls");
    }
    remove_volumes(spec, |volume| volume.get("hostPath").is_some());
}

/// Removes host ports, and hosts that probes and hooks call instead of the pod.
fn stay_in_the_pod(container: &mut Object) {
    let ports = container.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("hostPort");
    }
    call_the_pod(container);
}

/// Removes hosts from probes and hooks, so that they call the pod.
pub(crate) fn call_the_pod(container: &mut Object) {
    for probe in PROBES {
        container.get_mut(probe).into_iter().for_each(forget_host);
    }
    let hooks = container.get_mut("lifecycle").and_then(Value::as_object_mut);
    hooks
        .into_iter()
        .flat_map(Object::values_mut)
        .for_each(forget_host);
}

fn forget_host(handler: &mut Value) {
    for action in ["httpGet", "tcpSocket"] {
        if let Some(action) = handler.get_mut(action).and_then(Value::as_object_mut) {
            action.remove("host");
        }
    }
}

fn lower_container(container: &mut Object, level: Level, is_windows: bool) {
    stay_in_the_pod(container);
    let restricted = level == Level::Restricted;
    if !restricted && !container.contains_key("securityContext") {
        return;
    }
    let context = object_mut(container, "securityContext");
    for field in [
        "privileged",
        "procMount",
        "seLinuxOptions",
        "appArmorProfile",
        "windowsOptions",
    ] {
        context.remove(field);
    }
    if context
        .get("seccompProfile")
        .is_some_and(|profile| profile["type"] == "Unconfined")
    {
        context.remove("seccompProfile");
    }
    if is_windows {
        // The API server refuses Windows pods that set them.
        for field in ["capabilities", "allowPrivilegeEscalation", "seccompProfile"] {
            context.remove(field);
        }
    }
    let allowed: &[&str] = if restricted {
        &["NET_BIND_SERVICE"]
    } else {
        &BASELINE_CAPABILITIES
    };
    if let Some(added) = context
        .get_mut("capabilities")
        .and_then(|capabilities| capabilities.get_mut("add"))
        .and_then(Value::as_array_mut)
    {
        added.retain(|name| name.as_str().is_some_and(|name| allowed.contains(&name)));
    }
    if restricted && !is_windows {
        object_mut(context, "capabilities").insert("drop".into(), json!(["ALL"]));
        context.insert("allowPrivilegeEscalation".into(), json!(false));
        context
            .entry("seccompProfile")
            .or_insert_with(|| json!({"type": "RuntimeDefault"}));
    }
    if restricted {
        context.insert("runAsNonRoot".into(), json!(true));
        if context.get("runAsUser") == Some(&json!(0)) {
            context.remove("runAsUser");
        }
    }
}
