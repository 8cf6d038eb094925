//! Diagnostics and failures, which users see. Conversion to the ABI is in `guest`.

use serde::{Deserialize, Serialize};

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is wrong; the user has to change the request.
    Error,
    /// The debug goes on, but perhaps not as intended.
    Warning,
    /// Worth knowing, shown unless the user asked for quiet.
    Info,
}

/// A diagnostic about a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The severity.
    pub severity: Severity,
    /// A short, stable, kebab-case name that scripts may match.
    pub code: String,
    /// The place as an RFC 6901 pointer, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// One sentence for users.
    pub message: String,
    /// A hint about what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnostic {
    /// Creates a diagnostic of the given severity.
    pub fn new(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.into(),
            at: None,
            message: message.into(),
            help: None,
        }
    }

    /// Creates an error: the user has to change the request.
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Creates a warning: the debug goes on, but perhaps not as intended.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Creates a note, which `--quiet` hides.
    pub fn info(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message)
    }

    /// Sets the place, by the unescaped parts of an RFC 6901 pointer.
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

    /// Sets the place, by an RFC 6901 pointer.
    #[must_use]
    pub fn at_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.at = Some(pointer.into());
        self
    }

    /// Sets the hint about what to do.
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

/// The cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The plugin's settings are wrong.
    InvalidSettings,
    /// The user's request cannot be fulfilled.
    InvalidRequest,
    /// The plugin does not debug this kind of target.
    UnsupportedTarget,
    /// Something that the plugin needs from the host is unavailable.
    Unavailable,
    /// The plugin itself is at fault.
    Internal,
}

/// Why a plugin refuses to answer. An ordinary refusal is a failure, never a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of cause.
    pub kind: FailureKind,
    /// A short, stable, kebab-case name that scripts may match.
    pub code: String,
    /// One sentence for users.
    pub message: String,
    /// Details, with places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// Creates a failure of the given kind.
    pub fn new(kind: FailureKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            diagnostics: Vec::new(),
        }
    }

    /// The user's request cannot be fulfilled.
    pub fn invalid_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidRequest, code, message)
    }

    /// The plugin does not debug this kind of target.
    pub fn unsupported_target(message: impl Into<String>) -> Self {
        Self::new(FailureKind::UnsupportedTarget, "unsupported-target", message)
    }

    /// Adds a diagnostic.
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
