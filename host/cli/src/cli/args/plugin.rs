//! What can be typed after `trocar plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    config::ConfigFileFlag,
    output::{DocumentOutput, ListOutput},
    policy::TestOutput,
};

/// The verbs of `trocar plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the default plugins and those that are configured
    List(PluginListArgs),
    /// Show what a plugin is, what it imports and what it may do, without running it
    Inspect(PluginInspectArgs),
    /// Start a plugin: a folder with one that works, and with its tests
    New(PluginNewArgs),
    /// Build a plugin from its source, in Rust, Python or JavaScript
    Build(PluginBuildArgs),
    /// Run the cases of a plugin
    Test(PluginTestArgs),
    /// Build a plugin and run its cases at each save
    Dev(PluginDevArgs),
    /// Make a plugin of a component or core module and a manifest
    Pack(PluginPackArgs),
    /// Compile plugins ahead of their first use
    Compile(PluginCompileArgs),
    /// Push a plugin to a registry
    Push(PluginPushArgs),
    /// Pull plugins from registries, verify and compile them
    Pull(PluginPullArgs),
    /// Write down which bytes the plugins of your configuration are
    Lock(PluginLockArgs),
    /// Look for newer bytes of the plugins of your configuration, and write them down
    Update(PluginUpdateArgs),
    /// Say whether a plugin is trusted, and who signed it
    Verify(PluginVerifyArgs),
    /// Carry plugins and their signatures in one file, into or out of a closed network
    Bundle(PluginBundleArgs),
    /// Remove pulled plugins that no configuration names
    Prune(PluginPruneArgs),
}

/// `trocar plugin push`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Push a plugin, and sign what was pushed
  cosign sign --key cosign.key $(trocar plugin push java.wasm oci://ghcr.io/acme/java:1.2)")]
pub(crate) struct PluginPushArgs {
    /// A plugin
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// Where to: oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: String,
    /// Type of the component's configuration, for registries that do not take the usual one
    #[arg(long, value_name = "TYPE")]
    pub(crate) config_media_type: Option<String>,
    #[command(flatten)]
    pub(crate) file_flag: ConfigFileFlag,
}

/// `trocar plugin pull`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Pull all that your configuration names
  trocar plugin pull

  # Pull one, and see which bytes its tag stands for
  trocar plugin pull oci://ghcr.io/acme/java:1.2

  # As root, for all users: what the system's configuration names
  trocar plugin pull --system")]
pub(crate) struct PluginPullArgs {
    /// References, or names of the configuration (default: all of your configuration)
    #[arg(value_name = "NAME|REFERENCE")]
    pub(crate) plugins: Vec<String>,
    /// Pull the plugins of the system's configuration, for all users
    #[arg(long, conflicts_with_all = ["plugins", "config"])]
    pub(crate) system: bool,
    /// Raise a limit, for example component=64Mi (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
}

/// `trocar plugin lock`.
#[derive(Debug, Args)]
pub(crate) struct PluginLockArgs {
    /// Lock the plugins of the system's configuration
    #[arg(long, conflicts_with = "config")]
    pub(crate) system: bool,
    /// Do not ask when a plugin gets more than it had
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
}

/// `trocar plugin update`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See what the tags of your configuration stand for now, and take it after a look
  trocar plugin update

  # The same for one plugin
  trocar plugin update java")]
pub(crate) struct PluginUpdateArgs {
    /// Names of the configuration (default: all)
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) lock: PluginLockArgs,
}

/// `trocar plugin verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Hold a plugin against the rules of your configuration
  trocar plugin verify java

  # Ask whether a key signed it, whatever the rules
  trocar plugin verify oci://ghcr.io/acme/java@sha256:... --key cosign.pub")]
pub(crate) struct PluginVerifyArgs {
    /// A plugin of the configuration, a reference with a digest, or a file
    #[arg(value_name = "NAME|REFERENCE|FILE.wasm")]
    pub(crate) plugin: String,
    /// A public key in PEM that must have signed it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
}

/// `trocar plugin bundle`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Outside: pull all that the configuration names, and pack it
  trocar plugin pull && trocar plugin bundle --output plugins.tar

  # Inside: verify and keep what was packed
  trocar plugin bundle --input plugins.tar")]
pub(crate) struct PluginBundleArgs {
    /// Write an OCI layout with the plugins of your configuration
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "input",
        required_unless_present = "input"
    )]
    pub(crate) output: Option<PathBuf>,
    /// Read one, and verify, keep and compile what is in it
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Keep what is read for all users, as root; or write what the system's configuration names
    #[arg(long, conflicts_with = "config")]
    pub(crate) system: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
}

/// `trocar plugin prune`.
#[derive(Debug, Args)]
pub(crate) struct PluginPruneArgs {
    /// Remove from the system's store, as root
    #[arg(long, conflicts_with = "config")]
    pub(crate) system: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
}

/// `trocar plugin list`.
#[derive(Debug, Args)]
pub(crate) struct PluginListArgs {
    /// List what a repository of a registry has instead: oci://HOST/REPOSITORY
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) available: Option<String>,
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
    /// What to print
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ListOutput,
}

/// `trocar plugin inspect`.
#[derive(Debug, Args)]
pub(crate) struct PluginInspectArgs {
    /// A default plugin, one of the configuration, a pulled one, or a file
    #[arg(value_name = "NAME|REFERENCE|FILE.wasm")]
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

/// `trocar plugin new`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # A strategy in Python: the folder java-debug, and what to type next
  trocar plugin new java-debug --type=strategy --language=python

  # A policy in Rust, in a folder of your choice
  trocar plugin new house-rules --type=policy --language=rust --folder=plugins/house-rules")]
pub(crate) struct PluginNewArgs {
    /// Name of the plugin: lower-case letters, digits and dashes
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it is to be
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) plugin_type: NewPluginType,
    /// What it is to be written in
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub(crate) language: NewPluginLanguage,
    /// Where to write it (default: a folder of its name)
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

/// The two kinds of plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewPluginType {
    /// Makes plans
    Strategy,
    /// Reviews plans
    Policy,
}

/// The languages that plugins are started in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewPluginLanguage {
    /// Small and quick; needs Rust
    Rust,
    /// Needs Python and pip
    Python,
    /// JavaScript, with types for TypeScript's checker; needs Node.js and npm
    Javascript,
}

/// `trocar plugin test`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # All cases below this folder
  trocar plugin test

  # One case of one file
  trocar plugin test cases/mine.cases.yaml --case='a Java pod gets the tools'

Exit codes: 0 all as expected, 1 at least one is not, 2 the command line is not valid")]
pub(crate) struct PluginTestArgs {
    /// Folder with cases, in files that end in .cases.yaml; or one such file
    #[arg(value_name = "FOLDER|FILE.cases.yaml", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Run the cases of this name alone
    #[arg(long, value_name = "NAME")]
    pub(crate) case: Option<String>,
    /// Write what comes out into FILE.snapshots.yaml beside each case file; `expect` is never changed
    #[arg(long, conflicts_with = "case")]
    pub(crate) update: bool,
    /// What to print
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: TestOutput,
    /// Raise or lower a limit of the plugins, for example time=5s (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}

/// `trocar plugin dev`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Build and run the cases of the plugin in this folder, now and at each save
  trocar plugin dev

  # And show how its plan for a pod changes, with flags of trocar debug behind the dashes
  trocar plugin dev -f pod.yaml -- --image=busybox:1.36 --profile=restricted")]
pub(crate) struct PluginDevArgs {
    /// Folder of the plugin
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// File with pods or nodes: what the plugin plans for them is shown, and later how that differs (can be repeated)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
    /// Once, without waiting for a save
    #[arg(long)]
    pub(crate) once: bool,
    /// Install the tool that makes components of Python or JavaScript, where it is not there yet
    #[arg(long)]
    pub(crate) install_tool: bool,
    /// Flags of trocar debug for those plans
    #[arg(last = true, value_name = "FLAGS")]
    pub(crate) flags: Vec<String>,
}

/// `trocar plugin build`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Build the plugin in this folder; one in Rust needs rustup target add wasm32-unknown-unknown
  trocar plugin build

  # One in Python or JavaScript, and the tool that makes components of it, which is installed once
  trocar plugin build --install-tool

  # Build another one, to a place of your choice
  trocar plugin build plugins/mine -o mine.wasm")]
pub(crate) struct PluginBuildArgs {
    /// Folder of the plugin: plugin.yaml, and Cargo.toml, plugin.py or plugin.js
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Where to write the plugin (default: NAME.wasm in the folder)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Install the tool that makes components of Python or JavaScript, where it is not there yet: one version, for this user
    #[arg(long)]
    pub(crate) install_tool: bool,
    /// Leave compiling the component to machine code for its first use
    #[arg(long)]
    pub(crate) no_compile: bool,
    /// Build with the versions in Cargo.lock only (Rust)
    #[arg(long)]
    pub(crate) locked: bool,
    /// Leave out the names of functions: smaller, but a trap tells less (Rust)
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
