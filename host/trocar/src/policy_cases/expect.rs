//! The expectations of a case, and how an outcome differs from them.

use serde::Deserialize;
use serde_json::{Value, json};
use trocar_sdk::{Diagnostic, Severity};

use super::outcome::{CaseVerdict, Outcome};

/// The expectations of a case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Expect {
    verdict: Option<CaseVerdict>,
    /// Each must be in the message or help of a diagnostic, or in the refusal.
    messages: Vec<String>,
    /// Each must be the code of a diagnostic.
    codes: Vec<String>,
    /// Parts that the plan must have; fields that are not named may have any value.
    plan: Option<Value>,
}

impl Expect {
    /// Returns true if every outcome passes.
    pub(super) fn is_nothing(&self) -> bool {
        self.verdict.is_none() && self.messages.is_empty() && self.codes.is_empty() && self.plan.is_none()
    }

    pub(super) fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(wanted) = self.verdict.filter(|wanted| *wanted != outcome.verdict) {
            differences.push(format!(
                "the verdict is {}, not {}",
                json!(outcome.verdict).as_str().unwrap_or_default(),
                json!(wanted).as_str().unwrap_or_default()
            ));
        }
        for wanted in &self.messages {
            let is_found = |found: &Diagnostic| {
                found.message.contains(wanted)
                    || found.help.as_ref().is_some_and(|help| help.contains(wanted))
            };
            let is_refusal = outcome
                .refusal
                .as_ref()
                .is_some_and(|refusal| refusal.contains(wanted));
            if !is_refusal && !outcome.diagnostics().any(is_found) {
                differences.push(format!("no message contains {wanted:?}"));
            }
        }
        for wanted in &self.codes {
            if !outcome.diagnostics().any(|found| found.code == *wanted) {
                differences.push(format!("no diagnostic has the code {wanted:?}"));
            }
        }
        if let Some(wanted) = &self.plan {
            let plan = outcome.plan.clone().unwrap_or_default();
            missing("plan", wanted, &plan, &mut differences);
        }
        if !differences.is_empty() {
            // A strategy's notes do not explain a difference.
            let is_reason = |found: &&Diagnostic| {
                found.severity != Severity::Info || !outcome.of_strategy.contains(found)
            };
            let reasons = outcome.diagnostics().filter(is_reason).map(shown);
            differences.extend(reasons);
            // A refusal comes first, since it explains the other differences.
            let refused = outcome
                .refusal
                .iter()
                .map(|refusal| format!("refused: {refusal}"));
            differences.splice(0..0, refused);
        }
        differences
    }
}

fn shown(found: &Diagnostic) -> String {
    let help = found.help.as_ref().map(|help| format!(" ({help})"));
    format!(
        "diagnostic: {}: {}{}",
        found.code,
        found.message,
        help.unwrap_or_default()
    )
}

/// Adds the differences between the wanted parts and what was found.
fn missing(at: &str, wanted: &Value, found: &Value, differences: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(_)) => {
            for (name, wanted) in wanted {
                missing(&format!("{at}.{name}"), wanted, &found[name], differences);
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                missing(&format!("{at}[{index}]"), wanted, found, differences);
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => differences.push(format!("{at} is {found}, not {wanted}")),
    }
}
