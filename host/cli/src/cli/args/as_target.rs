//! Flags that make a debug container see what its target sees, or let its pod start where the target's would.

use clap::Args;

use crate::cli::pflag::Switch;

/// The flags of `trocar debug` and `trocar plan` for it.
#[derive(Debug, Default, Args)]
pub(crate) struct AsTargetFlags {
    /// Take over from the container of --target, or the first: env, mounts or mounts:ro, user, workdir, resources, or all
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "all", value_name = "WHAT,…", value_delimiter = ',')]
    pub(crate) inherit: Vec<String>,
    /// Run the debug container as root
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) as_root: Option<Switch>,
    /// Secret with which the images of a copy or node pod are pulled (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) pull_secret: Vec<String>,
    /// Priority class of a copy or node pod
    #[arg(long, value_name = "NAME")]
    pub(crate) priority_class: Option<String>,
    /// Let a copy run on nodes with any taint, as node pods do
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) tolerate_all: Option<Switch>,
}
