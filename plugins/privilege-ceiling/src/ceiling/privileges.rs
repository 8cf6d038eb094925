//! The privileges of a container: privileged mode, Linux capabilities, user id, folders of the node.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trocar_sdk::{
    Object,
    pod::{flag, list, object, text},
};

use super::Ceiling;
use crate::{
    finding::{Finding, listed},
    planned::{Judged, Planned},
};

pub(super) fn context(parent: &Object) -> Option<&Object> {
    object(parent, "securityContext")
}

/// The privileges above the ceiling of a new container, or of one that runs another program than before.
pub(super) fn above(
    ceiling: &Ceiling,
    planned: &Planned<'_>,
    judged: &Judged<'_>,
    folders: &[(String, String)],
    found: &mut Vec<Finding>,
) {
    let mut tell = |code: &'static str, what: String, field: &str| {
        found.push(Finding {
            code,
            container: Some(judged.name().to_owned()),
            what,
            at: format!("{}{field}", judged.at),
        });
    };
    if is_privileged(judged.container) && !ceiling.privileged {
        tell(
            "privileged",
            "would be privileged".into(),
            "/securityContext/privileged",
        );
    }
    let capabilities: BTreeSet<String> = linux_capabilities(judged.container)
        .filter(|name| !ceiling.gives_capability(name))
        .collect();
    if !capabilities.is_empty() {
        let noun = if capabilities.len() == 1 {
            "capability"
        } else {
            "capabilities"
        };
        let what = format!("would get the Linux {noun} {}", listed(&capabilities));
        tell("linux-capability", what, "/securityContext/capabilities/add");
    }
    if let Some(what) = ceiling
        .lowest_user
        .and_then(|lowest| user_above(lowest, planned, judged))
    {
        tell("user-id", what, "/securityContext/runAsUser");
    }
    for (index, mount) in list(judged.container, "volumeMounts").iter().enumerate() {
        if let Some(path) = mounted_above(ceiling, folders, mount) {
            tell(
                "host-path",
                format!("would mount {path} of the node"),
                &format!("/volumeMounts/{index}"),
            );
        }
    }
}

pub(super) fn is_privileged(container: &Object) -> bool {
    context(container).is_some_and(|context| {
        let windows = object(context, "windowsOptions");
        flag(context, "privileged") || windows.is_some_and(|windows| flag(windows, "hostProcess"))
    })
}

/// The Linux capabilities that a container adds.
fn linux_capabilities(container: &Object) -> impl Iterator<Item = String> {
    let capabilities = context(container).and_then(|context| object(context, "capabilities"));
    let added = capabilities.map_or(&[][..], |capabilities| list(capabilities, "add"));
    added.iter().filter_map(Value::as_str).map(linux_capability)
}

/// Container runtimes ignore the prefix and the case.
pub(super) fn linux_capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
}

pub(super) fn user_above(lowest: u64, planned: &Planned<'_>, judged: &Judged<'_>) -> Option<String> {
    let of_pod = planned.spec().and_then(context);
    let effective = |field: &str| {
        let own = context(judged.container).and_then(|context| present(context, field));
        own.or_else(|| present(of_pod?, field))
    };
    let is_not_root = effective("runAsNonRoot") == Some(&json!(true));
    match effective("runAsUser").map(Value::as_u64) {
        _ if lowest == 0 => None,
        Some(Some(user)) if user >= lowest => None,
        Some(Some(user)) => Some(format!("would run as user {user}; the lowest is {lowest}")),
        None if lowest == 1 && is_not_root => None,
        _ => Some(format!(
            "would run as its image says; it must say a user id from {lowest} on"
        )),
    }
}

pub(super) fn present<'a>(parent: &'a Object, field: &str) -> Option<&'a Value> {
    parent.get(field).filter(|value| !value.is_null())
}

pub(super) fn host_paths(spec: &Object) -> impl Iterator<Item = &str> {
    list(spec, "volumes").iter().filter_map(host_path)
}

pub(super) fn host_path(volume: &Value) -> Option<&str> {
    text(object(volume.as_object()?, "hostPath")?, "path")
}

/// The folders of the node that the target already mounts, by the names of their volumes in the plan's pod.
pub(super) fn folders(planned: &Planned<'_>) -> Vec<(String, String)> {
    let had: BTreeSet<&str> = planned.original_spec().into_iter().flat_map(host_paths).collect();
    let volumes = planned.spec().map_or(&[][..], |spec| list(spec, "volumes"));
    let folder = |volume: &Value| {
        let path = host_path(volume).filter(|path| had.contains(path))?;
        Some((volume["name"].as_str()?.to_owned(), path.to_owned()))
    };
    volumes.iter().filter_map(folder).collect()
}

/// The folder of a mount that the ceiling does not grant. That the target mounts a folder counts for the containers that mount
/// it, not for one that the debug adds or that runs another program.
pub(super) fn mounted_above(
    ceiling: &Ceiling,
    folders: &[(String, String)],
    mount: &Value,
) -> Option<String> {
    let (_, folder) = folders.iter().find(|(name, _)| mount["name"] == name.as_str())?;
    let path = match mount["subPath"].as_str() {
        Some(part) => format!("{}/{part}", folder.trim_end_matches('/')),
        None => folder.clone(),
    };
    (!ceiling.gives_path(&path)).then_some(path)
}
