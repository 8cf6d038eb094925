//! What the program says when it fails: what failed, whose fault it is, what to do next.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use trocar::{
    ApplyError, AuditError, Blame, DebugError, DebugPlan, Diagnostic, NotAgreed, PlanError, PlannerError,
    SamePod, SettingsOf, WriteError,
    config::ConfigError,
    plan::{PolicyReview, ReviewVerdict},
    plugin::PluginError,
    registry::RegistryError,
    request::RequestError,
    target::TargetError,
};

use super::{
    exit_code,
    planner::{stored_in_words, what_is_left},
    ui, words,
};

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
    /// The message has several lines, as that of a server: each of them is ours.
    has_lines: bool,
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
            has_lines: false,
            kubectls: false,
        }
    }

    /// Output that could not be written. A reader that has gone away is not an error.
    pub(crate) fn output(message: impl Into<String>, error: &io::Error) -> Self {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return Self::new(message);
        }
        Self {
            quiet: true,
            ..Self::new(message).code(exit_code::BROKEN_PIPE)
        }
    }

    /// A message that says itself what it is, as those about a server do, and may have several lines.
    pub(crate) fn worded(message: impl Into<String>) -> Self {
        let message = message.into();
        let failed = match message.strip_prefix("error: ") {
            Some(message) => Self::new(message),
            None => Self {
                label: "",
                ..Self::new(message)
            },
        };
        Self {
            has_lines: true,
            ..failed
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).code(exit_code::USAGE)
    }

    /// What had to be done is done, only the line that says so is not read any more.
    pub(crate) fn is_unread(&self) -> bool {
        self.quiet
    }

    pub(crate) fn code(mut self, code: u8) -> Self {
        if !self.quiet {
            self.code = code;
        }
        self
    }

    /// Of `trocar debug`: it failed, whatever the reason, unless the command line is not valid. Other exit codes are the
    /// program's own.
    pub(crate) fn of_debug(self) -> Self {
        match self.code {
            exit_code::USAGE => self,
            _ => self.code(exit_code::DEBUG_FAILED),
        }
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
        let message = format!("{}{}", self.label, self.message);
        match self.has_lines {
            true => ui::error_lines(&message),
            false => ui::error_line(&message),
        }
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
        let (sentence, is_kubectls) = words::of_request(&error);
        let failed = Self::usage(sentence);
        if is_kubectls { failed.kubectls() } else { failed }
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
        failed.hints(words::after_plugin(&error))
    }
}

impl From<RegistryError> for CliError {
    fn from(error: RegistryError) -> Self {
        Self::new(error.to_string()).hints(words::after_registry(&error))
    }
}

impl CliError {
    pub(crate) fn hints(self, hints: impl IntoIterator<Item = String>) -> Self {
        hints.into_iter().fold(self, Self::hint)
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        let message = error.to_string();
        match error {
            PlanError::Plugin(error) => error.into(),
            PlanError::Refused { failure, .. } => Self::new(message).diagnostics(&failure.diagnostics),
            PlanError::Denied { plan } => {
                let denied = Self::new(message).code(exit_code::DENIED);
                let has_failed = plan
                    .denials()
                    .any(|review| review.verdict == ReviewVerdict::Failed);
                let denied = plan.denials().fold(denied, Self::denial);
                denied.hints(has_failed.then(words::after_failed_policy))
            }
            PlanError::Undecided { policies, .. } => {
                Self::new(message)
                    .code(exit_code::DENIED)
                    .hint(match policies.as_slice() {
                        [_] => "the policy's author has to make it accept a plan that it has changed already",
                        _ => "the authors of these policies have to decide which one takes precedence",
                    })
            }
            PlanError::Answer { .. } => Self::new(message)
                .note("this is the plugin's fault, not trocar's")
                .hint("this is a bug in the plugin; -v shows its log"),
            PlanError::GuardRail { violation, .. } => {
                Self::new(message).hint(words::after_violation(&violation))
            }
            _ => Self::new(message),
        }
    }
}

impl From<PlannerError> for CliError {
    fn from(error: PlannerError) -> Self {
        let message = error.to_string();
        match error {
            PlannerError::Request(error) => error.into(),
            PlannerError::Plugin(error) => error.into(),
            PlannerError::Plan(error) => (*error).into(),
            PlannerError::Policy { place, policy, error } => {
                Self::from(*error).of(&format!("{place}: policy {policy:?}"))
            }
            PlannerError::NameTaken { .. } => Self::new(message)
                .note("this is the plugin's fault, not trocar's")
                .hint(
                    "policies know plugins by their names: rename it in its plugin.yaml, and build it again",
                ),
            PlannerError::Settings { of, problem } => match of {
                SettingsOf::Strategy(typed) => Self::usage(format!("--set: {problem}"))
                    .hint(format!("trocar plugin inspect {typed} shows its settings")),
                SettingsOf::Chosen(typed) => Self::usage(format!("--policy={typed}: {problem}"))
                    .hint("configure a policy that has settings in a file (--config)"),
                SettingsOf::Configured {
                    place,
                    policy,
                    plugin,
                } => Self::new(format!(
                    "configuration: {place}: settings of policy {policy:?}: {problem}"
                ))
                .hint(format!("trocar plugin inspect {plugin} shows its settings")),
            },
            PlannerError::Schema { .. } => {
                Self::new(message).note("this is the plugin's fault, not trocar's")
            }
            _ => Self::new(message),
        }
    }
}

impl From<AuditError> for CliError {
    fn from(error: AuditError) -> Self {
        let failed = Self::new(error.to_string());
        if error.is_required {
            failed.hint("the configuration requires it, so nothing is debugged without it")
        } else {
            failed
        }
    }
}

impl From<DebugError> for CliError {
    fn from(error: DebugError) -> Self {
        match error {
            DebugError::Planner(error) => error.into(),
            DebugError::Cluster(error) => error.into(),
            DebugError::Lookup(error) => error.into(),
            DebugError::Audit(error) => error.into(),
            _ => Self::new(error.to_string()),
        }
    }
}

impl From<NotAgreed> for CliError {
    fn from(error: NotAgreed) -> Self {
        match error {
            NotAgreed::Audit(error) => error.into(),
            _ => Self::new("the plan grants more than the flags ask for, and was not approved")
                .hint("--yes approves it; --dry-run -o diff shows the whole plan"),
        }
    }
}

impl From<ApplyError> for CliError {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Plan(error) => error.into(),
            ApplyError::Write { error, plan, left } => {
                let failed = Self::of_write(error, &plan);
                what_is_left(&plan, left).into_iter().fold(failed, Self::note)
            }
            _ => Self::new(message),
        }
    }
}

impl From<SamePod> for CliError {
    fn from(error: SamePod) -> Self {
        Self::new(error.to_string()).hint("debug them one at a time, each with a --copy-to of its own")
    }
}

impl CliError {
    /// A step of a plan that was not carried out, or not as it was judged.
    fn of_write(error: WriteError, plan: &DebugPlan) -> Self {
        let message = error.to_string();
        match error {
            WriteError::Refused(error) => error.into(),
            WriteError::Unknown(error) => {
                let (pod, namespace) = (plan.debug_pod(), plan.debug_namespace().unwrap_or_default());
                Self::from(error).note(format!(
                    "Whether this was carried out is not known. Check with: kubectl get pod {pod} -n {namespace} -o yaml"
                ))
            }
            WriteError::NotAllowed(stored) => {
                let told = stored_in_words(&stored);
                let failed = told
                    .into_iter()
                    .fold(Self::new(message).code(exit_code::DENIED), Self::note);
                let denials = stored.reviews.iter().filter(|review| review.denies());
                denials.fold(failed, Self::denial).hint(
                    "a webhook of the cluster, or a feature that it lacks, changes what is written: its operators know which",
                )
            }
            WriteError::Audit(error) => error.into(),
            _ => Self::new(message),
        }
    }

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
        Self::new(format!("configuration: {error}")).hints(words::after_config(&error.kind))
    }
}
