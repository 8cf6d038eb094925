//! The digest of bytes, as registries write it.

use sha2::{Digest as _, Sha256};

/// The digest of bytes: `sha256:…`.
pub fn digest(bytes: &[u8]) -> String {
    written(Sha256::digest(bytes).as_slice())
}

/// A digest as it is written.
pub(crate) fn written(hash: &[u8]) -> String {
    let hex = hash.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}
