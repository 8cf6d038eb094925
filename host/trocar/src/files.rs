//! Reading configuration files. The caller passes their paths.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use trocar_core::{
    config::{self, Config, ConfigError, ConfigErrorKind, Layer},
    documents,
};
use trocar_registry::PublicKey;
use trocar_runtime::plugin;

/// Reads configuration files of several layers, the strongest first, and the files that they include.
///
/// # Errors
/// Fails at the first file that cannot be read, is malformed, or redefines an entry of an earlier layer.
pub fn read_config(files: &[(Layer, PathBuf)]) -> Result<Config, ConfigError> {
    let defaults = plugin::defaults();
    let names: Vec<&str> = defaults
        .iter()
        .map(|known| known.manifest().name.as_str())
        .collect();
    let config = config::load(files, &names, &read)?;
    check_keys(&config)?;
    Ok(config)
}

/// Checks the public keys of trust rules: with a malformed one, every signature would be reported as missing.
fn check_keys(config: &Config) -> Result<(), ConfigError> {
    for trust in &config.trust {
        for (at, signer) in trust.value.signers() {
            let key = PublicKey::read(signer.key.as_deref().unwrap_or_default());
            key.map_err(|error| ConfigError {
                place: Some(trust.origin_of(&format!("{at}/key")).to_string()),
                message: error.to_string(),
                kind: ConfigErrorKind::Other,
            })?;
        }
    }
    Ok(())
}

pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?
        .take(documents::LARGEST + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}
