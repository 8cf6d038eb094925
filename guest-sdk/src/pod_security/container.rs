//! Checks of each container: ports, probes, hooks, capabilities, and required fields. Fields that the pod can set as well are
//! checked in `shared.rs`.

use serde_json::Value;

use super::{
    Level,
    controls::{
        CAPABILITIES, HOST_PORTS, HOST_PROBES, PRIVILEGE_ESCALATION, PRIVILEGED_CONTAINERS, PROC_MOUNT,
        RUN_AS_NON_ROOT, SECCOMP,
    },
    message::{Owner, only},
    review::Review,
    shared::PROFILE_TYPES,
    spot::Spot,
};
use crate::pod::ContainerKind;

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

impl Review {
    pub(super) fn container(&mut self, kind: ContainerKind, container: &Spot<'_>) {
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

    /// Probes and hooks with a host, by which the kubelet could be made to call another host than the pod.
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
            self.report(CAPABILITIES, level, &added, owner, || {
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
            self.report(CAPABILITIES, Level::Restricted, &dropped, owner, || {
                format!(r#"{owner} does not drop all Linux capabilities; capabilities.drop must hold "ALL""#)
            });
        }
    }

    /// What a container must set, unless the pod sets it for all.
    fn what_is_required(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        let non_root = context.field("runAsNonRoot");
        if non_root.is_absent() && !self.pod_sets_non_root && !self.has_user_namespace {
            self.report(RUN_AS_NON_ROOT, Level::Restricted, &non_root, owner, || {
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
            self.report(SECCOMP, Level::Restricted, &seccomp.field("type"), owner, || {
                let allowed = only(&PROFILE_TYPES);
                format!("neither {owner} nor the pod sets seccompProfile.type; {allowed}")
            });
        }
    }
}
