//! Why there is no draft, as facts. Words about flags are added by the front that has flags.

use trocar_core::{request::RequestError, settings::SettingsProblem};
use trocar_runtime::plugin::PluginError;

use crate::{audit::AuditError, engine::PlanError};

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlannerError {
    /// The request makes no sense.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A plugin cannot be had.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A configured policy cannot be had.
    #[error("{place}: policy {policy:?}: {error}")]
    Policy {
        /// Where it is configured.
        place: String,
        /// Its name.
        policy: String,
        /// Why not.
        error: Box<Self>,
    },
    /// A plugin calls itself as a default or configured one is called.
    #[error("the plugin {file} calls itself {name:?}, which is the name of a {} plugin", if *is_default { "default" } else { "configured" })]
    NameTaken {
        /// Where it comes from.
        file: String,
        /// The name in its manifest.
        name: String,
        /// The name is a default plugin's.
        is_default: bool,
    },
    /// Settings do not fit the plugin.
    #[error("{problem}")]
    Settings {
        /// Whose settings.
        of: SettingsOf,
        /// What is wrong.
        problem: SettingsProblem,
    },
    /// A plugin's schema of settings is malformed, which is the plugin's fault.
    #[error("plugin {plugin:?}: the schema of its settings is malformed: {problem}")]
    Schema {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
    /// There is no plan, or none that may be carried out.
    #[error(transparent)]
    Plan(Box<PlanError>),
}

/// Whose settings are wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsOf {
    /// The strategy's, as it was chosen.
    Strategy(String),
    /// Those of a policy that was chosen, which is given none.
    Chosen(String),
    /// Those of a configured policy.
    Configured {
        /// Where they are.
        place: String,
        /// The policy.
        policy: String,
        /// The plugin that judges.
        plugin: String,
    },
}

/// Why a debug did not get as far as a draft or an approval.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebugError {
    /// There is no draft.
    #[error(transparent)]
    Planner(#[from] PlannerError),
    /// The cluster does not say who asks.
    #[error(transparent)]
    Cluster(#[from] trocar_cluster::ClusterError),
    /// The target cannot be read.
    #[error(transparent)]
    Lookup(#[from] trocar_cluster::LookupError),
    /// The decision cannot be written down where the configuration requires it.
    #[error(transparent)]
    Audit(#[from] AuditError),
}
