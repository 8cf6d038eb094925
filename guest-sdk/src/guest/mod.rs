//! The WebAssembly side: generated bindings, conversion to and from the ABI, and the macros that export a plugin.
//!
//! Plugin logic does not use this module; it is a pure function that runs natively in tests.

pub mod cluster;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod strategy;

use serde::de::DeserializeOwned;
use strategy::bindings::trocar::plugin::{log, types};

use crate::{Diagnostic, Failure, FailureKind, Settings, Severity};

/// Writes a line to the host's log, where `-v` shows it.
pub fn log(level: LogLevel, message: &str) {
    if cfg!(target_family = "wasm") {
        log::log(level.into(), message);
    }
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Single steps of the plugin.
    Trace,
    /// For the plugin's author.
    Debug,
    /// For users who want to know how a plan came about.
    Info,
    /// Possibly an error.
    Warn,
    /// An error; shown as the reason if the plugin traps next.
    Error,
}

impl From<LogLevel> for log::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Trace => Self::Trace,
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warn => Self::Warn,
            LogLevel::Error => Self::Error,
        }
    }
}

/// Sends the message of a panic to the host, since the trap that follows has none.
#[doc(hidden)]
pub fn report_panics() {
    #[cfg(feature = "panic-text")]
    std::panic::set_hook(Box::new(|panic| log(LogLevel::Error, &panic.to_string())));
}

/// Parses settings as the plugin's type, and lets the plugin check what the type cannot express.
fn validate_settings<T: DeserializeOwned>(
    check: impl FnOnce(&T) -> Vec<Diagnostic>,
    settings: String,
) -> Result<Vec<types::Diagnostic>, types::Failure> {
    report_panics();
    let settings = Settings(settings).read().map_err(failure)?;
    Ok(diagnostics(check(&settings)))
}

#[doc(hidden)]
pub fn no_further_check<T>(_: &T) -> Vec<Diagnostic> {
    Vec::new()
}

fn diagnostics(found: Vec<Diagnostic>) -> Vec<types::Diagnostic> {
    found.into_iter().map(diagnostic).collect()
}

fn diagnostic(found: Diagnostic) -> types::Diagnostic {
    types::Diagnostic {
        severity: match found.severity {
            Severity::Error => types::Severity::Error,
            Severity::Warning => types::Severity::Warning,
            Severity::Info => types::Severity::Info,
        },
        code: found.code,
        at: found.at,
        message: found.message,
        help: found.help,
    }
}

fn failure(failure: Failure) -> types::Failure {
    types::Failure {
        kind: match failure.kind {
            FailureKind::InvalidSettings => types::FailureKind::InvalidSettings,
            FailureKind::InvalidRequest => types::FailureKind::InvalidRequest,
            FailureKind::UnsupportedTarget => types::FailureKind::UnsupportedTarget,
            FailureKind::Unavailable => types::FailureKind::Unavailable,
            FailureKind::Internal => types::FailureKind::Internal,
        },
        code: failure.code,
        message: failure.message,
        diagnostics: diagnostics(failure.diagnostics),
    }
}
