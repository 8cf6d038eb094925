//! What can be typed after `trocar sessions` and `trocar clean`.

use clap::{Args, ValueEnum};

use super::{connection::ConnectionFlags, flags::Verbosity};

/// Where sessions are looked for.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The namespace (default: the context's)
    #[arg(short, long, value_name = "NAME", conflicts_with = "all_namespaces")]
    pub(crate) namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
}

/// `trocar sessions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # What did I leave behind?
  trocar sessions -A --mine

  # The running debug containers of a namespace, as they come and go
  trocar sessions -n shop --watch

  # For a script
  trocar sessions -A -o json

OWNER is \"you\" where your journal knows that you made it; \"you?\" where only a label claims so, which anyone may write.")]
pub(crate) struct SessionsArgs {
    #[command(flatten)]
    pub(crate) place: Where,
    /// Only your own
    #[arg(long)]
    pub(crate) mine: bool,
    /// What to print
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: SessionsOutput,
    /// Go on and show changes, until Ctrl-C
    #[arg(short, long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionFlags,
    /// Show every request from 6 on
    #[arg(short = 'v', long = "v", num_args = 0..=1, require_equals = true, default_value = "0",
        default_missing_value = "1", value_name = "LEVEL")]
    pub(crate) verbose: Verbosity,
}

/// What sessions are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SessionsOutput {
    /// A table for people
    Table,
    /// The same with image, maker, reason and end
    Wide,
    /// JSON, with a schema
    Json,
    /// YAML, with a schema
    Yaml,
    /// The names, one a line
    Name,
}

/// `trocar clean`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Delete your own debug pods of this namespace that have ended
  trocar clean

  # What would be deleted, everywhere?
  trocar clean -A --dry-run

  # One pod, although it still runs
  trocar clean pod/web-debug

  # As an administrator: everything that expired, of all users
  trocar clean -A --all-users --expired -y

Ephemeral containers cannot be removed: they stay until their pod ends.")]
pub(crate) struct CleanArgs {
    /// Sessions to delete, running or not (default: your own that have ended)
    #[arg(value_name = "SESSION")]
    pub(crate) sessions: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Only what is older, for example 30m or 12h; with this also what still runs
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: Option<String>,
    /// Only what has expired
    #[arg(long)]
    pub(crate) expired: bool,
    /// Also what a label claims to be yours
    #[arg(long)]
    pub(crate) claimed: bool,
    /// Also what others made
    #[arg(long)]
    pub(crate) all_users: bool,
    /// Also the node pods that kubectl made
    #[arg(long)]
    pub(crate) kubectl: bool,
    /// Delete nothing, show what would be deleted
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionFlags,
}
