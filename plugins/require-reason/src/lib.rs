//! The policy `require-reason`: requires a reason for every debug, such as a ticket.
#![forbid(unsafe_code)]

mod review;

pub use review::{Settings, check, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review, settings: check);
