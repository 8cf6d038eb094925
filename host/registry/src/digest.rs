//! The digest of bytes, as registries write it.

use sha2::{Digest as _, Sha256};

/// The digest of bytes: `sha256:…`.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
