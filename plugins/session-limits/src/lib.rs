//! The policy `session-limits`: bounds the duration, number and resources of debugs.
#![forbid(unsafe_code)]

mod quantity;
mod resources;
mod review;
mod time;

pub use resources::Resources;
pub use review::{Settings, check, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review, settings: check);
