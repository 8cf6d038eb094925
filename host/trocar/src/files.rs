//! Reading what the library itself has to read: configuration files, by the paths that a front gives.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use trocar_core::{
    config::{self, Config, ConfigError, Layer},
    documents,
};
use trocar_runtime::plugin;

/// Reads configuration files in layers, the one that binds most first. Files that they include are read as well.
///
/// # Errors
/// Fails at the first file that cannot be read, is malformed, or takes what an earlier layer has set.
pub fn read_config(files: &[(Layer, PathBuf)]) -> Result<Config, ConfigError> {
    let defaults = plugin::defaults();
    let names: Vec<&str> = defaults
        .iter()
        .map(|known| known.manifest().name.as_str())
        .collect();
    config::load(files, &names, &read)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?
        .take(documents::LARGEST + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}
