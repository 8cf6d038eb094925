//! A guest that panics with a message while it plans.
#![forbid(unsafe_code)]

use trocar_sdk::{Failure, Plan, Request};

/// Panics while it looks for a container.
///
/// # Errors
/// Fails when the target is not a pod.
///
/// # Panics
/// Always.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let pod = request.target.into_pod()?;
    panic!("no container of {} is to my liking", pod.name());
}

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
