//! The policy `approved-images`: lets only approved images into a debug, and takes them from a mirror.
#![forbid(unsafe_code)]

mod review;

pub use review::{ImagePattern, Mirror, Settings, Unchanged, check, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review, settings: check);
