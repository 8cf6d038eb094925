//! A guest that panics while it checks its settings, and never plans.
#![forbid(unsafe_code)]

use serde::Deserialize;
use trocar_sdk::{Diagnostic, Failure, Plan, Request};

/// The settings.
#[derive(Deserialize)]
pub struct Settings {
    colour: String,
}

/// Panics when the colour is red.
///
/// # Panics
/// When the colour is red.
pub fn check(settings: &Settings) -> Vec<Diagnostic> {
    assert!(settings.colour != "red", "who would want red?");
    Vec::new()
}

/// Plans nothing.
///
/// # Errors
/// Always.
pub fn make_plan(_: Request) -> Result<Plan, Failure> {
    Err(Failure::invalid_request("no-plan", "there is no plan"))
}

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan, settings: check);
