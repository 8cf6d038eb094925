//! `trocar plugin bundle`: writes plugins and their signatures into one file, or reads one, for networks without a registry.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use trocar::{
    Limits,
    config::Config,
    plugin::PluginSource,
    registry::{CarriedPlugin, read_bundle, write_bundle},
};

use super::{from_registries, manifest, pull::Puller, reference, store};
use crate::cli::{args::PluginBundleArgs, configuration, error::CliError, ui};

pub(crate) fn bundle(args: &PluginBundleArgs) -> Result<(), CliError> {
    let config = configuration::load_for(args.system, args.file.config.as_deref())?;
    match (&args.output, &args.input) {
        (Some(file), _) => write(&config, args.system, file),
        (None, Some(file)) => read(&config, args.system, file),
        (None, None) => Err(CliError::usage("name a file: --output FILE or --input FILE")),
    }
}

fn write(config: &Config, is_systems: bool, file: &Path) -> Result<(), CliError> {
    let mut plugins: Vec<CarriedPlugin> = Vec::new();
    for (plugin, source) in from_registries(config, is_systems) {
        let digest = manifest(config, &source).map_err(|error| error.of(&plugin.origin().to_string()))?;
        plugins.push((reference(&source.reference)?, digest));
    }
    if plugins.is_empty() {
        return Err(CliError::new(
            "the configuration names no plugins from registries",
        ));
    }
    let unwritable = |error: io::Error| CliError::new(format!("cannot write {}: {error}", file.display()));
    // Renamed when complete, so that a file of this name is never a part of a bundle.
    let unfinished = file.with_extension("unfinished");
    let mut out = io::BufWriter::new(fs::File::create(&unfinished).map_err(unwritable)?);
    let written = write_bundle(
        &mut out,
        &store(is_systems)?,
        &plugins,
        Limits::default().component,
    );
    let written = written
        .map_err(|error| CliError::from(error).hint("pull the plugins first: trocar plugin pull"))
        .and_then(|()| out.flush().map_err(unwritable))
        .and_then(|()| fs::rename(&unfinished, file).map_err(unwritable));
    if written.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    written?;
    let names = plugins
        .iter()
        .map(|(reference, digest)| format!("{}\n", reference.pinned(digest)));
    ui::output(&names.collect::<String>())
}

/// Stores the plugins of a bundle. Each is judged by the trust rules of the configuration; nothing in the file counts.
fn read(config: &Config, is_systems: bool, file: &Path) -> Result<(), CliError> {
    let puller = Puller::new(config, is_systems, &[])?;
    let carried = read_bundle(file, &store(is_systems)?, Limits::default().component)?;
    for (reference, digest) in &carried {
        let named = reference.pinned(digest).to_string();
        let PluginSource::Registry(mut source) = PluginSource::typed(&named) else {
            continue;
        };
        source.is_systems = is_systems;
        puller.check(&source, reference, digest.clone())?;
        ui::output_line(&named)?;
    }
    Ok(())
}
