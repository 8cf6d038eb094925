//! `trocar plugin dev`: at each save, the plugin is built, its cases are run, and what it plans for a target is compared with
//! what it planned before.

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

/// How often the folder is looked at.
const GLANCE: Duration = Duration::from_millis(200);

/// The most files of a folder that are watched: a plugin has some dozens.
const MAX_FILES: usize = 10_000;

pub(crate) fn dev(args: &PluginDevArgs) -> Result<ExitCode, CliError> {
    let targets = resolve::file_targets(&args.filename, None)?;
    let options = policy::options(&args.flags, true).map_err(CliError::usage)?;
    let mut before = None;
    loop {
        let seen = files(&args.folder)?;
        let ended = round(args, &targets, &options, &mut before).unwrap_or_else(CliError::report);
        if args.once {
            return Ok(ended);
        }
        ui::error_line("waiting for a change; Ctrl-C ends this");
        while files(&args.folder)? == seen {
            std::thread::sleep(GLANCE);
        }
    }
}

/// One time: build, cases, plans.
fn round(
    args: &PluginDevArgs,
    targets: &[Target],
    options: &DebugOptions,
    before: &mut Option<String>,
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
        match before {
            Some(before) => ui::diff(&unified(before, &planned, "before", "now"))?,
            None => ui::output(&planned)?,
        }
        *before = Some(planned);
    }
    let (built, all) = (built.as_millis(), began.elapsed().as_millis());
    ui::error_line(&format!("built in {built} ms, all in {all} ms"));
    Ok(ended)
}

/// An engine that compiles quickly, for a plugin that is another one at the next save. What it compiled is kept apart.
fn engine() -> Result<Engine, CliError> {
    ui::engine(EngineConfig {
        cache: resolve::cache("components-dev"),
        compiles_quickly: true,
        ..EngineConfig::default()
    })
}

/// What comes of each target, as text: the same time and the same letters each time, so that only the plugin makes a difference.
fn plans(
    engine: &Engine,
    file: &Path,
    plugin_type: PluginType,
    targets: &[Target],
    options: &DebugOptions,
) -> Result<String, CliError> {
    let plugin = engine.load(
        &PluginSource::File(file.to_owned()),
        plugin_type,
        &Grants::default(),
    )?;
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
            let usual = default_strategy(target.id().kind, options);
            let source = PluginSource::Default(usual.to_owned());
            let strategy = engine.load(&source, PluginType::Strategy, &Grants::default())?;
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

/// The policy as it would be in a configuration that sets nothing.
fn rule(plugin: &Plugin) -> PolicyRule {
    PolicyRule {
        name: plugin.description().manifest().name.clone(),
        plugin: plugin.clone(),
        mode: Mode::Enforce,
        matches: Match::default(),
        settings: "{}".into(),
    }
}

/// The files of a plugin's folder that a person writes, with what tells that they were changed.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, (Option<SystemTime>, u64)>, CliError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unread = |error: io::Error| CliError::new(format!("cannot read {}: {error}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_made(&name) {
                continue;
            }
            // A file may be gone again: an editor's, for example.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path(), (about.modified().ok(), about.len()));
            }
            if found.len() > MAX_FILES {
                return Err(
                    CliError::new(format!("{} has more than {MAX_FILES} files", folder.display()))
                        .hint("a plugin is in a folder of its own"),
                );
            }
        }
    }
    Ok(found)
}

/// Says whether a file or folder is made by a tool, by its name.
fn is_made(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with(".wasm")
        || matches!(name, "target" | "node_modules" | "__pycache__" | "Cargo.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_is_watched_and_what_tools_make_is_not() {
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
