//! What can be typed after `trocar attach`.

use clap::Args;

use super::{
    connection::ConnectionFlags,
    flags::{PolicyFlags, Verbosity},
};

/// `trocar attach`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Back to your only running session
  trocar attach

  # Back to this one
  trocar attach pod/web-0:debugger-x7k2p

  # This one, with no more than the last 20 lines of what it wrote meanwhile
  trocar attach pod/web-0:debugger-x7k2p --tail=20

  # The running debug container of a pod, or the debug pod of a node
  trocar attach web-0
  trocar attach node/n1

Exit codes: the program's own; 0 when you left it running; 2 the command line is not valid; 125 trocar itself failed, or a
policy denied it")]
pub(crate) struct AttachArgs {
    /// A session as trocar sessions lists it, or a pod or node that is debugged (default: your only running session)
    #[arg(value_name = "SESSION|TARGET")]
    pub(crate) session: Option<String>,
    /// The namespace (default: the context's)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Send nothing to the program's standard input, although it reads it
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Send standard input also when it is not a terminal
    #[arg(short = 'i', long, conflicts_with = "no_stdin")]
    pub(crate) stdin: bool,
    /// Show only the last lines of what was written before (default: all of it)
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<usize>,
    /// Keys that leave the session and let the program go on (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// Print no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
    #[command(flatten)]
    pub(crate) connection: ConnectionFlags,
    /// Show more: from 1 what plugins log, from 6 every request
    #[arg(short = 'v', long = "v", num_args = 0..=1, require_equals = true, default_value = "0",
        default_missing_value = "1", value_name = "LEVEL")]
    pub(crate) verbose: Verbosity,
}
