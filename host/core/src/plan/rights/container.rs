//! What a container can do, with what it has from its pod.

use std::collections::HashSet;

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{ContainerKind, flag, is_sidecar, list, object, text},
};

use super::{
    RightKind,
    power::Powers,
    volume::{Volumes, json_text},
};

/// What a container has from its pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodContext<'a> {
    pub(super) spec: &'a Object,
    pub(super) volumes: &'a Volumes<'a>,
    /// The volumes that the target only reads.
    pub(super) read_only: &'a HashSet<&'a str>,
}

pub(super) fn container_powers<'a>(
    container: &'a Object,
    kind: ContainerKind,
    pod_context: PodContext<'a>,
) -> Powers<'a> {
    let mut powers = Powers::default();
    environment_sources(container, pod_context, &mut powers);
    for mounted in ["volumeMounts", "volumeDevices"] {
        for mount in list(container, mounted).iter().filter_map(Value::as_object) {
            let name = text(mount, "name").unwrap_or_default();
            pod_context.volumes.mount(name, &mut powers);
            // Otherwise a strategy could write to what its target only reads, without consent.
            if !flag(mount, "readOnly") && pod_context.read_only.contains(name) {
                powers.named(RightKind::WritableVolume, name);
            }
        }
    }
    ports(container, flag(pod_context.spec, "hostNetwork"), &mut powers);
    resource_powers(container, &mut powers);
    powers.extend(&run_by_kubelet(container));
    if kind == ContainerKind::Init && is_sidecar(container) {
        powers.add(RightKind::Sidecar);
    }
    Context::of(container, pod_context.spec).powers(&mut powers);
    powers
}

/// The fields of a debug container that have no part in what it can do.
const POWERLESS: [&str; 10] = [
    "args",
    "command",
    "image",
    "imagePullPolicy",
    "name",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "terminationMessagePolicy",
    "tty",
];

/// Returns true if two containers in the same pod can do the same, judging by their fields: the
/// usual case.
pub(super) fn has_same_powers(one: &Object, other: &Object) -> bool {
    let powerful = |container: &'_ Object| -> usize {
        let fields = container.keys();
        fields
            .filter(|field| !POWERLESS.contains(&field.as_str()))
            .count()
    };
    let is_same = |(field, value): (&String, &Value)| {
        POWERLESS.contains(&field.as_str()) || other.get(field) == Some(value)
    };
    powerful(one) == powerful(other) && one.iter().all(is_same)
}

/// What a container runs: image, command and environment.
pub(super) fn program(container: &Object) -> Powers<'_> {
    let mut program = Powers::default();
    program.named(RightKind::Image, text(container, "image").unwrap_or_default());
    let what = |field| Value::from(list(container, field)).to_string();
    let folder = text(container, "workingDir").unwrap_or_default();
    program.alike(
        RightKind::Command,
        format!("{} {} {folder}", what("command"), what("args")),
    );
    for variable in list(container, "env").iter().filter_map(Value::as_object) {
        let name = text(variable, "name").unwrap_or_default();
        program.detailed(RightKind::Environment, name, json_text(variable));
    }
    program
}

fn environment_sources<'a>(container: &'a Object, pod_context: PodContext<'a>, powers: &mut Powers<'a>) {
    let variables = list(container, "env").iter().filter_map(Value::as_object);
    let of_variables = variables.filter_map(|variable| object(variable, "valueFrom"));
    let of_all = list(container, "envFrom").iter().filter_map(Value::as_object);
    for source in of_variables.chain(of_all) {
        for (field, kind) in [
            ("secretKeyRef", RightKind::Secret),
            ("secretRef", RightKind::Secret),
            ("configMapKeyRef", RightKind::ConfigMap),
            ("configMapRef", RightKind::ConfigMap),
        ] {
            if let Some(reference) = object(source, field) {
                powers.named(kind, text(reference, "name").unwrap_or_default());
            }
        }
        if let Some(volume) = object(source, "fileKeyRef").and_then(|file| text(file, "volumeName")) {
            pod_context.volumes.mount(volume, powers);
        }
    }
}

/// In the node's network every port is one of the node.
fn ports(container: &Object, in_hosts_network: bool, powers: &mut Powers<'_>) {
    for port in list(container, "ports").iter().filter_map(Value::as_object) {
        let own = in_hosts_network.then(|| port.get("containerPort")).flatten();
        let number = port.get("hostPort").or(own).and_then(Value::as_i64);
        if let Some(number) = number.filter(|number| *number != 0) {
            let protocol = text(port, "protocol").unwrap_or("TCP");
            powers.named(RightKind::HostPort, format!("{number}/{protocol}"));
        }
    }
}

/// The extended resources of a container or a pod: all but CPU, memory and storage.
pub(super) fn resource_powers<'a>(of: &'a Object, powers: &mut Powers<'a>) {
    let Some(resources) = object(of, "resources") else {
        return;
    };
    for side in ["limits", "requests"] {
        for (name, amount) in object(resources, side).into_iter().flatten() {
            let amount = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
            match name.as_str() {
                "cpu" | "memory" | "ephemeral-storage" => {}
                pages if pages.starts_with("hugepages-") => {
                    powers.detailed(RightKind::HugePages, pages, amount);
                }
                other => powers.detailed(RightKind::ExtendedResource, other, amount),
            }
        }
    }
    for claim in list(resources, "claims").iter().filter_map(Value::as_object) {
        let name = text(claim, "name").unwrap_or_default();
        powers.detailed(RightKind::ResourceClaim, name, json_text(claim));
    }
}

/// What the kubelet runs for a container, or asks of a server.
pub(super) fn run_by_kubelet(container: &Object) -> Powers<'_> {
    let mut powers = Powers::default();
    for (name, hook) in object(container, "lifecycle").into_iter().flatten() {
        // Which signal stops a container is not a hook.
        if let Some(hook) = hook.as_object() {
            powers.detailed(RightKind::LifecycleHook, name.as_str(), json_text(hook));
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object(container, name) {
            powers.detailed(RightKind::Probe, name, json_text(probe));
        }
    }
    powers
}

/// A container's security context over its pod's.
struct Context<'a> {
    own: Option<&'a Object>,
    pods: Option<&'a Object>,
}

impl<'a> Context<'a> {
    fn of(container: &'a Object, spec: &'a Object) -> Self {
        Self {
            own: object(container, "securityContext"),
            pods: object(spec, "securityContext"),
        }
    }

    /// A field that a container has itself, or else from its pod.
    fn get(&self, field: &str) -> Option<&'a Value> {
        let of = |context: Option<&'a Object>| context?.get(field).filter(|value| !value.is_null());
        of(self.own).or_else(|| of(self.pods))
    }

    fn powers(&self, powers: &mut Powers<'a>) {
        if self.own.is_some_and(|own| flag(own, "privileged")) {
            powers.add(RightKind::Privileged);
        }
        self.capabilities(powers);
        self.escalation(powers);
        self.user(powers);
        self.profiles(powers);
        self.windows(powers);
    }

    /// With and without the prefix is the same capability to a container runtime.
    fn capabilities(&self, powers: &mut Powers<'a>) {
        let capabilities = self.own.and_then(|own| object(own, "capabilities"));
        let listed = |field| capabilities.map_or(&[][..], |capabilities| list(capabilities, field));
        let name = |capability: &str| {
            let name = capability.to_ascii_uppercase();
            name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
        };
        for added in listed("add").iter().filter_map(Value::as_str) {
            powers.named(RightKind::LinuxCapability, name(added));
        }
        let dropped: Vec<String> = listed("drop")
            .iter()
            .filter_map(Value::as_str)
            .map(name)
            .collect();
        let is_dropped = |one: &str| dropped.iter().any(|dropped| dropped == one);
        if is_dropped("ALL") {
            return;
        }
        for capability in RUNTIMES_CAPABILITIES {
            if !is_dropped(capability) {
                powers.detailed(RightKind::LinuxCapability, "default", capability);
            }
        }
    }

    fn escalation(&self, powers: &mut Powers<'a>) {
        let allowed = self.own.and_then(|own| own.get("allowPrivilegeEscalation"));
        if allowed != Some(&Value::Bool(false)) {
            powers.alike(RightKind::PrivilegeEscalation, "by default");
        }
        if allowed == Some(&Value::Bool(true)) {
            powers.alike(RightKind::PrivilegeEscalation, "in any case");
        }
    }

    fn user(&self, powers: &mut Powers<'a>) {
        let user = self.get("runAsUser").and_then(Value::as_i64);
        let may_be_root = self.get("runAsNonRoot") != Some(&Value::Bool(true));
        // Without a user in the pod the image's one runs, which may be root.
        if user == Some(0) || user.is_none() && may_be_root {
            powers.alike(RightKind::RunAsRoot, "by the image");
        }
        if user == Some(0) {
            powers.alike(RightKind::RunAsRoot, "in any case");
        }
        if self.get("runAsGroup").and_then(Value::as_i64) == Some(0) {
            powers.named(RightKind::Group, "0");
        }
    }

    fn profiles(&self, powers: &mut Powers<'a>) {
        let profile = |field| self.get(field).and_then(Value::as_object);
        let allowed = |powers: &mut Powers<'a>, wall: &'static str, by: &[&'static str]| {
            for by in by {
                powers.detailed(RightKind::Unconfined, wall, *by);
            }
        };
        let local = |powers: &mut Powers<'a>, wall: &str, profile: &Object| {
            let name = text(profile, "localhostProfile").unwrap_or_default();
            powers.named(RightKind::Unconfined, format!("{wall} localhost/{name}"));
        };
        // Without a profile a runtime confines by AppArmor and, unless a kubelet is told to, not by seccomp.
        let seccomp = profile("seccompProfile").map(|profile| (text(profile, "type"), profile));
        match seccomp {
            Some((Some("Localhost"), profile)) => local(powers, "seccomp", profile),
            Some((Some("RuntimeDefault"), _)) => allowed(powers, "seccomp", &["default"]),
            None => allowed(powers, "seccomp", &["default", "kubelet"]),
            Some(_) => allowed(powers, "seccomp", &["default", "kubelet", "none"]),
        }
        let apparmor = profile("appArmorProfile").map(|profile| (text(profile, "type"), profile));
        match apparmor {
            Some((Some("Localhost"), profile)) => local(powers, "apparmor", profile),
            Some((Some("RuntimeDefault"), _)) | None => allowed(powers, "apparmor", &["default"]),
            Some(_) => allowed(powers, "apparmor", &["default", "none"]),
        }
        if self.own.and_then(|own| text(own, "procMount")) == Some("Unmasked") {
            powers.named(RightKind::Unconfined, "proc");
        }
        for (field, value) in profile("seLinuxOptions").into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            powers.named(RightKind::Unconfined, format!("selinux {field} {value}"));
        }
    }

    /// Windows options are joined field by field.
    fn windows(&self, powers: &mut Powers<'a>) {
        let of = |context: Option<&'a Object>| context.and_then(|context| object(context, "windowsOptions"));
        let (own, pods) = (of(self.own), of(self.pods));
        let get = |field: &str| {
            let own = own.and_then(|own| own.get(field));
            own.or_else(|| pods.and_then(|pods| pods.get(field)))
        };
        if get("hostProcess") == Some(&Value::Bool(true)) {
            powers.add(RightKind::HostProcess);
        }
        if let Some(user) = get("runAsUserName").and_then(Value::as_str) {
            powers.named(RightKind::RunAsRoot, user);
        }
        for field in ["gmsaCredentialSpecName", "gmsaCredentialSpec"] {
            if let Some(value) = get(field).and_then(Value::as_str) {
                powers.named(RightKind::WindowsCredential, value);
            }
        }
    }
}

/// The capabilities that containerd and Docker give to a container that drops none.
///
/// Source: `defaultUnixCaps` in containerd's pkg/oci/spec.go.
const RUNTIMES_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn are_equal(one: &Object, other: &Object) -> bool {
        let (spec, volumes) = (Object::new(), Volumes::default());
        let pod_context = PodContext {
            spec: &spec,
            volumes: &volumes,
            read_only: &HashSet::new(),
        };
        let powers = |container| container_powers(container, ContainerKind::Ephemeral, pod_context);
        let beyond = |one, other| powers(one).beyond(&[&powers(other)]);
        beyond(one, other).is_empty() && beyond(other, one).is_empty()
    }

    #[test]
    fn fields_without_powers_make_no_difference_and_all_others_are_looked_at() {
        let plain = json!({"name": "dbg", "securityContext": {"runAsNonRoot": true}});
        let plain = plain.as_object().unwrap();
        for field in POWERLESS {
            for value in [
                json!("x"),
                json!(["x"]),
                json!(true),
                json!({"secretRef": {"name": "s"}}),
            ] {
                let mut other = plain.clone();
                other.insert(field.into(), value);
                assert!(
                    has_same_powers(&other, plain) && has_same_powers(plain, &other),
                    "{field}"
                );
                assert!(are_equal(&other, plain), "{field} is looked at");
            }
        }
        for (field, value) in [
            ("envFrom", json!([{"secretRef": {"name": "s"}}])),
            ("securityContext", json!({"privileged": true})),
            ("securityContext", json!({})),
            ("unheard", json!(1)),
        ] {
            let mut other = plain.clone();
            other.insert(field.into(), value);
            assert!(
                !has_same_powers(&other, plain) && !has_same_powers(plain, &other),
                "{field}"
            );
        }
        let mut without = plain.clone();
        without.remove("securityContext");
        assert!(!has_same_powers(&without, plain) && !has_same_powers(plain, &without));
    }
}
