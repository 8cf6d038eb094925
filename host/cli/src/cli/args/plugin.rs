//! What can be typed after `trocar plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    config::ConfigFileFlag,
    output::{DocumentOutput, ListOutput},
};

/// The verbs of `trocar plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the default plugins and those that are configured
    List(PluginListArgs),
    /// Show what a plugin is, what it imports and what it may do, without running it
    Inspect(PluginInspectArgs),
    /// Build a plugin from a Rust crate with a plugin.yaml
    Build(PluginBuildArgs),
    /// Make a plugin of a component or core module and a manifest
    Pack(PluginPackArgs),
    /// Compile plugins ahead of their first use
    Compile(PluginCompileArgs),
}

/// `trocar plugin list`.
#[derive(Debug, Args)]
pub(crate) struct PluginListArgs {
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
    /// What to print
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ListOutput,
}

/// `trocar plugin inspect`.
#[derive(Debug, Args)]
pub(crate) struct PluginInspectArgs {
    /// A default plugin, one of the configuration, or a file
    #[arg(value_name = "NAME|FILE.wasm")]
    pub(crate) plugin: String,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
    /// What to print
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: DocumentOutput,
    /// Raise a limit, for example component=64Mi (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}

/// `trocar plugin build`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Build the plugin in this folder: needs Rust and rustup target add wasm32-unknown-unknown
  trocar plugin build

  # Build another one, to a place of your choice
  trocar plugin build plugins/mine -o mine.wasm")]
pub(crate) struct PluginBuildArgs {
    /// Folder of the crate, with Cargo.toml and plugin.yaml
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Where to write the plugin (default: NAME.wasm in the folder)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Build with the versions in Cargo.lock only
    #[arg(long)]
    pub(crate) locked: bool,
    /// Leave out the names of functions: smaller, but a trap tells less
    #[arg(long)]
    pub(crate) strip: bool,
}

/// `trocar plugin pack`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Add a manifest to a component that a Python, JavaScript, Go or C toolchain made
  trocar plugin pack component.wasm --manifest plugin.yaml -o plugin.wasm")]
pub(crate) struct PluginPackArgs {
    /// A component, or a core module that was built with wit-bindgen
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// The manifest, in YAML or JSON
    #[arg(long, value_name = "FILE", default_value = "plugin.yaml")]
    pub(crate) manifest: PathBuf,
    /// Where to write the plugin (default: NAME.wasm)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `trocar plugin compile`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Compile the plugins of your own configuration
  trocar plugin compile

  # As root, whenever a plugin of the system's configuration or trocar itself was replaced
  trocar plugin compile --system")]
pub(crate) struct PluginCompileArgs {
    /// Plugins (default: those of your configuration)
    #[arg(value_name = "FILE.wasm")]
    pub(crate) files: Vec<PathBuf>,
    /// Compile the plugins of the system's configuration, for all users
    #[arg(long, conflicts_with_all = ["files", "config"])]
    pub(crate) system: bool,
    /// Raise a limit, for example compile-time=5m (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
}
