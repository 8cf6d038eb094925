//! `trocar plugin dev`: on each save, builds the plugin, runs its cases, and shows how its plans for the given targets changed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use serde_json::json;
use trocar::{
    Actor, Context, DebugOptions, Engine, EngineConfig, PlanError, PlanRequest, PolicyRule, Target,
    capability::Grants,
    default_strategy,
    documents::to_yaml,
    manifest::PluginType,
    plan::Mode,
    plugin::{Plugin, PluginSource},
    policy::Match,
};

use super::build;
use crate::cli::{
    args::{PluginBuildArgs, PluginDevArgs, TestOutput},
    commands::policy,
    diff::unified,
    error::CliError,
    resolve, ui,
};

/// How often the folder is checked for changes. Polling, since inotify is missing on some network and container file systems.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The most files that are watched. A plugin has some dozens; more means that the wrong folder was named.
const MAX_FILES: usize = 10_000;

pub(crate) fn dev(args: &PluginDevArgs) -> Result<ExitCode, CliError> {
    let targets = resolve::file_targets(&args.filename, None)?;
    let options = policy::options(&args.flags, true).map_err(CliError::usage)?;
    let mut previous = None;
    loop {
        let seen = files(&args.folder)?;
        let ended = run_once(args, &targets, &options, &mut previous).unwrap_or_else(CliError::report);
        if args.once {
            return Ok(ended);
        }
        ui::error_line("waiting for changes; press Ctrl-C to stop");
        while files(&args.folder)? == seen {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Builds, runs the cases and plans, once.
fn run_once(
    args: &PluginDevArgs,
    targets: &[Target],
    options: &DebugOptions,
    previous: &mut Option<String>,
) -> Result<ExitCode, CliError> {
    let began = Instant::now();
    let made = build::component(&PluginBuildArgs {
        folder: args.folder.clone(),
        output: None,
        install_tool: args.install_tool,
        no_compile: true,
        locked: false,
        strip: false,
    })?;
    let file = args.folder.join(format!("{}.wasm", made.name));
    super::write(&file, &made.plugin)?;
    let built = began.elapsed();
    let engine = engine()?;
    let ended = policy::run_all(&engine, &args.folder, TestOutput::Text)?;
    if !targets.is_empty() {
        let planned = plans(&engine, &file, made.plugin_type, targets, options)?;
        match previous {
            Some(previous) => ui::diff(&unified(previous, &planned, "before", "now"))?,
            None => ui::output(&planned)?,
        }
        *previous = Some(planned);
    }
    let (built, all) = (built.as_millis(), began.elapsed().as_millis());
    ui::error_line(&format!("built in {built} ms, done in {all} ms"));
    Ok(ended)
}

/// An engine that compiles quickly rather than well, since the next save replaces the plugin. It has a cache of its own, so that
/// this slower code is not used by other commands.
fn engine() -> Result<Engine, CliError> {
    ui::engine(EngineConfig {
        cache: resolve::cache("components-dev"),
        compiles_quickly: true,
        ..EngineConfig::default()
    })
}

/// The plan for each target, as YAML. Time and name suffix are fixed, so that differences come from the plugin alone.
fn plans(
    engine: &Engine,
    file: &Path,
    plugin_type: PluginType,
    targets: &[Target],
    options: &DebugOptions,
) -> Result<String, CliError> {
    let plugin = engine.load(&PluginSource::File(file.to_owned()), plugin_type, &Grants::all())?;
    let shown = targets
        .iter()
        .map(|target| plan(engine, &plugin, plugin_type, target, options));
    Ok(shown.collect::<Result<Vec<_>, _>>()?.concat())
}

fn plan(
    engine: &Engine,
    plugin: &Plugin,
    plugin_type: PluginType,
    target: &Target,
    options: &DebugOptions,
) -> Result<String, CliError> {
    let (strategy, rules) = match plugin_type {
        PluginType::Strategy => (plugin.clone(), Vec::new()),
        PluginType::Policy => {
            let default = default_strategy(target.id().kind, options);
            let source = PluginSource::Default(default.to_owned());
            let strategy = engine.load(&source, PluginType::Strategy, &Grants::all())?;
            (strategy, vec![rule(plugin)])
        }
    };
    let rules: Vec<&PolicyRule> = rules.iter().collect();
    let planned = engine.plan(&PlanRequest {
        target,
        options,
        strategy: &strategy,
        strategy_name: None,
        settings: "{}",
        context: &Context {
            namespace: "default".into(),
            suffix: "bbbbb".into(),
            time: "2026-01-01T00:00:00Z".into(),
        },
        actor: &Actor::default(),
        policies: &rules,
        reader: None,
        time_to_live: None,
    });
    let document = match &planned {
        Ok(planned) => json!({"target": target.id().to_string(), "steps": planned.plan.steps(),
            "policies": planned.plan.policies(), "diagnostics": planned.plan.diagnostics()}),
        Err(error) => refusal(target, error),
    };
    Ok(to_yaml(&[document]))
}

fn refusal(target: &Target, error: &PlanError) -> serde_json::Value {
    let reviews = error.reviewed().map(|plan| plan.policies());
    json!({"target": target.id().to_string(), "refused": error.to_string(), "policies": reviews})
}

/// The policy as a configuration without options would have it: enforced, for every target, with default settings.
fn rule(plugin: &Plugin) -> PolicyRule {
    PolicyRule {
        name: plugin.description().manifest().name.clone(),
        plugin: plugin.clone(),
        mode: Mode::Enforce,
        matches: Match::default(),
        settings: "{}".into(),
    }
}

/// The source files of a plugin's folder, each with modification time and size. Build results are left out, or each build
/// would start the next.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, (Option<SystemTime>, u64)>, CliError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unread = |error: io::Error| CliError::new(format!("cannot read {}: {error}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_build_output(&name) {
                continue;
            }
            // Temporary files of an editor may be gone by now.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path(), (metadata.modified().ok(), metadata.len()));
            }
            if found.len() > MAX_FILES {
                return Err(
                    CliError::new(format!("{} has more than {MAX_FILES} files", folder.display()))
                        .hint("name the folder of the plugin alone, the one with its plugin.yaml"),
                );
            }
        }
    }
    Ok(found)
}

/// Returns true for names of files and folders that tools write.
fn is_build_output(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with(".wasm")
        || matches!(name, "target" | "node_modules" | "__pycache__" | "Cargo.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_watched_and_build_output_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(folder.join(".trocar/wit")).unwrap();
        fs::create_dir_all(folder.join("target/debug")).unwrap();
        for file in [
            "plugin.yaml",
            "src/lib.rs",
            "mine.wasm",
            ".trocar/entry.js",
            "target/debug/x",
        ] {
            fs::write(folder.join(file), "").unwrap();
        }
        let before = files(folder).unwrap();
        let names: Vec<_> = before
            .keys()
            .map(|file| file.strip_prefix(folder).unwrap())
            .collect();
        assert_eq!(names, [Path::new("plugin.yaml"), Path::new("src/lib.rs")]);
        fs::write(folder.join("mine.wasm"), "made").unwrap();
        assert_eq!(files(folder).unwrap(), before);
        fs::write(folder.join("src/lib.rs"), "changed").unwrap();
        assert_ne!(files(folder).unwrap(), before);
    }
}
