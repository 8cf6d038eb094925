//! Every field that a control judges: what is forbidden there, from which level on, and what is allowed.

use serde_json::{Value, json};

use super::super::{Level, controls::*};
use crate::pod::ContainerKind;

pub(super) const NULL: Value = Value::Null;

/// One field of a pod: what is forbidden there, from which level on, and what is allowed.
pub(super) struct Case {
    pub(super) control: &'static str,
    pub(super) level: Level,
    pub(super) at: String,
    pub(super) forbidden: Vec<Value>,
    pub(super) allowed: Vec<Value>,
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
pub(super) fn cases() -> Vec<Case> {
    let mut cases = pod_cases();
    cases.extend(shared_cases().iter().map(|case| case.within("/spec")));
    for kind in ContainerKind::ALL {
        let container = format!("/spec/{}/0", kind.field());
        let own = shared_cases().into_iter().chain(container_cases());
        cases.extend(own.map(|case| case.within(&container)));
    }
    cases
}
