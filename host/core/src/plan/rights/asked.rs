//! What the options ask for, as the objects that they ask for: the debug container, and the pod on a node.

use serde_json::Value;
use trocar_sdk::{
    DebugOptions, Kept, Object, Pod, Profile, custom,
    inherit::{inherit, run_as_root, shape_spec},
    plan::{change_container, debug_container},
    pod::{ContainerKind, object, text},
    profile::{self, apply_to_ephemeral, apply_to_node_pod, apply_to_windows_node_pod, remove_linux_fields},
};

use crate::{
    kubernetes::{normalize_container, normalize_target},
    target::Target,
};

/// The name of the debug container that is asked for. What it is called in a plan is the strategy's choice.
const NAME: &str = "debugger";

/// The debug container: a new one, or one of the target's as the options change it.
pub(super) fn asked_container(
    original: Option<&Object>,
    kind: ContainerKind,
    target: &Target,
    options: &DebugOptions,
    of_windows: bool,
) -> Object {
    let mut container = match original {
        Some(original) => {
            let mut container = original.clone();
            drop_probes(&mut container, options);
            change_container(&mut container, options);
            container
        }
        None => debug_container(NAME, options),
    };
    apply_to_ephemeral(options.profile, &mut container);
    if of_windows {
        remove_linux_fields(&mut container);
    }
    let pod = target.object();
    if original.is_some() {
        run_as_root(&mut container, pod, options);
    } else if options.as_root || !options.inherit.is_nothing() {
        // Without a container to take it from the strategy refuses.
        drop(inherit(&mut container, kind, pod, options));
        normalize(&mut container, kind);
    }
    customize(&mut container, kind, options);
    container
}

/// `--custom` is merged over the probes that a copy keeps.
fn drop_probes(container: &mut Object, options: &DebugOptions) {
    for (probe, is_kept) in kept(options).probes() {
        if !is_kept {
            container.remove(probe);
        }
    }
}

fn kept(options: &DebugOptions) -> Kept {
    profile::kept(options.profile, &options.keep, !only_changes_images(options))
}

/// The pod on a node, with the debug container alone.
pub(super) fn asked_node_pod(target: &Target, options: &DebugOptions) -> Pod {
    let mut pod = Pod::default();
    pod.push_container(ContainerKind::Regular, debug_container(NAME, options));
    if options.profile == Profile::Sysadmin && is_windows(target.object()) {
        apply_to_windows_node_pod(&mut pod, NAME);
    } else {
        apply_to_node_pod(options.profile, &mut pod, NAME);
    }
    shape_spec(pod.spec_mut(), options);
    if let Some(container) = pod.container_mut(NAME) {
        run_as_root(container, target.object(), options);
        customize(container, ContainerKind::Regular, options);
    }
    pod
}

/// The target as a copy of it is asked to be, but for its containers.
pub(super) fn asked_copy(target: &Target, options: &DebugOptions) -> Object {
    let mut pod = normalize_target(target.object()).unwrap_or_else(|| target.object().clone());
    if let Some(Value::Object(spec)) = pod.get_mut("spec") {
        shape_spec(spec, options);
    }
    pod
}

/// Merges `--custom` over a container, and puts it into the form in which plans are.
fn customize(container: &mut Object, kind: ContainerKind, options: &DebugOptions) {
    let Some(custom) = &options.custom else { return };
    custom::merge(container, custom);
    normalize(container, kind);
}

fn normalize(container: &mut Object, kind: ContainerKind) {
    // A strategy may choose the image; the normal form needs one.
    container.entry("image").or_insert_with(|| NAME.into());
    if let Ok(normal) = normalize_container(container.clone(), kind, None) {
        *container = normal;
    }
}

fn is_windows(node: &Object) -> bool {
    let labels = object(node, "metadata").and_then(|metadata| object(metadata, "labels"));
    labels.and_then(|labels| text(labels, "kubernetes.io/os")) == Some("windows")
}

/// Returns true if the options ask for a copy without a debug container.
pub(super) fn only_changes_images(options: &DebugOptions) -> bool {
    options.image.is_none() && !options.set_image.is_empty()
}

/// The image that a flag names for a container of the target.
pub(super) fn asked_image<'a>(options: &'a DebugOptions, kind: ContainerKind, name: &str) -> Option<&'a str> {
    let own = options.image.as_ref();
    let own = own.filter(|_| options.container.as_deref() == Some(name));
    let set = || options.set_image.get(name).or_else(|| options.set_image.get("*"));
    let set = || set().filter(|_| kind == ContainerKind::Regular);
    own.or_else(set).map(String::as_str)
}

/// Returns true if the options ask that the containers of a copy see each other's processes.
pub(super) fn asks_to_share(options: &DebugOptions, has_debug_container: bool) -> bool {
    let by_profile = has_debug_container && options.profile != Profile::Legacy;
    options.share_processes.unwrap_or(by_profile)
}

/// Whether a copy keeps its target's labels or annotations.
pub(super) fn keeps(options: &DebugOptions, field: &str) -> bool {
    match field {
        // `legacy` drops them with a debug container. Another strategy may do as the flag says.
        "labels" => options.keep.labels.unwrap_or(false),
        _ => kept(options).annotations,
    }
}

/// A pod's spec; empty where there is none.
pub(super) fn spec_of(pod: &Object) -> &Object {
    static EMPTY: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
    pod.get("spec").and_then(Value::as_object).unwrap_or(&EMPTY)
}
