//! The policy `privilege-ceiling`: bounds the rights of debugs, by Pod Security level, profile and single rights.
#![forbid(unsafe_code)]

mod ceiling;
mod finding;
mod level;
mod planned;
mod review;
mod settings;
#[cfg(test)]
mod tests;

pub use review::review;
pub use settings::{OnExcess, Settings};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review);
