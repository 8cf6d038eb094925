//! What a plan gives to the debug container beyond what the user's options and the chosen profile ask for.
//!
//! Shown always; for a strategy that is not a default plugin it needs consent.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use trocar_sdk::{
    DebugOptions, Object, Pod, Profile,
    pod::{self, flag, list, object, text},
};

use super::Step;
use crate::target::{Target, TargetKind};

/// One right that was not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excess {
    /// What kind of right: `privileged`, `host-namespace`, `host-path`, `linux-capability`, `service-account`,
    /// `host-process`.
    pub right: &'static str,
    /// Which one, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The container that has it; none when it is the pod's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

impl std::fmt::Display for Excess {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.right)?;
        if let Some(value) = &self.value {
            write!(out, " {value}")?;
        }
        if let Some(container) = &self.container {
            write!(out, " (container {container:?})")?;
        }
        Ok(())
    }
}

/// A right: its kind and which.
type Right = (&'static str, Option<String>);

/// Lists what the steps give beyond what was asked for.
pub fn excess(steps: &[Step], target: &Target, options: &DebugOptions) -> Vec<Excess> {
    let asked = asked_for(target, options);
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::AddEphemeralContainer(container) => {
                found.extend(of_container(container, &asked, &BTreeSet::new()));
            }
            Step::CreatePod(pod) => found.extend(of_pod(pod, target, &asked)),
            Step::DeletePod(_) => {}
        }
    }
    found
}

fn of_pod(pod: &Pod, target: &Target, asked: &BTreeSet<Right>) -> Vec<Excess> {
    let had = match target.id().kind {
        TargetKind::Pod => pod_rights(target.object()),
        TargetKind::Node => BTreeSet::new(),
    };
    let mut found: Vec<Excess> = pod_rights(&pod.0)
        .into_iter()
        .filter(|right| !had.contains(right) && !asked.contains(right))
        .map(|(right, value)| Excess {
            right,
            value,
            container: None,
        })
        .collect();
    for container in pod.containers() {
        let before = pod::container(target.object(), container.name())
            .map(|before| container_rights(before.container))
            .unwrap_or_default();
        found.extend(of_container(container.container, asked, &before));
    }
    found
}

fn of_container(container: &Object, asked: &BTreeSet<Right>, before: &BTreeSet<Right>) -> Vec<Excess> {
    let privileged = ("privileged", None);
    let all = asked.contains(&privileged) || before.contains(&privileged);
    container_rights(container)
        .into_iter()
        .filter(|right| !asked.contains(right) && !before.contains(right))
        // A privileged container has every Linux capability already.
        .filter(|(right, _)| !(all && *right == "linux-capability"))
        .map(|(right, value)| Excess {
            right,
            value,
            container: text(container, "name").map(str::to_owned),
        })
        .collect()
}

fn pod_rights(pod: &Object) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let Some(spec) = object(pod, "spec") else {
        return rights;
    };
    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
        if flag(spec, namespace) {
            rights.insert(("host-namespace", Some(namespace.to_owned())));
        }
    }
    for volume in list(spec, "volumes").iter().filter_map(Value::as_object) {
        if let Some(host_path) = object(volume, "hostPath") {
            let path = text(host_path, "path").unwrap_or_default();
            rights.insert(("host-path", Some(path.to_owned())));
        }
    }
    let account = text(spec, "serviceAccountName").or_else(|| text(spec, "serviceAccount"));
    if let Some(account) = account.filter(|account| *account != "default") {
        rights.insert(("service-account", Some(account.to_owned())));
    }
    if object(spec, "securityContext").is_some_and(is_host_process) {
        rights.insert(("host-process", None));
    }
    rights
}

fn container_rights(container: &Object) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let Some(context) = object(container, "securityContext") else {
        return rights;
    };
    if flag(context, "privileged") {
        rights.insert(("privileged", None));
    }
    if is_host_process(context) {
        rights.insert(("host-process", None));
    }
    let added = object(context, "capabilities").map_or(&[][..], |capabilities| list(capabilities, "add"));
    for capability in added.iter().filter_map(Value::as_str) {
        // With and without the prefix is the same capability to a container runtime.
        let name = capability.to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        rights.insert(("linux-capability", Some(name.to_owned())));
    }
    rights
}

fn is_host_process(context: &Object) -> bool {
    object(context, "windowsOptions").is_some_and(|windows| flag(windows, "hostProcess"))
}

/// The rights that the profile and `--custom` ask for.
fn asked_for(target: &Target, options: &DebugOptions) -> BTreeSet<Right> {
    let mut asked = BTreeSet::new();
    let mut capability = |name: &str| {
        asked.insert(("linux-capability", Some(name.to_owned())));
    };
    match options.profile {
        Profile::General => capability("SYS_PTRACE"),
        Profile::Netadmin => ["NET_ADMIN", "NET_RAW"].into_iter().for_each(capability),
        Profile::Sysadmin => {
            asked.insert(("privileged", None));
        }
        Profile::Legacy | Profile::Baseline | Profile::Restricted => {}
    }
    if target.id().kind == TargetKind::Node {
        asked.extend(asked_on_node(target, options.profile));
    }
    if let Some(custom) = &options.custom {
        asked.extend(container_rights(custom));
    }
    asked
}

fn asked_on_node(target: &Target, profile: Profile) -> BTreeSet<Right> {
    let mut asked = BTreeSet::new();
    if matches!(profile, Profile::Baseline | Profile::Restricted) {
        return asked;
    }
    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
        asked.insert(("host-namespace", Some(namespace.to_owned())));
    }
    if profile != Profile::Netadmin {
        asked.insert(("host-path", Some("/".to_owned())));
    }
    let labels = object(target.object(), "metadata").and_then(|metadata| object(metadata, "labels"));
    let system = labels.and_then(|labels| text(labels, "kubernetes.io/os"));
    if profile == Profile::Sysadmin && system == Some("windows") {
        asked.insert(("host-process", None));
    }
    asked
}
