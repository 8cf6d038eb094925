//! What an organisation sets. The names are those of the schema in `plugin.yaml`.

use serde::Deserialize;
use trocar_sdk::{Profile, pod_security::Level};

/// The highest that a debug may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The Pod Security level that the resulting pod must pass.
    pub level: Option<Level>,
    /// The highest profile.
    pub profile: Option<Profile>,
    /// Linux capabilities, in the place of the profile's.
    pub linux_capabilities: Option<Vec<String>>,
    /// Host namespaces, in the place of the profile's.
    pub host_namespaces: Option<Vec<String>>,
    /// Folders of nodes, in the place of the profile's.
    pub host_paths: Option<Vec<String>>,
    /// Whether a container may be privileged.
    pub privileged: Option<bool>,
    /// The lowest user id.
    pub lowest_user: Option<u64>,
    /// Service accounts besides the target's.
    pub service_accounts: Option<Vec<String>>,
    /// Secrets.
    pub secrets: Option<Vec<String>>,
    /// ConfigMaps.
    pub config_maps: Option<Vec<String>>,
    /// Claims of volumes.
    pub persistent_volume_claims: Option<Vec<String>>,
    /// Drivers of volumes that are made for the pod.
    pub csi_drivers: Option<Vec<String>>,
    /// Types of volumes besides the common ones.
    pub volume_types: Option<Vec<String>>,
    /// Audiences of service account tokens.
    pub token_audiences: Option<Vec<String>>,
    /// Host names and name servers that the pod says itself.
    pub host_aliases: Option<Vec<String>>,
    /// Priority classes.
    pub priority_classes: Option<Vec<String>>,
    /// Runtime classes.
    pub runtime_classes: Option<Vec<String>>,
    /// Schedulers.
    pub schedulers: Option<Vec<String>>,
    /// Resources besides the common ones: devices and huge pages.
    pub extended_resources: Option<Vec<String>>,
    /// Claims of resources.
    pub resource_claims: Option<Vec<String>>,
    /// What of a plan that asks for more.
    pub on_excess: OnExcess,
}

/// What of a plan that asks for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExcess {
    /// It is denied.
    #[default]
    Deny,
    /// It is amended down as far as that is possible.
    Amend,
}
