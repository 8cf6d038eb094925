//! Cases for strategies and policies: reads them from files, runs them, and compares outcomes with expectations. Offline. The
//! format is in `docs/schemas/policy-cases.schema.json`.
//!
//! ```
//! use std::path::Path;
//! use trocar::{Engine, EngineConfig, policy_cases::{self, CaseVerdict, Runner}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//! apiVersion: trocar.dev/v1alpha1
//! kind: PolicyCases
//! name: a debug without a reason
//! policies: [{name: reasons, plugin: require-reason}]
//! target: {apiVersion: v1, kind: Pod, metadata: {name: web-0}, spec: {containers: [{name: app, image: "web:1"}]}}
//! options: {image: "busybox:1.36"}
//! expect: {verdict: deny, codes: [reason-missing]}
//! "#;
//! let no_flags = |_: &[String], _: bool| Err("there are no flags here".to_owned());
//! let cases = policy_cases::parse(Path::new("reasons.cases.yaml"), text.as_bytes(), &no_flags)?;
//! let engine = Engine::new(EngineConfig::default())?;
//! let result = Runner::new(&engine).run(&cases[0], None)?;
//! assert!(result.is_as_expected());
//! assert_eq!(result.outcome.verdict, CaseVerdict::Deny);
//! # Ok(())
//! # }
//! ```

mod coverage;
mod door;
mod error;
mod expect;
mod outcome;
mod read;
mod run;
mod snapshots;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use trocar_core::{
    capability::{ClusterReader, WrittenDown},
    config::PolicyEntry,
    target::Target,
};
use trocar_runtime::plugin::PluginSource;
use trocar_sdk::{Actor, Context, DebugOptions};

use self::expect::Expect;
pub use self::{
    door::DOOR_KIND,
    error::CaseError,
    outcome::{CaseVerdict, Outcome, PolicyOutcome},
    read::{find, parse, read},
    run::{CaseResult, Runner},
    snapshots::{keep, snapshots},
};

/// The suffix of files with cases.
pub const EXTENSION: &str = ".cases.yaml";

/// Parses a case's `args`, which are flags of the caller. The second argument is true if the case names a strategy, which may
/// require fewer flags than the default ones. An error is the caller's message about the flags; a case may expect it.
pub type ReadFlags<'a> = dyn Fn(&[String], bool) -> Result<DebugOptions, String> + 'a;

/// A case that was read.
#[derive(Debug)]
pub struct Case {
    file: PathBuf,
    name: String,
    policies: Vec<(PolicyEntry, PluginSource)>,
    target: Target,
    /// The options, or the message about invalid `args`.
    options: Result<DebugOptions, String>,
    strategy: PluginSource,
    /// The strategy's settings, as JSON text.
    settings: String,
    actor: Actor,
    context: Context,
    /// The objects that `cluster-read` finds. None without a cluster.
    objects: Option<WrittenDown>,
    expect: Expect,
}

impl Case {
    /// The file that it is in.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its name, unique in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn reader(&self) -> Option<Arc<dyn ClusterReader>> {
        let objects = self.objects.clone()?;
        Some(Arc::new(objects))
    }

    /// Returns true if the case expects nothing, so that every outcome passes.
    pub fn expects_nothing(&self) -> bool {
        self.expect.is_nothing()
    }
}
