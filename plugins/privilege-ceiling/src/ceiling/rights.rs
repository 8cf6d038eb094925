//! Reads the rights that a pod or a container has. They are compared with the ceiling elsewhere.

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{flag, list, object, text},
    policy::{ResultingPod, Review},
};

use crate::settings::Settings;

pub(super) const HOST_NAMESPACES: [&str; 3] = ["hostNetwork", "hostPID", "hostIPC"];

fn context(container: &Object) -> Option<&Object> {
    object(container, "securityContext")
}

/// The Linux capabilities that a container adds.
pub(super) fn linux_capabilities(container: &Object) -> Vec<String> {
    let capabilities = context(container).and_then(|context| object(context, "capabilities"));
    let added = capabilities.map_or(&[][..], |capabilities| list(capabilities, "add"));
    added
        .iter()
        .filter_map(Value::as_str)
        .map(linux_capability)
        .collect()
}

/// Container runtimes ignore the prefix and the case.
pub(super) fn linux_capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
}

pub(super) fn is_privileged(container: &Object) -> bool {
    context(container).is_some_and(|context| {
        let windows = object(context, "windowsOptions");
        flag(context, "privileged") || windows.is_some_and(|windows| flag(windows, "hostProcess"))
    })
}

/// Returns whether a container runs as another user than the one that it was copied from; true for a new container.
pub(super) fn chooses_user(container: &Object, before: Option<&Object>) -> bool {
    let user = |container: &Object| context(container).and_then(|context| context.get("runAsUser").cloned());
    before.is_none_or(|before| user(before) != user(container))
}

/// A field of the security context: the container's own, or else the pod's.
pub(super) fn effective<'a>(
    planned: &'a ResultingPod,
    container: &'a Object,
    field: &str,
) -> Option<&'a Value> {
    let own = context(container).and_then(|context| context.get(field));
    own.or_else(|| planned.pod.security_context()?.get(field))
}

pub(super) fn target_spec(review: &Review<Settings>) -> Option<&Object> {
    let is_pod = review.target.kind() == "Pod";
    object(&review.target.0, "spec").filter(|_| is_pod)
}

pub(super) fn account(spec: &Object) -> &str {
    let named = text(spec, "serviceAccountName").or_else(|| text(spec, "serviceAccount"));
    named.filter(|name| !name.is_empty()).unwrap_or("default")
}

pub(super) fn host_paths(spec: &Object) -> Vec<&str> {
    let volumes = list(spec, "volumes").iter();
    volumes
        .filter_map(|volume| text(object(volume.as_object()?, "hostPath")?, "path"))
        .collect()
}

/// The folders of the node that the target already mounts, by the names of their volumes in the resulting pod.
pub(super) fn folders(review: &Review<Settings>, planned: &ResultingPod) -> Vec<(String, String)> {
    let had: Vec<&str> = target_spec(review).map(host_paths).unwrap_or_default();
    let volumes = planned.pod.spec().map_or(&[][..], |spec| list(spec, "volumes"));
    let folder = |volume: &Value| {
        let path = volume["hostPath"]["path"]
            .as_str()
            .filter(|path| had.contains(path))?;
        Some((volume["name"].as_str()?.to_owned(), path.to_owned()))
    };
    volumes.iter().filter_map(folder).collect()
}
