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
    /// What kind of right: `privileged`, `host-namespace`, `host-path`, `host-process`, `linux-capability`, `secret`,
    /// `service-account`, `service-account-token`, `unconfined`.
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
                let rights = container_rights(container, volumes(target.object()));
                found.extend(of_container(container, rights, &asked, &BTreeSet::new()));
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
    let mut of_pod = pod_rights(&pod.0);
    of_pod.retain(|right| !had.contains(right) && !asked.contains(right));
    let mut found: Vec<Excess> = of_pod
        .iter()
        .map(|(right, value)| Excess {
            right,
            value: value.clone(),
            container: None,
        })
        .collect();
    for container in pod.containers() {
        let mut before = pod::container(target.object(), container.name())
            .map(|before| container_rights(before.container, volumes(target.object())))
            .unwrap_or_default();
        // What is told of the pod is not told again of who uses it.
        before.extend(of_pod.iter().cloned());
        let rights = container_rights(container.container, volumes(&pod.0));
        found.extend(of_container(container.container, rights, asked, &before));
    }
    found
}

fn volumes(pod: &Object) -> &[Value] {
    object(pod, "spec").map_or(&[][..], |spec| list(spec, "volumes"))
}

fn of_container(
    container: &Object,
    rights: BTreeSet<Right>,
    asked: &BTreeSet<Right>,
    before: &BTreeSet<Right>,
) -> Vec<Excess> {
    let privileged = ("privileged", None);
    let all = asked.contains(&privileged) || before.contains(&privileged);
    rights
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
        rights.extend(volume_rights(volume));
    }
    let account = text(spec, "serviceAccountName").or_else(|| text(spec, "serviceAccount"));
    if let Some(account) = account.filter(|account| *account != "default") {
        rights.insert(("service-account", Some(account.to_owned())));
    }
    if let Some(context) = object(spec, "securityContext") {
        rights.extend(unconfined(context));
        if is_host_process(context) {
            rights.insert(("host-process", None));
        }
    }
    rights
}

/// What a volume opens to whoever mounts it.
fn volume_rights(volume: &Object) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let mut secret = |source: Option<&Object>, name: &str| {
        if let Some(name) = source.and_then(|source| text(source, name)) {
            rights.insert(("secret", Some(name.to_owned())));
        }
    };
    secret(object(volume, "secret"), "secretName");
    let driver = object(volume, "csi").and_then(|csi| object(csi, "nodePublishSecretRef"));
    secret(driver, "name");
    let projected = object(volume, "projected").map_or(&[][..], |projected| list(projected, "sources"));
    for source in projected.iter().filter_map(Value::as_object) {
        secret(object(source, "secret"), "name");
    }
    for source in projected.iter().filter_map(Value::as_object) {
        if let Some(token) = object(source, "serviceAccountToken") {
            let audience = text(token, "audience").map(str::to_owned);
            rights.insert(("service-account-token", audience));
        }
    }
    if let Some(host_path) = object(volume, "hostPath") {
        let path = text(host_path, "path").unwrap_or_default();
        rights.insert(("host-path", Some(path.to_owned())));
    }
    rights
}

/// What a container can read of Secrets in its environment, and of the pod's volumes.
fn reads(container: &Object, volumes: &[Value]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let variables = list(container, "env").iter().filter_map(Value::as_object);
    let of_variables =
        variables.filter_map(|variable| object(object(variable, "valueFrom")?, "secretKeyRef"));
    let sources = list(container, "envFrom").iter().filter_map(Value::as_object);
    let of_sources = sources.filter_map(|source| object(source, "secretRef"));
    for secret in of_variables.chain(of_sources) {
        rights.insert(("secret", text(secret, "name").map(str::to_owned)));
    }
    let mounts = list(container, "volumeMounts")
        .iter()
        .filter_map(Value::as_object);
    let mounted: BTreeSet<&str> = mounts.filter_map(|mount| text(mount, "name")).collect();
    for volume in volumes.iter().filter_map(Value::as_object) {
        if text(volume, "name").is_some_and(|name| mounted.contains(name)) {
            rights.extend(volume_rights(volume));
        }
    }
    rights
}

/// Which walls of the sandbox a security context takes down.
fn unconfined(context: &Object) -> BTreeSet<Right> {
    let is_off = |profile: &str| {
        object(context, profile).is_some_and(|profile| text(profile, "type") == Some("Unconfined"))
    };
    let walls = [
        ("seccomp", is_off("seccompProfile")),
        ("apparmor", is_off("appArmorProfile")),
        ("proc", text(context, "procMount") == Some("Unmasked")),
    ];
    let down = walls.into_iter().filter(|(_, is_down)| *is_down);
    down.map(|(wall, _)| ("unconfined", Some(wall.to_owned())))
        .collect()
}

fn container_rights(container: &Object, volumes: &[Value]) -> BTreeSet<Right> {
    let mut rights = reads(container, volumes);
    let Some(context) = object(container, "securityContext") else {
        return rights;
    };
    rights.extend(unconfined(context));
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
        asked.extend(container_rights(custom, volumes(target.object())));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target() -> Target {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "containers": [{"name": "app", "image": "app:1", "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]}],
                "volumes": [
                    {"name": "keys", "secret": {"secretName": "tls"}},
                    {"name": "logs", "hostPath": {"path": "/var/log"}}
                ]
            }
        });
        Target::new(pod, "shop").unwrap()
    }

    fn found(action: &str, object: Value, options: &DebugOptions) -> Vec<String> {
        let step = Step::from_value(action, object).unwrap();
        let found = excess(&[step], &target(), options);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_ephemeral_container_that_takes_more_is_told_in_full() {
        let container = json!({
            "name": "dbg", "image": "busybox",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
            "envFrom": [{"secretRef": {"name": "api"}}],
            "volumeMounts": [{"name": "keys", "mountPath": "/keys"}, {"name": "logs", "mountPath": "/logs"}],
            "securityContext": {"procMount": "Unmasked", "seccompProfile": {"type": "Unconfined"}}
        });
        let of_dbg = |right: &str| format!("{right} (container \"dbg\")");
        let wanted: Vec<String> = [
            "host-path /var/log",
            "secret api",
            "secret db",
            "secret tls",
            "unconfined proc",
            "unconfined seccomp",
        ]
        .map(of_dbg)
        .into();
        let options = DebugOptions::default();
        assert_eq!(
            found("add-ephemeral-container", container.clone(), &options),
            wanted
        );
        // Whoever asks for it is not told of it.
        let options = DebugOptions {
            custom: container.as_object().cloned(),
            ..options
        };
        assert!(found("add-ephemeral-container", container, &options).is_empty());
    }

    #[test]
    fn of_a_copy_only_what_its_original_does_not_have_is_told() {
        let mut pod = Value::Object(target().object().clone());
        let options = DebugOptions::default();
        assert!(found("create-pod", pod.clone(), &options).is_empty());
        let spec = &mut pod["spec"];
        let more = json!({"name": "more", "projected": {"sources": [
            {"serviceAccountToken": {"audience": "vault", "path": "t"}}, {"secret": {"name": "db"}}
        ]}});
        spec["volumes"].as_array_mut().unwrap().push(more);
        let mount = json!({"name": "more", "mountPath": "/more"});
        spec["containers"][0]["volumeMounts"]
            .as_array_mut()
            .unwrap()
            .push(mount);
        let dbg = json!({"name": "dbg", "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]});
        spec["containers"].as_array_mut().unwrap().push(dbg);
        assert_eq!(
            found("create-pod", pod, &options),
            [
                "secret db",
                "service-account-token vault",
                "secret tls (container \"dbg\")"
            ]
        );
    }
}
