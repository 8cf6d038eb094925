//! The guard rails for a pod that is created.

use std::collections::HashSet;

use trocar_sdk::{
    DebugOptions, Object, Pod,
    pod::{ContainerKind, flag, list, object, text},
};

use super::{Violation, check_size};
use crate::{
    kubernetes::scheduled_otherwise,
    plan::container_name,
    stamp,
    target::{Target, TargetKind, is_subdomain},
};

/// The metadata that a plan may give to a pod that it creates.
const CREATED_METADATA: [&str; 5] = ["name", "namespace", "labels", "annotations", "ownerReferences"];

/// The annotations by which a kubelet knows its static pods, and the API server's copies of them.
const STATIC_POD_PREFIX: &str = "kubernetes.io/config.";

/// Checks a pod that is to be created. `deletes_target` says whether the plan deletes the target as well.
pub(super) fn check_created(
    pod: &Pod,
    target: &Target,
    options: &DebugOptions,
    namespace: &str,
    deletes_target: bool,
) -> Result<(), Violation> {
    check_form(pod, target, namespace, deletes_target).map_err(Violation::of_plan)?;
    check_place(pod, target, options)
}

fn check_form(pod: &Pod, target: &Target, namespace: &str, deletes_target: bool) -> Result<(), String> {
    check_size(&pod.0)?;
    check_identity(pod, target, namespace)?;
    let metadata = pod.metadata().ok_or("the pod has no metadata")?;
    let mut fields = metadata.keys();
    // A list of what is allowed: a finalizer, for example, would keep the pod from being deleted.
    if let Some(field) = fields.find(|field| !CREATED_METADATA.contains(&field.as_str())) {
        return Err(format!("a plan may not set metadata.{field}"));
    }
    check_marks(metadata)?;
    check_owners(metadata, target, deletes_target)?;
    check_containers(pod)
}

/// A pod, with a name, where it belongs.
pub(super) fn check_identity(pod: &Pod, target: &Target, namespace: &str) -> Result<(), String> {
    if text(&pod.0, "apiVersion") != Some("v1") || text(&pod.0, "kind") != Some("Pod") {
        return Err("only a v1 Pod may be created".into());
    }
    if !is_subdomain(pod.name()) {
        return Err(format!("{:?} is not a valid pod name", pod.name()));
    }
    let wanted = target.id().namespace.as_deref().unwrap_or(namespace);
    if pod.namespace() != Some(wanted) {
        return Err(format!(
            "the pod would be created in namespace {:?} instead of {wanted:?}",
            pod.namespace().unwrap_or_default()
        ));
    }
    Ok(())
}

/// The host's own labels and annotations, and those of a kubelet.
pub(super) fn check_marks(metadata: &Object) -> Result<(), String> {
    for field in ["labels", "annotations"] {
        let mut names = object(metadata, field).into_iter().flat_map(Object::keys);
        // Forged, they would name another requester, reason or plan.
        if let Some(name) = names.find(|name| name.starts_with(stamp::PREFIX)) {
            return Err(format!("{name} in metadata.{field} may only be set by trocar"));
        }
    }
    let mut annotations = object(metadata, "annotations").into_iter().flat_map(Object::keys);
    match annotations.find(|name| name.starts_with(STATIC_POD_PREFIX)) {
        Some(name) => Err(format!("the annotation {name} may only be set by a kubelet")),
        None => Ok(()),
    }
}

/// Another owner would count the pod as its own, and delete it or others.
pub(super) fn check_owners(metadata: &Object, target: &Target, deletes_target: bool) -> Result<(), String> {
    for owner in list(metadata, "ownerReferences") {
        let owner = owner.as_object().ok_or("an owner reference is not an object")?;
        if !is_target(owner, target) {
            return Err(format!(
                "the pod would belong to {} {:?}; it may only belong to its target",
                text(owner, "kind").unwrap_or("the unknown kind of"),
                text(owner, "name").unwrap_or_default()
            ));
        }
        if flag(owner, "controller") {
            return Err("the pod's owner would be its controller, which a target never is".into());
        }
        if deletes_target {
            return Err("the pod would belong to its target, and be deleted together with it".into());
        }
    }
    Ok(())
}

fn is_target(owner: &Object, target: &Target) -> bool {
    let id = target.id();
    let is = |field, wanted: &str| text(owner, field) == Some(wanted);
    // All of it: a reference may have the target's name with the identity of another owner.
    let has_identity = id
        .uid
        .as_deref()
        .is_some_and(|uid| !uid.is_empty() && is("uid", uid));
    has_identity && is("apiVersion", "v1") && is("kind", id.kind.name()) && is("name", &id.name)
}

/// The normal form wants all of this already; a plan without it has no container to attach to.
pub(super) fn check_containers(pod: &Pod) -> Result<(), String> {
    // They are added by their subresource only. A session could be attached to one here that never starts.
    if pod.containers_of(ContainerKind::Ephemeral).next().is_some() {
        return Err("a new pod may not have ephemeral containers".into());
    }
    if pod.containers_of(ContainerKind::Regular).next().is_none() {
        return Err("the pod has no containers".into());
    }
    let mut names = HashSet::new();
    for kind in ContainerKind::ALL {
        let containers = pod.spec().map_or(&[][..], |spec| list(spec, kind.field()));
        for container in containers {
            let container = container.as_object().ok_or("a container is not an object")?;
            let name = container_name(container);
            if name.is_empty() {
                return Err(format!("a container in spec.{} has no name", kind.field()));
            }
            if text(container, "image").is_none_or(str::is_empty) {
                return Err(format!("container {name:?} has no image"));
            }
            if !names.insert(name) {
                return Err(format!("two containers are named {name:?}"));
            }
        }
    }
    Ok(())
}

/// A node's pod runs on that node; a copy where its target could run, or where it does if that was asked for.
fn check_place(pod: &Pod, target: &Target, options: &DebugOptions) -> Result<(), Violation> {
    let node = pod.spec().and_then(|spec| text(spec, "nodeName"));
    if target.id().kind == TargetKind::Node {
        return check_node(node, &target.id().name).map_err(Violation::of_plan);
    }
    if let Some(node) = node.filter(|node| !node.is_empty()) {
        let targets = object(target.object(), "spec").and_then(|spec| text(spec, "nodeName"));
        if targets != Some(node) {
            return Err(Violation::of_plan(format!(
                "the pod would be put on node {node:?}, which is not its target's node"
            )));
        }
        if !options.same_node {
            let message = format!("the pod would be put on node {node:?}, which was not requested");
            return Err(Violation::without_option("same-node", message));
        }
    }
    match scheduled_otherwise(&pod.0, target.object()) {
        Some("tolerations") if options.tolerate_all => Ok(()),
        Some(field) => Err(Violation::of_plan(format!(
            "the pod would be scheduled otherwise than its target (spec.{field})"
        ))),
        None => Ok(()),
    }
}

pub(super) fn check_node(node: Option<&str>, wanted: &str) -> Result<(), String> {
    match node {
        Some(node) if node == wanted => Ok(()),
        Some(node) => Err(format!(
            "the pod would run on node {node:?} instead of {wanted:?}"
        )),
        None => Err(format!("the pod is not bound to node {wanted:?} (spec.nodeName)")),
    }
}
