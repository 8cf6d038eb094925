//! A guest that allocates all the memory that it can get.
#![forbid(unsafe_code)]

use trocar_sdk::{Failure, Plan, Request};

/// Copies the target forever.
///
/// # Errors
/// Never, since it does not return.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let mut hoard = vec![request.target];
    while hoard.len() < usize::MAX {
        hoard.push(hoard[hoard.len() - 1].clone());
    }
    Err(Failure::invalid_request("rich", hoard.len().to_string()))
}

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
