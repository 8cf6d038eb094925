//! The strategy `ephemeral`: adds an ephemeral container to a running pod.
#![forbid(unsafe_code)]

mod plan;

pub use plan::make_plan;

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
