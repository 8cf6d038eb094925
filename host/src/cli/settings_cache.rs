//! Remembers which settings fitted which plugin's schema, so that each start need not hold them against it again.
//!
//! A name in a folder that only the user may enter, made of everything that decides; what is in the file does not matter.

use std::{fs, path::PathBuf};

use sha2::{Digest as _, Sha256};

use super::resolve;

/// Says whether these settings of this plugin were found to be good before.
pub(crate) fn is_known_good(plugin_digest: &str, settings: &str) -> bool {
    place(plugin_digest, settings).is_some_and(|place| place.exists())
}

/// Remembers that they are. That it cannot be remembered costs time, and nothing else.
pub(crate) fn remember(plugin_digest: &str, settings: &str) {
    if let Some(place) = place(plugin_digest, settings) {
        drop(fs::write(place, b""));
    }
}

fn place(plugin_digest: &str, settings: &str) -> Option<PathBuf> {
    let folder = resolve::cache_folder()?.with_file_name("settings");
    trocar::check_cache(&folder).ok()?;
    let mut hash = Sha256::new();
    for part in [env!("CARGO_PKG_VERSION"), plugin_digest, settings] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    Some(folder.join(format!("{:x}", hash.finalize())))
}
