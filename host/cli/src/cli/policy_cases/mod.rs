//! Cases for policies: reading them from files, running them, holding what comes out against what is expected.
//! How results are printed is in `commands/policy.rs`.

mod coverage;
mod expect;
mod outcome;
mod read;
mod run;
mod snapshots;

use std::path::PathBuf;

use trocar::{Actor, Context, DebugOptions, Target, config::PolicyEntry, plugin::PluginSource};

use self::expect::Expect;
pub(crate) use self::{
    outcome::CaseVerdict,
    read::{find, read},
    run::{CaseResult, Runner},
    snapshots::{keep, snapshots},
};

/// The end of the name of a file with cases.
const EXTENSION: &str = ".cases.yaml";

/// A case that can be run.
pub(crate) struct Case {
    /// The file that it stands in.
    pub(crate) file: PathBuf,
    /// Its name, unique in the file.
    pub(crate) name: String,
    policies: Vec<(PolicyEntry, PluginSource)>,
    target: Target,
    /// What is asked for; or why the command line makes no sense.
    options: Result<DebugOptions, String>,
    strategy: String,
    actor: Actor,
    context: Context,
    expect: Expect,
}

impl Case {
    /// Says whether whatever comes out is as expected.
    pub(crate) fn expects_nothing(&self) -> bool {
        self.expect.is_nothing()
    }
}
