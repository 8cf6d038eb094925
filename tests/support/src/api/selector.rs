//! Label and field selectors, as a list request has them.

use serde_json::Value;

/// Returns whether a label selector matches an object.
pub(super) fn labels_match(object: &Value, selector: &str) -> bool {
    let label = |name: &str| object["metadata"]["labels"][name.trim()].as_str();
    terms(selector).into_iter().all(|term| {
        if let Some((name, values)) = set(term, " notin ") {
            return label(name).is_none_or(|label| !values.contains(&label));
        }
        if let Some((name, values)) = set(term, " in ") {
            return label(name).is_some_and(|label| values.contains(&label));
        }
        if let Some((name, value)) = term.split_once("!=") {
            return label(name) != Some(value.trim());
        }
        if let Some((name, value)) = equality(term) {
            return label(name) == Some(value);
        }
        match term.strip_prefix('!') {
            Some(name) => label(name).is_none(),
            None => label(term).is_some(),
        }
    })
}

/// Returns whether a field selector matches an object.
pub(super) fn fields_match(object: &Value, selector: &str) -> bool {
    terms(selector).into_iter().all(|term| {
        let Some((path, value)) = equality(term) else {
            return false;
        };
        let field = path.split('.').fold(object, |object, part| &object[part]);
        field.as_str().unwrap_or_default() == value
    })
}

/// The terms, split at commas outside of brackets.
fn terms(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    let split = selector.split(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    split.map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn equality(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    Some((name.trim(), value.trim_start_matches('=').trim()))
}

fn set<'a>(term: &'a str, operator: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (name, values) = term.split_once(operator)?;
    let values = values.trim().trim_start_matches('(').trim_end_matches(')');
    Some((name, values.split(',').map(str::trim).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels() {
        let pod = json!({"metadata": {"labels": {"app": "web", "tier": "a"}}});
        for (selector, wanted) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier in (a, b)", true),
            ("app!=web", false),
            ("tier notin (a,b)", false),
            ("!gone,app", true),
            ("gone", false),
        ] {
            assert_eq!(labels_match(&pod, selector), wanted, "{selector}");
        }
    }

    #[test]
    fn fields() {
        let event = json!({"type": "Warning", "involvedObject": {"uid": "1"}});
        assert!(fields_match(&event, "involvedObject.uid=1,type=Warning"));
        assert!(!fields_match(&event, "involvedObject.uid=2"));
    }
}
