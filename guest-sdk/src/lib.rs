//! Write debug strategies and policies for trocar.
#![deny(missing_docs)]

#[cfg(all(feature = "arena", target_arch = "wasm32", not(target_feature = "atomics")))]
mod arena;
pub mod custom;
pub mod diagnostic;
#[cfg(feature = "guest")]
pub mod guest;
pub mod image;
pub mod names;
pub mod options;
pub mod plan;
pub mod pod;
pub mod pod_security;
pub mod policy;
pub mod profile;
pub mod request;

pub use diagnostic::{Diagnostic, Failure, FailureKind, Severity};
pub use options::{Actor, Context, DebugOptions, EnvVar, Keep};
pub use plan::{Plan, Step};
pub use pod::{Object, Pod};
pub use profile::Profile;
pub use request::{Request, Settings, Target};
