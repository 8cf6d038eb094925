//! Taking away what is above the ceiling.

use serde_json::{Value, json};
use trocar_sdk::{
    Object,
    pod::{ContainerKind, flag, object_mut},
    policy::{ResultingPod, Review},
};

use super::{
    Ceiling,
    above::mounted_above,
    containers::{before, is_new},
    rights::{
        HOST_NAMESPACES, account, chooses_user, folders, host_paths, is_privileged, linux_capabilities,
        linux_capability, target_spec,
    },
};
use crate::settings::Settings;

/// Takes away what is above the ceiling.
pub(crate) fn lower(review: &Review<Settings>, ceiling: &Ceiling, planned: &mut ResultingPod) {
    let adds_one = planned.added_container().is_some();
    let snapshot = planned.clone();
    let folders = folders(review, &snapshot);
    for kind in ContainerKind::ALL {
        let places: Vec<(bool, Option<Object>)> = snapshot
            .pod
            .containers_of(kind)
            .map(|found| {
                let is_new = is_new(review, &snapshot, kind, found.index);
                let before = before(review, &snapshot, kind, found.index).cloned();
                (is_new || !adds_one, before.filter(|_| !adds_one))
            })
            .collect();
        for (container, (is_concerned, before)) in planned.pod.containers_mut(kind).zip(places) {
            if is_concerned {
                lower_container(ceiling, container, before.as_ref());
                lower_mounts(ceiling, &folders, container, before.as_ref());
            }
        }
    }
    if !adds_one {
        lower_pod(review, ceiling, planned.pod.spec_mut());
    }
}

fn lower_container(ceiling: &Ceiling, container: &mut Object, before: Option<&Object>) {
    let had = before.map(linux_capabilities).unwrap_or_default();
    let was_privileged = before.is_some_and(is_privileged);
    if let Some(context) = container
        .get_mut("securityContext")
        .and_then(Value::as_object_mut)
    {
        if !ceiling.privileged && !was_privileged {
            context.remove("privileged");
            context.remove("windowsOptions");
        }
        let added = context
            .get_mut("capabilities")
            .and_then(|capabilities| capabilities.get_mut("add"))
            .and_then(Value::as_array_mut);
        if let Some(added) = added {
            added.retain(|name| {
                let name = linux_capability(name.as_str().unwrap_or_default());
                ceiling.gives_capability(&name) || had.contains(&name)
            });
        }
    }
    if let Some(lowest) = ceiling.lowest_user.filter(|_| chooses_user(container, before)) {
        let context = object_mut(container, "securityContext");
        let user = context.get("runAsUser").and_then(Value::as_u64);
        if user.is_none_or(|user| user < lowest) {
            context.insert("runAsUser".into(), json!(lowest));
            context.insert("runAsNonRoot".into(), json!(true));
        }
    }
}

fn lower_mounts(
    ceiling: &Ceiling,
    folders: &[(String, String)],
    container: &mut Object,
    before: Option<&Object>,
) {
    let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else {
        return;
    };
    let count = mounts.len();
    mounts.retain(|mount| mounted_above(ceiling, folders, mount, before).is_none());
    if mounts.is_empty() && count > 0 {
        container.remove("volumeMounts");
    }
}

fn lower_pod(review: &Review<Settings>, ceiling: &Ceiling, spec: &mut Object) {
    let original = target_spec(review);
    for namespace in HOST_NAMESPACES {
        let was = original.is_some_and(|spec| flag(spec, namespace));
        if !ceiling.gives_namespace(namespace) && !was {
            spec.remove(namespace);
        }
    }
    let had: Vec<String> = original
        .map(host_paths)
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let volumes = spec
        .get("volumes")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let (kept, gone): (Vec<Value>, Vec<Value>) = volumes.into_iter().partition(|volume| {
        let path = volume
            .get("hostPath")
            .and_then(|path| path.get("path"))
            .and_then(Value::as_str);
        path.is_none_or(|path| ceiling.gives_path(path) || had.iter().any(|had| had == path))
    });
    remove_volumes(spec, &gone, kept);
    if !ceiling.privileged
        && let Some(context) = spec.get_mut("securityContext").and_then(Value::as_object_mut)
    {
        context.remove("windowsOptions");
    }
    let own = original.map_or("default", account).to_owned();
    let used = account(spec).to_owned();
    if used != own && used != "default" && !ceiling.gives_account(&used) {
        spec.remove("serviceAccount");
        spec.insert("serviceAccountName".into(), json!(own));
    }
}

/// Removes volumes from a pod's spec, and the places where its containers mount them.
pub(crate) fn remove_volumes(spec: &mut Object, gone: &[Value], kept: Vec<Value>) {
    if gone.is_empty() {
        return;
    }
    match kept.is_empty() {
        true => spec.remove("volumes"),
        false => spec.insert("volumes".into(), Value::Array(kept)),
    };
    let is_gone = |mount: &Value| gone.iter().any(|volume| volume["name"] == mount["name"]);
    for kind in ContainerKind::ALL {
        let containers = spec.get_mut(kind.field()).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else {
                continue;
            };
            mounts.retain(|mount| !is_gone(mount));
            if mounts.is_empty() {
                container.remove("volumeMounts");
            }
        }
    }
}
