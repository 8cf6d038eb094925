//! The guests: committed golden components, and guests that are built if their tools are installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use tempfile::TempDir;
use trocar::{
    Engine, EngineConfig, Limits,
    capability::Grants,
    manifest::PluginType,
    plugin::{Plugin, PluginSource, pack},
};

/// A guest.
pub(crate) struct Guest {
    pub(crate) engine: Engine,
    pub(crate) strategy: Plugin,
    /// None for a guest that was built as a strategy only.
    pub(crate) policy: Option<Plugin>,
    pub(crate) has_large_integers: bool,
    _folder: TempDir,
}

/// A guest that the suite has built, or why it could not.
pub(crate) enum Built {
    Guest(Box<Guest>),
    Skipped(String),
}

pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/conformance")
        .join(path)
}

impl Guest {
    pub(crate) fn golden(name: &str) -> Self {
        let file = here("golden").join(name).with_extension("wasm");
        let component = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(component.len() < 2 << 20, "a golden component is small");
        Self::of(&component, &[PluginType::Strategy, PluginType::Policy])
    }

    /// Its language rounds integers of more than 53 bits.
    pub(crate) fn with_rounded_integers(self) -> Self {
        Self {
            has_large_integers: false,
            ..self
        }
    }

    fn of(component: &[u8], types: &[PluginType]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Speed is not tested, and an interpreter without optimization is slow on a busy machine.
        let mut limits = Limits::default();
        limits.time *= 5;
        let config = EngineConfig {
            compiles_quickly: true,
            limits,
            ..EngineConfig::default()
        };
        let engine = Engine::new(config).unwrap();
        let mut plugins = types.iter().map(|plugin_type| {
            let manifest = json!({
                "apiVersion": "trocar.dev/v1alpha1", "kind": "PluginManifest", "name": "conformance", "version": "0.1.0",
                "type": plugin_type.name(), "abi": "0.1", "summary": "Does what its settings say",
                "settingsSchema": {"type": "object"},
            });
            let (plugin, _) = pack(component, &manifest.to_string()).unwrap_or_else(|error| panic!("{error}"));
            let file = folder.path().join(plugin_type.name()).with_extension("wasm");
            fs::write(&file, plugin).unwrap();
            let loaded = engine.load(&PluginSource::File(file), *plugin_type, &Grants::default());
            loaded.unwrap_or_else(|error| panic!("{error}"))
        });
        let strategy = plugins.next().expect("every guest is a strategy");
        let policy = plugins.next();
        drop(plugins);
        Self {
            engine,
            strategy,
            policy,
            has_large_integers: true,
            _folder: folder,
        }
    }
}

/// The guest in Python, built as by an author.
pub(crate) fn python() -> Built {
    let tool = cache().join("trocar/tools");
    if !fs::read_dir(&tool).is_ok_and(|tools| {
        let mut names = tools.flatten().map(|tool| tool.file_name());
        names.any(|name| name.to_string_lossy().starts_with("componentize-py-"))
    }) {
        return Built::Skipped(
            "componentize-py is not there; trocar plugin build --install-tool installs it".into(),
        );
    }
    let folder = tempfile::tempdir().unwrap();
    for file in ["plugin.py", "plugin.yaml"] {
        fs::copy(here("guests/python").join(file), folder.path().join(file)).unwrap();
    }
    std::os::unix::fs::symlink(here("../../guest-sdk/python"), folder.path().join("sdk")).unwrap();
    // The suite packs it.
    succeeds(
        Command::new(env!("CARGO_BIN_EXE_trocar"))
            .args(["plugin", "build", "--no-compile"])
            .arg(folder.path()),
    );
    let component = fs::read(folder.path().join(".trocar/component.wasm")).unwrap();
    Built::Guest(Box::new(Guest::of(&component, &[PluginType::Strategy])))
}

/// The guest in JavaScript on the other engine, with both interfaces.
pub(crate) fn starlingmonkey() -> Built {
    let Some(modules) = env::var_os("TROCAR_TEST_STARLINGMONKEY") else {
        return Built::Skipped("TROCAR_TEST_STARLINGMONKEY names no folder with componentize-js".into());
    };
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("component.wasm");
    succeeds(
        Command::new("node")
            .arg(here("guests/javascript/starlingmonkey.mjs"))
            .arg(modules)
            .args([here("../../guest-sdk"), here("."), made.clone()]),
    );
    Built::Guest(Box::new(Guest::of(
        &fs::read(made).unwrap(),
        &[PluginType::Strategy, PluginType::Policy],
    )))
}

/// Runs a program. Panics with its output if it fails.
pub(crate) fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

fn cache() -> PathBuf {
    let typed = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    typed.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cache"))
}
