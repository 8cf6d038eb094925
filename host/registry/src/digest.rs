//! Digests as registries write them.

use sha2::{Digest as _, Sha256};

/// Computes the SHA-256 digest of bytes: `sha256:…`.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
