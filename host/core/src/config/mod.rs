//! The configuration: what an organisation or a person sets once, read from several files and merged.
//!
//! Files come in layers: the system's, the user's, and the one that a flag names. A later layer may add to an earlier one and
//! choose other defaults for flags; what an earlier one says about plugins, policies and audit it can neither replace nor
//! remove. No I/O: the caller reads files.

mod check;
mod file;
mod merge;
mod source;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

pub use file::{
    AdmissionEntry, AuditEntry, AuditSink, Cleaner, Defaults, JudgedPods, LockMode, PluginEntry, PolicyEntry,
    RegistryEntry,
};
pub use merge::load;

use crate::registry::TrustEntry;

/// The origin of a configuration file, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The administrator of the machine.
    System,
    /// The user.
    User,
    /// A file named on the command line.
    Flag,
    /// The user's preferences for kubectl, which only fill in what no other file sets.
    Kuberc,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// The file that it stands in.
    pub file: PathBuf,
    /// Who wrote it.
    pub layer: Layer,
    /// The file's text, by which places are found.
    text: Arc<source::Text>,
    /// The pointer to the value, from the file's root.
    at: String,
}

impl<T> Sourced<T> {
    /// Where the value stands.
    pub fn origin(&self) -> Origin {
        self.origin_of("")
    }

    /// Where a part of the value stands, by its RFC 6901 pointer from the value.
    pub fn origin_of(&self, part: &str) -> Origin {
        let (line, column) = self.text.locate(&format!("{}{part}", self.at));
        Origin {
            file: self.file.clone(),
            line,
            column,
        }
    }
}

/// All layers together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Defaults for flags: the last layer that sets one wins.
    pub defaults: Defaults,
    /// Where each default comes from, by its field's name.
    pub default_origins: Vec<Sourced<&'static str>>,
    /// Plugins by name, besides the default ones.
    pub plugins: Vec<Sourced<PluginEntry>>,
    /// The policies, in the order in which they are asked: the system's first.
    pub policies: Vec<Sourced<PolicyEntry>>,
    /// Where decisions are written down.
    pub audit: Vec<Sourced<AuditEntry>>,
    /// The programs for which created pods with a time to live are marked.
    pub cleaners: Vec<Sourced<Cleaner>>,
    /// What the admission server judges, where a file says so.
    pub admission: Option<Sourced<AdmissionEntry>>,
    /// How registries are reached, each said once.
    pub registries: Vec<Sourced<RegistryEntry>>,
    /// Who is trusted: what each file says. All of them have to hold.
    pub trust: Vec<Sourced<TrustEntry>>,
    /// Files that want plugins of registries to stand in a lock.
    pub locks: Vec<Sourced<()>>,
    /// The files that were read, in the order of their weight.
    pub files: Vec<PathBuf>,
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
pub struct ConfigError {
    /// Where, as far as that is known.
    pub place: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What kind of mistake it is.
    pub kind: ConfigErrorKind,
}

/// A kind of mistake in a configuration, as far as it matters to what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// Files include each other in a circle.
    Circle,
    /// A plugin's digest is not one.
    Digest,
    /// A plugin has neither a file nor a source, or both.
    Source,
    /// A file other than the system's wants to do without TLS.
    PlainHttp,
    /// The name is set already, by this file or another.
    NameTaken,
    /// A policy names something else than a plugin, such as a path.
    PluginName,
    /// There is no such profile; the nearest, where one is near.
    Profile(Option<String>),
    /// A policy names a plugin that only a weaker layer defines.
    WeakerLayer,
    /// Another mistake, of which the message says everything.
    Other,
}

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; durations are written like 30s, 5m or 1h30m")]
pub struct DurationError(pub String);

/// How long something may take, as it is written in a file: `30s`, `5m`.
///
/// # Errors
/// Fails when it is not a duration.
pub fn parse_duration(typed: &str) -> Result<Duration, DurationError> {
    if let Ok(seconds) = typed.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    let parsed = typed.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| DurationError(typed.to_owned()))
}
