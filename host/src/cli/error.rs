//! What the program says when it fails: what failed, whose fault it is, what to do next.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use trocar::{
    Blame, Diagnostic, PlanError, config::ConfigError, plan::PolicyReview, plugin::PluginError,
    request::RequestError, target::TargetError,
};

use super::{exit_code, ui};

/// A failure, ready to be shown.
#[derive(Debug)]
pub(crate) struct CliError {
    /// What stands before the message.
    label: &'static str,
    message: String,
    notes: Vec<String>,
    hints: Vec<String>,
    code: u8,
    /// There is nothing to complain about.
    quiet: bool,
    /// The message is kubectl's to the letter, and a script may compare it: hints are for people at a terminal only.
    kubectls: bool,
}

impl CliError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            label: "error: ",
            message: message.into(),
            notes: Vec::new(),
            hints: Vec::new(),
            code: exit_code::FAILED,
            quiet: false,
            kubectls: false,
        }
    }

    /// Output that could not be written. That nobody reads it any more is no mistake of anybody's.
    pub(crate) fn output(message: impl Into<String>, error: &io::Error) -> Self {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return Self::new(message);
        }
        Self {
            quiet: true,
            ..Self::new(message).code(exit_code::NOBODY_READS)
        }
    }

    /// A message that says itself what it is, as those of a server do.
    pub(crate) fn worded(message: impl Into<String>) -> Self {
        let message = message.into();
        match message.strip_prefix("error: ") {
            Some(message) => Self::new(message),
            None => Self {
                label: "",
                ..Self::new(message)
            },
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).code(exit_code::USAGE)
    }

    pub(crate) fn code(mut self, code: u8) -> Self {
        if !self.quiet {
            self.code = code;
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn kubectls(mut self) -> Self {
        self.kubectls = true;
        self
    }

    /// Where no script compares it: with hints, and with the place that it is about.
    pub(crate) fn ours(mut self) -> Self {
        self.kubectls = false;
        self
    }

    /// Says of which of several targets the failure is.
    pub(crate) fn of(mut self, target: &str) -> Self {
        if !self.kubectls {
            self.message = format!("{target}: {}", self.message);
        }
        self
    }

    fn diagnostics(mut self, diagnostics: &[Diagnostic]) -> Self {
        self.notes.extend(diagnostics.iter().map(ui::diagnostic_line));
        self
    }

    /// Shows the failure on stderr.
    pub(crate) fn report(self) -> ExitCode {
        if self.quiet {
            self.notes.iter().for_each(|note| ui::error_line(note));
            return ExitCode::from(self.code);
        }
        ui::error_line(&format!("{}{}", self.label, self.message));
        for note in &self.notes {
            ui::error_line(&format!("  {note}"));
        }
        if !self.kubectls || io::stderr().is_terminal() {
            for hint in &self.hints {
                ui::error_line(&format!("hint: {hint}"));
            }
        }
        ExitCode::from(self.code)
    }
}

impl From<RequestError> for CliError {
    fn from(error: RequestError) -> Self {
        let failed = Self::usage(error.to_string());
        if error.is_kubectls() {
            failed.kubectls()
        } else {
            failed
        }
    }
}

impl From<TargetError> for CliError {
    fn from(error: TargetError) -> Self {
        let is_kind = matches!(error, TargetError::Kind(_));
        let failed = Self::new(error.to_string());
        if is_kind { failed.kubectls() } else { failed }
    }
}

impl From<PluginError> for CliError {
    fn from(error: PluginError) -> Self {
        let failed = Self::new(error.to_string());
        let failed = match error.blame() {
            Blame::Plugin => failed.note("this is the plugin's fault, not trocar's"),
            _ => failed,
        };
        match error.hint() {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }
}

impl CliError {
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        let failed = match error {
            PlanError::Plugin(error) => return error.into(),
            PlanError::Refused { failure, .. } => Self::new(message).diagnostics(&failure.diagnostics),
            PlanError::Denied { plan } => {
                let denied = Self::new(message).code(exit_code::DENIED);
                plan.denials().fold(denied, Self::denial)
            }
            PlanError::Undecided { .. } => Self::new(message).code(exit_code::DENIED),
            _ => Self::new(message),
        };
        match hint {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }
}

impl CliError {
    /// What a policy says, in its own words, and what it would allow.
    fn denial(self, review: &PolicyReview) -> Self {
        review.diagnostics.iter().fold(self, |denied, found| {
            let line = format!("{}: {}", review.policy, ui::diagnostic_line(found));
            denied.note(line)
        })
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let failed = Self::new(format!("configuration: {error}"));
        match error.hint {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }
}
