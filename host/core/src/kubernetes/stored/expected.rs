//! What the API server and its built-in admission put into a pod that a client left out, in one list.
//!
//! It is a field that was judged as absent, and that was stored with a value of this list.

use serde_json::Value;
use trocar_sdk::{
    Object,
    pod::{flag, list, object, text},
};

use crate::stamp;

/// What may have been put where nothing was judged.
enum Put {
    /// This text.
    Text(&'static str),
    /// This number.
    Number(i64),
    /// This boolean.
    Bool(bool),
    /// Anything: the field decides on nothing.
    Anything,
    /// Anything, where the object that was judged has this field, from which it follows.
    From(&'static str),
    /// What the function accepts.
    Check(fn(Scene<'_>) -> bool),
}

/// A field that was put in, with what it stands in.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The spec of the pod that was judged; None where a container was.
    pub(super) spec: Option<&'a Object>,
    /// The object that was judged, of which the field is one; None where there is no such object.
    pub(super) parent: Option<&'a Object>,
    /// The entry's name, where the field is a map.
    pub(super) name: &'a str,
    /// What was stored.
    pub(super) value: &'a Value,
}

/// A list's item, a map's entry or a field that a server may put in: type, field, what, and where it comes from.
type Expected = (&'static str, &'static str, Put, &'static str);

const API: &str = "a default of the API";
const HOST: &str = "the host's own stamp";
const HARMLESS: &str = "only makes the pod smaller, or says what is reserved for it";

#[rustfmt::skip]
const EXPECTED: &[Expected] = &[
    ("ObjectMeta", "labels", Put::Check(is_stamp), HOST),
    ("ObjectMeta", "annotations", Put::Check(is_stamp), HOST),
    ("ObjectMeta", "labels", Put::Check(is_topology), "PodTopologyLabels copies the node's topology"),
    ("ObjectMeta", "annotations", Put::Check(is_limit_note), "LimitRanger records what it set"),
    ("PodSpec", "dnsPolicy", Put::Text("ClusterFirst"), API),
    ("PodSpec", "enableServiceLinks", Put::Bool(true), API),
    ("PodSpec", "restartPolicy", Put::Text("Always"), API),
    ("PodSpec", "schedulerName", Put::Text("default-scheduler"), API),
    ("PodSpec", "terminationGracePeriodSeconds", Put::Number(30), API),
    ("PodSpec", "nodeName", Put::Anything, "the scheduler chooses where nothing was chosen"),
    ("PodSpec", "serviceAccount", Put::Text("default"), "ServiceAccount admission"),
    ("PodSpec", "serviceAccountName", Put::Text("default"), "ServiceAccount admission"),
    ("PodSpec", "imagePullSecrets", Put::Check(has_no_pull_secrets), "ServiceAccount admission takes the account's"),
    ("PodSpec", "volumes", Put::Check(is_token_volume), "ServiceAccount admission"),
    ("Container", "volumeMounts", Put::Check(is_token_mount), "ServiceAccount admission"),
    ("PodSpec", "tolerations", Put::Check(is_default_toleration), "DefaultTolerationSeconds admission"),
    ("PodSpec", "tolerations", Put::From("runtimeClassName"), "RuntimeClass admission"),
    ("PodSpec", "nodeSelector", Put::From("runtimeClassName"), "RuntimeClass admission"),
    ("PodSpec", "overhead", Put::From("runtimeClassName"), "RuntimeClass admission"),
    ("PodSpec", "priority", Put::Anything, "Priority admission computes it from the class, which is compared"),
    ("PodSpec", "preemptionPolicy", Put::Anything, "Priority admission takes it from the class, which is compared"),
    ("Container", "imagePullPolicy", Put::Anything, API),
    ("Container", "terminationMessagePath", Put::Text("/dev/termination-log"), API),
    ("Container", "terminationMessagePolicy", Put::Text("File"), API),
    ("EphemeralContainer", "imagePullPolicy", Put::Anything, API),
    ("EphemeralContainer", "terminationMessagePath", Put::Text("/dev/termination-log"), API),
    ("EphemeralContainer", "terminationMessagePolicy", Put::Text("File"), API),
    ("Container", "resizePolicy", Put::Anything, API),
    ("ResourceRequirements", "requests", Put::Anything, HARMLESS),
    ("ResourceRequirements", "limits", Put::Anything, HARMLESS),
    ("ContainerPort", "protocol", Put::Text("TCP"), API),
    ("Probe", "failureThreshold", Put::Number(3), API),
    ("Probe", "periodSeconds", Put::Number(10), API),
    ("Probe", "successThreshold", Put::Number(1), API),
    ("Probe", "timeoutSeconds", Put::Number(1), API),
    ("HTTPGetAction", "path", Put::Text("/"), API),
    ("HTTPGetAction", "scheme", Put::Text("HTTP"), API),
    ("HTTPGetAction", "protocol", Put::Text("HTTP1"), API),
    ("GRPCAction", "service", Put::Text(""), API),
    ("LabelSelector", "matchExpressions", Put::Anything, "matchLabelKeys and mismatchLabelKeys are merged into it"),
    ("ObjectFieldSelector", "apiVersion", Put::Text("v1"), API),
    ("FileKeySelector", "optional", Put::Bool(false), API),
    ("ConfigMapVolumeSource", "defaultMode", Put::Number(0o644), API),
    ("DownwardAPIVolumeSource", "defaultMode", Put::Number(0o644), API),
    ("ProjectedVolumeSource", "defaultMode", Put::Number(0o644), API),
    ("SecretVolumeSource", "defaultMode", Put::Number(0o644), API),
    ("ServiceAccountTokenProjection", "expirationSeconds", Put::Number(3600), API),
    ("HostPathVolumeSource", "type", Put::Text(""), API),
    ("ImageVolumeSource", "pullPolicy", Put::Anything, API),
    ("PersistentVolumeClaimSpec", "volumeMode", Put::Text("Filesystem"), API),
    ("ISCSIVolumeSource", "iscsiInterface", Put::Text("default"), API),
    ("RBDVolumeSource", "keyring", Put::Text("/etc/ceph/keyring"), API),
    ("RBDVolumeSource", "pool", Put::Text("rbd"), API),
    ("RBDVolumeSource", "user", Put::Text("admin"), API),
    ("AzureDiskVolumeSource", "cachingMode", Put::Text("ReadWrite"), API),
    ("AzureDiskVolumeSource", "fsType", Put::Text("ext4"), API),
    ("AzureDiskVolumeSource", "kind", Put::Text("Shared"), API),
    ("AzureDiskVolumeSource", "readOnly", Put::Bool(false), API),
    ("ScaleIOVolumeSource", "fsType", Put::Text("xfs"), API),
    ("ScaleIOVolumeSource", "storageMode", Put::Text("ThinProvisioned"), API),
];

/// Returns true if a server puts this into a field that was absent.
pub(super) fn is_expected(of: &str, field: &str, scene: Scene<'_>) -> bool {
    let mut rows = EXPECTED.iter().filter(|row| row.0 == of && row.1 == field);
    rows.any(|(_, _, put, _)| match put {
        Put::Text(text) => scene.value == *text,
        Put::Number(number) => scene.value == *number,
        Put::Bool(boolean) => scene.value == *boolean,
        Put::Anything => true,
        Put::From(other) => scene.parent.is_some_and(|parent| parent.contains_key(*other)),
        Put::Check(check) => check(scene),
    })
}

/// Returns true if this means the same whether a client or a server wrote it, and whatever else the object holds.
pub(super) fn is_always_put_in(of: &str, field: &str, scene: Scene<'_>) -> bool {
    let mut rows = EXPECTED.iter().filter(|row| row.0 == of && row.1 == field);
    rows.any(|(_, field, put, _)| match put {
        Put::Text(text) => scene.value == *text,
        Put::Number(number) => scene.value == *number,
        Put::Bool(boolean) => scene.value == *boolean,
        // A client may say of a priority only what follows from the class.
        Put::Anything => of == "PodSpec" && matches!(*field, "priority" | "preemptionPolicy"),
        Put::From(_) => false,
        // That a pod has no others yet says nothing of where these come from.
        Put::Check(check) => *field != "imagePullSecrets" && check(scene),
    })
}

fn is_stamp(scene: Scene<'_>) -> bool {
    scene.name.starts_with(stamp::PREFIX) || scene.name == stamp::MANAGED_BY && scene.value == "trocar"
}

fn is_topology(scene: Scene<'_>) -> bool {
    matches!(
        scene.name,
        "topology.kubernetes.io/zone" | "topology.kubernetes.io/region"
    )
}

fn is_limit_note(scene: Scene<'_>) -> bool {
    scene.name == "kubernetes.io/limit-ranger"
}

fn has_no_pull_secrets(scene: Scene<'_>) -> bool {
    scene
        .parent
        .is_some_and(|spec| list(spec, "imagePullSecrets").is_empty())
}

/// The prefix of the volume in which a pod's token is.
const TOKEN_VOLUME: &str = "kube-api-access-";

fn mounts_token(scene: Scene<'_>) -> bool {
    scene
        .spec
        // Where none was to be mounted, a token is a new right.
        .is_some_and(|spec| spec.get("automountServiceAccountToken") != Some(&Value::Bool(false)))
}

/// The volume of a token for the API server, its certificate and the pod's namespace, and nothing else.
fn is_token_volume(scene: Scene<'_>) -> bool {
    let Some(volume) = scene.value.as_object() else {
        return false;
    };
    let Some(projected) = object(volume, "projected") else {
        return false;
    };
    mounts_token(scene)
        // A name and a source, nothing else: another volume must not pass for the token's by its name.
        && volume.len() == 2
        && text(volume, "name").is_some_and(|name| name.starts_with(TOKEN_VOLUME))
        && list(projected, "sources").iter().all(is_token_source)
}

fn is_token_source(source: &Value) -> bool {
    let Some(source) = source.as_object().filter(|source| source.len() == 1) else {
        return false;
    };
    let is_own_token =
        // A token for another audience is not the one that every pod gets.
        object(source, "serviceAccountToken").is_some_and(|token| !token.contains_key("audience"));
    let is_certificate =
        object(source, "configMap").is_some_and(|map| text(map, "name") == Some("kube-root-ca.crt"));
    is_own_token || is_certificate || source.contains_key("downwardAPI")
}

fn is_token_mount(scene: Scene<'_>) -> bool {
    scene.value.as_object().is_some_and(|mount| {
        mounts_token(scene)
            && text(mount, "mountPath") == Some("/var/run/secrets/kubernetes.io/serviceaccount")
            && text(mount, "name").is_some_and(|name| name.starts_with(TOKEN_VOLUME))
            && flag(mount, "readOnly")
    })
}

fn is_default_toleration(scene: Scene<'_>) -> bool {
    scene.value.as_object().is_some_and(|toleration| {
        let key = text(toleration, "key").unwrap_or_default();
        matches!(
            key,
            "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable"
        ) && text(toleration, "effect") == Some("NoExecute")
            && toleration.contains_key("tolerationSeconds")
    })
}
