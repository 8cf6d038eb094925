//! The strategy `copy`: creates a copy of a pod to debug. The original is deleted only with `--replace`.
#![forbid(unsafe_code)]

mod plan;

pub use plan::make_plan;

#[cfg(feature = "guest")]
trocar_sdk::strategy!(make_plan);
