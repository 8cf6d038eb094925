//! Decides about the reason of a debug. Pure.

use regex_lite::Regex;
use serde::Deserialize;
use trocar_sdk::{
    Diagnostic, Failure, FailureKind,
    policy::{Decision, Review},
};

/// The policy's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The regular expression that the whole reason must match.
    pub pattern: Option<String>,
    /// An example of a valid reason, for messages.
    pub example: Option<String>,
    /// The contact in messages.
    pub contact: Option<String>,
}

/// Denies a debug without a reason, or with one that does not match.
///
/// # Errors
/// Fails when the pattern is not a regular expression.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let settings = &review.settings;
    let pattern = settings.pattern.as_deref().map(whole).transpose();
    let pattern = pattern.map_err(|error| {
        Failure::new(
            FailureKind::InvalidSettings,
            "invalid-pattern",
            format!("pattern: {error}"),
        )
    })?;
    let mut decision = Decision::allow();
    let reason = review.actor.reason.as_deref().map(str::trim).unwrap_or_default();
    if reason.is_empty() {
        decision.deny(with_help(
            settings,
            "reason-missing",
            "a reason is needed to debug here".into(),
        ));
    } else if pattern.is_some_and(|pattern| !pattern.is_match(reason)) {
        let typed = settings.pattern.as_deref().unwrap_or_default();
        let message = format!("the reason {reason:?} does not match {typed:?}");
        decision.deny(with_help(settings, "reason-malformed", message));
    }
    Ok(decision)
}

/// Checks what the schema cannot express: that the pattern is valid, and that the example matches it.
pub fn check(settings: &Settings) -> Vec<Diagnostic> {
    let Some(pattern) = &settings.pattern else {
        return Vec::new();
    };
    match (whole(pattern), &settings.example) {
        (Err(error), _) => vec![Diagnostic::error("invalid-pattern", error.to_string()).at(["pattern"])],
        (Ok(pattern), Some(example)) if !pattern.is_match(example) => {
            vec![
                Diagnostic::error("example-does-not-match", "the example does not match the pattern")
                    .at(["example"]),
            ]
        }
        _ => Vec::new(),
    }
}

fn whole(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

fn with_help(settings: &Settings, code: &str, message: String) -> Diagnostic {
    let example = settings.example.as_deref().unwrap_or("why you debug");
    let contact = settings
        .contact
        .as_deref()
        .map(|contact| format!("; questions: {contact}"));
    let help = format!("--reason={example:?}{}", contact.unwrap_or_default());
    Diagnostic::error(code, message).help(help)
}
