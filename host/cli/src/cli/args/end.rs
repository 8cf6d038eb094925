//! The flags that say what becomes of what a debug makes.

use clap::Args;

use crate::cli::pflag::Switch;

/// What becomes of what a debug makes.
#[derive(Debug, Default, Args)]
pub(crate) struct EndFlags {
    /// Delete the created pod at the end of the session, also when trocar is killed; it stays when you leave it running
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) rm: Option<Switch>,
    /// Come back to a debug container of yours that still runs and is the same, instead of adding one more
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) reuse: Option<Switch>,
    /// With --reuse, show only the last lines of what was written before (default: all of it)
    #[arg(long, value_name = "LINES", requires = "reuse")]
    pub(crate) tail: Option<usize>,
}
