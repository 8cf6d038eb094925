//! Aliases and the API's own defaults, where they change what a pod may do.
//!
//! Sources, in k8s.io/kubernetes: pkg/apis/core/v1/defaults.go and `applyAppArmorVersionSkew` in
//! pkg/registry/core/pod/strategy.go. Annotations for seccomp are not among them: servers since 1.27 ignore them.

use serde_json::{Value, json};
use trocar_sdk::{
    Object,
    pod::{ContainerKind, list, object, text},
};

/// Annotations from before AppArmor had fields; the name of a container follows.
const APPARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The longest name of an AppArmor profile that the API server takes from an annotation, in bytes.
const MAX_APPARMOR_NAME: usize = 4095;

/// Applies all of them to a pod that has its shape.
pub(super) fn apply(pod: &mut Object) {
    let profiles = apparmor_profiles(pod);
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    service_account(spec);
    grace_period(spec);
    volumes(spec);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        host_ports(spec);
    }
    for (kind, profiles) in profiles {
        for (container, profile) in containers_mut(spec, kind).zip(profiles) {
            set_profile(container, profile);
        }
    }
}

fn set_profile(container: &mut Object, profile: Option<Value>) {
    let Some(profile) = profile else { return };
    let context = container.entry("securityContext").or_insert_with(|| json!({}));
    if let Some(context) = context.as_object_mut() {
        context.insert("appArmorProfile".into(), profile);
    }
}

/// The server keeps both names of the field in step, and so does the normal form: what one of them says, both say.
fn service_account(spec: &mut Object) {
    // A plan with the old name alone would otherwise be judged as one without an account.
    let alias = spec.remove("serviceAccount");
    let name = spec.get("serviceAccountName").cloned().or(alias);
    if let Some(name) = name {
        spec.insert("serviceAccountName".into(), name.clone());
        spec.insert("serviceAccount".into(), name);
    }
}

fn grace_period(spec: &mut Object) {
    if let Some(seconds) = spec.get_mut("terminationGracePeriodSeconds")
        && seconds.as_i64().is_some_and(|seconds| seconds < 0)
    {
        // The API server stores a negative period as one second.
        *seconds = 1.into();
    }
}

/// A volume without a source is an `emptyDir`. An unknown source of a newer server is one as well.
fn volumes(spec: &mut Object) {
    let volumes = spec.get_mut("volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten().filter_map(Value::as_object_mut) {
        if volume.keys().all(|field| field == "name") {
            volume.insert("emptyDir".into(), json!({}));
        }
    }
}

/// In the node's network every port of a container is one of the node.
fn host_ports(spec: &mut Object) {
    for kind in [ContainerKind::Init, ContainerKind::Regular] {
        for container in containers_mut(spec, kind) {
            let ports = container.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
                if !port.contains_key("hostPort")
                    && let Some(number) = port.get("containerPort").cloned()
                {
                    port.insert("hostPort".into(), number);
                }
            }
        }
    }
}

fn containers_mut(spec: &mut Object, kind: ContainerKind) -> impl Iterator<Item = &mut Object> {
    let containers = spec.get_mut(kind.field()).and_then(Value::as_array_mut);
    containers.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The profiles that annotations give to containers without one, for each container of each list.
fn apparmor_profiles(pod: &Object) -> Vec<(ContainerKind, Vec<Option<Value>>)> {
    let annotations = object(pod, "metadata").and_then(|metadata| object(metadata, "annotations"));
    let (Some(annotations), Some(spec)) = (annotations, object(pod, "spec")) else {
        return Vec::new();
    };
    let is_windows = object(spec, "os").and_then(|os| text(os, "name")) == Some("windows");
    let has_any = annotations
        .keys()
        .any(|name| name.starts_with(APPARMOR_ANNOTATION));
    // For Windows pods the API server ignores these annotations.
    if is_windows || !has_any {
        return Vec::new();
    }
    let pods = object(spec, "securityContext").and_then(|context| context.get("appArmorProfile"));
    let profiles = |kind: ContainerKind| {
        let containers = list(spec, kind.field()).iter().filter_map(Value::as_object);
        let profiles = containers
            // The API server does not repeat a profile that the pod has already.
            .map(|container| annotated_profile(annotations, container).filter(|own| Some(own) != pods));
        (kind, profiles.collect())
    };
    ContainerKind::ALL.map(profiles).into()
}

/// The profile that an annotation gives to a container that has none itself.
fn annotated_profile(annotations: &Object, container: &Object) -> Option<Value> {
    let context = object(container, "securityContext");
    if context.is_some_and(|context| context.contains_key("appArmorProfile")) {
        return None;
    }
    let name = text(container, "name")?;
    match text(annotations, &format!("{APPARMOR_ANNOTATION}{name}"))? {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        other => {
            let profile = other.strip_prefix("localhost/")?;
            let is_valid =
                !profile.is_empty() && profile.len() <= MAX_APPARMOR_NAME && profile.trim() == profile;
            is_valid.then(|| json!({"type": "Localhost", "localhostProfile": profile}))
        }
    }
}
