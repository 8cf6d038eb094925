//! A strategy that returns any given plan, to simulate hostile ones.
#![forbid(unsafe_code)]

use serde_json::{Map, Value};
use trocar_sdk::{Failure, Plan, Pod, Request, Step};

/// The annotation of a target with its plan, for cases of policies, which have no settings for the strategy.
const STEPS: &str = "test/steps";

/// Returns the plan in the settings or in the target's annotation `test/steps`: `{"steps": […], "attach": …}`.
///
/// # Errors
/// Fails when neither has a plan, and for an unknown action.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let wrong = |problem: &str| Failure::invalid_request("no-steps", problem);
    let mut told: Value = request.settings.read()?;
    if told["steps"].is_null() {
        let target = Value::Object(request.target.0);
        let text = target["metadata"]["annotations"][STEPS].as_str();
        let text = text.ok_or_else(|| wrong("neither the settings nor the target say what to plan"))?;
        told = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    }
    let mut plan = Plan {
        attach: told["attach"].as_str().map(str::to_owned),
        ..Plan::default()
    };
    for step in told["steps"].as_array_mut().into_iter().flatten() {
        let object = match step["object"].take() {
            Value::Object(object) => object,
            _ => Map::new(),
        };
        plan = plan.then(match step["action"].as_str() {
            Some("add-ephemeral-container") => Step::AddEphemeralContainer(object),
            Some("create-pod") => Step::CreatePod(Pod(object)),
            _ => return Err(wrong("there is no such action")),
        });
    }
    Ok(plan)
}

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
