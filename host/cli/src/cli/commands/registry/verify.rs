//! `trocar plugin verify` and `trocar plugin prune`.

use std::fs;

use trocar::{EngineConfig, registry::PublicKey, source_named};

use super::{from_registries, manifest, store};
use crate::cli::{
    args::{PluginPruneArgs, PluginVerifyArgs},
    configuration,
    error::CliError,
    ui,
};

/// Verifies a plugin by the trust rules of the configuration, or by a public key. Offline.
pub(crate) fn verify(args: &PluginVerifyArgs) -> Result<(), CliError> {
    let config = configuration::load(args.file.config.as_deref())?;
    // Without a cache: the component is read and hashed again, rather than taken as an earlier run recorded it.
    let engine = ui::engine(EngineConfig::default())?;
    let source = source_named(&config, &args.plugin);
    if let Some(file) = &args.key {
        let shown = file.display();
        let pem = fs::read_to_string(file);
        let pem = pem.map_err(|error| CliError::new(format!("cannot read {shown}: {error}")))?;
        let key = PublicKey::read(&pem).map_err(|error| CliError::new(format!("{shown}: {error}")))?;
        if !engine.is_signed(&config, &source, &key)? {
            let failed = CliError::new(format!("{source} is not signed by {shown}"));
            return Err(
                failed.hint("if it was signed after it was pulled, pull it again: trocar plugin pull")
            );
        }
        return ui::output(&format!("{source}: signed by {shown}\n"));
    }
    let found = engine.find(&config, &source)?;
    let found = engine.describe(&found)?;
    let signers = match found.signers() {
        [] if found.is_default() => "part of trocar".to_owned(),
        [] if config.trust.is_empty() => "not verified: the configuration has no trust rules".to_owned(),
        [] => "allowed: no trust rule requires a signature".to_owned(),
        signers => format!("signed by {}", signers.join(", ")),
    };
    ui::output(&format!("{source}: {signers}\ncomponent {}\n", found.digest()))
}

/// Removes what the configuration does not name.
///
/// A plugin without a digest is an error rather than left out: pruning would remove a plugin that only lacks its lock.
pub(crate) fn prune(args: &PluginPruneArgs) -> Result<(), CliError> {
    let config = configuration::load_for(args.system, args.file.config.as_deref())?;
    let mut kept = Vec::new();
    for (plugin, source) in from_registries(&config, args.system) {
        let digest = manifest(&config, &source);
        kept.push(digest.map_err(|error| error.of(&plugin.origin().to_string()))?);
    }
    let pruned = store(args.system)?.prune(&kept)?;
    ui::output(&format!(
        "removed {} files, {} bytes\n",
        pruned.files, pruned.bytes
    ))
}
