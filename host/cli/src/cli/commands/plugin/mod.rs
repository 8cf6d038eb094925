//! `trocar plugin`: lists, inspects, packs and compiles plugins; `new`, `build` and `dev` have files of their own.

mod build;
mod dev;
mod new;

use std::{fs, path::Path};

use serde_json::{Value, json};
use trocar::{
    Engine, EngineConfig, Limit, Limits, WasmError,
    config::Layer,
    configured_source,
    documents::{to_json, to_yaml},
    manifest::PluginManifest,
    plugin::{self, PluginDescription, PluginError, PluginSource},
    source_named,
};

pub(crate) use self::{build::build, dev::dev, new::new};
use crate::cli::{
    args::{
        self, DocumentOutput, ListOutput, PluginCompileArgs, PluginInspectArgs, PluginListArgs,
        PluginPackArgs,
    },
    commands::registry,
    configuration,
    error::CliError,
    plugin_flags, resolve, ui,
};

pub(crate) fn list(args: &PluginListArgs) -> Result<(), CliError> {
    if let Some(repository) = &args.available {
        return registry::available(args, repository);
    }
    let plugins = known(args)?;
    ui::output(&match args.output {
        ListOutput::Name => plugins.iter().map(|(name, _)| format!("{name}\n")).collect(),
        ListOutput::Json => {
            let items: Vec<Value> = plugins
                .iter()
                .map(|(_, found)| describe(found, &Limits::default()))
                .collect();
            to_json(&json!({"items": items}))
        }
        ListOutput::Table => ui::table(
            ["NAME", "TYPE", "VERSION", "CAPABILITIES", "SUMMARY"],
            plugins.iter().map(|(name, found)| {
                let manifest = found.manifest();
                [
                    name.clone(),
                    manifest.plugin_type.name().to_owned(),
                    manifest.version.clone(),
                    capabilities(manifest),
                    manifest.summary.clone(),
                ]
            }),
        ),
    })
}

/// The default plugins, and the configured ones under their configured names. One that cannot be read is skipped with a warning.
fn known(args: &PluginListArgs) -> Result<Vec<(String, PluginDescription)>, CliError> {
    let config = configuration::load(args.file.config.as_deref())?;
    let defaults = plugin::defaults().into_iter();
    let mut known: Vec<_> = defaults
        .map(|found| (found.manifest().name.clone(), found))
        .collect();
    if config.plugins.is_empty() {
        return Ok(known);
    }
    let engine = ui::engine(EngineConfig::default())?;
    for configured in &config.plugins {
        let source = engine.find(&config, &configured_source(configured));
        match source.and_then(|source| engine.describe(&source)) {
            Ok(found) => known.push((configured.value.name.clone(), found)),
            Err(error) => ui::warning(&format!("plugin {:?}: {error}", configured.value.name)),
        }
    }
    Ok(known)
}

fn capabilities(manifest: &PluginManifest) -> String {
    let names: Vec<&str> = manifest
        .capabilities
        .iter()
        .map(|request| request.name.as_str())
        .collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(",")
    }
}

pub(crate) fn inspect(args: &PluginInspectArgs) -> Result<(), CliError> {
    let limits = resolve::limits(&args.limit)?;
    let engine = ui::engine(EngineConfig {
        limits: limits.clone(),
        ..EngineConfig::default()
    })?;
    let config = configuration::load(args.file.config.as_deref())?;
    let found = engine.describe(&engine.find(&config, &source_named(&config, &args.plugin))?)?;
    let document = describe(&found, &limits);
    ui::output(&match args.output {
        DocumentOutput::Yaml => to_yaml(&[document]),
        DocumentOutput::Json => to_json(&document),
    })
}

fn describe(found: &PluginDescription, limits: &Limits) -> Value {
    let shown = Limit::SETTABLE.map(|limit| {
        let amount = limit.amount(limits.get(limit)).to_string();
        (limit.name().to_owned(), Value::String(amount))
    });
    json!({
        "manifest": found.manifest(),
        "digest": found.digest(),
        "size": found.size(),
        "source": if found.is_default() { "default".to_owned() } else { found.source().to_string() },
        "signers": found.signers(),
        "imports": found.imports(),
        "exports": found.exports(),
        "limits": Value::Object(shown.into_iter().collect()),
    })
}

pub(crate) fn pack(args: &PluginPackArgs) -> Result<(), CliError> {
    let wasm = read(&args.file)?;
    let manifest = read_text(&args.manifest)?;
    read_manifest(&args.manifest, &manifest)?;
    let (packed, manifest) = plugin::pack(&wasm, &manifest).map_err(|error| refused(&args.file, &error))?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| format!("{}.wasm", manifest.name).into());
    write(&output, &packed)?;
    compile_packed(&output)
}

/// Compiles a plugin that was just packed, so that its first use is quick.
///
/// Limits and an unusable cache are warnings here: the file is written and valid, and later commands take `--limit`.
fn compile_packed(file: &Path) -> Result<(), CliError> {
    let engine = ui::engine(EngineConfig {
        cache: resolve::cache_folder(),
        ..EngineConfig::default()
    })?;
    match engine.compile(&PluginSource::File(file.to_owned())) {
        Ok(_) => Ok(()),
        Err(PluginError::Wasm {
            error: error @ (WasmError::Limit { .. } | WasmError::Cache { .. }),
            ..
        }) => {
            ui::warning(&format!("the plugin is not compiled yet: {error}"));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn compile(args: &PluginCompileArgs) -> Result<(), CliError> {
    let engine = ui::engine(EngineConfig {
        limits: resolve::limits(&args.limit)?,
        cache: resolve::cache_folder(),
        ..EngineConfig::default()
    })?;
    let sources = if args.files.is_empty() {
        configured(args, &engine)?
    } else {
        args.files.iter().cloned().map(PluginSource::File).collect()
    };
    let mut report = String::new();
    for source in &sources {
        let is_new = engine.compile(source)?;
        let what = if is_new { "compiled" } else { "already compiled" };
        report += &format!("{source}: {what}\n");
    }
    if sources.is_empty() {
        report += "the configuration has no plugins\n";
    }
    ui::output(&report)
}

/// The plugins of the system's configuration layer with `--system`, else those of all other layers.
fn configured(args: &PluginCompileArgs, engine: &Engine) -> Result<Vec<PluginSource>, CliError> {
    let config = configuration::load_for(args.system, args.file.config.as_deref())?;
    let plugins = config.plugins.iter();
    let plugins = plugins.filter(|plugin| (plugin.layer == Layer::System) == args.system);
    let found = plugins.map(|plugin| engine.find(&config, &configured_source(plugin)));
    Ok(found.collect::<Result<_, PluginError>>()?)
}

/// Parses a manifest, and refuses flags that `trocar debug` already has: they could never be typed.
fn read_manifest(file: &Path, text: &str) -> Result<PluginManifest, CliError> {
    let manifest = plugin::read_manifest(text).map_err(|error| refused(file, &error))?;
    let command = args::command();
    let mut flags = manifest.flags.iter().enumerate();
    match flags.find(|(_, flag)| plugin_flags::is_taken(&command, &flag.name)) {
        None => Ok(manifest),
        Some((index, flag)) => {
            let message = format!("flags: trocar debug already has a flag --{}", flag.name);
            let error = plugin::mistake(text, &format!("/flags/{index}/name"), &message);
            Err(refused(file, &error))
        }
    }
}

fn refused(file: &Path, error: &plugin::PackError) -> CliError {
    CliError::new(format!("{}: {error}", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(file).map_err(|error| CliError::new(format!("cannot read {}: {error}", file.display())))
}

fn read_text(file: &Path) -> Result<String, CliError> {
    fs::read_to_string(file)
        .map_err(|error| CliError::new(format!("cannot read {}: {error}", file.display())))
}

fn write_file(file: &Path, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(file, bytes).map_err(|error| CliError::new(format!("cannot write {}: {error}", file.display())))
}

/// Writes a plugin, and prints its path and size.
fn write(file: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_file(file, bytes)?;
    // A closed stdout is not a failure: the file is written, and the compilation still follows.
    match ui::output_line(&format!("{} ({} bytes)", file.display(), bytes.len())) {
        Err(error) if error.is_unread() => Ok(()),
        printed => printed,
    }
}
