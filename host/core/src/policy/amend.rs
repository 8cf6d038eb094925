//! Applying a policy's changes to a plan: only below the objects of its steps, and all of them or none.

use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, jsonptr::PointerBuf,
};
use serde_json::Value;
use trocar_sdk::policy::Operation;

use crate::plan::{PlanChange, Step};

/// The most changes that are taken from one review.
const MOST: usize = 1000;

/// Applies changes to the steps of a plan.
///
/// # Errors
/// Fails when a change points elsewhere than into a step's object, or to something that is not there, and when what comes out
/// is no step.
pub(super) fn amended(steps: &[Step], changes: &[PlanChange]) -> Result<Vec<Step>, String> {
    if changes.len() > MOST {
        return Err(format!(
            "{} changes; at the most {MOST} are made at once",
            changes.len()
        ));
    }
    let operations = changes.iter().map(operation).collect::<Result<_, _>>()?;
    let mut document = serde_json::json!({"steps": steps});
    json_patch::patch(&mut document, &Patch(operations)).map_err(|error| error.to_string())?;
    let Value::Array(amended) = document["steps"].take() else {
        return Err("the steps are gone".into());
    };
    let read = amended.into_iter().enumerate().map(|(index, mut step)| {
        let object = step["object"].take();
        Step::from_value(steps[index].action(), object)
            .map_err(|problem| format!("step {} {problem}", index + 1))
    });
    read.collect()
}

fn operation(change: &PlanChange) -> Result<PatchOperation, String> {
    if !points_into_object(&change.at) {
        return Err(format!(
            "a change at {:?}; a policy changes only what is below /steps/N/object/",
            change.at
        ));
    }
    let path = PointerBuf::parse(change.at.as_str())
        .map_err(|error| format!("{:?} is no JSON pointer: {error}", change.at))?;
    let value = || {
        let value = change.value.clone();
        value.ok_or_else(|| format!("the change at {:?} has no value", change.at))
    };
    Ok(match change.operation {
        Operation::Add => PatchOperation::Add(AddOperation {
            path,
            value: value()?,
        }),
        Operation::Replace => PatchOperation::Replace(ReplaceOperation {
            path,
            value: value()?,
        }),
        Operation::Remove => PatchOperation::Remove(RemoveOperation { path }),
    })
}

fn points_into_object(at: &str) -> bool {
    let mut parts = at.split('/');
    parts.next() == Some("")
        && parts.next() == Some("steps")
        && parts.next().is_some_and(|index| index.parse::<usize>().is_ok())
        && parts.next() == Some("object")
        && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
                "no JSON pointer",
            ),
        ] {
            let message = apply(std::slice::from_ref(&changes)).unwrap_err();
            assert!(message.contains(wanted), "{changes}: {message}");
        }
        let flood = vec![change(Operation::Add, "/steps/0/object/x", json!(1)); MOST + 1];
        assert!(apply(&flood).unwrap_err().contains("1001 changes"));
    }
}
