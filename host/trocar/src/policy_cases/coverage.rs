//! Coverage of a policy by cases: the codes of its rules, and its settings.

use std::collections::BTreeSet;

use serde_json::Value;
use trocar_core::manifest::PluginManifest;

use super::outcome::Outcome;
use crate::engine::PolicyRule;

/// The host's own codes, for policies that failed or denied without a reason.
const OF_HOST: [&str; 2] = ["policy-failed", "policy-silent"];

/// What cases have covered of a policy.
#[derive(Default)]
pub(super) struct Coverage {
    manifest: Option<PluginManifest>,
    codes: BTreeSet<String>,
    settings: BTreeSet<String>,
}

impl Coverage {
    /// Records the outcome of a rule.
    pub(super) fn touch(&mut self, rule: &PolicyRule, outcome: &Outcome) {
        let manifest = rule.plugin.description().manifest();
        self.manifest.get_or_insert_with(|| manifest.clone());
        let results = outcome
            .policies
            .iter()
            .filter(|result| result.policy == rule.name);
        self.codes
            .extend(results.flat_map(|result| result.diagnostics.iter().map(|found| found.code.clone())));
        let settings: Value = serde_json::from_str(&rule.settings).unwrap_or_default();
        set_settings("", &settings, &mut self.settings);
    }

    /// What no case has covered.
    pub(super) fn untouched(&self) -> Vec<String> {
        let Some(manifest) = &self.manifest else {
            return Vec::new();
        };
        let rules = manifest.rules.iter().map(|rule| &rule.code);
        let rules = rules.filter(|code| !self.codes.contains(*code));
        let mut untouched: Vec<String> = rules.map(|code| format!("rule {code}")).collect();
        let mut settings = BTreeSet::new();
        if let Some(schema) = &manifest.settings_schema {
            known_settings("", schema, &mut settings);
        }
        let settings = settings.difference(&self.settings);
        untouched.extend(settings.map(|setting| format!("setting {setting}")));
        untouched
    }
}

/// Codes that a policy used without declaring them as rules. Nothing if its manifest declares no rules at all.
pub(super) fn undeclared(rule: &PolicyRule, outcome: &Outcome) -> Vec<String> {
    let manifest = rule.plugin.description().manifest();
    let is_known = |code: &str| {
        manifest.rules.is_empty()
            || OF_HOST.contains(&code)
            || manifest.rules.iter().any(|declared| declared.code == code)
    };
    let results = outcome
        .policies
        .iter()
        .filter(|result| result.policy == rule.name);
    let codes: BTreeSet<&str> = results
        .flat_map(|result| result.diagnostics.iter().map(|found| found.code.as_str()))
        .filter(|code| !is_known(code))
        .collect();
    codes
        .into_iter()
        .map(|code| {
            format!(
                "the code {code:?} is not among the rules in the manifest of {}",
                manifest.name
            )
        })
        .collect()
}

/// Collects the settings that a value sets: names joined by dots, items of lists as `[]`.
fn set_settings(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = joined(prefix, name);
                set_settings(&name, value, found);
                found.insert(name);
            }
        }
        Value::Array(items) => {
            for item in items {
                set_settings(&format!("{prefix}[]"), item, found);
            }
        }
        _ => {}
    }
}

/// Collects the settings that a schema declares.
fn known_settings(prefix: &str, schema: &Value, found: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let name = joined(prefix, name);
        known_settings(&name, schema, found);
        known_settings(&format!("{name}[]"), &schema["items"], found);
        found.insert(name);
    }
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}
