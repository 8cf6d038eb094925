//! `trocar plugin`: what plugins there are, what they are, and how they are made.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
};

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

use crate::cli::{
    args::{
        DocumentOutput, ListOutput, PluginBuildArgs, PluginCompileArgs, PluginInspectArgs, PluginListArgs,
        PluginPackArgs,
    },
    commands::registry,
    configuration,
    error::CliError,
    resolve, ui,
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

/// The default plugins, and those of the configuration by their names there. One that cannot be read is told.
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
        .map(|asked| asked.name.as_str())
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
    plugin::read_manifest(&manifest).map_err(|error| refused(&args.manifest, &error))?;
    let (packed, manifest) = plugin::pack(&wasm, &manifest).map_err(|error| refused(&args.file, &error))?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| format!("{}.wasm", manifest.name).into());
    write(&output, &packed)?;
    compile_packed(&output)
}

pub(crate) fn build(args: &PluginBuildArgs) -> Result<(), CliError> {
    let manifest = read_text(&args.folder.join("plugin.yaml")).map_err(|error| {
        error.hint("every plugin has a plugin.yaml beside its Cargo.toml; docs/guide.md shows one")
    })?;
    // Before the compiler runs for a minute.
    plugin::read_manifest(&manifest).map_err(|error| refused(&args.folder.join("plugin.yaml"), &error))?;
    let module = compile_crate(&args.folder, args.locked, args.strip)?;
    let (packed, manifest) =
        plugin::pack(&read(&module)?, &manifest).map_err(|error| refused(&module, &error))?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.folder.join(format!("{}.wasm", manifest.name)));
    write(&output, &packed)?;
    compile_packed(&output)
}

/// Compiles a plugin that was just made, so that its first use is quick. Who needs larger limits for it can set them then.
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
    let mut told = String::new();
    for source in &sources {
        let is_new = engine.compile(source)?;
        let what = if is_new { "compiled" } else { "was compiled before" };
        told += &format!("{source}: {what}\n");
    }
    if sources.is_empty() {
        told += "the configuration has no plugins\n";
    }
    ui::output(&told)
}

/// The configured plugins of the system's layer, or of all others.
fn configured(args: &PluginCompileArgs, engine: &Engine) -> Result<Vec<PluginSource>, CliError> {
    let config = match args.system {
        true => configuration::load_system()?,
        false => configuration::load(args.file.config.as_deref())?,
    };
    let plugins = config.plugins.iter();
    let plugins = plugins.filter(|plugin| (plugin.layer == Layer::System) == args.system);
    let found = plugins.map(|plugin| engine.find(&config, &configured_source(plugin)));
    Ok(found.collect::<Result<_, PluginError>>()?)
}

fn refused(file: &Path, error: &plugin::PackError) -> CliError {
    CliError::new(format!("{}: {error}", file.display()))
}

/// The target of the first tier: nothing ambient, a third of the size.
const TARGET: &str = "wasm32-unknown-unknown";

/// Settings of the build, whatever the crate's own profile says: small code, one allocation unit. With link-time optimisation a guest imports only what it calls.
const PROFILE: [&str; 4] = [
    "profile.release.opt-level=\"s\"",
    "profile.release.lto=true",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
];

/// Compiles a crate to a core module, the same bytes wherever it stands: no path of this machine goes in.
fn compile_crate(folder: &Path, locked: bool, strip: bool) -> Result<PathBuf, CliError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .args([
            "rustc",
            "--release",
            "--lib",
            "--crate-type=cdylib",
            "--message-format=json-render-diagnostics",
        ])
        .args(["--target", TARGET])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(folder)?.join("\u{1f}"));
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    let what = if strip { "symbols" } else { "debuginfo" };
    command.args(["--config", &format!("profile.release.strip={what:?}")]);
    if locked {
        command.arg("--locked");
    }
    let output = run_cargo(&mut command)?;
    if !output.status.success() {
        let failed = format!(
            "cargo could not build {}: {}",
            folder.display(),
            how_it_ended(output.status)
        );
        return Err(CliError::new(failed).hint(match output.status.signal() {
            Some(9) => "another program ended it: most often the system, when memory runs out".to_owned(),
            _ => format!("if it cannot find core or std: rustup target add {TARGET}"),
        }));
    }
    artifact(&output.stdout, folder).ok_or_else(|| {
        CliError::new("the crate makes no WebAssembly").hint("a plugin is a library: it needs a src/lib.rs")
    })
}

/// Runs cargo, which says on stderr what is wrong with a crate.
fn run_cargo(command: &mut Command) -> Result<Output, CliError> {
    command.stderr(Stdio::inherit()).output().map_err(|error| {
        let program = command.get_program().display();
        CliError::new(format!("cannot run {program}: {error}")).hint("install Rust: https://rustup.rs")
    })
}

/// cargo and what stands in its place may end without a word.
fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".into(),
    }
}

/// The module that cargo says it made last for the crate in the folder.
fn artifact(messages: &[u8], folder: &Path) -> Option<PathBuf> {
    let manifest = folder.join("Cargo.toml").canonicalize().ok()?;
    let made = |message: Value| {
        let of_crate = message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().map(Path::new) == Some(manifest.as_path());
        let files = message["filenames"].as_array().filter(|_| of_crate)?;
        let module = files
            .iter()
            .filter_map(Value::as_str)
            .find(|file| file.ends_with(".wasm"))?;
        Some(PathBuf::from(module))
    };
    // A message is a line. What a program in cargo's place writes besides is not one.
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .filter_map(made)
        .next_back()
}

fn rustflags(folder: &Path) -> Result<Vec<String>, CliError> {
    let absolute = |path: PathBuf| path.canonicalize().unwrap_or(path).display().to_string();
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .ok_or_else(|| CliError::new("there is no home folder, so cargo's own cannot be found"))?;
    let workspace = workspace_root(folder)?;
    Ok(vec![
        "-Clink-arg=-zstack-size=131072".into(),
        // What most calls need, so that they need not grow their memory.
        "-Clink-arg=--initial-heap=196608".into(),
        format!("--remap-path-prefix={}=/plugin", absolute(workspace)),
        format!("--remap-path-prefix={}=/cargo", absolute(home)),
    ])
}

fn workspace_root(folder: &Path) -> Result<PathBuf, CliError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "locate-project",
            "--workspace",
            "--message-format=plain",
            "--manifest-path",
        ])
        .arg(folder.join("Cargo.toml"));
    let output = run_cargo(&mut command)?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match Path::new(&found).parent() {
        Some(root) if output.status.success() => Ok(root.to_owned()),
        _ => Err(CliError::new(format!(
            "cargo does not find the crate in {}: {}",
            folder.display(),
            how_it_ended(output.status)
        ))),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(file).map_err(|error| CliError::new(format!("cannot read {}: {error}", file.display())))
}

fn read_text(file: &Path) -> Result<String, CliError> {
    fs::read_to_string(file)
        .map_err(|error| CliError::new(format!("cannot read {}: {error}", file.display())))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(file, bytes)
        .map_err(|error| CliError::new(format!("cannot write {}: {error}", file.display())))?;
    // The file is there, and is compiled next. That the line is not read is not a failure of either.
    match ui::output_line(&format!("{} ({} bytes)", file.display(), bytes.len())) {
        Err(error) if error.is_unread() => Ok(()),
        told => told,
    }
}
