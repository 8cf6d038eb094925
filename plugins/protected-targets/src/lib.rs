//! The policy `protected-targets`: keeps namespaces, labelled objects and nodes from being debugged, with exceptions.
#![forbid(unsafe_code)]

mod review;

pub use review::{Settings, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review);
