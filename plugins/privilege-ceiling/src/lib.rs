//! The policy `privilege-ceiling`: bounds what a debug may do, by Pod Security level, profile and single rights.
#![forbid(unsafe_code)]

mod ceiling;
mod level;
mod review;
mod settings;

pub use review::review;
pub use settings::{OnExcess, Settings};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review);
