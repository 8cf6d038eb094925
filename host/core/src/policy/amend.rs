//! Applying a policy's changes to a plan: only below the objects of its steps, and all of them or none.

use super::edits::{self, Change};
use crate::{
    bounded::Limits,
    plan::{PlanChange, Step},
};

/// Applies changes to the steps of a plan.
///
/// # Errors
/// Fails when a change points elsewhere than into a step's object, or to something that is not there, when it takes more
/// work than a change may, and when what comes out is not a step.
pub(super) fn amended(steps: &[Step], changes: &[PlanChange]) -> Result<Vec<Step>, String> {
    let changes: Vec<Change<'_>> = changes
        .iter()
        .map(|change| Change {
            operation: change.operation,
            at: &change.at,
            value: change.value.as_ref(),
        })
        .collect();
    let touched = edits::amended(steps.len(), |index| steps[index].object(), &changes, Limits::STEP)
        .map_err(|error| error.to_string())?;
    let mut amended = steps.to_vec();
    for (index, object) in touched {
        amended[index] = Step::from_value(steps[index].action(), object)
            .map_err(|problem| format!("step {} {problem}", index + 1))?;
    }
    Ok(amended)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trocar_sdk::policy::Operation;

    use super::*;

    fn change(operation: Operation, at: &str, value: Value) -> PlanChange {
        PlanChange {
            operation,
            at: at.into(),
            value: Some(value).filter(|value| !value.is_null()),
        }
    }

    fn apply(changes: &[PlanChange]) -> Result<Value, String> {
        let container = json!({"name": "dbg", "image": "busybox", "env": [{"name": "A"}]});
        let steps = [Step::from_value("add-ephemeral-container", container).unwrap()];
        amended(&steps, changes).map(|steps| steps[0].object())
    }

    #[test]
    fn changes_are_made_in_order() {
        let changed = apply(&[
            change(Operation::Add, "/steps/0/object/securityContext", json!({})),
            change(
                Operation::Add,
                "/steps/0/object/securityContext/privileged",
                json!(false),
            ),
            change(
                Operation::Replace,
                "/steps/0/object/image",
                json!("mirror/busybox"),
            ),
            change(Operation::Add, "/steps/0/object/env/-", json!({"name": "B"})),
            change(Operation::Remove, "/steps/0/object/env/0", json!(null)),
        ]);
        assert_eq!(
            changed.unwrap(),
            json!({"name": "dbg", "image": "mirror/busybox", "env": [{"name": "B"}], "securityContext": {"privileged": false}})
        );
    }

    #[test]
    fn a_change_that_cannot_be_made_is_refused() {
        for (changes, wanted) in [
            (
                change(Operation::Replace, "/steps/0/action", json!("delete-pod")),
                "only what is below",
            ),
            (
                change(Operation::Replace, "/steps/0/object", json!({})),
                "only what is below",
            ),
            (
                change(Operation::Replace, "/target/name", json!("x")),
                "only what is below",
            ),
            (
                change(Operation::Add, "/steps/-/object/x", json!(1)),
                "only what is below",
            ),
            (change(Operation::Remove, "/steps/0/object/nope", json!(null)), ""),
            (change(Operation::Add, "/steps/7/object/x", json!(1)), ""),
            (
                change(Operation::Add, "/steps/0/object/image", json!(null)),
                "has no value",
            ),
            (
                change(Operation::Add, "/steps/0/object/~9", json!(1)),
                "not a JSON pointer",
            ),
        ] {
            let message = apply(std::slice::from_ref(&changes)).unwrap_err();
            assert!(message.contains(wanted), "{changes}: {message}");
        }
        let flood = vec![change(Operation::Add, "/steps/0/object/x", json!(1)); edits::MAX_CHANGES + 1];
        assert!(apply(&flood).unwrap_err().contains("1001 changes"));
    }
}
