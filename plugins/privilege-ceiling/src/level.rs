//! The Pod Security level that the resulting pod must pass, and how a debug is made to fit it.

use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Object, Severity,
    pod::{ContainerKind, object_mut, text},
    pod_security::{BASELINE_CAPABILITIES, Level, violations},
    policy::{ResultingPod, Review},
};

use crate::{ceiling::is_new, settings::Settings};

/// What of a pod breaks the level.
pub(crate) fn above(review: &Review<Settings>, planned: &ResultingPod) -> Vec<Diagnostic> {
    let Some(level) = review.settings.level else {
        return Vec::new();
    };
    let found = violations(&planned.pod.0, level).into_iter().map(|violation| {
        let place = planned.at(&violation.at);
        let message = format!(
            "{} ({}, Pod Security level {})",
            violation.message,
            violation.control,
            level.name()
        );
        let found = Diagnostic::new(Severity::Error, "pod-security", message);
        match place {
            Some(place) => found.at_pointer(place),
            // A part of the target that the debug does not touch: another profile would not help.
            None => found
                .at(["target"])
                .help("the pod itself breaks the level, so nothing can be added to it; --copy-to may help"),
        }
    });
    found.collect()
}

/// Makes what the debug adds fit the level. What it takes over from the target stays as it is.
pub(crate) fn lower(review: &Review<Settings>, planned: &mut ResultingPod) {
    let level = review.settings.level.unwrap_or(Level::Privileged);
    if level == Level::Privileged {
        return;
    }
    let creates_all = review.target.kind() == "Node";
    let is_windows = planned
        .pod
        .spec()
        .and_then(|spec| text(spec.get("os")?.as_object()?, "name"))
        == Some("windows");
    if creates_all {
        lower_pod(planned.pod.spec_mut());
    }
    for kind in ContainerKind::ALL {
        let names: Vec<String> = planned
            .pod
            .containers_of(kind)
            .filter(|found| is_new(review, planned, kind, found.index))
            .map(|found| found.name().to_owned())
            .collect();
        let containers = planned.pod.containers_mut(kind);
        for container in
            containers.filter(|container| names.iter().any(|name| text(container, "name") == Some(name)))
        {
            lower_container(container, level, is_windows);
        }
    }
}

/// A pod on a node is all the debug's own.
fn lower_pod(spec: &mut Object) {
    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
        spec.remove(namespace);
    }
    if let Some(context) = spec.get_mut("securityContext").and_then(Value::as_object_mut) {
        context.remove("windowsOptions");
        context.remove("sysctls");
    }
    let volumes = spec
        .get("volumes")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let (gone, kept): (Vec<Value>, Vec<Value>) = volumes
        .into_iter()
        .partition(|volume| volume.get("hostPath").is_some());
    crate::ceiling::remove_volumes(spec, &gone, kept);
}

fn lower_container(container: &mut Object, level: Level, is_windows: bool) {
    container.remove("ports");
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
