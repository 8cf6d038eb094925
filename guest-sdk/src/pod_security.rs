//! The Pod Security Standards of Kubernetes 1.37: which level a pod passes, and what keeps it from a stricter one.
//!
//! [`violations`] judges a pod as the API server does in a namespace with `enforce-version: v1.37`, init, regular and
//! ephemeral containers alike. Null is the same as nothing, and a volume without a source is an `emptyDir`.
//!
//! Left out is whatever else the API server decides: whether the pod is valid, and whom its configuration exempts. A
//! document that it would not take is judged strictly: a value of the wrong type, a second source beside a volume's
//! first, and a kind of volume that 1.37 does not know are violations. Not reported are the host
//! ports that the API server itself writes into pods with `hostNetwork`: such pods are refused already.
//!
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>, checked against kube-apiserver 1.37.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Diagnostic, Severity,
    diagnostic::pointer,
    names,
    pod::{ContainerKind, Object},
};

/// A level of the Pod Security Standards. The stricter is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Forbids nothing.
    Privileged,
    /// Forbids the known ways to gain privileges.
    Baseline,
    /// Asks for hardening as well.
    Restricted,
}

impl Level {
    /// All levels, from the least to the most strict.
    pub const ALL: [Self; 3] = [Self::Privileged, Self::Baseline, Self::Restricted];

    /// The name in the labels of namespaces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }

    /// Finds a level by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// The names in [`Violation::control`]: the controls of the standards, and `malformed` for a value of the wrong type.
pub const CONTROLS: [&str; 17] = [
    MALFORMED,
    HOST_PROCESS,
    HOST_NAMESPACES,
    PRIVILEGED_CONTAINERS,
    CAPABILITIES,
    HOST_PATH_VOLUMES,
    HOST_PORTS,
    HOST_PROBES,
    APP_ARMOR,
    SELINUX,
    PROC_MOUNT,
    SECCOMP,
    SYSCTLS,
    VOLUME_TYPES,
    PRIVILEGE_ESCALATION,
    RUN_AS_NON_ROOT,
    RUN_AS_USER,
];

const MALFORMED: &str = "malformed";
const HOST_PROCESS: &str = "host-process";
const HOST_NAMESPACES: &str = "host-namespaces";
const PRIVILEGED_CONTAINERS: &str = "privileged-containers";
const CAPABILITIES: &str = "capabilities";
const HOST_PATH_VOLUMES: &str = "host-path-volumes";
const HOST_PORTS: &str = "host-ports";
const HOST_PROBES: &str = "host-probes";
const APP_ARMOR: &str = "app-armor";
const SELINUX: &str = "selinux";
const PROC_MOUNT: &str = "proc-mount";
const SECCOMP: &str = "seccomp";
const SYSCTLS: &str = "sysctls";
const VOLUME_TYPES: &str = "volume-types";
const PRIVILEGE_ESCALATION: &str = "privilege-escalation";
const RUN_AS_NON_ROOT: &str = "run-as-non-root";
const RUN_AS_USER: &str = "run-as-user";

/// The Linux capabilities that a container may add at [`Level::Baseline`].
pub const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    NET_BIND_SERVICE,
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The only Linux capability that a container may add at [`Level::Restricted`].
const NET_BIND_SERVICE: &str = "NET_BIND_SERVICE";

/// The kinds of volume that [`Level::Restricted`] allows.
pub const RESTRICTED_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

const SAFE_SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

const SELINUX_TYPES: [&str; 4] = [
    "container_engine_t",
    "container_init_t",
    "container_kvm_t",
    "container_t",
];

const PROFILE_TYPES: [&str; 2] = ["Localhost", "RuntimeDefault"];

/// Annotations by which AppArmor profiles were set before there was a field.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

const FALSE_OR_NOTHING: &str = "only false or nothing is allowed";

/// One thing in a pod that a level forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which control of the standards: one of [`CONTROLS`].
    pub control: &'static str,
    /// The least strict level that forbids it.
    pub level: Level,
    /// Where, as an RFC 6901 pointer from the pod. Where a field is missing, the place at which it should be.
    pub at: String,
    /// One sentence that says what is set and what would be allowed.
    pub message: String,
}

impl Violation {
    /// Makes a diagnostic of it, with the place as seen from the document in which the pod stands at `pod_at`, itself
    /// an RFC 6901 pointer.
    pub fn into_diagnostic(self, severity: Severity, pod_at: &str) -> Diagnostic {
        Diagnostic::new(severity, self.control, self.message).at_pointer(format!("{pod_at}{}", self.at))
    }
}

/// Finds all that a level forbids in a pod, in the order of the pod's fields.
///
/// ```
/// use trocar_sdk::pod_security::{Level, violations};
/// let pod = serde_json::json!({"spec": {"hostPID": true, "containers": [{"name": "app"}]}});
/// let found = violations(pod.as_object().unwrap(), Level::Baseline);
/// assert_eq!(found[0].control, "host-namespaces");
/// assert_eq!(found[0].at, "/spec/hostPID");
/// assert_eq!(found[0].message, "the pod sets hostPID to true; only false or nothing is allowed");
/// ```
pub fn violations(pod: &Object, level: Level) -> Vec<Violation> {
    if level == Level::Privileged {
        return Vec::new();
    }
    let metadata = Spot::top(pod, "metadata");
    let spec = Spot::top(pod, "spec");
    let mut review = Review {
        level,
        is_windows: spec.field("os").field("name").text() == Some("windows"),
        has_user_namespace: spec.field("hostUsers").is(&Value::Bool(false)),
        pod_sets_non_root: false,
        pod_sets_seccomp: false,
        found: Vec::new(),
    };
    review.metadata(&metadata);
    review.spec(&spec);
    review.found
}

/// The strictest level that a pod passes.
pub fn level_of(pod: &Object) -> Level {
    let found = violations(pod, Level::Restricted);
    if found.is_empty() {
        Level::Restricted
    } else if found.iter().all(|violation| violation.level == Level::Restricted) {
        Level::Baseline
    } else {
        Level::Privileged
    }
}

/// A place in the pod and what is there. What is absent has a place as well: where it would be.
#[derive(Clone, Copy)]
struct Spot<'a> {
    value: Option<&'a Value>,
    part: Part<'a>,
    parent: Option<&'a Self>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Field(&'a str),
    Index(usize),
}

impl<'a> Spot<'a> {
    fn new(value: Option<&'a Value>, part: Part<'a>, parent: Option<&'a Self>) -> Self {
        Self {
            value: value.filter(|value| !value.is_null()),
            part,
            parent,
        }
    }

    fn top(document: &'a Object, name: &'a str) -> Self {
        Self::new(document.get(name), Part::Field(name), None)
    }

    fn field<'s>(&'s self, name: &'s str) -> Spot<'s> {
        let value = self.value.and_then(|value| value.get(name));
        Spot::new(value, Part::Field(name), Some(self))
    }

    fn fields<'s>(&'s self) -> impl Iterator<Item = (&'s str, Spot<'s>)> {
        let fields = self.value.and_then(Value::as_object).into_iter().flatten();
        fields.map(|(name, value)| {
            (
                name.as_str(),
                Spot::new(Some(value), Part::Field(name), Some(self)),
            )
        })
    }

    fn items<'s>(&'s self) -> impl Iterator<Item = Spot<'s>> {
        let items = self.value.and_then(Value::as_array).into_iter().flatten();
        items
            .enumerate()
            .map(|(index, value)| Spot::new(Some(value), Part::Index(index), Some(self)))
    }

    fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    fn is(&self, wanted: &Value) -> bool {
        self.value == Some(wanted)
    }

    fn text(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    /// A text that is absent is empty, for the API server as well; of another type it is none.
    fn text_or_empty(&self) -> Option<&'a str> {
        if self.is_absent() { Some("") } else { self.text() }
    }

    fn is_text_or_absent(&self) -> bool {
        self.text_or_empty().is_some()
    }

    fn shown(&self) -> Shown<'a> {
        Shown(self.value.unwrap_or(&Value::Null))
    }

    fn is_one_of(&self, allowed: &[&str]) -> bool {
        self.text().is_some_and(|text| allowed.contains(&text))
    }

    fn number(&self) -> Option<i64> {
        self.value.and_then(Value::as_i64)
    }

    fn pointer(&self) -> String {
        let mut parts = Vec::new();
        let mut next = Some(self);
        while let Some(spot) = next {
            parts.push(match spot.part {
                Part::Field(name) => name.to_owned(),
                Part::Index(index) => index.to_string(),
            });
            next = spot.parent;
        }
        pointer(parts.iter().rev())
    }
}

/// Whose field it is, as messages name it.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Pod,
    Container(ContainerKind, &'a str),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Pod => return out.write_str("the pod"),
            Self::Container(ContainerKind::Init, name) => ("init container", name),
            Self::Container(ContainerKind::Regular, name) => ("container", name),
            Self::Container(ContainerKind::Ephemeral, name) => ("ephemeral container", name),
        };
        write!(out, "{kind} {}", Quoted(name))
    }
}

/// Text of the pod in a message: quoted, without control characters, and no longer than people read.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: usize = 80;
        match self.0.char_indices().nth(LETTERS) {
            Some((end, _)) => write!(out, "{:?}…", &self.0[..end]),
            None => write!(out, "{:?}", self.0),
        }
    }
}

/// A value of the pod in a message.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => Quoted(text).fmt(out),
            Value::Array(_) => out.write_str("a list"),
            Value::Object(_) => out.write_str("an object"),
            plain => plain.fmt(out),
        }
    }
}

/// `only "a" is allowed`, `only "a" and "b" are allowed`.
fn only(allowed: &[&str]) -> String {
    let verb = if allowed.len() == 1 { "is" } else { "are" };
    format!("only {} {verb} allowed", names::list(allowed.iter().copied()))
}

/// One judgement of one pod.
struct Review {
    level: Level,
    is_windows: bool,
    /// Root in such a pod is nobody on the node, which some controls take into account.
    has_user_namespace: bool,
    /// The pod says it for its containers, rightly or wrongly.
    pod_sets_non_root: bool,
    pod_sets_seccomp: bool,
    found: Vec<Violation>,
}

impl Review {
    fn metadata(&mut self, metadata: &Spot<'_>) {
        self.expect_object(metadata);
        let annotations = self.object(metadata, "annotations");
        for (name, annotation) in annotations.fields() {
            let is_allowed = |profile: &str| {
                profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/")
            };
            if name.starts_with(APP_ARMOR_ANNOTATION) && !annotation.text_or_empty().is_some_and(is_allowed) {
                let field = format!("the annotation {}", Quoted(name));
                let allowed = r#"only "runtime/default" and "localhost/…" are allowed"#;
                self.refuse(
                    APP_ARMOR,
                    Level::Baseline,
                    &annotation,
                    Owner::Pod,
                    &field,
                    allowed,
                );
            }
        }
    }

    fn spec(&mut self, spec: &Spot<'_>) {
        self.expect_object(spec);
        for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
            self.must_be_off(HOST_NAMESPACES, &spec.field(namespace), Owner::Pod, namespace);
        }
        for volume in self.list(spec, "volumes").items() {
            self.volume(&volume);
        }
        let context = self.object(spec, "securityContext");
        self.pod_context(&context);
        for kind in ContainerKind::ALL {
            for container in self.list(spec, kind.field()).items() {
                self.container(kind, &container);
            }
        }
    }

    fn volume(&mut self, volume: &Spot<'_>) {
        self.expect_object(volume);
        let name = volume.field("name").text().unwrap_or_default();
        for (kind, source) in volume.fields() {
            if kind == "name" || source.is_absent() {
                continue;
            }
            if RESTRICTED_VOLUMES.contains(&kind) {
                self.expect_object(&source);
                continue;
            }
            let (control, level) = match kind {
                "hostPath" => (HOST_PATH_VOLUMES, Level::Baseline),
                _ => (VOLUME_TYPES, Level::Restricted),
            };
            let allowed = match self.level {
                Level::Restricted => only(&RESTRICTED_VOLUMES),
                _ => "any other kind is allowed".to_owned(),
            };
            let (name, kind) = (Quoted(name), Quoted(kind));
            self.report(control, level, &source, || {
                format!("the volume {name} is of kind {kind}; {allowed}")
            });
        }
    }

    fn pod_context(&mut self, context: &Spot<'_>) {
        for sysctl in self.list(context, "sysctls").items() {
            self.expect_object(&sysctl);
            let name = sysctl.field("name");
            if !name.is_one_of(&SAFE_SYSCTLS) {
                let allowed = only(&SAFE_SYSCTLS);
                self.report(SYSCTLS, Level::Baseline, &name, || {
                    format!("the pod sets the sysctl {}; {allowed}", name.shown())
                });
            }
        }
        self.shared_context(context, Owner::Pod);
        self.pod_sets_seccomp = !context.field("seccompProfile").is_absent();
        self.pod_sets_non_root = !context.field("runAsNonRoot").is_absent();
    }

    fn container(&mut self, kind: ContainerKind, container: &Spot<'_>) {
        self.expect_object(container);
        let owner = Owner::Container(kind, container.field("name").text().unwrap_or_default());
        for port in self.list(container, "ports").items() {
            self.expect_object(&port);
            let host_port = port.field("hostPort");
            if !host_port.is_absent() && host_port.number() != Some(0) {
                let allowed = "only 0 or nothing is allowed";
                self.refuse(
                    HOST_PORTS,
                    Level::Baseline,
                    &host_port,
                    owner,
                    "hostPort",
                    allowed,
                );
            }
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let handler = self.object(container, probe);
            self.handler(&handler, owner, probe);
        }
        let lifecycle = self.object(container, "lifecycle");
        for hook in ["postStart", "preStop"] {
            let handler = self.object(&lifecycle, hook);
            self.handler(&handler, owner, hook);
        }
        let context = self.object(container, "securityContext");
        self.container_context(&context, owner);
    }

    /// A probe or a hook could make the kubelet call another host than the pod.
    fn handler(&mut self, handler: &Spot<'_>, owner: Owner<'_>, name: &str) {
        for action in ["httpGet", "tcpSocket"] {
            let target = self.object(handler, action);
            let host = target.field("host");
            if host.text_or_empty() != Some("") {
                let field = format!("{name}.{action}.host");
                let allowed = "only an empty text or nothing is allowed";
                self.refuse(HOST_PROBES, Level::Baseline, &host, owner, &field, allowed);
            }
        }
    }

    fn container_context(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        self.must_be_off(
            PRIVILEGED_CONTAINERS,
            &context.field("privileged"),
            owner,
            "privileged",
        );
        self.proc_mount(&context.field("procMount"), owner);
        self.capabilities(context, owner);
        self.shared_context(context, owner);
        self.what_is_required(context, owner);
    }

    fn proc_mount(&mut self, proc_mount: &Spot<'_>, owner: Owner<'_>) {
        let level = match self.has_user_namespace && proc_mount.is_text_or_absent() {
            true => Level::Restricted,
            false => Level::Baseline,
        };
        if !proc_mount.is_absent() && !proc_mount.is_one_of(&["Default"]) {
            let allowed = r#"only "Default" or nothing is allowed"#;
            self.refuse(PROC_MOUNT, level, proc_mount, owner, "procMount", allowed);
        }
    }

    fn capabilities(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        let capabilities = self.object(context, "capabilities");
        for added in self.list(&capabilities, "add").items() {
            if added.is_one_of(&[NET_BIND_SERVICE]) {
                continue;
            }
            let level = match added.is_one_of(&BASELINE_CAPABILITIES) {
                true => Level::Restricted,
                false => Level::Baseline,
            };
            let allowed: &[&str] = match self.level {
                Level::Restricted => &[NET_BIND_SERVICE],
                _ => &BASELINE_CAPABILITIES,
            };
            self.report(CAPABILITIES, level, &added, || {
                format!(
                    "{owner} adds the Linux capability {}; {}",
                    added.shown(),
                    only(allowed)
                )
            });
        }
        let dropped = self.list(&capabilities, "drop");
        let drops_all = dropped.items().any(|name| name.is_one_of(&["ALL"]));
        let is_malformed = dropped.items().any(|name| !name.is_text_or_absent());
        if is_malformed || (!drops_all && !self.is_windows) {
            self.report(CAPABILITIES, Level::Restricted, &dropped, || {
                format!(r#"{owner} does not drop all Linux capabilities; capabilities.drop must hold "ALL""#)
            });
        }
    }

    /// What can be set for the pod and for each container.
    fn shared_context(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        for (field, control) in [("seccompProfile", SECCOMP), ("appArmorProfile", APP_ARMOR)] {
            let profile = self.object(context, field);
            let kind = profile.field("type");
            if !profile.is_absent() && !kind.is_one_of(&PROFILE_TYPES) {
                let field = format!("{field}.type");
                let allowed = only(&PROFILE_TYPES);
                self.refuse(control, Level::Baseline, &kind, owner, &field, &allowed);
            }
        }
        let selinux = self.object(context, "seLinuxOptions");
        self.selinux_options(&selinux, owner);
        let windows = self.object(context, "windowsOptions");
        let host_process = windows.field("hostProcess");
        self.must_be_off(HOST_PROCESS, &host_process, owner, "windowsOptions.hostProcess");
        self.user(context, owner);
    }

    fn selinux_options(&mut self, options: &Spot<'_>, owner: Owner<'_>) {
        for field in ["type", "user", "role"] {
            let option = options.field(field);
            let is_known_type = field == "type" && option.is_one_of(&SELINUX_TYPES);
            if is_known_type || option.text_or_empty() == Some("") {
                continue;
            }
            let allowed = match field {
                "type" => only(&SELINUX_TYPES),
                _ => "it must not be set".to_owned(),
            };
            let field = format!("seLinuxOptions.{field}");
            self.refuse(SELINUX, Level::Baseline, &option, owner, &field, &allowed);
        }
    }

    fn user(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        let user = context.field("runAsUser");
        let may_be_root = self.has_user_namespace;
        if !user.is_absent() && user.number().is_none_or(|number| number == 0 && !may_be_root) {
            let allowed = "any other number or nothing is allowed";
            self.refuse(RUN_AS_USER, Level::Restricted, &user, owner, "runAsUser", allowed);
        }
        let non_root = context.field("runAsNonRoot");
        let is_allowed = match non_root.value {
            None | Some(Value::Bool(true)) => true,
            Some(Value::Bool(false)) => self.has_user_namespace,
            Some(_) => false,
        };
        if !is_allowed {
            let (level, field) = (Level::Restricted, "runAsNonRoot");
            self.refuse(
                RUN_AS_NON_ROOT,
                level,
                &non_root,
                owner,
                field,
                "only true is allowed",
            );
        }
    }

    /// What a container must set, unless the pod sets it for all.
    fn what_is_required(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        let non_root = context.field("runAsNonRoot");
        if non_root.is_absent() && !self.pod_sets_non_root && !self.has_user_namespace {
            self.report(RUN_AS_NON_ROOT, Level::Restricted, &non_root, || {
                format!("neither {owner} nor the pod sets runAsNonRoot; it must be true")
            });
        }
        let escalation = context.field("allowPrivilegeEscalation");
        let is_left_out = escalation.is_absent() && self.is_windows;
        if !escalation.is(&Value::Bool(false)) && !is_left_out {
            let (level, field) = (Level::Restricted, "allowPrivilegeEscalation");
            self.refuse(
                PRIVILEGE_ESCALATION,
                level,
                &escalation,
                owner,
                field,
                "only false is allowed",
            );
        }
        let seccomp = context.field("seccompProfile");
        if seccomp.is_absent() && !self.pod_sets_seccomp && !self.is_windows {
            self.report(SECCOMP, Level::Restricted, &seccomp.field("type"), || {
                let allowed = only(&PROFILE_TYPES);
                format!("neither {owner} nor the pod sets seccompProfile.type; {allowed}")
            });
        }
    }

    /// A member that must be an object where it is there at all.
    fn object<'s>(&mut self, parent: &'s Spot<'s>, name: &'s str) -> Spot<'s> {
        let spot = parent.field(name);
        self.expect_object(&spot);
        spot
    }

    fn expect_object(&mut self, spot: &Spot<'_>) {
        self.expect(spot, Value::is_object, "an object");
    }

    /// A member that must be a list where it is there at all.
    fn list<'s>(&mut self, parent: &'s Spot<'s>, name: &'s str) -> Spot<'s> {
        let spot = parent.field(name);
        self.expect(&spot, Value::is_array, "a list");
        spot
    }

    fn expect(&mut self, spot: &Spot<'_>, is_right: fn(&Value) -> bool, wanted: &str) {
        if let Some(value) = spot.value.filter(|value| !is_right(value)) {
            self.report(MALFORMED, Level::Baseline, spot, || {
                format!(
                    "{} stands where only {wanted} or nothing is allowed",
                    Shown(value)
                )
            });
        }
    }

    fn must_be_off(&mut self, control: &'static str, spot: &Spot<'_>, owner: Owner<'_>, field: &str) {
        if !spot.is_absent() && !spot.is(&Value::Bool(false)) {
            self.refuse(control, Level::Baseline, spot, owner, field, FALSE_OR_NOTHING);
        }
    }

    /// Reports a field that holds something else than what is allowed.
    fn refuse(
        &mut self,
        control: &'static str,
        level: Level,
        spot: &Spot<'_>,
        owner: Owner<'_>,
        field: &str,
        allowed: &str,
    ) {
        self.report(control, level, spot, || match spot.value {
            Some(value) => format!("{owner} sets {field} to {}; {allowed}", Shown(value)),
            None => format!("{owner} does not set {field}; {allowed}"),
        });
    }

    fn report(
        &mut self,
        control: &'static str,
        level: Level,
        spot: &Spot<'_>,
        message: impl FnOnce() -> String,
    ) {
        if level <= self.level {
            self.found.push(Violation {
                control,
                level,
                at: spot.pointer(),
                message: message(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pod that passes `restricted`, with a container of each kind.
    fn hardened_pod() -> Value {
        let container = json!({
            "name": "app",
            "image": "busybox:1.36",
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        });
        json!({
            "metadata": {"name": "web"},
            "spec": {
                "containers": [container.clone()],
                "initContainers": [container.clone()],
                "ephemeralContainers": [container],
            },
        })
    }

    /// Puts a value at a pointer; null takes away what is there.
    fn set(pod: &mut Value, at: &str, value: Value) {
        let mut spot = pod;
        for part in at.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            if let Ok(index) = part.parse::<usize>() {
                if spot.is_null() {
                    *spot = json!([]);
                }
                let items = spot.as_array_mut().unwrap();
                items.resize(items.len().max(index + 1), json!({}));
                spot = &mut items[index];
            } else {
                spot = &mut spot[part];
            }
        }
        *spot = value;
    }

    fn pod_with(changes: &[(&str, Value)]) -> Object {
        let mut pod = hardened_pod();
        for (at, value) in changes {
            set(&mut pod, at, value.clone());
        }
        pod.as_object().unwrap().clone()
    }

    fn found(pod: &Object, level: Level) -> Vec<(&'static str, Level, String)> {
        let found = violations(pod, level).into_iter();
        found
            .map(|violation| (violation.control, violation.level, violation.at))
            .collect()
    }

    /// One field of a pod: what is forbidden there, from which level on, and what is allowed.
    struct Case {
        control: &'static str,
        level: Level,
        at: String,
        forbidden: Vec<Value>,
        allowed: Vec<Value>,
    }

    impl Case {
        fn baseline(control: &'static str, at: &str) -> Self {
            Self {
                control,
                level: Level::Baseline,
                at: at.to_owned(),
                forbidden: Vec::new(),
                allowed: Vec::new(),
            }
        }

        fn restricted(control: &'static str, at: &str) -> Self {
            Self {
                level: Level::Restricted,
                ..Self::baseline(control, at)
            }
        }

        fn forbids<const N: usize>(mut self, values: [Value; N]) -> Self {
            self.forbidden.extend(values);
            self
        }

        fn allows<const N: usize>(mut self, values: [Value; N]) -> Self {
            self.allowed.extend(values);
            self
        }

        fn within(&self, parent: &str) -> Self {
            Self {
                at: format!("{parent}{}", self.at),
                forbidden: self.forbidden.clone(),
                allowed: self.allowed.clone(),
                ..*self
            }
        }
    }

    const NULL: Value = Value::Null;

    fn pod_cases() -> Vec<Case> {
        let annotation = "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app";
        let mut cases = vec![
            Case::baseline(APP_ARMOR, annotation)
                .forbids([json!("unconfined"), json!("runtime/other"), json!("localhost")])
                .allows([
                    json!(""),
                    json!("runtime/default"),
                    json!("localhost/strict"),
                    NULL,
                ]),
            Case::baseline(HOST_PATH_VOLUMES, "/spec/volumes/0/hostPath")
                .forbids([json!({"path": "/"}), json!({})])
                .allows([NULL]),
            Case::baseline(SYSCTLS, "/spec/securityContext/sysctls/0/name")
                .forbids([
                    json!("kernel.msgmax"),
                    json!("net/ipv4/tcp_rmem"),
                    json!(""),
                    NULL,
                ])
                .allows(
                    [
                        "kernel.shm_rmid_forced",
                        "net.ipv4.ip_local_port_range",
                        "net.ipv4.ip_local_reserved_ports",
                        "net.ipv4.ip_unprivileged_port_start",
                        "net.ipv4.ping_group_range",
                        "net.ipv4.tcp_fin_timeout",
                        "net.ipv4.tcp_keepalive_intvl",
                        "net.ipv4.tcp_keepalive_probes",
                        "net.ipv4.tcp_keepalive_time",
                        "net.ipv4.tcp_notsent_lowat",
                        "net.ipv4.tcp_rmem",
                        "net.ipv4.tcp_slow_start_after_idle",
                        "net.ipv4.tcp_syncookies",
                        "net.ipv4.tcp_wmem",
                    ]
                    .map(|name| json!(name)),
                ),
        ];
        for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
            let case = Case::baseline(HOST_NAMESPACES, &format!("/spec/{namespace}"));
            cases.push(case.forbids([json!(true)]).allows([json!(false), NULL]));
        }
        for kind in [
            "nfs",
            "iscsi",
            "gitRepo",
            "flexVolume",
            "rbd",
            "portworxVolume",
            "unknown",
        ] {
            let case = Case::restricted(VOLUME_TYPES, &format!("/spec/volumes/0/{kind}"));
            cases.push(case.forbids([json!({})]).allows([NULL]));
        }
        cases
    }

    /// What stands in the security context of the pod and in those of containers alike.
    fn shared_cases() -> Vec<Case> {
        let mut cases = vec![
            Case::baseline(HOST_PROCESS, "/securityContext/windowsOptions/hostProcess")
                .forbids([json!(true)])
                .allows([json!(false), NULL]),
            Case::baseline(SELINUX, "/securityContext/seLinuxOptions/type")
                .forbids([json!("spc_t"), json!("container_t ")])
                .allows([json!("container_t"), json!("container_init_t")])
                .allows([json!("container_kvm_t"), json!("container_engine_t")])
                .allows([json!(""), NULL]),
            Case::restricted(RUN_AS_USER, "/securityContext/runAsUser")
                .forbids([json!(0), json!(1.5), json!(u64::MAX)])
                .allows([json!(1), json!(65534), NULL]),
            Case::restricted(RUN_AS_NON_ROOT, "/securityContext/runAsNonRoot")
                .forbids([json!(false)])
                .allows([json!(true)]),
        ];
        for field in ["user", "role"] {
            let case = Case::baseline(SELINUX, &format!("/securityContext/seLinuxOptions/{field}"));
            cases.push(case.forbids([json!("system_u")]).allows([json!(""), NULL]));
        }
        for (control, field) in [(SECCOMP, "seccompProfile"), (APP_ARMOR, "appArmorProfile")] {
            let case = Case::baseline(control, &format!("/securityContext/{field}/type")).forbids([
                json!("Unconfined"),
                json!("runtimeDefault"),
                json!(""),
                NULL,
            ]);
            cases.push(case.allows([json!("RuntimeDefault"), json!("Localhost")]));
        }
        cases
    }

    fn container_cases() -> Vec<Case> {
        let added = "/securityContext/capabilities/add/0";
        let escalation = "/securityContext/allowPrivilegeEscalation";
        let mut cases = vec![
            Case::baseline(HOST_PORTS, "/ports/1/hostPort")
                .forbids([json!(80), json!(-1), json!(0.5)])
                .allows([json!(0), NULL]),
            Case::baseline(PRIVILEGED_CONTAINERS, "/securityContext/privileged")
                .forbids([json!(true)])
                .allows([json!(false), NULL]),
            Case::baseline(PROC_MOUNT, "/securityContext/procMount")
                .forbids([json!("Unmasked"), json!("")])
                .allows([json!("Default"), NULL]),
            Case::baseline(CAPABILITIES, added)
                .forbids(["SYS_ADMIN", "NET_RAW", "CAP_CHOWN", "chown", "ALL", ""].map(|name| json!(name)))
                .forbids([NULL])
                .allows([json!("NET_BIND_SERVICE")]),
            Case::restricted(CAPABILITIES, "/securityContext/capabilities/drop")
                .forbids([
                    json!(["all"]),
                    json!(["NET_RAW"]),
                    json!([]),
                    json!(["ALL", 7]),
                    NULL,
                ])
                .allows([json!(["ALL"]), json!(["NET_RAW", "ALL"])]),
            Case::restricted(PRIVILEGE_ESCALATION, escalation)
                .forbids([json!(true), NULL])
                .allows([json!(false)]),
            Case::restricted(RUN_AS_NON_ROOT, "/securityContext/runAsNonRoot")
                .forbids([NULL])
                .allows([json!(true)]),
        ];
        let of_containers_by_default = "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD SETFCAP SETGID \
                                        SETPCAP SETUID SYS_CHROOT";
        for capability in of_containers_by_default.split(' ') {
            let case = Case::restricted(CAPABILITIES, added).forbids([json!(capability)]);
            cases.push(case.allows([json!("NET_BIND_SERVICE")]));
        }
        for handler in [
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle/postStart",
            "lifecycle/preStop",
        ] {
            for action in ["httpGet", "tcpSocket"] {
                let case = Case::baseline(HOST_PROBES, &format!("/{handler}/{action}/host"));
                cases.push(
                    case.forbids([json!("169.254.169.254"), json!(" ")])
                        .allows([json!(""), NULL]),
                );
            }
        }
        cases
    }

    /// Every case with its place in the pod; those of containers once for every kind of container.
    fn cases() -> Vec<Case> {
        let mut cases = pod_cases();
        cases.extend(shared_cases().iter().map(|case| case.within("/spec")));
        for kind in ContainerKind::ALL {
            let container = format!("/spec/{}/0", kind.field());
            let own = shared_cases().into_iter().chain(container_cases());
            cases.extend(own.map(|case| case.within(&container)));
        }
        cases
    }

    #[test]
    fn every_control_refuses_and_allows_what_the_standards_say() {
        for case in cases() {
            let Case {
                control, level, at, ..
            } = &case;
            for value in &case.forbidden {
                let pod = pod_with(&[(at, value.clone())]);
                let wanted = vec![(*control, *level, at.clone())];
                assert_eq!(found(&pod, Level::Restricted), wanted, "{at}: {value}");
                let (at_baseline, passed) = match level {
                    Level::Restricted => (Vec::new(), Level::Baseline),
                    _ => (wanted, Level::Privileged),
                };
                assert_eq!(found(&pod, Level::Baseline), at_baseline, "{at}: {value}");
                assert_eq!(found(&pod, Level::Privileged), [], "{at}: {value}");
                assert_eq!(level_of(&pod), passed, "{at}: {value}");
            }
            for value in &case.allowed {
                let pod = pod_with(&[(at, value.clone())]);
                assert_eq!(found(&pod, Level::Restricted), [], "{at}: {value}");
                assert_eq!(level_of(&pod), Level::Restricted, "{at}: {value}");
            }
        }
    }

    #[test]
    fn every_control_has_both_a_failing_and_a_passing_case() {
        let cases = cases();
        for control in CONTROLS.into_iter().filter(|control| *control != MALFORMED) {
            let mut own = cases.iter().filter(|case| case.control == control).peekable();
            assert!(own.peek().is_some(), "{control}");
            for case in own {
                assert!(
                    !case.forbidden.is_empty() && !case.allowed.is_empty(),
                    "{}",
                    case.at
                );
            }
        }
    }

    fn values_of_every_type() -> [Value; 5] {
        [json!("text"), json!(7), json!(true), json!([7]), json!({"a": 7})]
    }

    fn has_type_of(value: &Value, other: &Value) -> bool {
        std::mem::discriminant(value) == std::mem::discriminant(other)
    }

    #[test]
    fn a_field_of_the_wrong_type_is_a_violation() {
        for case in cases() {
            for wrong in values_of_every_type() {
                let mut known = case.forbidden.iter().chain(&case.allowed);
                if !known.any(|known| has_type_of(known, &wrong)) {
                    let pod = pod_with(&[(&case.at, wrong.clone())]);
                    let found = found(&pod, Level::Restricted);
                    assert!(
                        found.iter().any(|(.., at)| *at == case.at),
                        "{}: {wrong}: {found:?}",
                        case.at
                    );
                }
            }
        }
    }

    #[test]
    fn a_parent_of_the_wrong_type_is_a_violation_from_baseline_on() {
        for case in cases() {
            let whole = Value::Object(pod_with(&[(&case.at, json!({}))]));
            for (end, _) in case.at.match_indices('/').skip(1) {
                let place = &case.at[..end];
                for wrong in values_of_every_type() {
                    if !has_type_of(whole.pointer(place).unwrap(), &wrong) {
                        let pod = pod_with(&[(&case.at, json!({})), (place, wrong.clone())]);
                        let found = found(&pod, Level::Baseline);
                        let wanted = (MALFORMED, Level::Baseline, place.to_owned());
                        assert!(found.contains(&wanted), "{place}: {wrong}: {found:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_shape_of_document_makes_it_panic() {
        let rich = cases().into_iter().map(|case| (case.at, json!({})));
        for (at, _) in rich.chain([("/spec/os".into(), NULL), ("/spec/hostUsers".into(), NULL)]) {
            for (end, _) in at.match_indices('/').skip(1).chain([(at.len(), "")]) {
                for value in
                    values_of_every_type()
                        .into_iter()
                        .chain([NULL, json!([null]), json!([[]]), json!([{}])])
                {
                    let pod = pod_with(&[(&at[..end], value)]);
                    let strict = violations(&pod, Level::Restricted);
                    let of_baseline = strict.iter().filter(|found| found.level == Level::Baseline);
                    let of_baseline: Vec<_> = of_baseline.map(|found| (found.control, &found.at)).collect();
                    let baseline = violations(&pod, Level::Baseline);
                    let baseline: Vec<_> = baseline.iter().map(|found| (found.control, &found.at)).collect();
                    assert_eq!(baseline, of_baseline, "{pod:?}");
                    for violation in strict {
                        assert!(CONTROLS.contains(&violation.control), "{violation:?}");
                        assert!(!violation.message.is_empty(), "{violation:?}");
                    }
                }
            }
        }
        assert_eq!(level_of(&Object::new()), Level::Restricted);
    }

    #[test]
    fn all_kinds_of_volume_that_restricted_allows_pass() {
        let allowed =
            "configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret";
        for kind in allowed.split(' ') {
            let volume = json!({"name": "data", kind: {}});
            assert_eq!(
                level_of(&pod_with(&[("/spec/volumes/0", volume)])),
                Level::Restricted,
                "{kind}"
            );
            let both = json!({"name": "data", kind: {}, "hostPath": {"path": "/"}});
            assert_eq!(
                level_of(&pod_with(&[("/spec/volumes/0", both)])),
                Level::Privileged,
                "{kind}"
            );
        }
        let malformed = json!({"name": "data", "emptyDir": "text"});
        assert_eq!(
            found(&pod_with(&[("/spec/volumes/0", malformed)]), Level::Baseline),
            [(MALFORMED, Level::Baseline, "/spec/volumes/0/emptyDir".to_owned())]
        );
        // The API server makes an emptyDir of it.
        let volume = json!({"name": "data"});
        assert_eq!(
            level_of(&pod_with(&[("/spec/volumes/0", volume)])),
            Level::Restricted
        );
    }

    #[test]
    fn containers_inherit_from_the_pod_what_they_do_not_set() {
        let required = ["runAsNonRoot", "seccompProfile"];
        let of_pod = [
            json!(true),
            json!({"type": "Localhost", "localhostProfile": "a.json"}),
        ];
        for (field, value) in required.into_iter().zip(of_pod) {
            let places =
                ContainerKind::ALL.map(|kind| format!("/spec/{}/0/securityContext/{field}", kind.field()));
            let mut changes: Vec<(&str, Value)> = places.iter().map(|at| (at.as_str(), NULL)).collect();
            assert_eq!(found(&pod_with(&changes), Level::Restricted).len(), 3, "{field}");
            let of_pod = format!("/spec/securityContext/{field}");
            changes.push((&of_pod, value));
            assert_eq!(level_of(&pod_with(&changes)), Level::Restricted, "{field}");
        }
    }

    #[test]
    fn what_the_pod_sets_wrongly_is_reported_once_and_not_again_for_every_container() {
        let pod = pod_with(&[
            ("/spec/securityContext/runAsNonRoot", json!(false)),
            ("/spec/containers/0/securityContext/runAsNonRoot", NULL),
            ("/spec/securityContext/seccompProfile/type", json!("Unconfined")),
            ("/spec/containers/0/securityContext/seccompProfile", NULL),
        ]);
        let found = found(&pod, Level::Restricted);
        let places: Vec<&str> = found.iter().map(|(.., at)| at.as_str()).collect();
        assert_eq!(
            places,
            [
                "/spec/securityContext/seccompProfile/type",
                "/spec/securityContext/runAsNonRoot"
            ]
        );
    }

    #[test]
    fn a_user_namespace_allows_root_and_at_baseline_any_proc_mount() {
        let changes = |host_users: Value| {
            pod_with(&[
                ("/spec/hostUsers", host_users),
                (
                    "/spec/securityContext",
                    json!({"runAsUser": 0, "runAsNonRoot": false}),
                ),
                ("/spec/containers/0/securityContext/runAsUser", json!(0)),
                ("/spec/containers/0/securityContext/runAsNonRoot", NULL),
                (
                    "/spec/initContainers/0/securityContext/runAsNonRoot",
                    json!(false),
                ),
                ("/spec/containers/0/securityContext/procMount", json!("Unmasked")),
            ])
        };
        let at = "/spec/containers/0/securityContext/procMount".to_owned();
        let pod = changes(json!(false));
        assert_eq!(
            found(&pod, Level::Restricted),
            [(PROC_MOUNT, Level::Restricted, at)]
        );
        assert_eq!(level_of(&pod), Level::Baseline);
        let silent = pod_with(&[
            ("/spec/hostUsers", json!(false)),
            ("/spec/containers/0/securityContext/runAsNonRoot", NULL),
        ]);
        assert_eq!(level_of(&silent), Level::Restricted);
        for host_users in [json!(true), NULL, json!("false"), json!(0)] {
            let pod = changes(host_users);
            assert_eq!(found(&pod, Level::Restricted).len(), 5);
            assert_eq!(level_of(&pod), Level::Privileged);
        }
    }

    #[test]
    fn a_windows_pod_needs_no_hardening_that_only_linux_knows() {
        let bare = json!({"name": "app", "image": "busybox:1.36"});
        let changes = |os: Value| {
            pod_with(&[
                ("/spec/os", os),
                ("/spec/securityContext/runAsNonRoot", json!(true)),
                ("/spec/containers/0", bare.clone()),
            ])
        };
        assert_eq!(level_of(&changes(json!({"name": "windows"}))), Level::Restricted);
        for os in [
            json!({"name": "linux"}),
            json!({"name": "Windows"}),
            json!("windows"),
            json!({"name": 7}),
            NULL,
        ] {
            assert_eq!(level_of(&changes(os.clone())), Level::Baseline, "{os}");
            let controls: Vec<&str> = violations(&changes(os), Level::Restricted)
                .iter()
                .map(|found| found.control)
                .collect();
            assert_eq!(controls, [CAPABILITIES, PRIVILEGE_ESCALATION, SECCOMP]);
        }
        // The API server takes no Windows pod that sets them.
        for (at, value, control) in [
            ("allowPrivilegeEscalation", json!(true), PRIVILEGE_ESCALATION),
            ("capabilities/add/0", json!("CHOWN"), CAPABILITIES),
        ] {
            let at = format!("/spec/containers/0/securityContext/{at}");
            let pod = pod_with(&[("/spec/os/name", json!("windows")), (&at, value)]);
            assert_eq!(found(&pod, Level::Restricted), [(control, Level::Restricted, at)]);
        }
        let privileged = pod_with(&[
            ("/spec/os/name", json!("windows")),
            (
                "/spec/containers/0/securityContext/windowsOptions/hostProcess",
                json!(true),
            ),
        ]);
        assert_eq!(level_of(&privileged), Level::Privileged);
    }

    #[test]
    fn messages_say_what_is_set_and_what_would_be_allowed() {
        let message = |level: Level, at: &str, value: Value| {
            let found = violations(&pod_with(&[(at, value)]), level);
            found.into_iter().next().unwrap().message
        };
        let app = "/spec/containers/0/securityContext";
        for (at, value, wanted) in [
            (
                "/capabilities/add/0",
                json!("SYS_PTRACE"),
                r#"container "app" adds the Linux capability "SYS_PTRACE"; only "NET_BIND_SERVICE" is allowed"#,
            ),
            (
                "/runAsNonRoot",
                NULL,
                r#"neither container "app" nor the pod sets runAsNonRoot; it must be true"#,
            ),
            (
                "/seccompProfile",
                NULL,
                r#"neither container "app" nor the pod sets seccompProfile.type; only "Localhost" and "RuntimeDefault" are allowed"#,
            ),
            (
                "/allowPrivilegeEscalation",
                NULL,
                r#"container "app" does not set allowPrivilegeEscalation; only false is allowed"#,
            ),
            (
                "/runAsUser",
                json!(0),
                r#"container "app" sets runAsUser to 0; any other number or nothing is allowed"#,
            ),
        ] {
            assert_eq!(message(Level::Restricted, &format!("{app}{at}"), value), wanted);
        }
        assert_eq!(
            message(
                Level::Restricted,
                "/spec/volumes/0",
                json!({"name": "data", "nfs": {}})
            ),
            r#"the volume "data" is of kind "nfs"; only "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected" and "secret" are allowed"#
        );
        assert_eq!(
            message(
                Level::Baseline,
                "/spec/volumes/0",
                json!({"name": "root", "hostPath": {"path": "/"}})
            ),
            r#"the volume "root" is of kind "hostPath"; any other kind is allowed"#
        );
        assert_eq!(
            message(
                Level::Baseline,
                "/spec/containers/0/securityContext",
                json!(["root"])
            ),
            "a list stands where only an object or nothing is allowed"
        );
    }

    #[test]
    fn text_of_the_pod_cannot_flood_a_message_or_control_the_terminal() {
        let name = format!("\u{1b}[2J\u{202e}{}", "x".repeat(100_000));
        let pod = pod_with(&[("/spec/volumes/0", json!({"name": name, "nfs": {}}))]);
        let message = &violations(&pod, Level::Restricted)[0].message;
        assert!(
            message.starts_with(r#"the volume "\u{1b}[2J\u{202e}xxx"#),
            "{message}"
        );
        assert!(message.len() < 500, "{message}");
    }

    #[test]
    fn a_violation_becomes_a_diagnostic_about_the_document_that_holds_the_pod() {
        let pod = pod_with(&[("/spec/hostIPC", json!(true))]);
        let violation = violations(&pod, Level::Baseline).remove(0);
        let wanted = Diagnostic::error("host-namespaces", violation.message.clone())
            .at_pointer("/steps/0/object/spec/hostIPC");
        assert_eq!(
            violation.into_diagnostic(Severity::Error, "/steps/0/object"),
            wanted
        );
    }

    #[test]
    fn levels_are_ordered_and_known_by_name() {
        assert!(Level::ALL.is_sorted());
        for level in Level::ALL {
            assert_eq!(Level::from_name(level.name()), Some(level));
            assert_eq!(serde_json::to_value(level).unwrap(), json!(level.name()));
        }
        assert_eq!(Level::from_name("Baseline"), None);
    }
}
