//! What each field of a pod means for its rights, in one list.

/// What a difference in a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// More of it is a right: a volume, a toleration, a capability that is added.
    Grants,
    /// Less of it is a restriction gone: a limit, a capability that is dropped, a seccomp profile.
    Restricts,
    /// It is both: a profile restricts, and another profile may allow more than none.
    Governs,
    /// True is a right, and an absent field is false: `privileged`.
    TrueGrants,
    /// True is a restriction, and an absent field is false: `runAsNonRoot`.
    TrueRestricts,
    /// False is a restriction, and an absent field is true: `hostUsers`.
    FalseRestricts,
    /// The number of a user or group, of which 0 has rights of its own.
    Identity,
    /// What runs. Every change is code that was not judged.
    Runs,
    /// The class of priority. Those that begin with `system-` preempt the cluster's own pods.
    Priority,
    /// Nothing by itself; what is in it may mean something.
    Nothing,
}

/// What a difference in a field of a type means. For a list or a map it holds for each item.
pub(super) fn meaning(of: &str, field: &str) -> Meaning {
    match (of, field) {
        // A label selects the pod for services, network policies and controllers.
        ("ObjectMeta", "labels") => Meaning::Governs,
        ("ObjectMeta", "namespace" | "name") => Meaning::Governs,
        ("ObjectMeta", "ownerReferences") => Meaning::Grants,

        (
            "PodSpec",
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "volumes"
            | "imagePullSecrets"
            | "hostAliases"
            | "dnsConfig"
            | "dnsPolicy"
            | "resourceClaims"
            | "tolerations"
            | "nodeName"
            | "schedulerName"
            | "serviceAccountName"
            | "schedulingGroup",
        ) => Meaning::Grants,
        // The sandbox that the pod runs in.
        ("PodSpec", "runtimeClassName") => Meaning::Restricts,
        ("PodSpec", "activeDeadlineSeconds" | "terminationGracePeriodSeconds" | "restartPolicy") => {
            Meaning::Restricts
        }
        ("PodSpec", "nodeSelector" | "affinity" | "schedulingGates") => Meaning::Restricts,
        // Terms of a node selector stand beside each other: one that is new may allow more nodes.
        ("NodeAffinity" | "NodeSelector" | "NodeSelectorTerm" | "NodeSelectorRequirement", _) => {
            Meaning::Governs
        }
        ("PodSpec", "hostNetwork" | "hostPID" | "hostIPC" | "shareProcessNamespace") => Meaning::TrueGrants,
        ("PodSpec", "hostUsers" | "automountServiceAccountToken") => Meaning::FalseRestricts,
        ("PodSpec", "priorityClassName") => Meaning::Priority,
        ("PodSpec", "priority") => Meaning::Grants,

        ("SecurityContext" | "WindowsSecurityContextOptions", "privileged" | "hostProcess") => {
            Meaning::TrueGrants
        }
        ("SecurityContext", "allowPrivilegeEscalation") => Meaning::FalseRestricts,
        ("SecurityContext" | "PodSecurityContext", "runAsNonRoot") => Meaning::TrueRestricts,
        ("SecurityContext", "readOnlyRootFilesystem") => Meaning::TrueRestricts,
        ("SecurityContext" | "PodSecurityContext", "runAsUser" | "runAsGroup" | "fsGroup") => {
            Meaning::Identity
        }
        ("PodSecurityContext", "supplementalGroups" | "sysctls") => Meaning::Grants,
        ("PodSecurityContext", "supplementalGroupsPolicy" | "fsGroupChangePolicy") => Meaning::Restricts,
        ("SecurityContext", "procMount") => Meaning::Grants,
        ("SeccompProfile" | "AppArmorProfile" | "SELinuxOptions" | "WindowsSecurityContextOptions", _) => {
            Meaning::Governs
        }
        ("Capabilities", "add") => Meaning::Grants,
        ("Capabilities", "drop") => Meaning::Restricts,

        ("ResourceRequirements" | "VolumeResourceRequirements", "limits") => Meaning::Restricts,
        ("ResourceRequirements", "claims") => Meaning::Grants,

        ("Container" | "EphemeralContainer", "image" | "command" | "args") => Meaning::Runs,
        ("Container" | "EphemeralContainer", "restartPolicy" | "restartPolicyRules") => Meaning::Restricts,
        ("Container" | "EphemeralContainer", "envFrom" | "volumeMounts" | "volumeDevices") => Meaning::Grants,
        ("EphemeralContainer", "targetContainerName") => Meaning::Grants,
        ("EnvVar", "valueFrom") => Meaning::Grants,
        ("ContainerPort", "hostPort" | "hostIP") => Meaning::Grants,
        (
            "Container" | "EphemeralContainer",
            "lifecycle" | "livenessProbe" | "readinessProbe" | "startupProbe",
        )
        | ("Lifecycle" | "LifecycleHandler" | "Probe" | "HTTPGetAction" | "TCPSocketAction", _) => {
            Meaning::Grants
        }
        ("ExecAction", _) => Meaning::Runs,

        ("EmptyDirVolumeSource", "sizeLimit") => Meaning::Restricts,
        (_, "readOnly") => Meaning::TrueRestricts,
        ("VolumeMount", "recursiveReadOnly") => Meaning::Restricts,
        ("VolumeMount" | "VolumeDevice", _) => Meaning::Grants,
        // What a volume holds, whatever its source is called.
        (of, _) if is_volume(of) => Meaning::Grants,
        _ => Meaning::Nothing,
    }
}

fn is_volume(of: &str) -> bool {
    of == "Volume" || of.ends_with("VolumeSource") || of.ends_with("Projection")
}
