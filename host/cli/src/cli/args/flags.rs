//! Flags that several commands have: what to make, which plugins and policies, and which cluster.

use std::path::PathBuf;

use clap::Args;

use super::as_target::AsTargetFlags;
use crate::cli::pflag::Switch;

/// The flags of `kubectl debug` that say what to make.
#[derive(Debug, Args)]
pub(crate) struct DebugFlags {
    /// Pass everything after -- as arguments to the image's entry point, not as a command
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) arguments_only: Option<Switch>,
    /// Wait for the container to start and attach to it (default: true with -i)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) attach: Option<Switch>,
    /// Name of the debug container
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) container: Option<String>,
    /// Debug a copy of the pod, of this name, instead of the pod itself
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) copy_to: Option<String>,
    /// JSON or YAML file with a partial container that customizes the profile
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) custom: Option<PathBuf>,
    /// Environment variable of the container (can be repeated)
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) env: Vec<String>,
    /// File with the pod or node to debug; - for standard input (can be repeated)
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    pub(crate) filename: Vec<PathBuf>,
    /// Image of the debug container
    #[arg(long, value_name = "IMAGE", allow_hyphen_values = true)]
    pub(crate) image: Option<String>,
    /// When to pull the image: Always, IfNotPresent or Never
    #[arg(long, value_name = "POLICY", allow_hyphen_values = true)]
    pub(crate) image_pull_policy: Option<String>,
    /// With --copy-to, keep the pod's annotations
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_annotations: Option<Switch>,
    /// With --copy-to, run the pod's init containers (default: true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_init_containers: Option<Switch>,
    /// With --copy-to, keep the pod's labels
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_labels: Option<Switch>,
    /// With --copy-to, keep the pod's liveness probes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_liveness: Option<Switch>,
    /// With --copy-to, keep the pod's readiness probes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_readiness: Option<Switch>,
    /// With --copy-to, keep the pod's startup probes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_startup: Option<Switch>,
    /// What the container may do: general, baseline, restricted, netadmin or sysadmin (default: general)
    #[arg(long, value_name = "PROFILE", allow_hyphen_values = true)]
    pub(crate) profile: Option<String>,
    /// Print no notes
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) quiet: Option<Switch>,
    /// With --copy-to, delete the original once the copy exists
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) replace: Option<Switch>,
    /// With --copy-to, put the copy on the node of the original
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) same_node: Option<Switch>,
    /// With --copy-to, change the image of a container; * for all (can be repeated)
    #[arg(long, value_name = "NAME=IMAGE", allow_hyphen_values = true)]
    pub(crate) set_image: Vec<String>,
    /// With --copy-to, let all containers see each other's processes (default: true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) share_processes: Option<Switch>,
    /// Keep standard input open
    #[arg(short = 'i', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) stdin: Option<Switch>,
    /// Container whose processes an ephemeral container sees
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) target: Option<String>,
    /// End a created pod after this time, for example 30m or 2h
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
    /// Give the container a terminal
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) tty: Option<Switch>,
    #[command(flatten)]
    pub(crate) as_target: AsTargetFlags,
    /// Command to run in the container
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// The flags that choose plugins and bound them.
#[derive(Debug, Args)]
pub(crate) struct PluginFlags {
    /// Strategy plugin: a default one, one of the configuration, or a file (default: by target and flags)
    #[arg(long, value_name = "NAME|FILE.wasm")]
    pub(crate) strategy: Option<String>,
    /// Setting of the strategy plugin; the value is JSON or else text (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Grant a capability to the plugin (can be repeated)
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) grant: Vec<String>,
    /// Raise or lower a limit of the plugin, for example time=5s or memory=128Mi (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
    /// Show more: from 1 what plugins log, from 6 every request
    #[arg(short = 'v', long = "v", visible_alias = "verbose", num_args = 0..=1, require_equals = true,
        default_value = "0", default_missing_value = "1", value_name = "LEVEL")]
    pub(crate) verbose: Verbosity,
}

/// The flags that choose policies, and the reason for the debug.
#[derive(Debug, Default, Args)]
pub(crate) struct PolicyFlags {
    /// Configuration file, besides the system's and your own
    #[arg(long, value_name = "FILE", help_heading = POLICIES)]
    pub(crate) config: Option<PathBuf>,
    /// Policy plugin to ask besides those that are configured (can be repeated)
    #[arg(long, value_name = "NAME|FILE.wasm", help_heading = POLICIES)]
    pub(crate) policy: Vec<String>,
    /// Why you debug, for policies and for the audit
    #[arg(long, value_name = "TEXT", help_heading = POLICIES)]
    pub(crate) reason: Option<String>,
}

const POLICIES: &str = "Policies";

/// How much is shown besides the result: 0 to 10, as `-v` of kubectl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verbosity(pub(crate) u8);

impl std::str::FromStr for Verbosity {
    type Err = std::num::ParseIntError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        typed.parse().map(Self)
    }
}
