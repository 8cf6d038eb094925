//! The settings. The names are those of the schema in `plugin.yaml`.

use serde::Deserialize;
use trocar_sdk::{Profile, pod_security::Level};

/// The policy's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The Pod Security level that the resulting pod must pass.
    pub level: Option<Level>,
    /// The highest profile.
    pub profile: Option<Profile>,
    /// Linux capabilities, instead of the profile's.
    pub linux_capabilities: Option<Vec<String>>,
    /// Host namespaces, instead of the profile's.
    pub host_namespaces: Option<Vec<String>>,
    /// Folders of nodes, instead of the profile's.
    pub host_paths: Option<Vec<String>>,
    /// Whether a container may be privileged.
    pub privileged: Option<bool>,
    /// The lowest user id.
    pub lowest_user: Option<u64>,
    /// Service accounts in addition to the target's.
    pub service_accounts: Option<Vec<String>>,
    /// Names of Secrets.
    pub secrets: Option<Vec<String>>,
    /// Names of ConfigMaps.
    pub config_maps: Option<Vec<String>>,
    /// Names of persistent volume claims.
    pub persistent_volume_claims: Option<Vec<String>>,
    /// CSI drivers of inline volumes.
    pub csi_drivers: Option<Vec<String>>,
    /// Types of volumes in addition to the common ones.
    pub volume_types: Option<Vec<String>>,
    /// Audiences of service account tokens.
    pub token_audiences: Option<Vec<String>>,
    /// Host names and name servers that the pod sets itself.
    pub host_aliases: Option<Vec<String>>,
    /// Priority classes.
    pub priority_classes: Option<Vec<String>>,
    /// Runtime classes.
    pub runtime_classes: Option<Vec<String>>,
    /// Schedulers.
    pub schedulers: Option<Vec<String>>,
    /// Resources in addition to the common ones: devices and huge pages.
    pub extended_resources: Option<Vec<String>>,
    /// Names of resource claims.
    pub resource_claims: Option<Vec<String>>,
    /// How plans above the ceiling are treated.
    pub on_excess: OnExcess,
}

/// How plans above the ceiling are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExcess {
    /// The plan is denied.
    #[default]
    Deny,
    /// The plan is amended if that brings it within the ceiling.
    Amend,
}
