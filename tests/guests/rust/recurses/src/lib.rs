//! A guest that recurses until its own stack, which is in its memory, overflows.
#![forbid(unsafe_code)]

use trocar_sdk::{Failure, Plan, Request};

/// Counts forever, deeper and deeper.
///
/// # Errors
/// Never, since it does not return.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let depth = depth(&[request.context.suffix.len() as u64; 32]);
    Err(Failure::invalid_request("deep", depth.to_string()))
}

/// Each call has its own array that the next call needs, so that calls are not optimized away.
#[inline(never)]
fn depth(numbers: &[u64; 32]) -> u64 {
    let mut next = *numbers;
    for (place, number) in next.iter_mut().enumerate() {
        *number = number.wrapping_mul(3).wrapping_add(place as u64 + 1);
    }
    if next[31] == 7 {
        return next[0];
    }
    depth(&next).wrapping_add(next[next[0] as usize % 32])
}

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
