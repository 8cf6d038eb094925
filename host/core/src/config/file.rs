//! One file of the configuration, as a person writes it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    plan::{ConnectionKind, Mode},
    policy::Match,
    registry::TrustEntry,
};

/// The document `trocar.dev/v1alpha1`, kind `Config`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigFile {
    pub(super) api_version: String,
    pub(super) kind: String,
    /// Files that come before this one, from its folder.
    #[serde(default)]
    pub(super) include: Vec<PathBuf>,
    #[serde(default)]
    pub(super) defaults: Defaults,
    #[serde(default)]
    pub(super) plugins: Vec<PluginEntry>,
    #[serde(default)]
    pub(super) policies: Vec<PolicyEntry>,
    #[serde(default)]
    pub(super) audit: Vec<AuditEntry>,
    #[serde(default)]
    pub(super) cleaners: Vec<Cleaner>,
    #[serde(default)]
    pub(super) admission: Option<AdmissionEntry>,
    #[serde(default)]
    pub(super) registries: Vec<RegistryEntry>,
    #[serde(default)]
    pub(super) trust: Option<TrustEntry>,
    #[serde(default)]
    pub(super) lock: LockMode,
}

/// Defaults for flags of `trocar debug` and `trocar plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Defaults {
    /// `--image`, where an image is needed and none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `--image-pull-policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// `--profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `--strategy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// `--pod-running-timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_running_timeout: Option<String>,
    /// `--detach-keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detach_keys: Option<String>,
    /// `--quiet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<bool>,
    /// `--rm`, where a session is held with a pod that is created and takes no other's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rm: Option<bool>,
    /// `--ttl`, where a pod is created that takes no other's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// A plugin by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginEntry {
    /// The name under which flags and policies find it.
    pub name: String,
    /// Its file, from the configuration file's folder; empty where it has a source.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub file: PathBuf,
    /// Its reference in a registry, instead of a file: `oci://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The digest that the component must have: `sha256:…`. May be empty where there is a source, since that or the lock says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The capabilities that it is granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

/// How a registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryEntry {
    /// Its host and port, as references have it.
    pub host: String,
    /// Where its plugins are looked for first: `HOST[/PREFIX]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// A file with certificates in PEM that are believed besides the system's, from the configuration file's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// It is asked without TLS. The system's file alone can say so, of others than this machine.
    #[serde(default, rename = "plainHTTP", skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
    /// Hosts besides its own that may be sent credentials for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth: Vec<String>,
}

/// Whether plugins of registries have to stand in a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Those whose reference has no digest do.
    #[default]
    Optional,
    /// All do: those of this file's layer and of weaker ones.
    Required,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEntry {
    /// Its name, unique in all files.
    pub name: String,
    /// The plugin: a default one, or one of `plugins`; by default the one with the policy's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// What its word weighs.
    #[serde(default)]
    pub mode: Mode,
    /// The debugs that it is asked about.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// The plugin's settings.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

impl PolicyEntry {
    /// The name of the plugin that judges.
    pub fn plugin(&self) -> &str {
        self.plugin.as_deref().unwrap_or(&self.name)
    }
}

/// A program of the cluster that deletes what is over. Created pods with a time to live are marked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleaner {
    /// Kyverno's cleanup controller: the label `cleanup.kyverno.io/ttl`.
    Kyverno,
    /// kube-janitor: the annotation `janitor/ttl`.
    KubeJanitor,
}

/// Where decisions are written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Where to.
    pub sink: AuditSink,
    /// The file, from the configuration file's folder; for `sink: file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Nothing is debugged when the decision cannot be written down.
    #[serde(default)]
    pub required: bool,
}

/// A kind of place for audit lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditSink {
    /// A file, to which lines are appended.
    File,
    /// Standard error.
    Stderr,
}

/// What of a cluster's requests the admission server judges. Every debug container is judged, whichever user adds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionEntry {
    /// Which pods that are created are judged.
    pub pods: JudgedPods,
    /// Groups whose pods are not judged, besides those of service accounts and nodes; not obeyed where all pods are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exempt_groups: Vec<String>,
    /// The sessions with containers that run already which are judged, by policies that review them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<ConnectionKind>,
}

/// Which created pods the admission server judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JudgedPods {
    /// Those of people that say that they are debug pods.
    Marked,
    /// Those of people that have rights over their node, and those that say that they are debug pods.
    Rights,
    /// Those of people: of users that are neither service accounts nor nodes.
    #[default]
    People,
    /// All of them.
    All,
}
