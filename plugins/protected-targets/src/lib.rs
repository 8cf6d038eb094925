//! The policy `protected-targets`: denies debugs of namespaces, labelled objects and nodes, with exceptions.
#![forbid(unsafe_code)]

mod review;

pub use review::{Settings, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review);
