//! What a plan gives above the ceiling.

use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Object,
    pod::{flag, list, object, text},
    policy::{ResultingPod, Review},
};

use super::{
    Ceiling,
    containers::{Judged, judged},
    rights::{
        self, HOST_NAMESPACES, account, chooses_user, effective, folders, host_paths, is_privileged,
        linux_capabilities, target_spec,
    },
};
use crate::settings::Settings;

/// What a plan gives above the ceiling.
pub(crate) fn above(review: &Review<Settings>, ceiling: &Ceiling, planned: &ResultingPod) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let folders = folders(review, planned);
    for judged in judged(review, planned) {
        container_above(ceiling, planned, &judged, &mut found);
        mounts_above(ceiling, &folders, &judged, &mut found);
    }
    if planned.added_container().is_none() {
        pod_above(review, ceiling, planned, &mut found);
    }
    found
}

fn container_above(
    ceiling: &Ceiling,
    planned: &ResultingPod,
    judged: &Judged<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let name = text(judged.container, "name").unwrap_or_default();
    let at = judged.at.as_deref().unwrap_or_default();
    let mut tell = |code: &str, message: String, field: &str| {
        found.push(Diagnostic::error(code, message).at_pointer(format!("{at}/securityContext{field}")));
    };
    let was_privileged = judged.before.is_some_and(is_privileged);
    if is_privileged(judged.container) && !ceiling.privileged && !was_privileged {
        tell(
            "privileged",
            format!("container {name:?} would be privileged"),
            "/privileged",
        );
    }
    let had = judged.before.map(linux_capabilities).unwrap_or_default();
    for capability in linux_capabilities(judged.container) {
        if !ceiling.gives_capability(&capability) && !had.contains(&capability) {
            let message = format!("container {name:?} would get the Linux capability {capability}");
            tell("linux-capability", message, "/capabilities/add");
        }
    }
    if let Some(lowest) = ceiling
        .lowest_user
        .filter(|_| chooses_user(judged.container, judged.before))
    {
        let user = effective(planned, judged.container, "runAsUser").and_then(Value::as_u64);
        let is_not_root = effective(planned, judged.container, "runAsNonRoot") == Some(&json!(true));
        match user {
            Some(user) if user >= lowest => {}
            Some(user) => tell(
                "user-id",
                format!("container {name:?} would run as user {user}; the lowest is {lowest}"),
                "/runAsUser",
            ),
            None if lowest == 1 && is_not_root => {}
            None => tell(
                "user-id",
                format!(
                    "container {name:?} would run as its image says; it must say a user id from {lowest} on"
                ),
                "/runAsUser",
            ),
        }
    }
}

/// A folder that the pod mounts is there for the containers that mount it, not for one that the debug adds.
fn mounts_above(
    ceiling: &Ceiling,
    folders: &[(String, String)],
    judged: &Judged<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let name = text(judged.container, "name").unwrap_or_default();
    let at = judged.at.as_deref().unwrap_or_default();
    for (index, mount) in list(judged.container, "volumeMounts").iter().enumerate() {
        if let Some(path) = mounted_above(ceiling, folders, mount, judged.before) {
            let message = format!("container {name:?} would mount {path} of the node");
            let found_one = Diagnostic::error("host-path", message);
            found.push(found_one.at_pointer(format!("{at}/volumeMounts/{index}")));
        }
    }
}

/// The folder that a mount opens to a container which did not have it before, and which the ceiling does not give.
pub(super) fn mounted_above(
    ceiling: &Ceiling,
    folders: &[(String, String)],
    mount: &Value,
    before: Option<&Object>,
) -> Option<String> {
    let (_, folder) = folders.iter().find(|(name, _)| mount["name"] == name.as_str())?;
    let path = match mount["subPath"].as_str() {
        Some(part) => format!("{}/{part}", folder.trim_end_matches('/')),
        None => folder.clone(),
    };
    // Elsewhere in the container it is the same folder with the same rights.
    let elsewhere = |mount: &Value| {
        let mut mount = mount.clone();
        if let Some(mount) = mount.as_object_mut() {
            mount.remove("mountPath");
        }
        mount
    };
    let had = before.map_or(&[][..], |before| list(before, "volumeMounts"));
    let is_kept = had.iter().any(|had| elsewhere(had) == elsewhere(mount));
    (!is_kept && !ceiling.gives_path(&path)).then_some(path)
}

fn pod_above(
    review: &Review<Settings>,
    ceiling: &Ceiling,
    planned: &ResultingPod,
    found: &mut Vec<Diagnostic>,
) {
    let root = format!("/steps/{}/object/spec", planned.step);
    let mut tell = |code: &str, message: String, field: &str| {
        found.push(Diagnostic::error(code, message).at_pointer(format!("{root}/{field}")));
    };
    let Some(spec) = planned.pod.spec() else {
        return;
    };
    let original = target_spec(review);
    for namespace in HOST_NAMESPACES {
        let was = original.is_some_and(|spec| flag(spec, namespace));
        if flag(spec, namespace) && !ceiling.gives_namespace(namespace) && !was {
            tell(
                "host-namespace",
                format!("the pod would use {namespace}"),
                namespace,
            );
        }
    }
    let had: Vec<&str> = original.map(host_paths).unwrap_or_default();
    for path in host_paths(spec) {
        if !ceiling.gives_path(path) && !had.contains(&path) {
            tell(
                "host-path",
                format!("the pod would mount {path} of the node"),
                "volumes",
            );
        }
    }
    let windows = object(spec, "securityContext").and_then(|context| object(context, "windowsOptions"));
    if windows.is_some_and(|windows| flag(windows, "hostProcess")) && !ceiling.privileged {
        let message = "the pod would be a host process of a Windows node".to_owned();
        tell("privileged", message, "securityContext/windowsOptions");
    }
    let account = account(spec);
    let own = original.map(rights::account);
    if own != Some(account) && account != "default" && !ceiling.gives_account(account) {
        tell(
            "service-account",
            format!("the pod would use the service account {account:?}"),
            "serviceAccountName",
        );
    }
}
