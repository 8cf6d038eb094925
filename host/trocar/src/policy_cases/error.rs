//! What is wrong with cases, as facts.

use std::{io, path::PathBuf};

use trocar_core::{
    config::ConfigError,
    documents::{DocumentError, LARGEST},
    target::TargetError,
};
use trocar_runtime::plugin::PluginError;

use crate::error::PlannerError;

/// Why cases cannot be read, run or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file or folder.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file is larger than what is read.
    #[error("{} is larger than the {} MiB that are read", .0.display(), LARGEST >> 20)]
    TooLarge(PathBuf),
    /// A file with snapshots cannot be written.
    #[error("cannot write {}: {error}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A place holds no cases.
    #[error("{}: there are no cases", .0.display())]
    NoCases(PathBuf),
    /// A file is neither YAML nor JSON.
    #[error("{}: {error}", file.display())]
    Document {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        error: DocumentError,
    },
    /// A file is not what it should be.
    #[error("{}: {problem}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Something is wrong with one case.
    #[error("{}: case {name:?}: {error}", file.display())]
    Case {
        /// The file that it stands in.
        file: PathBuf,
        /// Its name.
        name: String,
        /// What is wrong.
        error: Box<Self>,
    },
    /// A case is not one by the schema, or says nothing of what it needs.
    #[error("{0}")]
    Invalid(String),
    /// The target is not one.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The configuration that a case names is malformed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A plugin cannot be had.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The settings of a policy do not fit.
    #[error("{}: policy {policy:?}: settings: {problem}", file.display())]
    Settings {
        /// The file that the case stands in.
        file: PathBuf,
        /// The policy.
        policy: String,
        /// What is wrong.
        problem: String,
    },
    /// The settings of a case's strategy do not fit.
    #[error("settings: {0}")]
    StrategySettings(String),
    /// The settings of a case's strategy cannot be checked, which is its plugin's fault.
    #[error("{0}")]
    Strategy(Box<PlannerError>),
    /// The settings of a policy cannot be checked, which is its plugin's fault.
    #[error("{}: policy {policy:?}: {error}", file.display())]
    Policy {
        /// The file that the case stands in.
        file: PathBuf,
        /// The policy.
        policy: String,
        /// Why not.
        error: Box<PlannerError>,
    },
}
