//! What can be typed after `trocar policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    config::ConfigFileFlag,
    output::{DocumentOutput, ListOutput},
};

/// The verbs of `trocar policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the default policies and those that are configured
    List(PolicyListArgs),
    /// Evaluate one case and show what every policy says
    Eval(PolicyEvalArgs),
    /// Run the cases of a folder
    Test(PolicyTestArgs),
}

/// `trocar policy list`.
#[derive(Debug, Args)]
pub(crate) struct PolicyListArgs {
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
    /// What to print
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ListOutput,
}

/// `trocar policy eval`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 allowed, 1 failed, 2 the command line is not valid, 3 denied")]
pub(crate) struct PolicyEvalArgs {
    /// File with cases
    #[arg(value_name = "FILE.cases.yaml")]
    pub(crate) case: PathBuf,
    /// The case, where the file holds several
    #[arg(value_name = "CASE")]
    pub(crate) name: Option<String>,
    /// What to print
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: DocumentOutput,
}

/// `trocar policy test`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Run all cases below a folder
  trocar policy test tests/

  # Keep what the policies say now, to see later what has changed
  trocar policy test tests/ --update

  # For a CI system
  trocar policy test tests/ --output=junit > report.xml

Exit codes: 0 all as expected, 1 at least one is not, 2 the command line is not valid")]
pub(crate) struct PolicyTestArgs {
    /// Folder with cases, in files that end in .cases.yaml; or one such file
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Run the cases of this name alone
    #[arg(long, value_name = "NAME", conflicts_with_all = ["update", "as_admission"])]
    pub(crate) case: Option<String>,
    /// Write what comes out into FILE.snapshots.yaml beside each case file; `expect` is never changed
    #[arg(long)]
    pub(crate) update: bool,
    /// Write the cases as an API server would ask about them into files of a folder, for `trocar-admission test`
    #[arg(long, value_name = "FOLDER", conflicts_with = "update")]
    pub(crate) as_admission: Option<PathBuf>,
    /// What to print
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: TestOutput,
    /// Raise or lower a limit of the policies, for example time=5s (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}

/// What the results of tests are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestOutput {
    /// For people
    Text,
    /// JSON
    Json,
    /// JUnit XML
    Junit,
}
