//! The policy `approved-images`: allows approved images only, and replaces images by those of a mirror.
#![forbid(unsafe_code)]

mod review;

pub use review::{ImagePattern, Mirror, Settings, Unchanged, check, review};

#[cfg(feature = "guest")]
trocar_sdk::policy!(review, settings: check);
