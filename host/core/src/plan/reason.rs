//! Why a debug is wanted travels with an ephemeral container, which has no annotations: for who judges it at the cluster.

use serde_json::{Value, json};
use trocar_sdk::{
    Object,
    pod::{list, text},
};

/// The variable that says why a container is there.
pub const REASON_VARIABLE: &str = "TROCAR_REASON";

/// Gives a container the reason, unless it says one already.
pub(crate) fn carry(container: &mut Object, reason: &str) {
    let is_reason = |variable: &Value| variable["name"] == REASON_VARIABLE;
    if reason.is_empty() || list(container, "env").iter().any(is_reason) {
        return;
    }
    // In an environment `$(NAME)` stands for another variable, and `$$` for a `$`.
    let variable = json!({"name": REASON_VARIABLE, "value": reason.replace("$(", "$$(")});
    match container.get_mut("env") {
        Some(Value::Array(variables)) => variables.push(variable),
        // Not a list: the normal form refuses it.
        Some(other) if !other.is_null() => {}
        _ => {
            container.insert("env".into(), json!([variable]));
        }
    }
}

/// Takes the reason out, so that two containers that differ by it alone are the same.
pub(crate) fn remove(container: &mut Object) {
    let Some(Value::Array(variables)) = container.get_mut("env") else {
        return;
    };
    variables.retain(|variable| variable["name"] != REASON_VARIABLE);
    if variables.is_empty() {
        container.remove("env");
    }
}

/// The reason that a container gives: the one literal value of the variable. None where it has another source, or several.
pub fn reason_in(container: &Object) -> Option<String> {
    let variables = list(container, "env").iter().filter_map(Value::as_object);
    let mut variables = variables.filter(|variable| text(variable, "name") == Some(REASON_VARIABLE));
    let variable = variables.next()?;
    let is_literal = !variable.contains_key("valueFrom") && variables.next().is_none();
    let reason = text(variable, "value").filter(|reason| is_literal && !reason.is_empty());
    reason.map(|reason| reason.replace("$$(", "$("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(env: Value) -> Object {
        json!({"name": "dbg", "env": env}).as_object().unwrap().clone()
    }

    #[test]
    fn a_reason_arrives_as_it_was_given() {
        for reason in ["OPS-7", "why $(not), $$x"] {
            for env in [json!([]), json!([{"name": "A", "value": "b"}]), Value::Null] {
                let mut container = with(env);
                carry(&mut container, reason);
                assert_eq!(reason_in(&container).as_deref(), Some(reason));
            }
        }
    }

    #[test]
    fn a_reason_is_one_literal_value() {
        for (env, wanted) in [
            (json!([{"name": REASON_VARIABLE, "value": "a"}]), Some("a")),
            (json!([{"name": REASON_VARIABLE, "value": ""}]), None),
            (
                json!([{"name": REASON_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
                None,
            ),
            (
                json!([{"name": REASON_VARIABLE, "value": "a"}, {"name": REASON_VARIABLE, "value": "b"}]),
                None,
            ),
            (json!([{"name": "OTHER", "value": "a"}]), None),
            (json!("x"), None),
        ] {
            assert_eq!(reason_in(&with(env.clone())).as_deref(), wanted, "{env}");
        }
    }

    #[test]
    fn a_reason_that_a_container_gives_itself_stays() {
        let mut container = with(json!([{"name": REASON_VARIABLE, "value": "own"}]));
        carry(&mut container, "other");
        assert_eq!(reason_in(&container).as_deref(), Some("own"));
    }
}
