//! Removes rights above the ceiling.

use serde_json::{Value, json};
use trocar_sdk::{
    Object,
    pod::{ContainerKind, object_mut},
};

use super::{
    Ceiling, confinement,
    objects::Objects,
    pod,
    privileges::{self, linux_capability, mounted_above},
};
use crate::planned::{Judged, Planned};

/// The object that the step writes, without rights above the ceiling.
pub(crate) fn lower(ceiling: &Ceiling, planned: &Planned<'_>) -> Object {
    let mut written = planned.written().clone();
    let objects = Objects::new(&ceiling.objects, planned);
    let folders = privileges::folders(planned);
    let given = confinement::given(ceiling, planned);
    for judged in planned.containers() {
        let container = match planned.added {
            Some(_) => Some(&mut written),
            None => object_mut(&mut written, "spec")
                .get_mut(judged.kind.field())
                .and_then(|list| list.get_mut(judged.index)?.as_object_mut()),
        };
        let Some(container) = container else {
            continue;
        };
        if !judged.is_kept {
            lower_privileges(ceiling, planned, &judged, &folders, container);
        }
        if let Some(given) = &given {
            confinement::lower(given, planned, &judged, container);
        }
        objects.lower_container(&judged, container);
    }
    if planned.added.is_none() {
        let spec = object_mut(&mut written, "spec");
        pod::lower(ceiling, planned, spec);
        objects.lower_pod(spec);
    }
    written
}

fn lower_privileges(
    ceiling: &Ceiling,
    planned: &Planned<'_>,
    judged: &Judged<'_>,
    folders: &[(String, String)],
    container: &mut Object,
) {
    if let Some(context) = container
        .get_mut("securityContext")
        .and_then(Value::as_object_mut)
    {
        if !ceiling.privileged && privileges::is_privileged(judged.container) {
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
                ceiling.gives_capability(&name)
            });
        }
    }
    if let Some(lowest) = ceiling.lowest_user
        && privileges::user_above(lowest, planned, judged).is_some()
    {
        let context = object_mut(container, "securityContext");
        context.insert("runAsUser".into(), json!(lowest));
        context.insert("runAsNonRoot".into(), json!(true));
    }
    retain(container, "volumeMounts", |mount| {
        mounted_above(ceiling, folders, mount).is_none()
    });
}

/// Keeps the wanted items of a list. An empty list is removed.
pub(super) fn retain(parent: &mut Object, field: &str, mut is_wanted: impl FnMut(&Value) -> bool) {
    let Some(items) = parent.get_mut(field).and_then(Value::as_array_mut) else {
        return;
    };
    let count = items.len();
    items.retain(|item| is_wanted(item));
    if items.is_empty() && count > 0 {
        parent.remove(field);
    }
}

/// Removes volumes from a pod's spec, and their mounts from its containers.
pub(crate) fn remove_volumes(spec: &mut Object, is_gone: impl Fn(&Value) -> bool) {
    let mut gone = std::collections::BTreeSet::new();
    retain(spec, "volumes", |volume| {
        let goes = is_gone(volume);
        if goes {
            gone.insert(volume["name"].as_str().unwrap_or_default().to_owned());
        }
        !goes
    });
    if gone.is_empty() {
        return;
    }
    for kind in ContainerKind::ALL {
        let containers = spec.get_mut(kind.field()).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            for mounts in ["volumeMounts", "volumeDevices"] {
                retain(container, mounts, |mount| {
                    !mount["name"].as_str().is_some_and(|name| gone.contains(name))
                });
            }
        }
    }
}
