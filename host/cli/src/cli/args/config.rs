//! What can be typed after `trocar config`, and the flag that names a configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::DocumentOutput;

/// The verbs of `trocar config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show all files together, and where each value comes from
    View(ConfigViewArgs),
    /// Check all files, the plugins that they name and their settings
    Check(ConfigFileFlag),
}

/// `trocar config view`.
#[derive(Debug, Args)]
pub(crate) struct ConfigViewArgs {
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
    /// File with preferences of kubectl (default: KUBERC, ~/.kube/kuberc)
    #[arg(long, value_name = "FILE")]
    pub(crate) kuberc: Option<PathBuf>,
    /// What to print
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: DocumentOutput,
}

/// Which configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigFileFlag {
    /// Configuration file, besides the system's and your own
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
