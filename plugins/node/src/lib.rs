//! The strategy `node`: creates a pod on a node, with as much access to the node as the profile gives.
#![forbid(unsafe_code)]

mod plan;

pub use plan::make_plan;

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
