//! The Pod Security level that the resulting pod must pass, and how a debug is made to fit it.

use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Object, Severity,
    pod::{ContainerKind, object_mut, text},
    pod_security::{BASELINE_CAPABILITIES, Level, violations},
    policy::{ResultingPod, Review},
};

use crate::{
    ceiling::{before, is_new},
    settings::Settings,
};

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// The fields of a container that a level judges besides its security context.
const OTHER_FIELDS: [&str; 5] = ["ports", "lifecycle", PROBES[0], PROBES[1], PROBES[2]];

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

/// Makes what the debug adds or changes fit the level. What it takes over from the target stays as it is.
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
        let snapshot = planned.pod.containers_of(kind);
        let is_own: Vec<bool> = snapshot
            .map(|found| {
                is_new(review, planned, kind, found.index)
                    || planned.added_container().is_none()
                        && before(review, planned, kind, found.index)
                            .is_some_and(|before| is_changed(before, found.container))
            })
            .collect();
        for (container, _) in planned
            .pod
            .containers_mut(kind)
            .zip(is_own)
            .filter(|(_, is_own)| *is_own)
        {
            lower_container(container, level, is_windows);
        }
    }
}

/// Says whether the debug changes what a level judges of a container of the target. A copy leaves out probes, which changes
/// nothing about the container's rights; a profile may leave out a security context, which does.
fn is_changed(before: &Object, container: &Object) -> bool {
    let differs = |field: &str| container.get(field) != before.get(field);
    differs("securityContext")
        || OTHER_FIELDS
            .iter()
            .any(|field| container.contains_key(*field) && differs(field))
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

/// Takes away the ports of the node, and the hosts that probes and hooks call in the place of the pod.
fn stay_in_the_pod(container: &mut Object) {
    let ports = container.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
        port.remove("hostPort");
    }
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
        // A Windows pod that sets them is none that the API server takes.
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
