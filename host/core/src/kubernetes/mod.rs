//! The facts of Kubernetes.

pub mod table;
mod types;

pub use types::{Field, Kind, Presence, Type};
