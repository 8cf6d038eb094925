//! The security presets of `--profile`, as pure functions on a pod.
//!
//! Source: the behaviour of `kubectl debug` 1.37. `legacy` is planned to go in 1.39.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Diagnostic,
    keep::{Keep, Kept},
    pod::{ContainerKind, Object, Pod, is_sidecar, object_mut},
};

/// A named security preset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The behaviour of kubectl before there were profiles; deprecated.
    Legacy,
    /// Fits most debugging: may trace processes; on a node, the host's namespaces and file system.
    #[default]
    General,
    /// Fits namespaces that enforce the Pod Security level `baseline`.
    Baseline,
    /// Fits namespaces that enforce the Pod Security level `restricted`.
    Restricted,
    /// Adds capabilities for administering the network.
    Netadmin,
    /// Privileged.
    Sysadmin,
}

impl Profile {
    /// All profiles, from the least to the most privileged.
    pub const ALL: [Self; 6] = [
        Self::Restricted,
        Self::Baseline,
        Self::General,
        Self::Netadmin,
        Self::Sysadmin,
        Self::Legacy,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::General => "general",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
            Self::Netadmin => "netadmin",
            Self::Sysadmin => "sysadmin",
        }
    }

    /// Finds a profile by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

/// The name of the volume with the host's file system, in a node debug pod.
pub const HOST_ROOT_VOLUME: &str = "host-root";

/// Applies a profile to an ephemeral container.
pub fn apply_to_ephemeral(profile: Profile, container: &mut Object) {
    match profile {
        Profile::Legacy => {}
        other => apply_to_container(other, container),
    }
}

/// Decides what a copy keeps of the original.
///
/// Typed flags are obeyed, except by `legacy` with a debug container: it drops labels and keeps everything else, whatever
/// was typed, as kubectl does. By default `legacy` keeps annotations and probes, and every profile keeps init containers.
pub fn kept(profile: Profile, keep: &Keep, has_debug_container: bool) -> Kept {
    let nothing = Keep::default();
    let is_legacy = profile == Profile::Legacy;
    let typed = if is_legacy && has_debug_container {
        &nothing
    } else {
        keep
    };
    Kept {
        labels: typed.labels.unwrap_or(false),
        annotations: typed.annotations.unwrap_or(is_legacy),
        liveness: typed.liveness.unwrap_or(is_legacy),
        readiness: typed.readiness.unwrap_or(is_legacy),
        startup: typed.startup.unwrap_or(is_legacy),
        init_containers: typed.init_containers.unwrap_or(true),
    }
}

/// Applies a profile to a pod copy: drops what is not kept and, if a debug container is named, changes that container.
///
/// Without a debug container (a copy that only changes images), neither tracing nor shared processes are enabled.
pub fn apply_to_copy(profile: Profile, pod: &mut Pod, debug_container: Option<&str>, keep: &Keep) {
    keep_only(pod, kept(profile, keep, debug_container.is_some()));
    let Some(name) = debug_container.filter(|_| profile != Profile::Legacy) else {
        return;
    };
    if let Some(container) = pod.container_mut(name) {
        apply_to_container(profile, container);
    }
    if pod.is_windows() {
        if let Some(container) = pod.container_mut(name) {
            remove_linux_fields(container);
        }
        return;
    }
    let host_processes = pod.flag("hostPID");
    let spec = pod.spec_mut();
    let undecided = spec.get("shareProcessNamespace").is_none_or(Value::is_null);
    if undecided && !host_processes {
        spec.insert("shareProcessNamespace".into(), json!(true));
    }
}

/// The fields of a container's security context that the API server refuses in a Windows pod.
///
/// Source: `validateWindows` in Kubernetes' validation.
const OF_LINUX: [&str; 10] = [
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
];

/// Removes fields from a container that only Linux supports, for a Windows pod.
pub fn remove_linux_fields(container: &mut Object) {
    let Some(Value::Object(context)) = container.get_mut("securityContext") else {
        return;
    };
    for field in OF_LINUX {
        context.remove(field);
    }
    if context.is_empty() {
        container.remove("securityContext");
    }
}

/// Warns about a profile that has no effect on a container of a Windows pod.
pub fn windows_warning(profile: Profile) -> Option<Diagnostic> {
    let is_linux = matches!(profile, Profile::Netadmin | Profile::Sysadmin);
    is_linux.then(|| {
        Diagnostic::warning(
            "profile-of-linux",
            format!(
                "--profile={} has no effect: the pod runs on Windows, which has neither capabilities nor privileged containers",
                profile.name()
            ),
        )
        .help("on its node, node/NAME with --profile=sysadmin makes a host-process container")
    })
}

/// Applies a profile to a node debug pod on a Linux node.
pub fn apply_to_node_pod(profile: Profile, pod: &mut Pod, debug_container: &str) {
    let (host_namespaces, host_root) = match profile {
        Profile::Legacy | Profile::General | Profile::Sysadmin => (true, true),
        Profile::Netadmin => (true, false),
        Profile::Baseline | Profile::Restricted => (false, false),
    };
    if let Some(container) = pod.container_mut(debug_container) {
        match profile {
            Profile::Legacy => {}
            // On a node, the host's namespaces replace the capability to trace.
            Profile::General => {
                container.remove("securityContext");
            }
            other => apply_to_container(other, container),
        }
        if host_root {
            push(
                container,
                "volumeMounts",
                json!({"name": HOST_ROOT_VOLUME, "mountPath": "/host"}),
            );
        }
    }
    let spec = pod.spec_mut();
    if host_root {
        push(
            spec,
            "volumes",
            json!({"name": HOST_ROOT_VOLUME, "hostPath": {"path": "/"}}),
        );
    }
    if host_namespaces {
        for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
            spec.insert(namespace.into(), json!(true));
        }
    }
}

/// Applies a privileged profile to a node debug pod on a Windows node: a host-process container, since Windows has neither
/// privileged containers nor the namespaces and the file system mount of Linux.
///
/// Source: kubernetes/kubernetes#138182. See the Kubernetes page "Create a Windows HostProcess Pod".
pub fn apply_to_windows_node_pod(pod: &mut Pod, debug_container: &str) {
    if let Some(container) = pod.container_mut(debug_container) {
        container.insert(
            "securityContext".into(),
            json!({"windowsOptions": {"runAsUserName": "NT AUTHORITY\\SYSTEM"}}),
        );
    }
    let spec = pod.spec_mut();
    spec.insert("os".into(), json!({"name": "windows"}));
    spec.insert("hostNetwork".into(), json!(true));
    object_mut(object_mut(spec, "securityContext"), "windowsOptions")
        .insert("hostProcess".into(), json!(true));
}

fn apply_to_container(profile: Profile, container: &mut Object) {
    match profile {
        Profile::Legacy => {}
        Profile::General => add_linux_capabilities(container, &["SYS_PTRACE"]),
        Profile::Netadmin => add_linux_capabilities(container, &["NET_ADMIN", "NET_RAW"]),
        Profile::Sysadmin => {
            object_mut(container, "securityContext").insert("privileged".into(), json!(true));
        }
        Profile::Baseline => {
            container.remove("securityContext");
        }
        Profile::Restricted => {
            container.insert(
                "securityContext".into(),
                json!({
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "runAsNonRoot": true,
                    "seccompProfile": {"type": "RuntimeDefault"},
                }),
            );
        }
    }
}

fn add_linux_capabilities(container: &mut Object, added: &[&str]) {
    let context = object_mut(container, "securityContext");
    let capabilities = object_mut(context, "capabilities");
    for capability in added {
        push(capabilities, "add", json!(capability));
    }
}

fn push(parent: &mut Object, field: &str, item: Value) {
    match parent.get_mut(field) {
        Some(Value::Array(items)) => items.push(item),
        _ => {
            parent.insert(field.to_owned(), Value::Array(vec![item]));
        }
    }
}

fn keep_only(pod: &mut Pod, kept: Kept) {
    for (field, is_kept) in [("labels", kept.labels), ("annotations", kept.annotations)] {
        if !is_kept {
            object_mut(&mut pod.0, "metadata").remove(field);
        }
    }
    if !kept.init_containers {
        pod.spec_mut().remove(ContainerKind::Init.field());
    }
    let probes = kept.probes().into_iter();
    let dropped: Vec<&str> = probes
        .filter_map(|(probe, is_kept)| (!is_kept).then_some(probe))
        .collect();
    for kind in [ContainerKind::Init, ContainerKind::Regular] {
        for container in pod.containers_mut(kind) {
            // Only sidecars among the init containers may have probes.
            if kind == ContainerKind::Regular || is_sidecar(container) {
                for probe in &dropped {
                    container.remove(*probe);
                }
            }
        }
    }
}
