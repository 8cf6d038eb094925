//! `trocar plugin push`: uploads a plugin, with annotations taken from its manifest.

use trocar::{
    Limits,
    config::Layer,
    plugin::PluginSource,
    registry::{Upload, digest},
};

use super::{client, engine, reference};
use crate::cli::{args::PluginPushArgs, block_on, configuration, error::CliError, ui};

/// Pushes a plugin. Prints `NAME@DIGEST` and nothing else, so that `cosign sign` can take it.
pub(crate) fn push(args: &PluginPushArgs) -> Result<(), CliError> {
    let to = reference(&args.reference)?;
    let config = configuration::load(args.file_flag.config.as_deref())?;
    let upload = upload(args)?;
    let pushed = block_on(async { Ok(client(&config, Layer::Flag)?.push(&to, &upload).await?) })?;
    ui::output_line(&format!("{}@{}", to.name(), pushed.digest))
}

fn upload(args: &PluginPushArgs) -> Result<Upload, CliError> {
    let limits = Limits::default();
    let found = engine(limits)?.describe(&PluginSource::File(args.file.clone()))?;
    let shown = args.file.display();
    let component = std::fs::read(&args.file);
    let component = component.map_err(|error| CliError::new(format!("cannot read {shown}: {error}")))?;
    if digest(&component) != found.digest() {
        return Err(CliError::new(format!(
            "another program changed {shown} while it was read; push again when it is complete"
        )));
    }
    let manifest = found.manifest();
    let annotations = vec![
        ("org.opencontainers.image.title", manifest.name.clone()),
        ("org.opencontainers.image.description", manifest.summary.clone()),
        ("org.opencontainers.image.version", manifest.version.clone()),
        (
            "org.opencontainers.image.licenses",
            manifest.license.clone().unwrap_or_default(),
        ),
    ];
    Ok(Upload {
        component: component.into(),
        title: manifest.name.clone(),
        imports: found.imports().to_vec(),
        exports: found.exports().to_vec(),
        annotations,
        created: created()?,
        config_type: args.config_media_type.clone(),
    })
}

/// The creation time, in seconds since 1970: `SOURCE_DATE_EPOCH`, else 0. Never the current time, so that the same component
/// has the same digest.
fn created() -> Result<i64, CliError> {
    let Some(text) = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .filter(|text| !text.is_empty())
    else {
        return Ok(0);
    };
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0..=253_402_300_799).contains(seconds));
    seconds.ok_or_else(|| {
        CliError::usage(format!(
            "SOURCE_DATE_EPOCH: {text:?} is not a number of seconds since 1970"
        ))
    })
}
