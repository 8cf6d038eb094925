//! Errors of cases, as facts.

use std::{io, path::PathBuf};

use trocar_core::{
    config::ConfigError,
    documents::{DocumentError, LARGEST},
    target::TargetError,
};
use trocar_runtime::plugin::PluginError;

use crate::error::PlannerError;

/// Why cases cannot be read or run, or snapshots not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file or folder.
        file: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A file is too large.
    #[error("{} is larger than the {} MiB that are read", .0.display(), LARGEST >> 20)]
    TooLarge(PathBuf),
    /// A snapshot file cannot be written.
    #[error("cannot write {}: {error}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A folder has no files with cases.
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
    /// A file's content is not of the expected kind.
    #[error("{}: {problem}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// One case is wrong.
    #[error("{}: case {name:?}: {error}", file.display())]
    Case {
        /// The file that it is in.
        file: PathBuf,
        /// Its name.
        name: String,
        /// What is wrong.
        error: Box<Self>,
    },
    /// A case does not match the schema, or lacks a required part.
    #[error("{0}")]
    Invalid(String),
    /// The target is not a pod or node.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The configuration that a case names is malformed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A plugin cannot be loaded.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The settings of a policy are invalid.
    #[error("{}: policy {policy:?}: settings: {problem}", file.display())]
    Settings {
        /// The file that the case is in.
        file: PathBuf,
        /// The policy.
        policy: String,
        /// What is wrong.
        problem: String,
    },
    /// The settings of a case's strategy are invalid.
    #[error("settings: {0}")]
    StrategySettings(String),
    /// The settings of a case's strategy cannot be checked, which is its plugin's fault.
    #[error("{0}")]
    Strategy(Box<PlannerError>),
    /// The settings of a policy cannot be checked, which is its plugin's fault.
    #[error("{}: policy {policy:?}: {error}", file.display())]
    Policy {
        /// The file that the case is in.
        file: PathBuf,
        /// The policy.
        policy: String,
        /// The cause.
        error: Box<PlannerError>,
    },
}
