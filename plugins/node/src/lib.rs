//! The strategy `node`: creates a pod on a node, with as much of the node in it as the profile says.
#![forbid(unsafe_code)]

mod plan;

pub use plan::make_plan;

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
