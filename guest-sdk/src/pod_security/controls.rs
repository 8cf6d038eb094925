//! The names of the controls. The checks are in `pod.rs`, `container.rs` and `shared.rs`.

/// The names in [`Violation::control`](super::Violation::control): the controls of the standards, and `malformed` for a value of the wrong type.
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

pub(super) const MALFORMED: &str = "malformed";
pub(super) const HOST_PROCESS: &str = "host-process";
pub(super) const HOST_NAMESPACES: &str = "host-namespaces";
pub(super) const PRIVILEGED_CONTAINERS: &str = "privileged-containers";
pub(super) const CAPABILITIES: &str = "capabilities";
pub(super) const HOST_PATH_VOLUMES: &str = "host-path-volumes";
pub(super) const HOST_PORTS: &str = "host-ports";
pub(super) const HOST_PROBES: &str = "host-probes";
pub(super) const APP_ARMOR: &str = "app-armor";
pub(super) const SELINUX: &str = "selinux";
pub(super) const PROC_MOUNT: &str = "proc-mount";
pub(super) const SECCOMP: &str = "seccomp";
pub(super) const SYSCTLS: &str = "sysctls";
pub(super) const VOLUME_TYPES: &str = "volume-types";
pub(super) const PRIVILEGE_ESCALATION: &str = "privilege-escalation";
pub(super) const RUN_AS_NON_ROOT: &str = "run-as-non-root";
pub(super) const RUN_AS_USER: &str = "run-as-user";
