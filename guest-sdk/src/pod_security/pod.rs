//! Checks of the pod itself: annotations, host namespaces, volumes and sysctls. Containers are checked in `container.rs`, fields
//! that pod and containers have in common in `shared.rs`.

use super::{
    Level,
    controls::{APP_ARMOR, HOST_NAMESPACES, HOST_PATH_VOLUMES, SYSCTLS, VOLUME_TYPES},
    message::{Owner, Quoted, only},
    review::Review,
    spot::Spot,
};
use crate::pod::ContainerKind;

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

/// The annotations for AppArmor profiles, from before there was a field.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

impl Review {
    pub(super) fn metadata(&mut self, metadata: &Spot<'_>) {
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

    pub(super) fn spec(&mut self, spec: &Spot<'_>) {
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
            self.report(control, level, &source, Owner::Pod, || {
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
                self.report(SYSCTLS, Level::Baseline, &name, Owner::Pod, || {
                    format!("the pod sets the sysctl {}; {allowed}", name.shown())
                });
            }
        }
        self.shared_context(context, Owner::Pod);
        self.pod_sets_seccomp = !context.field("seccompProfile").is_absent();
        self.pod_sets_non_root = !context.field("runAsNonRoot").is_absent();
    }
}
