//! What several commands can print lists and documents as. The formats of one command alone are with its flags.

use clap::ValueEnum;

/// What lists are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListOutput {
    /// A table for people
    Table,
    /// JSON
    Json,
    /// The names, one a line
    Name,
}

/// What documents are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentOutput {
    /// YAML
    Yaml,
    /// JSON
    Json,
}
