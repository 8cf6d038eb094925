//! The policy `require-reason`: asks everybody who debugs for a reason, such as a ticket.
#![forbid(unsafe_code)]

mod review;

pub use review::{Settings, check, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review, settings: check);
