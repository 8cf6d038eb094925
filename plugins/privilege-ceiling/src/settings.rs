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
