//! Every type that a pod of Kubernetes v1.37.2 reaches.
//!
//! Generated from api/openapi-spec/swagger.json of k8s.io/kubernetes and the types.go of k8s.io/api/core/v1 and
//! k8s.io/apimachinery/pkg/apis/meta/v1 by `cargo xtask kubernetes`. Do not edit.

use super::types::{Field, Kind, Type};

/// The version of Kubernetes that the table was generated from.
pub const VERSION: &str = "v1.37.2";

/// Kubernetes' `AWSElasticBlockStoreVolumeSource`.
#[rustfmt::skip]
pub static AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE: Type = Type { name: "AWSElasticBlockStoreVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::plain("partition", Kind::Int32),
    Field::plain("readOnly", Kind::Bool),
    Field::required("volumeID", Kind::String),
]};

/// Kubernetes' `Affinity`.
#[rustfmt::skip]
pub static AFFINITY: Type = Type { name: "Affinity", fields: &[
    Field::pointer("nodeAffinity", Kind::Object(&NODE_AFFINITY)),
    Field::pointer("podAffinity", Kind::Object(&POD_AFFINITY)),
    Field::pointer("podAntiAffinity", Kind::Object(&POD_ANTI_AFFINITY)),
]};

/// Kubernetes' `AppArmorProfile`.
#[rustfmt::skip]
pub static APP_ARMOR_PROFILE: Type = Type { name: "AppArmorProfile", fields: &[
    Field::pointer("localhostProfile", Kind::String),
    Field::required("type", Kind::String),
]};

/// Kubernetes' `AzureDiskVolumeSource`.
#[rustfmt::skip]
pub static AZURE_DISK_VOLUME_SOURCE: Type = Type { name: "AzureDiskVolumeSource", fields: &[
    Field::pointer("cachingMode", Kind::String),
    Field::required("diskName", Kind::String),
    Field::required("diskURI", Kind::String),
    Field::pointer("fsType", Kind::String),
    Field::pointer("kind", Kind::String),
    Field::pointer("readOnly", Kind::Bool),
]};

/// Kubernetes' `AzureFileVolumeSource`.
#[rustfmt::skip]
pub static AZURE_FILE_VOLUME_SOURCE: Type = Type { name: "AzureFileVolumeSource", fields: &[
    Field::plain("readOnly", Kind::Bool),
    Field::required("secretName", Kind::String),
    Field::required("shareName", Kind::String),
]};

/// Kubernetes' `CSIVolumeSource`.
#[rustfmt::skip]
pub static CSI_VOLUME_SOURCE: Type = Type { name: "CSIVolumeSource", fields: &[
    Field::required("driver", Kind::String),
    Field::pointer("fsType", Kind::String),
    Field::pointer("nodePublishSecretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
    Field::pointer("readOnly", Kind::Bool),
    Field::plain("volumeAttributes", Kind::Map(&Kind::String)),
]};

/// Kubernetes' `Capabilities`.
#[rustfmt::skip]
pub static CAPABILITIES: Type = Type { name: "Capabilities", fields: &[
    Field::plain("add", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("drop", Kind::List { item: &Kind::String, keys: &[] }),
]};

/// Kubernetes' `CephFSVolumeSource`.
#[rustfmt::skip]
pub static CEPH_FS_VOLUME_SOURCE: Type = Type { name: "CephFSVolumeSource", fields: &[
    Field::required("monitors", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("path", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::plain("secretFile", Kind::String),
    Field::pointer("secretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
    Field::plain("user", Kind::String),
]};

/// Kubernetes' `CinderVolumeSource`.
#[rustfmt::skip]
pub static CINDER_VOLUME_SOURCE: Type = Type { name: "CinderVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::pointer("secretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
    Field::required("volumeID", Kind::String),
]};

/// Kubernetes' `ClusterTrustBundleProjection`.
#[rustfmt::skip]
pub static CLUSTER_TRUST_BUNDLE_PROJECTION: Type = Type { name: "ClusterTrustBundleProjection", fields: &[
    Field::pointer("labelSelector", Kind::Object(&LABEL_SELECTOR)),
    Field::pointer("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
    Field::required("path", Kind::String),
    Field::pointer("signerName", Kind::String),
    Field::pointer("user", Kind::Int64),
]};

/// Kubernetes' `ConfigMapEnvSource`.
#[rustfmt::skip]
pub static CONFIG_MAP_ENV_SOURCE: Type = Type { name: "ConfigMapEnvSource", fields: &[
    Field::plain("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
]};

/// Kubernetes' `ConfigMapKeySelector`.
#[rustfmt::skip]
pub static CONFIG_MAP_KEY_SELECTOR: Type = Type { name: "ConfigMapKeySelector", fields: &[
    Field::required("key", Kind::String),
    Field::plain("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
]};

/// Kubernetes' `ConfigMapProjection`.
#[rustfmt::skip]
pub static CONFIG_MAP_PROJECTION: Type = Type { name: "ConfigMapProjection", fields: &[
    Field::plain("items", Kind::List { item: &Kind::Object(&KEY_TO_PATH), keys: &[] }),
    Field::plain("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
]};

/// Kubernetes' `ConfigMapVolumeSource`.
#[rustfmt::skip]
pub static CONFIG_MAP_VOLUME_SOURCE: Type = Type { name: "ConfigMapVolumeSource", fields: &[
    Field::pointer("defaultMode", Kind::Int32),
    Field::pointer("defaultUser", Kind::Int64),
    Field::plain("items", Kind::List { item: &Kind::Object(&KEY_TO_PATH), keys: &[] }),
    Field::plain("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
]};

/// Kubernetes' `Container`.
#[rustfmt::skip]
pub static CONTAINER: Type = Type { name: "Container", fields: &[
    Field::plain("args", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("command", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("env", Kind::List { item: &Kind::Object(&ENV_VAR), keys: &["name"] }),
    Field::plain("envFrom", Kind::List { item: &Kind::Object(&ENV_FROM_SOURCE), keys: &[] }),
    Field::plain("image", Kind::String),
    Field::plain("imagePullPolicy", Kind::String),
    Field::pointer("lifecycle", Kind::Object(&LIFECYCLE)),
    Field::pointer("livenessProbe", Kind::Object(&PROBE)),
    Field::required("name", Kind::String),
    Field::plain("ports", Kind::List { item: &Kind::Object(&CONTAINER_PORT), keys: &["containerPort", "protocol"] }),
    Field::pointer("readinessProbe", Kind::Object(&PROBE)),
    Field::plain("resizePolicy", Kind::List { item: &Kind::Object(&CONTAINER_RESIZE_POLICY), keys: &[] }),
    Field::plain("resources", Kind::Object(&RESOURCE_REQUIREMENTS)),
    Field::pointer("restartPolicy", Kind::String),
    Field::plain("restartPolicyRules", Kind::List { item: &Kind::Object(&CONTAINER_RESTART_RULE), keys: &[] }),
    Field::pointer("securityContext", Kind::Object(&SECURITY_CONTEXT)),
    Field::pointer("startupProbe", Kind::Object(&PROBE)),
    Field::plain("stdin", Kind::Bool),
    Field::plain("stdinOnce", Kind::Bool),
    Field::plain("terminationMessagePath", Kind::String),
    Field::plain("terminationMessagePolicy", Kind::String),
    Field::plain("tty", Kind::Bool),
    Field::plain("volumeDevices", Kind::List { item: &Kind::Object(&VOLUME_DEVICE), keys: &["devicePath"] }),
    Field::plain("volumeMounts", Kind::List { item: &Kind::Object(&VOLUME_MOUNT), keys: &["mountPath"] }),
    Field::plain("workingDir", Kind::String),
]};

/// Kubernetes' `ContainerExtendedResourceRequest`.
#[rustfmt::skip]
pub static CONTAINER_EXTENDED_RESOURCE_REQUEST: Type = Type { name: "ContainerExtendedResourceRequest", fields: &[
    Field::required("containerName", Kind::String),
    Field::required("requestName", Kind::String),
    Field::required("resourceName", Kind::String),
]};

/// Kubernetes' `ContainerPort`.
#[rustfmt::skip]
pub static CONTAINER_PORT: Type = Type { name: "ContainerPort", fields: &[
    Field::required("containerPort", Kind::Int32),
    Field::plain("hostIP", Kind::String),
    Field::plain("hostPort", Kind::Int32),
    Field::plain("name", Kind::String),
    Field::plain("protocol", Kind::String),
]};

/// Kubernetes' `ContainerResizePolicy`.
#[rustfmt::skip]
pub static CONTAINER_RESIZE_POLICY: Type = Type { name: "ContainerResizePolicy", fields: &[
    Field::required("resourceName", Kind::String),
    Field::required("restartPolicy", Kind::String),
]};

/// Kubernetes' `ContainerRestartRule`.
#[rustfmt::skip]
pub static CONTAINER_RESTART_RULE: Type = Type { name: "ContainerRestartRule", fields: &[
    Field::plain("action", Kind::String),
    Field::pointer("exitCodes", Kind::Object(&CONTAINER_RESTART_RULE_ON_EXIT_CODES)),
]};

/// Kubernetes' `ContainerRestartRuleOnExitCodes`.
#[rustfmt::skip]
pub static CONTAINER_RESTART_RULE_ON_EXIT_CODES: Type = Type { name: "ContainerRestartRuleOnExitCodes", fields: &[
    Field::plain("operator", Kind::String),
    Field::plain("values", Kind::List { item: &Kind::Int32, keys: &[] }),
]};

/// Kubernetes' `ContainerState`.
#[rustfmt::skip]
pub static CONTAINER_STATE: Type = Type { name: "ContainerState", fields: &[
    Field::pointer("running", Kind::Object(&CONTAINER_STATE_RUNNING)),
    Field::pointer("terminated", Kind::Object(&CONTAINER_STATE_TERMINATED)),
    Field::pointer("waiting", Kind::Object(&CONTAINER_STATE_WAITING)),
]};

/// Kubernetes' `ContainerStateRunning`.
#[rustfmt::skip]
pub static CONTAINER_STATE_RUNNING: Type = Type { name: "ContainerStateRunning", fields: &[
    Field::plain("startedAt", Kind::Time),
]};

/// Kubernetes' `ContainerStateTerminated`.
#[rustfmt::skip]
pub static CONTAINER_STATE_TERMINATED: Type = Type { name: "ContainerStateTerminated", fields: &[
    Field::plain("containerID", Kind::String),
    Field::required("exitCode", Kind::Int32),
    Field::plain("finishedAt", Kind::Time),
    Field::plain("message", Kind::String),
    Field::plain("reason", Kind::String),
    Field::plain("signal", Kind::Int32),
    Field::plain("startedAt", Kind::Time),
]};

/// Kubernetes' `ContainerStateWaiting`.
#[rustfmt::skip]
pub static CONTAINER_STATE_WAITING: Type = Type { name: "ContainerStateWaiting", fields: &[
    Field::plain("message", Kind::String),
    Field::plain("reason", Kind::String),
]};

/// Kubernetes' `ContainerStatus`.
#[rustfmt::skip]
pub static CONTAINER_STATUS: Type = Type { name: "ContainerStatus", fields: &[
    Field::plain("allocatedResources", Kind::Map(&Kind::Quantity)),
    Field::plain("allocatedResourcesStatus", Kind::List { item: &Kind::Object(&RESOURCE_STATUS), keys: &["name"] }),
    Field::plain("containerID", Kind::String),
    Field::required("image", Kind::String),
    Field::required("imageID", Kind::String),
    Field::plain("lastState", Kind::Object(&CONTAINER_STATE)),
    Field::required("name", Kind::String),
    Field::required("ready", Kind::Bool),
    Field::pointer("resources", Kind::Object(&RESOURCE_REQUIREMENTS)),
    Field::required("restartCount", Kind::Int32),
    Field::pointer("started", Kind::Bool),
    Field::plain("state", Kind::Object(&CONTAINER_STATE)),
    Field::pointer("stopSignal", Kind::String),
    Field::pointer("user", Kind::Object(&CONTAINER_USER)),
    Field::plain("volumeMounts", Kind::List { item: &Kind::Object(&VOLUME_MOUNT_STATUS), keys: &["mountPath"] }),
]};

/// Kubernetes' `ContainerUser`.
#[rustfmt::skip]
pub static CONTAINER_USER: Type = Type { name: "ContainerUser", fields: &[
    Field::pointer("linux", Kind::Object(&LINUX_CONTAINER_USER)),
]};

/// Kubernetes' `DownwardAPIProjection`.
#[rustfmt::skip]
pub static DOWNWARD_API_PROJECTION: Type = Type { name: "DownwardAPIProjection", fields: &[
    Field::plain("items", Kind::List { item: &Kind::Object(&DOWNWARD_API_VOLUME_FILE), keys: &[] }),
]};

/// Kubernetes' `DownwardAPIVolumeFile`.
#[rustfmt::skip]
pub static DOWNWARD_API_VOLUME_FILE: Type = Type { name: "DownwardAPIVolumeFile", fields: &[
    Field::pointer("fieldRef", Kind::Object(&OBJECT_FIELD_SELECTOR)),
    Field::pointer("mode", Kind::Int32),
    Field::required("path", Kind::String),
    Field::pointer("resourceFieldRef", Kind::Object(&RESOURCE_FIELD_SELECTOR)),
    Field::pointer("user", Kind::Int64),
]};

/// Kubernetes' `DownwardAPIVolumeSource`.
#[rustfmt::skip]
pub static DOWNWARD_API_VOLUME_SOURCE: Type = Type { name: "DownwardAPIVolumeSource", fields: &[
    Field::pointer("defaultMode", Kind::Int32),
    Field::pointer("defaultUser", Kind::Int64),
    Field::plain("items", Kind::List { item: &Kind::Object(&DOWNWARD_API_VOLUME_FILE), keys: &[] }),
]};

/// Kubernetes' `EmptyDirVolumeSource`.
#[rustfmt::skip]
pub static EMPTY_DIR_VOLUME_SOURCE: Type = Type { name: "EmptyDirVolumeSource", fields: &[
    Field::plain("medium", Kind::String),
    Field::pointer("mode", Kind::Int32),
    Field::pointer("sizeLimit", Kind::Quantity),
]};

/// Kubernetes' `EnvFromSource`.
#[rustfmt::skip]
pub static ENV_FROM_SOURCE: Type = Type { name: "EnvFromSource", fields: &[
    Field::pointer("configMapRef", Kind::Object(&CONFIG_MAP_ENV_SOURCE)),
    Field::plain("prefix", Kind::String),
    Field::pointer("secretRef", Kind::Object(&SECRET_ENV_SOURCE)),
]};

/// Kubernetes' `EnvVar`.
#[rustfmt::skip]
pub static ENV_VAR: Type = Type { name: "EnvVar", fields: &[
    Field::required("name", Kind::String),
    Field::plain("value", Kind::String),
    Field::pointer("valueFrom", Kind::Object(&ENV_VAR_SOURCE)),
]};

/// Kubernetes' `EnvVarSource`.
#[rustfmt::skip]
pub static ENV_VAR_SOURCE: Type = Type { name: "EnvVarSource", fields: &[
    Field::pointer("configMapKeyRef", Kind::Object(&CONFIG_MAP_KEY_SELECTOR)),
    Field::pointer("fieldRef", Kind::Object(&OBJECT_FIELD_SELECTOR)),
    Field::pointer("fileKeyRef", Kind::Object(&FILE_KEY_SELECTOR)),
    Field::pointer("resourceFieldRef", Kind::Object(&RESOURCE_FIELD_SELECTOR)),
    Field::pointer("secretKeyRef", Kind::Object(&SECRET_KEY_SELECTOR)),
]};

/// Kubernetes' `EphemeralContainer`.
#[rustfmt::skip]
pub static EPHEMERAL_CONTAINER: Type = Type { name: "EphemeralContainer", fields: &[
    Field::plain("args", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("command", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("env", Kind::List { item: &Kind::Object(&ENV_VAR), keys: &["name"] }),
    Field::plain("envFrom", Kind::List { item: &Kind::Object(&ENV_FROM_SOURCE), keys: &[] }),
    Field::plain("image", Kind::String),
    Field::plain("imagePullPolicy", Kind::String),
    Field::pointer("lifecycle", Kind::Object(&LIFECYCLE)),
    Field::pointer("livenessProbe", Kind::Object(&PROBE)),
    Field::required("name", Kind::String),
    Field::plain("ports", Kind::List { item: &Kind::Object(&CONTAINER_PORT), keys: &["containerPort", "protocol"] }),
    Field::pointer("readinessProbe", Kind::Object(&PROBE)),
    Field::plain("resizePolicy", Kind::List { item: &Kind::Object(&CONTAINER_RESIZE_POLICY), keys: &[] }),
    Field::plain("resources", Kind::Object(&RESOURCE_REQUIREMENTS)),
    Field::pointer("restartPolicy", Kind::String),
    Field::plain("restartPolicyRules", Kind::List { item: &Kind::Object(&CONTAINER_RESTART_RULE), keys: &[] }),
    Field::pointer("securityContext", Kind::Object(&SECURITY_CONTEXT)),
    Field::pointer("startupProbe", Kind::Object(&PROBE)),
    Field::plain("stdin", Kind::Bool),
    Field::plain("stdinOnce", Kind::Bool),
    Field::plain("targetContainerName", Kind::String),
    Field::plain("terminationMessagePath", Kind::String),
    Field::plain("terminationMessagePolicy", Kind::String),
    Field::plain("tty", Kind::Bool),
    Field::plain("volumeDevices", Kind::List { item: &Kind::Object(&VOLUME_DEVICE), keys: &["devicePath"] }),
    Field::plain("volumeMounts", Kind::List { item: &Kind::Object(&VOLUME_MOUNT), keys: &["mountPath"] }),
    Field::plain("workingDir", Kind::String),
]};

/// Kubernetes' `EphemeralVolumeSource`.
#[rustfmt::skip]
pub static EPHEMERAL_VOLUME_SOURCE: Type = Type { name: "EphemeralVolumeSource", fields: &[
    Field::pointer("volumeClaimTemplate", Kind::Object(&PERSISTENT_VOLUME_CLAIM_TEMPLATE)),
]};

/// Kubernetes' `EvictionResponder`.
#[rustfmt::skip]
pub static EVICTION_RESPONDER: Type = Type { name: "EvictionResponder", fields: &[
    Field::required("name", Kind::String),
    Field::required("priority", Kind::Int32),
]};

/// Kubernetes' `ExecAction`.
#[rustfmt::skip]
pub static EXEC_ACTION: Type = Type { name: "ExecAction", fields: &[
    Field::plain("command", Kind::List { item: &Kind::String, keys: &[] }),
]};

/// Kubernetes' `FCVolumeSource`.
#[rustfmt::skip]
pub static FC_VOLUME_SOURCE: Type = Type { name: "FCVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::pointer("lun", Kind::Int32),
    Field::plain("readOnly", Kind::Bool),
    Field::plain("targetWWNs", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("wwids", Kind::List { item: &Kind::String, keys: &[] }),
]};

/// Kubernetes' `FileKeySelector`.
#[rustfmt::skip]
pub static FILE_KEY_SELECTOR: Type = Type { name: "FileKeySelector", fields: &[
    Field::required("key", Kind::String),
    Field::pointer("optional", Kind::Bool),
    Field::required("path", Kind::String),
    Field::required("volumeName", Kind::String),
]};

/// Kubernetes' `FlexVolumeSource`.
#[rustfmt::skip]
pub static FLEX_VOLUME_SOURCE: Type = Type { name: "FlexVolumeSource", fields: &[
    Field::required("driver", Kind::String),
    Field::plain("fsType", Kind::String),
    Field::plain("options", Kind::Map(&Kind::String)),
    Field::plain("readOnly", Kind::Bool),
    Field::pointer("secretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
]};

/// Kubernetes' `FlockerVolumeSource`.
#[rustfmt::skip]
pub static FLOCKER_VOLUME_SOURCE: Type = Type { name: "FlockerVolumeSource", fields: &[
    Field::plain("datasetName", Kind::String),
    Field::plain("datasetUUID", Kind::String),
]};

/// Kubernetes' `GCEPersistentDiskVolumeSource`.
#[rustfmt::skip]
pub static GCE_PERSISTENT_DISK_VOLUME_SOURCE: Type = Type { name: "GCEPersistentDiskVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::plain("partition", Kind::Int32),
    Field::required("pdName", Kind::String),
    Field::plain("readOnly", Kind::Bool),
]};

/// Kubernetes' `GRPCAction`.
#[rustfmt::skip]
pub static GRPC_ACTION: Type = Type { name: "GRPCAction", fields: &[
    Field::pointer("mode", Kind::String),
    Field::required("port", Kind::Int32),
    Field::pointer("service", Kind::String),
]};

/// Kubernetes' `GitRepoVolumeSource`.
#[rustfmt::skip]
pub static GIT_REPO_VOLUME_SOURCE: Type = Type { name: "GitRepoVolumeSource", fields: &[
    Field::plain("directory", Kind::String),
    Field::required("repository", Kind::String),
    Field::plain("revision", Kind::String),
]};

/// Kubernetes' `GlusterfsVolumeSource`.
#[rustfmt::skip]
pub static GLUSTERFS_VOLUME_SOURCE: Type = Type { name: "GlusterfsVolumeSource", fields: &[
    Field::required("endpoints", Kind::String),
    Field::required("path", Kind::String),
    Field::plain("readOnly", Kind::Bool),
]};

/// Kubernetes' `HTTPGetAction`.
#[rustfmt::skip]
pub static HTTP_GET_ACTION: Type = Type { name: "HTTPGetAction", fields: &[
    Field::plain("host", Kind::String),
    Field::plain("httpHeaders", Kind::List { item: &Kind::Object(&HTTP_HEADER), keys: &[] }),
    Field::plain("path", Kind::String),
    Field::required("port", Kind::IntOrString),
    Field::pointer("protocol", Kind::String),
    Field::plain("scheme", Kind::String),
]};

/// Kubernetes' `HTTPHeader`.
#[rustfmt::skip]
pub static HTTP_HEADER: Type = Type { name: "HTTPHeader", fields: &[
    Field::required("name", Kind::String),
    Field::required("value", Kind::String),
]};

/// Kubernetes' `HostAlias`.
#[rustfmt::skip]
pub static HOST_ALIAS: Type = Type { name: "HostAlias", fields: &[
    Field::plain("hostnames", Kind::List { item: &Kind::String, keys: &[] }),
    Field::required("ip", Kind::String),
]};

/// Kubernetes' `HostIP`.
#[rustfmt::skip]
pub static HOST_IP: Type = Type { name: "HostIP", fields: &[
    Field::required("ip", Kind::String),
]};

/// Kubernetes' `HostPathVolumeSource`.
#[rustfmt::skip]
pub static HOST_PATH_VOLUME_SOURCE: Type = Type { name: "HostPathVolumeSource", fields: &[
    Field::required("path", Kind::String),
    Field::pointer("type", Kind::String),
]};

/// Kubernetes' `ISCSIVolumeSource`.
#[rustfmt::skip]
pub static ISCSI_VOLUME_SOURCE: Type = Type { name: "ISCSIVolumeSource", fields: &[
    Field::plain("chapAuthDiscovery", Kind::Bool),
    Field::plain("chapAuthSession", Kind::Bool),
    Field::plain("fsType", Kind::String),
    Field::pointer("initiatorName", Kind::String),
    Field::required("iqn", Kind::String),
    Field::plain("iscsiInterface", Kind::String),
    Field::required("lun", Kind::Int32),
    Field::plain("portals", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("readOnly", Kind::Bool),
    Field::pointer("secretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
    Field::required("targetPortal", Kind::String),
]};

/// Kubernetes' `ImageVolumeSource`.
#[rustfmt::skip]
pub static IMAGE_VOLUME_SOURCE: Type = Type { name: "ImageVolumeSource", fields: &[
    Field::plain("pullPolicy", Kind::String),
    Field::plain("reference", Kind::String),
]};

/// Kubernetes' `ImageVolumeStatus`.
#[rustfmt::skip]
pub static IMAGE_VOLUME_STATUS: Type = Type { name: "ImageVolumeStatus", fields: &[
    Field::plain("imageRef", Kind::String),
]};

/// Kubernetes' `KeyToPath`.
#[rustfmt::skip]
pub static KEY_TO_PATH: Type = Type { name: "KeyToPath", fields: &[
    Field::required("key", Kind::String),
    Field::pointer("mode", Kind::Int32),
    Field::required("path", Kind::String),
    Field::pointer("user", Kind::Int64),
]};

/// Kubernetes' `Lifecycle`.
#[rustfmt::skip]
pub static LIFECYCLE: Type = Type { name: "Lifecycle", fields: &[
    Field::pointer("postStart", Kind::Object(&LIFECYCLE_HANDLER)),
    Field::pointer("preStop", Kind::Object(&LIFECYCLE_HANDLER)),
    Field::pointer("stopSignal", Kind::String),
]};

/// Kubernetes' `LifecycleHandler`.
#[rustfmt::skip]
pub static LIFECYCLE_HANDLER: Type = Type { name: "LifecycleHandler", fields: &[
    Field::pointer("exec", Kind::Object(&EXEC_ACTION)),
    Field::pointer("httpGet", Kind::Object(&HTTP_GET_ACTION)),
    Field::pointer("sleep", Kind::Object(&SLEEP_ACTION)),
    Field::pointer("tcpSocket", Kind::Object(&TCP_SOCKET_ACTION)),
]};

/// Kubernetes' `LinuxContainerUser`.
#[rustfmt::skip]
pub static LINUX_CONTAINER_USER: Type = Type { name: "LinuxContainerUser", fields: &[
    Field::required("gid", Kind::Int64),
    Field::plain("supplementalGroups", Kind::List { item: &Kind::Int64, keys: &[] }),
    Field::required("uid", Kind::Int64),
]};

/// Kubernetes' `LocalObjectReference`.
#[rustfmt::skip]
pub static LOCAL_OBJECT_REFERENCE: Type = Type { name: "LocalObjectReference", fields: &[
    Field::plain("name", Kind::String),
]};

/// Kubernetes' `NFSVolumeSource`.
#[rustfmt::skip]
pub static NFS_VOLUME_SOURCE: Type = Type { name: "NFSVolumeSource", fields: &[
    Field::required("path", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::required("server", Kind::String),
]};

/// Kubernetes' `NodeAffinity`.
#[rustfmt::skip]
pub static NODE_AFFINITY: Type = Type { name: "NodeAffinity", fields: &[
    Field::plain("preferredDuringSchedulingIgnoredDuringExecution", Kind::List { item: &Kind::Object(&PREFERRED_SCHEDULING_TERM), keys: &[] }),
    Field::pointer("requiredDuringSchedulingIgnoredDuringExecution", Kind::Object(&NODE_SELECTOR)),
]};

/// Kubernetes' `NodeAllocatableMappedResources`.
#[rustfmt::skip]
pub static NODE_ALLOCATABLE_MAPPED_RESOURCES: Type = Type { name: "NodeAllocatableMappedResources", fields: &[
    Field::required("name", Kind::String),
    Field::required("quantity", Kind::Quantity),
]};

/// Kubernetes' `NodeAllocatableOverheadResources`.
#[rustfmt::skip]
pub static NODE_ALLOCATABLE_OVERHEAD_RESOURCES: Type = Type { name: "NodeAllocatableOverheadResources", fields: &[
    Field::required("name", Kind::String),
    Field::pointer("perContainer", Kind::Quantity),
    Field::pointer("perPod", Kind::Quantity),
]};

/// Kubernetes' `NodeAllocatableResourceClaimStatus`.
#[rustfmt::skip]
pub static NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS: Type = Type { name: "NodeAllocatableResourceClaimStatus", fields: &[
    Field::plain("containers", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("mapping", Kind::List { item: &Kind::Object(&NODE_ALLOCATABLE_MAPPED_RESOURCES), keys: &["name"] }),
    Field::plain("overhead", Kind::List { item: &Kind::Object(&NODE_ALLOCATABLE_OVERHEAD_RESOURCES), keys: &["name"] }),
    Field::required("resourceClaimName", Kind::String),
]};

/// Kubernetes' `NodeSelector`.
#[rustfmt::skip]
pub static NODE_SELECTOR: Type = Type { name: "NodeSelector", fields: &[
    Field::required("nodeSelectorTerms", Kind::List { item: &Kind::Object(&NODE_SELECTOR_TERM), keys: &[] }),
]};

/// Kubernetes' `NodeSelectorRequirement`.
#[rustfmt::skip]
pub static NODE_SELECTOR_REQUIREMENT: Type = Type { name: "NodeSelectorRequirement", fields: &[
    Field::required("key", Kind::String),
    Field::required("operator", Kind::String),
    Field::plain("values", Kind::List { item: &Kind::String, keys: &[] }),
]};

/// Kubernetes' `NodeSelectorTerm`.
#[rustfmt::skip]
pub static NODE_SELECTOR_TERM: Type = Type { name: "NodeSelectorTerm", fields: &[
    Field::plain("matchExpressions", Kind::List { item: &Kind::Object(&NODE_SELECTOR_REQUIREMENT), keys: &[] }),
    Field::plain("matchFields", Kind::List { item: &Kind::Object(&NODE_SELECTOR_REQUIREMENT), keys: &[] }),
]};

/// Kubernetes' `ObjectFieldSelector`.
#[rustfmt::skip]
pub static OBJECT_FIELD_SELECTOR: Type = Type { name: "ObjectFieldSelector", fields: &[
    Field::plain("apiVersion", Kind::String),
    Field::required("fieldPath", Kind::String),
]};

/// Kubernetes' `PersistentVolumeClaimSpec`.
#[rustfmt::skip]
pub static PERSISTENT_VOLUME_CLAIM_SPEC: Type = Type { name: "PersistentVolumeClaimSpec", fields: &[
    Field::plain("accessModes", Kind::List { item: &Kind::String, keys: &[] }),
    Field::pointer("dataSource", Kind::Object(&TYPED_LOCAL_OBJECT_REFERENCE)),
    Field::pointer("dataSourceRef", Kind::Object(&TYPED_OBJECT_REFERENCE)),
    Field::plain("resources", Kind::Object(&VOLUME_RESOURCE_REQUIREMENTS)),
    Field::pointer("selector", Kind::Object(&LABEL_SELECTOR)),
    Field::pointer("storageClassName", Kind::String),
    Field::pointer("volumeAttributesClassName", Kind::String),
    Field::pointer("volumeMode", Kind::String),
    Field::plain("volumeName", Kind::String),
]};

/// Kubernetes' `PersistentVolumeClaimTemplate`.
#[rustfmt::skip]
pub static PERSISTENT_VOLUME_CLAIM_TEMPLATE: Type = Type { name: "PersistentVolumeClaimTemplate", fields: &[
    Field::plain("metadata", Kind::Object(&OBJECT_META)),
    Field::required("spec", Kind::Object(&PERSISTENT_VOLUME_CLAIM_SPEC)),
]};

/// Kubernetes' `PersistentVolumeClaimVolumeSource`.
#[rustfmt::skip]
pub static PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE: Type = Type { name: "PersistentVolumeClaimVolumeSource", fields: &[
    Field::required("claimName", Kind::String),
    Field::plain("readOnly", Kind::Bool),
]};

/// Kubernetes' `PhotonPersistentDiskVolumeSource`.
#[rustfmt::skip]
pub static PHOTON_PERSISTENT_DISK_VOLUME_SOURCE: Type = Type { name: "PhotonPersistentDiskVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::required("pdID", Kind::String),
]};

/// Kubernetes' `Pod`.
#[rustfmt::skip]
pub static POD: Type = Type { name: "Pod", fields: &[
    Field::plain("apiVersion", Kind::String),
    Field::plain("kind", Kind::String),
    Field::plain("metadata", Kind::Object(&OBJECT_META)),
    Field::plain("spec", Kind::Object(&POD_SPEC)),
    Field::plain("status", Kind::Object(&POD_STATUS)),
]};

/// Kubernetes' `PodAffinity`.
#[rustfmt::skip]
pub static POD_AFFINITY: Type = Type { name: "PodAffinity", fields: &[
    Field::plain("preferredDuringSchedulingIgnoredDuringExecution", Kind::List { item: &Kind::Object(&WEIGHTED_POD_AFFINITY_TERM), keys: &[] }),
    Field::plain("requiredDuringSchedulingIgnoredDuringExecution", Kind::List { item: &Kind::Object(&POD_AFFINITY_TERM), keys: &[] }),
]};

/// Kubernetes' `PodAffinityTerm`.
#[rustfmt::skip]
pub static POD_AFFINITY_TERM: Type = Type { name: "PodAffinityTerm", fields: &[
    Field::pointer("labelSelector", Kind::Object(&LABEL_SELECTOR)),
    Field::plain("matchLabelKeys", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("mismatchLabelKeys", Kind::List { item: &Kind::String, keys: &[] }),
    Field::pointer("namespaceSelector", Kind::Object(&LABEL_SELECTOR)),
    Field::plain("namespaces", Kind::List { item: &Kind::String, keys: &[] }),
    Field::required("topologyKey", Kind::String),
]};

/// Kubernetes' `PodAntiAffinity`.
#[rustfmt::skip]
pub static POD_ANTI_AFFINITY: Type = Type { name: "PodAntiAffinity", fields: &[
    Field::plain("preferredDuringSchedulingIgnoredDuringExecution", Kind::List { item: &Kind::Object(&WEIGHTED_POD_AFFINITY_TERM), keys: &[] }),
    Field::plain("requiredDuringSchedulingIgnoredDuringExecution", Kind::List { item: &Kind::Object(&POD_AFFINITY_TERM), keys: &[] }),
]};

/// Kubernetes' `PodCertificateProjection`.
#[rustfmt::skip]
pub static POD_CERTIFICATE_PROJECTION: Type = Type { name: "PodCertificateProjection", fields: &[
    Field::plain("certificateChainPath", Kind::String),
    Field::plain("credentialBundlePath", Kind::String),
    Field::plain("keyPath", Kind::String),
    Field::plain("keyType", Kind::String),
    Field::pointer("maxExpirationSeconds", Kind::Int32),
    Field::plain("signerName", Kind::String),
    Field::pointer("user", Kind::Int64),
    Field::plain("userAnnotations", Kind::Map(&Kind::String)),
]};

/// Kubernetes' `PodCondition`.
#[rustfmt::skip]
pub static POD_CONDITION: Type = Type { name: "PodCondition", fields: &[
    Field::plain("lastProbeTime", Kind::Time),
    Field::plain("lastTransitionTime", Kind::Time),
    Field::plain("message", Kind::String),
    Field::plain("observedGeneration", Kind::Int64),
    Field::plain("reason", Kind::String),
    Field::required("status", Kind::String),
    Field::required("type", Kind::String),
]};

/// Kubernetes' `PodDNSConfig`.
#[rustfmt::skip]
pub static POD_DNS_CONFIG: Type = Type { name: "PodDNSConfig", fields: &[
    Field::plain("nameservers", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("options", Kind::List { item: &Kind::Object(&POD_DNS_CONFIG_OPTION), keys: &[] }),
    Field::plain("searches", Kind::List { item: &Kind::String, keys: &[] }),
]};

/// Kubernetes' `PodDNSConfigOption`.
#[rustfmt::skip]
pub static POD_DNS_CONFIG_OPTION: Type = Type { name: "PodDNSConfigOption", fields: &[
    Field::plain("name", Kind::String),
    Field::pointer("value", Kind::String),
]};

/// Kubernetes' `PodExtendedResourceClaimStatus`.
#[rustfmt::skip]
pub static POD_EXTENDED_RESOURCE_CLAIM_STATUS: Type = Type { name: "PodExtendedResourceClaimStatus", fields: &[
    Field::required("requestMappings", Kind::List { item: &Kind::Object(&CONTAINER_EXTENDED_RESOURCE_REQUEST), keys: &[] }),
    Field::required("resourceClaimName", Kind::String),
]};

/// Kubernetes' `PodIP`.
#[rustfmt::skip]
pub static POD_IP: Type = Type { name: "PodIP", fields: &[
    Field::required("ip", Kind::String),
]};

/// Kubernetes' `PodOS`.
#[rustfmt::skip]
pub static POD_OS: Type = Type { name: "PodOS", fields: &[
    Field::required("name", Kind::String),
]};

/// Kubernetes' `PodReadinessGate`.
#[rustfmt::skip]
pub static POD_READINESS_GATE: Type = Type { name: "PodReadinessGate", fields: &[
    Field::required("conditionType", Kind::String),
]};

/// Kubernetes' `PodResourceClaim`.
#[rustfmt::skip]
pub static POD_RESOURCE_CLAIM: Type = Type { name: "PodResourceClaim", fields: &[
    Field::required("name", Kind::String),
    Field::pointer("resourceClaimName", Kind::String),
    Field::pointer("resourceClaimTemplateName", Kind::String),
]};

/// Kubernetes' `PodResourceClaimStatus`.
#[rustfmt::skip]
pub static POD_RESOURCE_CLAIM_STATUS: Type = Type { name: "PodResourceClaimStatus", fields: &[
    Field::required("name", Kind::String),
    Field::pointer("resourceClaimName", Kind::String),
]};

/// Kubernetes' `PodSchedulingGate`.
#[rustfmt::skip]
pub static POD_SCHEDULING_GATE: Type = Type { name: "PodSchedulingGate", fields: &[
    Field::required("name", Kind::String),
]};

/// Kubernetes' `PodSchedulingGroup`.
#[rustfmt::skip]
pub static POD_SCHEDULING_GROUP: Type = Type { name: "PodSchedulingGroup", fields: &[
    Field::pointer("podGroupName", Kind::String),
]};

/// Kubernetes' `PodSecurityContext`.
#[rustfmt::skip]
pub static POD_SECURITY_CONTEXT: Type = Type { name: "PodSecurityContext", fields: &[
    Field::pointer("appArmorProfile", Kind::Object(&APP_ARMOR_PROFILE)),
    Field::pointer("fsGroup", Kind::Int64),
    Field::pointer("fsGroupChangePolicy", Kind::String),
    Field::pointer("runAsGroup", Kind::Int64),
    Field::pointer("runAsNonRoot", Kind::Bool),
    Field::pointer("runAsUser", Kind::Int64),
    Field::pointer("seLinuxChangePolicy", Kind::String),
    Field::pointer("seLinuxOptions", Kind::Object(&SE_LINUX_OPTIONS)),
    Field::pointer("seccompProfile", Kind::Object(&SECCOMP_PROFILE)),
    Field::plain("supplementalGroups", Kind::List { item: &Kind::Int64, keys: &[] }),
    Field::pointer("supplementalGroupsPolicy", Kind::String),
    Field::plain("sysctls", Kind::List { item: &Kind::Object(&SYSCTL), keys: &[] }),
    Field::pointer("windowsOptions", Kind::Object(&WINDOWS_SECURITY_CONTEXT_OPTIONS)),
]};

/// Kubernetes' `PodSpec`.
#[rustfmt::skip]
pub static POD_SPEC: Type = Type { name: "PodSpec", fields: &[
    Field::pointer("activeDeadlineSeconds", Kind::Int64),
    Field::pointer("affinity", Kind::Object(&AFFINITY)),
    Field::pointer("automountServiceAccountToken", Kind::Bool),
    Field::required("containers", Kind::List { item: &Kind::Object(&CONTAINER), keys: &["name"] }),
    Field::pointer("dnsConfig", Kind::Object(&POD_DNS_CONFIG)),
    Field::plain("dnsPolicy", Kind::String),
    Field::pointer("enableServiceLinks", Kind::Bool),
    Field::plain("ephemeralContainers", Kind::List { item: &Kind::Object(&EPHEMERAL_CONTAINER), keys: &["name"] }),
    Field::plain("evictionResponders", Kind::List { item: &Kind::Object(&EVICTION_RESPONDER), keys: &["name"] }),
    Field::plain("hostAliases", Kind::List { item: &Kind::Object(&HOST_ALIAS), keys: &["ip"] }),
    Field::plain("hostIPC", Kind::Bool),
    Field::plain("hostNetwork", Kind::Bool),
    Field::plain("hostPID", Kind::Bool),
    Field::pointer("hostUsers", Kind::Bool),
    Field::plain("hostname", Kind::String),
    Field::pointer("hostnameOverride", Kind::String),
    Field::plain("imagePullSecrets", Kind::List { item: &Kind::Object(&LOCAL_OBJECT_REFERENCE), keys: &["name"] }),
    Field::plain("initContainers", Kind::List { item: &Kind::Object(&CONTAINER), keys: &["name"] }),
    Field::plain("nodeName", Kind::String),
    Field::plain("nodeSelector", Kind::Map(&Kind::String)),
    Field::pointer("os", Kind::Object(&POD_OS)),
    Field::plain("overhead", Kind::Map(&Kind::Quantity)),
    Field::pointer("preemptionPolicy", Kind::String),
    Field::pointer("priority", Kind::Int32),
    Field::plain("priorityClassName", Kind::String),
    Field::plain("readinessGates", Kind::List { item: &Kind::Object(&POD_READINESS_GATE), keys: &[] }),
    Field::plain("resourceClaims", Kind::List { item: &Kind::Object(&POD_RESOURCE_CLAIM), keys: &["name"] }),
    Field::pointer("resources", Kind::Object(&RESOURCE_REQUIREMENTS)),
    Field::plain("restartPolicy", Kind::String),
    Field::pointer("runtimeClassName", Kind::String),
    Field::plain("schedulerName", Kind::String),
    Field::plain("schedulingGates", Kind::List { item: &Kind::Object(&POD_SCHEDULING_GATE), keys: &["name"] }),
    Field::pointer("schedulingGroup", Kind::Object(&POD_SCHEDULING_GROUP)),
    Field::pointer("securityContext", Kind::Object(&POD_SECURITY_CONTEXT)),
    Field::plain("serviceAccount", Kind::String),
    Field::plain("serviceAccountName", Kind::String),
    Field::pointer("setHostnameAsFQDN", Kind::Bool),
    Field::pointer("shareProcessNamespace", Kind::Bool),
    Field::plain("subdomain", Kind::String),
    Field::pointer("terminationGracePeriodSeconds", Kind::Int64),
    Field::plain("tolerations", Kind::List { item: &Kind::Object(&TOLERATION), keys: &[] }),
    Field::plain("topologySpreadConstraints", Kind::List { item: &Kind::Object(&TOPOLOGY_SPREAD_CONSTRAINT), keys: &["topologyKey", "whenUnsatisfiable"] }),
    Field::plain("volumes", Kind::List { item: &Kind::Object(&VOLUME), keys: &["name"] }),
]};

/// Kubernetes' `PodStatus`.
#[rustfmt::skip]
pub static POD_STATUS: Type = Type { name: "PodStatus", fields: &[
    Field::plain("allocatedResources", Kind::Map(&Kind::Quantity)),
    Field::plain("conditions", Kind::List { item: &Kind::Object(&POD_CONDITION), keys: &["type"] }),
    Field::plain("containerStatuses", Kind::List { item: &Kind::Object(&CONTAINER_STATUS), keys: &[] }),
    Field::plain("ephemeralContainerStatuses", Kind::List { item: &Kind::Object(&CONTAINER_STATUS), keys: &[] }),
    Field::pointer("extendedResourceClaimStatus", Kind::Object(&POD_EXTENDED_RESOURCE_CLAIM_STATUS)),
    Field::plain("hostIP", Kind::String),
    Field::plain("hostIPs", Kind::List { item: &Kind::Object(&HOST_IP), keys: &[] }),
    Field::plain("initContainerStatuses", Kind::List { item: &Kind::Object(&CONTAINER_STATUS), keys: &[] }),
    Field::plain("message", Kind::String),
    Field::plain("nodeAllocatableResourceClaimStatuses", Kind::List { item: &Kind::Object(&NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS), keys: &["resourceClaimName"] }),
    Field::plain("nominatedNodeName", Kind::String),
    Field::plain("observedGeneration", Kind::Int64),
    Field::plain("phase", Kind::String),
    Field::plain("podIP", Kind::String),
    Field::plain("podIPs", Kind::List { item: &Kind::Object(&POD_IP), keys: &["ip"] }),
    Field::plain("qosClass", Kind::String),
    Field::plain("reason", Kind::String),
    Field::plain("resize", Kind::String),
    Field::plain("resourceClaimStatuses", Kind::List { item: &Kind::Object(&POD_RESOURCE_CLAIM_STATUS), keys: &["name"] }),
    Field::pointer("resources", Kind::Object(&RESOURCE_REQUIREMENTS)),
    Field::pointer("startTime", Kind::Time),
    Field::plain("volumeHealth", Kind::List { item: &Kind::Object(&POD_VOLUME_HEALTH), keys: &["name"] }),
]};

/// Kubernetes' `PodVolumeHealth`.
#[rustfmt::skip]
pub static POD_VOLUME_HEALTH: Type = Type { name: "PodVolumeHealth", fields: &[
    Field::plain("healthConditions", Kind::List { item: &Kind::Object(&VOLUME_HEALTH_CONDITION), keys: &["status", "reason"] }),
    Field::plain("lastTransitionTime", Kind::Time),
    Field::required("name", Kind::String),
]};

/// Kubernetes' `PortworxVolumeSource`.
#[rustfmt::skip]
pub static PORTWORX_VOLUME_SOURCE: Type = Type { name: "PortworxVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::required("volumeID", Kind::String),
]};

/// Kubernetes' `PreferredSchedulingTerm`.
#[rustfmt::skip]
pub static PREFERRED_SCHEDULING_TERM: Type = Type { name: "PreferredSchedulingTerm", fields: &[
    Field::required("preference", Kind::Object(&NODE_SELECTOR_TERM)),
    Field::required("weight", Kind::Int32),
]};

/// Kubernetes' `Probe`.
#[rustfmt::skip]
pub static PROBE: Type = Type { name: "Probe", fields: &[
    Field::pointer("exec", Kind::Object(&EXEC_ACTION)),
    Field::plain("failureThreshold", Kind::Int32),
    Field::pointer("grpc", Kind::Object(&GRPC_ACTION)),
    Field::pointer("httpGet", Kind::Object(&HTTP_GET_ACTION)),
    Field::plain("initialDelaySeconds", Kind::Int32),
    Field::plain("periodSeconds", Kind::Int32),
    Field::plain("successThreshold", Kind::Int32),
    Field::pointer("tcpSocket", Kind::Object(&TCP_SOCKET_ACTION)),
    Field::pointer("terminationGracePeriodSeconds", Kind::Int64),
    Field::plain("timeoutSeconds", Kind::Int32),
]};

/// Kubernetes' `ProjectedVolumeSource`.
#[rustfmt::skip]
pub static PROJECTED_VOLUME_SOURCE: Type = Type { name: "ProjectedVolumeSource", fields: &[
    Field::pointer("defaultMode", Kind::Int32),
    Field::pointer("defaultUser", Kind::Int64),
    Field::plain("sources", Kind::List { item: &Kind::Object(&VOLUME_PROJECTION), keys: &[] }),
]};

/// Kubernetes' `QuobyteVolumeSource`.
#[rustfmt::skip]
pub static QUOBYTE_VOLUME_SOURCE: Type = Type { name: "QuobyteVolumeSource", fields: &[
    Field::plain("group", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::required("registry", Kind::String),
    Field::plain("tenant", Kind::String),
    Field::plain("user", Kind::String),
    Field::required("volume", Kind::String),
]};

/// Kubernetes' `RBDVolumeSource`.
#[rustfmt::skip]
pub static RBD_VOLUME_SOURCE: Type = Type { name: "RBDVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::required("image", Kind::String),
    Field::plain("keyring", Kind::String),
    Field::required("monitors", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("pool", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::pointer("secretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
    Field::plain("user", Kind::String),
]};

/// Kubernetes' `ResourceClaim`.
#[rustfmt::skip]
pub static RESOURCE_CLAIM: Type = Type { name: "ResourceClaim", fields: &[
    Field::required("name", Kind::String),
    Field::plain("request", Kind::String),
]};

/// Kubernetes' `ResourceFieldSelector`.
#[rustfmt::skip]
pub static RESOURCE_FIELD_SELECTOR: Type = Type { name: "ResourceFieldSelector", fields: &[
    Field::plain("containerName", Kind::String),
    Field::plain("divisor", Kind::Quantity),
    Field::required("resource", Kind::String),
]};

/// Kubernetes' `ResourceHealth`.
#[rustfmt::skip]
pub static RESOURCE_HEALTH: Type = Type { name: "ResourceHealth", fields: &[
    Field::plain("health", Kind::String),
    Field::pointer("message", Kind::String),
    Field::required("resourceID", Kind::String),
]};

/// Kubernetes' `ResourceRequirements`.
#[rustfmt::skip]
pub static RESOURCE_REQUIREMENTS: Type = Type { name: "ResourceRequirements", fields: &[
    Field::plain("claims", Kind::List { item: &Kind::Object(&RESOURCE_CLAIM), keys: &["name"] }),
    Field::plain("limits", Kind::Map(&Kind::Quantity)),
    Field::plain("requests", Kind::Map(&Kind::Quantity)),
]};

/// Kubernetes' `ResourceStatus`.
#[rustfmt::skip]
pub static RESOURCE_STATUS: Type = Type { name: "ResourceStatus", fields: &[
    Field::required("name", Kind::String),
    Field::plain("resources", Kind::List { item: &Kind::Object(&RESOURCE_HEALTH), keys: &["resourceID"] }),
]};

/// Kubernetes' `SELinuxOptions`.
#[rustfmt::skip]
pub static SE_LINUX_OPTIONS: Type = Type { name: "SELinuxOptions", fields: &[
    Field::plain("level", Kind::String),
    Field::plain("role", Kind::String),
    Field::plain("type", Kind::String),
    Field::plain("user", Kind::String),
]};

/// Kubernetes' `ScaleIOVolumeSource`.
#[rustfmt::skip]
pub static SCALE_IO_VOLUME_SOURCE: Type = Type { name: "ScaleIOVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::required("gateway", Kind::String),
    Field::plain("protectionDomain", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::required("secretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
    Field::plain("sslEnabled", Kind::Bool),
    Field::plain("storageMode", Kind::String),
    Field::plain("storagePool", Kind::String),
    Field::required("system", Kind::String),
    Field::plain("volumeName", Kind::String),
]};

/// Kubernetes' `SeccompProfile`.
#[rustfmt::skip]
pub static SECCOMP_PROFILE: Type = Type { name: "SeccompProfile", fields: &[
    Field::pointer("localhostProfile", Kind::String),
    Field::required("type", Kind::String),
]};

/// Kubernetes' `SecretEnvSource`.
#[rustfmt::skip]
pub static SECRET_ENV_SOURCE: Type = Type { name: "SecretEnvSource", fields: &[
    Field::plain("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
]};

/// Kubernetes' `SecretKeySelector`.
#[rustfmt::skip]
pub static SECRET_KEY_SELECTOR: Type = Type { name: "SecretKeySelector", fields: &[
    Field::required("key", Kind::String),
    Field::plain("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
]};

/// Kubernetes' `SecretProjection`.
#[rustfmt::skip]
pub static SECRET_PROJECTION: Type = Type { name: "SecretProjection", fields: &[
    Field::plain("items", Kind::List { item: &Kind::Object(&KEY_TO_PATH), keys: &[] }),
    Field::plain("name", Kind::String),
    Field::pointer("optional", Kind::Bool),
]};

/// Kubernetes' `SecretVolumeSource`.
#[rustfmt::skip]
pub static SECRET_VOLUME_SOURCE: Type = Type { name: "SecretVolumeSource", fields: &[
    Field::pointer("defaultMode", Kind::Int32),
    Field::pointer("defaultUser", Kind::Int64),
    Field::plain("items", Kind::List { item: &Kind::Object(&KEY_TO_PATH), keys: &[] }),
    Field::pointer("optional", Kind::Bool),
    Field::plain("secretName", Kind::String),
]};

/// Kubernetes' `SecurityContext`.
#[rustfmt::skip]
pub static SECURITY_CONTEXT: Type = Type { name: "SecurityContext", fields: &[
    Field::pointer("allowPrivilegeEscalation", Kind::Bool),
    Field::pointer("appArmorProfile", Kind::Object(&APP_ARMOR_PROFILE)),
    Field::pointer("capabilities", Kind::Object(&CAPABILITIES)),
    Field::pointer("privileged", Kind::Bool),
    Field::pointer("procMount", Kind::String),
    Field::pointer("readOnlyRootFilesystem", Kind::Bool),
    Field::pointer("runAsGroup", Kind::Int64),
    Field::pointer("runAsNonRoot", Kind::Bool),
    Field::pointer("runAsUser", Kind::Int64),
    Field::pointer("seLinuxOptions", Kind::Object(&SE_LINUX_OPTIONS)),
    Field::pointer("seccompProfile", Kind::Object(&SECCOMP_PROFILE)),
    Field::pointer("windowsOptions", Kind::Object(&WINDOWS_SECURITY_CONTEXT_OPTIONS)),
]};

/// Kubernetes' `ServiceAccountTokenProjection`.
#[rustfmt::skip]
pub static SERVICE_ACCOUNT_TOKEN_PROJECTION: Type = Type { name: "ServiceAccountTokenProjection", fields: &[
    Field::plain("audience", Kind::String),
    Field::pointer("expirationSeconds", Kind::Int64),
    Field::required("path", Kind::String),
    Field::pointer("user", Kind::Int64),
]};

/// Kubernetes' `SleepAction`.
#[rustfmt::skip]
pub static SLEEP_ACTION: Type = Type { name: "SleepAction", fields: &[
    Field::required("seconds", Kind::Int64),
]};

/// Kubernetes' `StorageOSVolumeSource`.
#[rustfmt::skip]
pub static STORAGE_OS_VOLUME_SOURCE: Type = Type { name: "StorageOSVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::pointer("secretRef", Kind::Object(&LOCAL_OBJECT_REFERENCE)),
    Field::plain("volumeName", Kind::String),
    Field::plain("volumeNamespace", Kind::String),
]};

/// Kubernetes' `Sysctl`.
#[rustfmt::skip]
pub static SYSCTL: Type = Type { name: "Sysctl", fields: &[
    Field::required("name", Kind::String),
    Field::required("value", Kind::String),
]};

/// Kubernetes' `TCPSocketAction`.
#[rustfmt::skip]
pub static TCP_SOCKET_ACTION: Type = Type { name: "TCPSocketAction", fields: &[
    Field::plain("host", Kind::String),
    Field::required("port", Kind::IntOrString),
]};

/// Kubernetes' `Toleration`.
#[rustfmt::skip]
pub static TOLERATION: Type = Type { name: "Toleration", fields: &[
    Field::plain("effect", Kind::String),
    Field::plain("key", Kind::String),
    Field::plain("operator", Kind::String),
    Field::pointer("tolerationSeconds", Kind::Int64),
    Field::plain("value", Kind::String),
]};

/// Kubernetes' `TopologySpreadConstraint`.
#[rustfmt::skip]
pub static TOPOLOGY_SPREAD_CONSTRAINT: Type = Type { name: "TopologySpreadConstraint", fields: &[
    Field::pointer("labelSelector", Kind::Object(&LABEL_SELECTOR)),
    Field::plain("matchLabelKeys", Kind::List { item: &Kind::String, keys: &[] }),
    Field::required("maxSkew", Kind::Int32),
    Field::pointer("minDomains", Kind::Int32),
    Field::pointer("nodeAffinityPolicy", Kind::String),
    Field::pointer("nodeTaintsPolicy", Kind::String),
    Field::required("topologyKey", Kind::String),
    Field::required("whenUnsatisfiable", Kind::String),
]};

/// Kubernetes' `TypedLocalObjectReference`.
#[rustfmt::skip]
pub static TYPED_LOCAL_OBJECT_REFERENCE: Type = Type { name: "TypedLocalObjectReference", fields: &[
    Field::pointer("apiGroup", Kind::String),
    Field::required("kind", Kind::String),
    Field::required("name", Kind::String),
]};

/// Kubernetes' `TypedObjectReference`.
#[rustfmt::skip]
pub static TYPED_OBJECT_REFERENCE: Type = Type { name: "TypedObjectReference", fields: &[
    Field::pointer("apiGroup", Kind::String),
    Field::required("kind", Kind::String),
    Field::required("name", Kind::String),
    Field::pointer("namespace", Kind::String),
]};

/// Kubernetes' `Volume`.
#[rustfmt::skip]
pub static VOLUME: Type = Type { name: "Volume", fields: &[
    Field::pointer("awsElasticBlockStore", Kind::Object(&AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE)),
    Field::pointer("azureDisk", Kind::Object(&AZURE_DISK_VOLUME_SOURCE)),
    Field::pointer("azureFile", Kind::Object(&AZURE_FILE_VOLUME_SOURCE)),
    Field::pointer("cephfs", Kind::Object(&CEPH_FS_VOLUME_SOURCE)),
    Field::pointer("cinder", Kind::Object(&CINDER_VOLUME_SOURCE)),
    Field::pointer("configMap", Kind::Object(&CONFIG_MAP_VOLUME_SOURCE)),
    Field::pointer("csi", Kind::Object(&CSI_VOLUME_SOURCE)),
    Field::pointer("downwardAPI", Kind::Object(&DOWNWARD_API_VOLUME_SOURCE)),
    Field::pointer("emptyDir", Kind::Object(&EMPTY_DIR_VOLUME_SOURCE)),
    Field::pointer("ephemeral", Kind::Object(&EPHEMERAL_VOLUME_SOURCE)),
    Field::pointer("fc", Kind::Object(&FC_VOLUME_SOURCE)),
    Field::pointer("flexVolume", Kind::Object(&FLEX_VOLUME_SOURCE)),
    Field::pointer("flocker", Kind::Object(&FLOCKER_VOLUME_SOURCE)),
    Field::pointer("gcePersistentDisk", Kind::Object(&GCE_PERSISTENT_DISK_VOLUME_SOURCE)),
    Field::pointer("gitRepo", Kind::Object(&GIT_REPO_VOLUME_SOURCE)),
    Field::pointer("glusterfs", Kind::Object(&GLUSTERFS_VOLUME_SOURCE)),
    Field::pointer("hostPath", Kind::Object(&HOST_PATH_VOLUME_SOURCE)),
    Field::pointer("image", Kind::Object(&IMAGE_VOLUME_SOURCE)),
    Field::pointer("iscsi", Kind::Object(&ISCSI_VOLUME_SOURCE)),
    Field::required("name", Kind::String),
    Field::pointer("nfs", Kind::Object(&NFS_VOLUME_SOURCE)),
    Field::pointer("persistentVolumeClaim", Kind::Object(&PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE)),
    Field::pointer("photonPersistentDisk", Kind::Object(&PHOTON_PERSISTENT_DISK_VOLUME_SOURCE)),
    Field::pointer("portworxVolume", Kind::Object(&PORTWORX_VOLUME_SOURCE)),
    Field::pointer("projected", Kind::Object(&PROJECTED_VOLUME_SOURCE)),
    Field::pointer("quobyte", Kind::Object(&QUOBYTE_VOLUME_SOURCE)),
    Field::pointer("rbd", Kind::Object(&RBD_VOLUME_SOURCE)),
    Field::pointer("scaleIO", Kind::Object(&SCALE_IO_VOLUME_SOURCE)),
    Field::pointer("secret", Kind::Object(&SECRET_VOLUME_SOURCE)),
    Field::pointer("storageos", Kind::Object(&STORAGE_OS_VOLUME_SOURCE)),
    Field::pointer("vsphereVolume", Kind::Object(&VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE)),
]};

/// Kubernetes' `VolumeDevice`.
#[rustfmt::skip]
pub static VOLUME_DEVICE: Type = Type { name: "VolumeDevice", fields: &[
    Field::required("devicePath", Kind::String),
    Field::required("name", Kind::String),
]};

/// Kubernetes' `VolumeHealthCondition`.
#[rustfmt::skip]
pub static VOLUME_HEALTH_CONDITION: Type = Type { name: "VolumeHealthCondition", fields: &[
    Field::plain("message", Kind::String),
    Field::required("reason", Kind::String),
    Field::required("status", Kind::String),
]};

/// Kubernetes' `VolumeMount`.
#[rustfmt::skip]
pub static VOLUME_MOUNT: Type = Type { name: "VolumeMount", fields: &[
    Field::plain("bindMountOptions", Kind::List { item: &Kind::String, keys: &[] }),
    Field::required("mountPath", Kind::String),
    Field::pointer("mountPropagation", Kind::String),
    Field::required("name", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::pointer("recursiveReadOnly", Kind::String),
    Field::plain("subPath", Kind::String),
    Field::plain("subPathExpr", Kind::String),
]};

/// Kubernetes' `VolumeMountStatus`.
#[rustfmt::skip]
pub static VOLUME_MOUNT_STATUS: Type = Type { name: "VolumeMountStatus", fields: &[
    Field::required("mountPath", Kind::String),
    Field::required("name", Kind::String),
    Field::plain("readOnly", Kind::Bool),
    Field::pointer("recursiveReadOnly", Kind::String),
    Field::pointer("volumeStatus", Kind::Object(&VOLUME_STATUS)),
]};

/// Kubernetes' `VolumeProjection`.
#[rustfmt::skip]
pub static VOLUME_PROJECTION: Type = Type { name: "VolumeProjection", fields: &[
    Field::pointer("clusterTrustBundle", Kind::Object(&CLUSTER_TRUST_BUNDLE_PROJECTION)),
    Field::pointer("configMap", Kind::Object(&CONFIG_MAP_PROJECTION)),
    Field::pointer("downwardAPI", Kind::Object(&DOWNWARD_API_PROJECTION)),
    Field::pointer("podCertificate", Kind::Object(&POD_CERTIFICATE_PROJECTION)),
    Field::pointer("secret", Kind::Object(&SECRET_PROJECTION)),
    Field::pointer("serviceAccountToken", Kind::Object(&SERVICE_ACCOUNT_TOKEN_PROJECTION)),
]};

/// Kubernetes' `VolumeResourceRequirements`.
#[rustfmt::skip]
pub static VOLUME_RESOURCE_REQUIREMENTS: Type = Type { name: "VolumeResourceRequirements", fields: &[
    Field::plain("limits", Kind::Map(&Kind::Quantity)),
    Field::plain("requests", Kind::Map(&Kind::Quantity)),
]};

/// Kubernetes' `VolumeStatus`.
#[rustfmt::skip]
pub static VOLUME_STATUS: Type = Type { name: "VolumeStatus", fields: &[
    Field::pointer("image", Kind::Object(&IMAGE_VOLUME_STATUS)),
]};

/// Kubernetes' `VsphereVirtualDiskVolumeSource`.
#[rustfmt::skip]
pub static VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE: Type = Type { name: "VsphereVirtualDiskVolumeSource", fields: &[
    Field::plain("fsType", Kind::String),
    Field::plain("storagePolicyID", Kind::String),
    Field::plain("storagePolicyName", Kind::String),
    Field::required("volumePath", Kind::String),
]};

/// Kubernetes' `WeightedPodAffinityTerm`.
#[rustfmt::skip]
pub static WEIGHTED_POD_AFFINITY_TERM: Type = Type { name: "WeightedPodAffinityTerm", fields: &[
    Field::required("podAffinityTerm", Kind::Object(&POD_AFFINITY_TERM)),
    Field::required("weight", Kind::Int32),
]};

/// Kubernetes' `WindowsSecurityContextOptions`.
#[rustfmt::skip]
pub static WINDOWS_SECURITY_CONTEXT_OPTIONS: Type = Type { name: "WindowsSecurityContextOptions", fields: &[
    Field::pointer("gmsaCredentialSpec", Kind::String),
    Field::pointer("gmsaCredentialSpecName", Kind::String),
    Field::pointer("hostProcess", Kind::Bool),
    Field::pointer("runAsUserName", Kind::String),
]};

/// Kubernetes' `LabelSelector`.
#[rustfmt::skip]
pub static LABEL_SELECTOR: Type = Type { name: "LabelSelector", fields: &[
    Field::plain("matchExpressions", Kind::List { item: &Kind::Object(&LABEL_SELECTOR_REQUIREMENT), keys: &[] }),
    Field::plain("matchLabels", Kind::Map(&Kind::String)),
]};

/// Kubernetes' `LabelSelectorRequirement`.
#[rustfmt::skip]
pub static LABEL_SELECTOR_REQUIREMENT: Type = Type { name: "LabelSelectorRequirement", fields: &[
    Field::required("key", Kind::String),
    Field::required("operator", Kind::String),
    Field::plain("values", Kind::List { item: &Kind::String, keys: &[] }),
]};

/// Kubernetes' `ManagedFieldsEntry`.
#[rustfmt::skip]
pub static MANAGED_FIELDS_ENTRY: Type = Type { name: "ManagedFieldsEntry", fields: &[
    Field::plain("apiVersion", Kind::String),
    Field::plain("fieldsType", Kind::String),
    Field::pointer("fieldsV1", Kind::Any),
    Field::plain("manager", Kind::String),
    Field::plain("operation", Kind::String),
    Field::plain("subresource", Kind::String),
    Field::pointer("time", Kind::Time),
]};

/// Kubernetes' `ObjectMeta`.
#[rustfmt::skip]
pub static OBJECT_META: Type = Type { name: "ObjectMeta", fields: &[
    Field::plain("annotations", Kind::Map(&Kind::String)),
    Field::plain("creationTimestamp", Kind::Time),
    Field::pointer("deletionGracePeriodSeconds", Kind::Int64),
    Field::pointer("deletionTimestamp", Kind::Time),
    Field::plain("finalizers", Kind::List { item: &Kind::String, keys: &[] }),
    Field::plain("generateName", Kind::String),
    Field::plain("generation", Kind::Int64),
    Field::plain("labels", Kind::Map(&Kind::String)),
    Field::plain("managedFields", Kind::List { item: &Kind::Object(&MANAGED_FIELDS_ENTRY), keys: &[] }),
    Field::plain("name", Kind::String),
    Field::plain("namespace", Kind::String),
    Field::plain("ownerReferences", Kind::List { item: &Kind::Object(&OWNER_REFERENCE), keys: &["uid"] }),
    Field::plain("resourceVersion", Kind::String),
    Field::plain("selfLink", Kind::String),
    Field::plain("uid", Kind::String),
]};

/// Kubernetes' `OwnerReference`.
#[rustfmt::skip]
pub static OWNER_REFERENCE: Type = Type { name: "OwnerReference", fields: &[
    Field::required("apiVersion", Kind::String),
    Field::pointer("blockOwnerDeletion", Kind::Bool),
    Field::pointer("controller", Kind::Bool),
    Field::required("kind", Kind::String),
    Field::required("name", Kind::String),
    Field::required("uid", Kind::String),
]};
