//! Findings and failures: what a plugin tells people. Conversion to the ABI is in `guest.rs`.

use serde::{Deserialize, Serialize};

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is wrong; whoever asked has to change it.
    Error,
    /// The debug goes on, but perhaps not as intended.
    Warning,
    /// Worth knowing, shown unless the user asked for quiet.
    Info,
}

/// One finding about a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// A short, stable, kebab-case name that scripts may match.
    pub code: String,
    /// Where, as an RFC 6901 pointer, if it is about one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// One sentence for people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnostic {
    /// Makes a diagnostic of the given severity.
    pub fn new(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.into(),
            at: None,
            message: message.into(),
            help: None,
        }
    }

    /// Makes an error: whoever asked has to change something.
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Makes a warning: the debug goes on, but perhaps not as intended.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Makes a note, which `--quiet` hides.
    pub fn info(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message)
    }

    /// Says where: the parts of an RFC 6901 pointer, unescaped.
    ///
    /// ```
    /// use trocar_sdk::Diagnostic;
    /// let found = Diagnostic::error("bad", "no").at(["spec", "containers", "0", "a/b"]);
    /// assert_eq!(found.at.as_deref(), Some("/spec/containers/0/a~1b"));
    /// ```
    #[must_use]
    pub fn at<Part: AsRef<str>>(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.at = Some(pointer(parts));
        self
    }

    /// Says where, with a pointer that is already in RFC 6901 form.
    #[must_use]
    pub fn at_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.at = Some(pointer.into());
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Joins unescaped parts to an RFC 6901 pointer.
pub fn pointer<Part: AsRef<str>>(parts: impl IntoIterator<Item = Part>) -> String {
    let mut pointer = String::new();
    for part in parts {
        pointer.push('/');
        for letter in part.as_ref().chars() {
            match letter {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
    }
    pointer
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The plugin's settings are wrong.
    InvalidSettings,
    /// The user asked for something that cannot be.
    InvalidRequest,
    /// The plugin does not debug this kind of target.
    UnsupportedTarget,
    /// Something that the plugin needs from the host cannot be had now.
    Unavailable,
    /// The plugin itself is at fault.
    Internal,
}

/// Why a plugin gives no answer. An ordinary refusal is a failure, never a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub kind: FailureKind,
    /// A short, stable, kebab-case name that scripts may match.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// More, with places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// Makes a failure of the given kind.
    pub fn new(kind: FailureKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            diagnostics: Vec::new(),
        }
    }

    /// The user asked for something that cannot be.
    pub fn invalid_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidRequest, code, message)
    }

    /// The plugin does not debug this kind of target.
    pub fn unsupported_target(message: impl Into<String>) -> Self {
        Self::new(FailureKind::UnsupportedTarget, "unsupported-target", message)
    }

    /// Adds a finding, with its place.
    #[must_use]
    pub fn with(mut self, diagnostic: Diagnostic) -> Self {
        self.diagnostics.push(diagnostic);
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
