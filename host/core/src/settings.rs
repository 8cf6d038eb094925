//! Holding settings against the schema in a plugin's manifest, before the plugin sees them.

use serde_json::Value;

use crate::structural::Schema;
pub use crate::structural::{Problem as SettingsProblem, SchemaError};

/// Holds settings against a schema. Empty when they fit.
///
/// # Errors
/// Fails when the schema itself is malformed or not structural, which is the plugin's fault.
pub fn check_settings(schema: &Value, settings: &Value) -> Result<Vec<SettingsProblem>, SchemaError> {
    let schema = Schema::parse(schema)?;
    Ok(schema.check(settings))
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
    fn a_schema_that_refers_to_other_documents_is_refused() {
        let error = check_settings(&json!({"$ref": "file:///etc/hostname"}), &json!({})).unwrap_err();
        assert!(error.to_string().contains("$ref"), "{error}");
    }
}
