//! The policy `session-limits`: bounds how long, how often and with how many resources somebody debugs.
#![forbid(unsafe_code)]

mod quantity;
mod review;

pub use review::{Resources, Settings, check, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review, settings: check);
