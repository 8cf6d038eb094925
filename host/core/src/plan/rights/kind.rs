//! The one list of rights: what consent, policies, the audit and `-o diff` name.

use serde::{Serialize, Serializer};

/// Defines the kinds with their names, in one place.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)+) => {
        /// A kind of right that a plan can give beyond what its options ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum RightKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl RightKind {
            /// All kinds, in the order in which they are listed.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The name in documents and messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// All of the node's devices and kernel interfaces: a privileged container.
    Privileged = "privileged",
    /// A namespace of the node: its processes, network or IPC. The value is the field.
    HostNamespace = "host-namespace",
    /// A file or folder of the node. The value is the path.
    HostPath = "host-path",
    /// A Windows container that runs as a process of the node.
    HostProcess = "host-process",
    /// A Linux capability. The value is its name without `CAP_`; `default` stands for those that the container runtime
    /// gives unless they are dropped.
    LinuxCapability = "linux-capability",
    /// More privileges than the process began with, by set-uid programs for example.
    PrivilegeEscalation = "privilege-escalation",
    /// Root within the container: user 0, or whatever user an image names where that was excluded. On Windows the value is
    /// the user's name.
    RunAsRoot = "run-as-root",
    /// A group whose files can be used. The value is its number.
    Group = "group",
    /// Kernel interfaces beyond a sandbox: another or no profile of seccomp or AppArmor, other SELinux options, an unmasked
    /// `/proc`. The value says which.
    Unconfined = "unconfined",
    /// Users of the node instead of users of a namespace of the pod's own.
    HostUsers = "host-users",
    /// Another container runtime than the target's: another sandbox, or none. The value is the runtime class.
    RuntimeClass = "runtime-class",
    /// A kernel parameter. The value is its name.
    Sysctl = "sysctl",
    /// The processes of other containers. The value is the container's name where it is one.
    ShareProcessNamespace = "share-process-namespace",
    /// The contents of a Secret. The value is its name.
    Secret = "secret",
    /// The contents of a ConfigMap. The value is its name.
    ConfigMap = "config-map",
    /// The files of a volume claim. The value is its name; none for a claim made for the pod.
    PersistentVolumeClaim = "persistent-volume-claim",
    /// A volume of a CSI driver. The value is the driver's name.
    CsiDriver = "csi-driver",
    /// A volume that all containers of the target mount read-only, mounted to be written to. The value is the volume's name.
    WritableVolume = "writable-volume",
    /// Any other kind of volume, such as `nfs`. The value is the kind, or the volume's name where it has very many sources.
    Volume = "volume",
    /// The rights of a service account. The value is its name.
    ServiceAccount = "service-account",
    /// A token of the pod's service account. The value is the audience; none for the API server.
    ServiceAccountToken = "service-account-token",
    /// A credential by which images are pulled. The value is the Secret's name.
    ImagePullSecret = "image-pull-secret",
    /// The identity of a Windows domain account. The value is its specification's name.
    WindowsCredential = "windows-credential",
    /// A port of the node. The value is the number and the protocol.
    HostPort = "host-port",
    /// A name that resolves to an address of the plan's choice. The value is the name.
    HostAlias = "host-alias",
    /// Another way to resolve names. The value is the field.
    Dns = "dns",
    /// A priority, by which other pods are preempted. The value is the class or the number.
    PriorityClass = "priority-class",
    /// A device or another extended resource. The value is its name.
    ExtendedResource = "extended-resource",
    /// Huge pages of the node's memory. The value is their resource's or medium's name.
    HugePages = "huge-pages",
    /// More processors, memory or storage for the pod as a whole (`spec.resources`) than its target has. The value is the
    /// resource's name.
    PodResources = "pod-resources",
    /// A claim of dynamic resource allocation. The value is its name within the pod.
    ResourceClaim = "resource-claim",
    /// More time to end than its target has, and than 30 seconds. The value is the number of seconds.
    GracePeriod = "grace-period",
    /// A label of a created pod, by which services, network policies and controllers select it. The value is its name.
    Label = "label",
    /// An annotation of a created pod. The value is its name.
    Annotation = "annotation",
    /// A container besides the target's and the one debug container.
    ExtraContainer = "extra-container",
    /// An init container that goes on running beside the others.
    Sidecar = "sidecar",
    /// Another image for a container of the target. The value is the image.
    Image = "image",
    /// Another command, or other arguments, for a container of the target.
    Command = "command",
    /// Another environment variable for a container of the target. The value is its name.
    Environment = "environment",
    /// A program or request that the kubelet runs when a container starts or stops. The value is the field.
    LifecycleHook = "lifecycle-hook",
    /// A program or request that the kubelet runs again and again. The value is the field.
    Probe = "probe",
}

impl Serialize for RightKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl std::fmt::Display for RightKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}
