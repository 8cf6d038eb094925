//! The normal form: the one way to write a pod or a container, in which it is judged and sent.
//!
//! It means the same to the API server as what it was made from, but for metadata and status, which the server sets
//! itself and which are left out.

use std::collections::BTreeSet;

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{ContainerKind, list, object, text},
};

use super::{
    Type, bounds, defaults,
    place::Place,
    refused::{Fact, Refused},
    shape::{Origin, shape},
    table::{CONTAINER, EPHEMERAL_CONTAINER, POD},
};

/// The annotation by which a kubelet finds the API server's copy of its static pod.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// What the API server sets itself in the metadata of a new pod, whatever a client sends.
const SERVERS_METADATA: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Puts a container into normal form. `target` is the container of the target with the same name, if there is one.
///
/// # Errors
/// Fails at the first thing that the API does not know or take.
pub fn normalize_container(
    mut container: Object,
    kind: ContainerKind,
    target: Option<&Object>,
) -> Result<Object, Refused> {
    // First: what follows walks through the object without a bound of its own.
    bounds::check(&container)?;
    let of = match kind {
        ContainerKind::Ephemeral => &EPHEMERAL_CONTAINER,
        ContainerKind::Init | ContainerKind::Regular => &CONTAINER,
    };
    shape(of, &mut container, target, Origin::Plan)?;
    check_container(&container, &Place::Root)?;
    Ok(container)
}

/// Puts a pod that is to be created into normal form. `target` is the pod that is debugged, if one is.
///
/// # Errors
/// Fails at the first thing that the API does not know or take, and at what no plan may make: a mirror pod, a pod of a
/// controller.
pub fn normalize_pod(mut pod: Object, target: Option<&Object>) -> Result<Object, Refused> {
    bounds::check(&pod)?;
    drop_servers(&mut pod);
    shape(&POD, &mut pod, target, Origin::Plan)?;
    check_is_pod(&mut pod)?;
    check_metadata(&pod)?;
    check_spec(&pod)?;
    // After the shape: an empty `serviceAccountName` has to be absent before its old alias is looked at.
    defaults::apply(&mut pod);
    Ok(pod)
}

/// Puts the pod that is debugged into normal form, to hold what is made of it against it. None where it is not a pod that
/// an API server could have sent.
pub(crate) fn normalize_target(pod: &Object) -> Option<Object> {
    normalize_stored(pod.clone()).ok()
}

/// Puts the API server's answer into normal form, as far as it has one.
///
/// # Errors
/// Fails where it is not a pod or a container at all, or larger than any that a cluster stores.
pub(super) fn normalize_stored(mut pod: Object) -> Result<Object, Refused> {
    drop_servers(&mut pod);
    bounds::check(&pod)?;
    shape(&POD, &mut pod, None, Origin::Server)?;
    defaults::apply(&mut pod);
    Ok(pod)
}

/// Puts a pod that any client creates into normal form. Whose it is, is not looked at: its owners and marks are its own.
///
/// # Errors
/// Fails at the first thing that the API does not know or take.
pub(super) fn normalize_received_pod(mut pod: Object) -> Result<Object, Refused> {
    bounds::check(&pod)?;
    drop_servers(&mut pod);
    shape(&POD, &mut pod, None, Origin::Plan)?;
    check_is_pod(&mut pod)?;
    check_spec(&pod)?;
    defaults::apply(&mut pod);
    Ok(pod)
}

/// Puts an ephemeral container that any client adds into normal form.
///
/// # Errors
/// Fails at the first thing that the API does not know or take.
pub(super) fn normalize_received_container(container: Object) -> Result<Object, Refused> {
    normalize_container(container, ContainerKind::Ephemeral, None)
}

/// The shape of something in normal form of which parts were taken out.
pub(super) fn reshaped(kind: &'static Type, mut object: Object) -> Object {
    // It had its shape already, so nothing can be wrong with it.
    let shaped = shape(kind, &mut object, None, Origin::Server);
    debug_assert!(shaped.is_ok(), "a part of something in shape is in shape");
    object
}

/// A pod may leave out that it is one, as a template does.
fn check_is_pod(pod: &mut Object) -> Result<(), Refused> {
    for (field, wanted) in [("apiVersion", "v1"), ("kind", "Pod")] {
        let found = pod.entry(field).or_insert_with(|| wanted.into());
        if found != wanted {
            return Err(Fact::NotAPod.at(&Place::Root.field(field)));
        }
    }
    Ok(())
}

fn drop_servers(pod: &mut Object) {
    pod.remove("status");
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in SERVERS_METADATA {
            metadata.remove(field);
        }
    }
}

fn check_metadata(pod: &Object) -> Result<(), Refused> {
    let Some(metadata) = object(pod, "metadata") else {
        return Ok(());
    };
    let root = Place::Root;
    let at = root.field("metadata");
    if object(metadata, "annotations").is_some_and(|annotations| annotations.contains_key(MIRROR_ANNOTATION))
    {
        return Err(Fact::MirrorPod.at(&at.field("annotations").field(MIRROR_ANNOTATION)));
    }
    for (index, owner) in list(metadata, "ownerReferences").iter().enumerate() {
        if owner.get("controller") == Some(&Value::Bool(true)) {
            let at = at.field("ownerReferences");
            return Err(Fact::Controller.at(&at.item(index).field("controller")));
        }
    }
    Ok(())
}

fn check_spec(pod: &Object) -> Result<(), Refused> {
    let missing = |of, field| Fact::Missing { of, field };
    let root = Place::Root;
    let spec = object(pod, "spec").ok_or_else(|| missing("Pod", "spec").at(&root))?;
    let at = root.field("spec");
    if list(spec, ContainerKind::Regular.field()).is_empty() {
        return Err(missing("PodSpec", "containers").at(&at));
    }
    // One set for all lists: the API server wants each container's name once in the whole pod.
    let mut names = BTreeSet::new();
    for kind in ContainerKind::ALL {
        let at = at.field(kind.field());
        for (index, container) in objects(spec, kind.field()) {
            let at = at.item(index);
            check_container(container, &at)?;
            check_unique(&mut names, "container", container, &at)?;
        }
    }
    let mut names = BTreeSet::new();
    let at = at.field("volumes");
    for (index, volume) in objects(spec, "volumes") {
        check_unique(&mut names, "volume", volume, &at.item(index))?;
    }
    Ok(())
}

fn objects<'a>(spec: &'a Object, field: &str) -> impl Iterator<Item = (usize, &'a Object)> {
    let items = list(spec, field).iter().enumerate();
    items.filter_map(|(index, item)| Some((index, item.as_object()?)))
}

/// The API server wants a name and an image in each container, though the OpenAPI does not say so of the image.
fn check_container(container: &Object, at: &Place<'_>) -> Result<(), Refused> {
    for field in ["name", "image"] {
        if text(container, field).is_none_or(str::is_empty) {
            let of = "Container";
            return Err(Fact::Missing { of, field }.at(at));
        }
    }
    Ok(())
}

fn check_unique<'a>(
    names: &mut BTreeSet<&'a str>,
    what: &'static str,
    named: &'a Object,
    at: &Place<'_>,
) -> Result<(), Refused> {
    let name = text(named, "name").unwrap_or_default();
    if names.insert(name) {
        return Ok(());
    }
    Err(Fact::duplicate(what, name).at(&at.field("name")))
}
