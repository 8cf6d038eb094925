//! Errors before a draft exists, as facts. The command line adds flags and next steps.

use trocar_core::{request::RequestError, settings::SettingsProblem};
use trocar_runtime::plugin::PluginError;

use crate::{audit::AuditError, engine::PlanError};

/// Why planning failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlannerError {
    /// The request contradicts itself.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A plugin cannot be loaded.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A configured policy cannot be loaded.
    #[error("{place}: policy {policy:?}: {error}")]
    Policy {
        /// The position in the configuration.
        place: String,
        /// The policy's name.
        policy: String,
        /// The cause.
        error: Box<Self>,
    },
    /// A plugin's manifest has the name of a default or configured plugin, so it could be mistaken for that one.
    #[error("the plugin {file} calls itself {name:?}, which is the name of a {} plugin", if *is_default { "default" } else { "configured" })]
    NameTaken {
        /// The plugin's source.
        file: String,
        /// The name in its manifest.
        name: String,
        /// Whether the name is that of a default plugin.
        is_default: bool,
    },
    /// Settings do not satisfy the plugin's schema.
    #[error("{problem}")]
    Settings {
        /// Which settings.
        of: SettingsOf,
        /// What is wrong.
        problem: SettingsProblem,
    },
    /// A plugin's settings schema is malformed, which is the plugin's fault.
    #[error("plugin {plugin:?}: its settings schema is malformed: {problem}")]
    Schema {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
    /// The strategy, a policy or a guard rail refused.
    #[error(transparent)]
    Plan(Box<PlanError>),
}

/// Which settings are wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsOf {
    /// Those of the strategy, by its name or file.
    Strategy(String),
    /// Those of a chosen policy, which always has empty settings.
    Chosen(String),
    /// Those of a configured policy.
    Configured {
        /// Their position in the configuration.
        place: String,
        /// The policy.
        policy: String,
        /// The policy's plugin.
        plugin: String,
    },
}

/// Why a debug failed before its approval.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebugError {
    /// Planning failed.
    #[error(transparent)]
    Planner(#[from] PlannerError),
    /// The cluster does not return the user's identity.
    #[error(transparent)]
    Cluster(#[from] trocar_cluster::ClusterError),
    /// The target cannot be read.
    #[error(transparent)]
    Lookup(#[from] trocar_cluster::LookupError),
    /// A required audit record cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
}
