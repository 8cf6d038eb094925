//! Holding settings against the JSON Schema in a plugin's manifest, before the plugin sees them.

use std::error::Error;

use boon::{CompileError, Compiler, ErrorKind, Schemas, UrlLoader, ValidationError};
use serde_json::Value;
use trocar_sdk::{diagnostic::pointer, names};

/// What is wrong with settings, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsProblem {
    /// Where in the settings, as an RFC 6901 pointer.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for SettingsProblem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at.as_str() {
            "" => out.write_str(&self.message),
            at => write!(
                out,
                "{}: {}",
                at.trim_start_matches('/').replace('/', "."),
                self.message
            ),
        }
    }
}

/// The name under which a schema is known while it is used.
const SCHEMA: &str = "trocar:settings";

/// Holds settings against a schema. Empty when they fit.
///
/// # Errors
/// Fails when the schema itself is malformed, which is the plugin's fault.
pub fn check_settings(schema: &Value, settings: &Value) -> Result<Vec<SettingsProblem>, String> {
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(NothingElse));
    compiler
        .add_resource(SCHEMA, schema.clone())
        .map_err(|error| error.to_string())?;
    let compiled = compiler.compile(SCHEMA, &mut schemas).map_err(malformed)?;
    let mut problems = Vec::new();
    if let Err(error) = schemas.validate(settings, compiled) {
        collect(&error, schema, &mut problems);
    }
    Ok(problems)
}

/// What is wrong with a schema: the innermost error names the place.
fn malformed(error: CompileError) -> String {
    match &error {
        CompileError::ValidationError { src, .. } => {
            let mut problems = Vec::new();
            collect(src, &Value::Null, &mut problems);
            problems
                .first()
                .map_or_else(|| error.to_string(), ToString::to_string)
        }
        _ => error.to_string(),
    }
}

/// A schema is complete in itself: nothing is read from files or networks for it.
struct NothingElse;

impl UrlLoader for NothingElse {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        Err(format!("the settings' schema refers to {url:?}; it must be complete in itself").into())
    }
}

/// The innermost errors say what is wrong, the outer ones only where in the schema.
fn collect(error: &ValidationError<'_, '_>, schema: &Value, problems: &mut Vec<SettingsProblem>) {
    let is_leaf = error.causes.is_empty();
    if !is_leaf && !matches!(error.kind, ErrorKind::AnyOf | ErrorKind::OneOf(_)) {
        for cause in &error.causes {
            collect(cause, schema, problems);
        }
        return;
    }
    let at = error.instance_location.to_string();
    match &error.kind {
        ErrorKind::AdditionalProperties { got } => {
            let known = known_fields(schema, error.schema_url);
            problems.extend(got.iter().map(|field| SettingsProblem {
                at: format!("{at}{}", pointer([field.as_ref()])),
                message: unknown_field(field, &known),
            }));
        }
        ErrorKind::Required { want } => problems.push(SettingsProblem {
            at,
            message: format!("{} is missing", names::list(want.iter().copied())),
        }),
        kind => problems.push(SettingsProblem {
            at,
            message: kind.to_string(),
        }),
    }
}

fn known_fields<'a>(schema: &'a Value, url: &str) -> Vec<&'a str> {
    let at = url.split_once('#').map_or("", |(_, fragment)| fragment);
    let fields = schema
        .pointer(at)
        .and_then(|object| object["properties"].as_object());
    fields
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect()
}

fn unknown_field(field: &str, known: &[&str]) -> String {
    match names::nearest(field, known.iter().copied()) {
        Some(meant) => format!("unknown setting; did you mean {meant:?}?"),
        None => format!("unknown setting; known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(settings: Value) -> Vec<String> {
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["level"], "properties": {
            "level": {"enum": ["baseline", "restricted"]},
            "images": {"type": "array", "items": {"type": "object", "additionalProperties": false,
                "properties": {"pattern": {"type": "string"}}}},
        }});
        let found = check_settings(&schema, &settings).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn problems_say_where_and_what_was_probably_meant() {
        assert!(problems(json!({"level": "baseline", "images": []})).is_empty());
        assert_eq!(problems(json!({})), ["\"level\" is missing"]);
        assert_eq!(
            problems(json!({"level": "restricted", "imgaes": []})),
            ["imgaes: unknown setting; did you mean \"images\"?"]
        );
        assert_eq!(
            problems(json!({"level": "restricted", "images": [{"patern": "x"}]})),
            ["images.0.patern: unknown setting; did you mean \"pattern\"?"]
        );
        let wrong = problems(json!({"level": "none", "images": [{"pattern": 3}]}));
        assert!(
            wrong
                .iter()
                .any(|problem| problem.starts_with("level: value must be one of")),
            "{wrong:?}"
        );
        assert!(
            wrong
                .iter()
                .any(|problem| problem.starts_with("images.0.pattern: want string")),
            "{wrong:?}"
        );
    }

    #[test]
    fn a_schema_reads_nothing_from_outside() {
        for reference in ["file:///etc/hostname", "https://example.com/schema.json"] {
            let error = check_settings(&json!({"$ref": reference}), &json!({})).unwrap_err();
            assert!(
                error.contains("complete in itself") || error.contains(reference),
                "{error}"
            );
        }
    }
}
