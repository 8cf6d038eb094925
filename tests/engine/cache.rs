//! The cache: compiled components are not compiled again, and their files are accessible to the user only.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use trocar::{
    Blame, Engine, EngineConfig, Limits, WasmError,
    capability::Grants,
    plugin::{Plugin, PluginError, PluginSource, PluginType},
};

use crate::{
    guest,
    host::{Asked, request},
    limits::committed_default,
};

struct Folder {
    _root: tempfile::TempDir,
    cache: PathBuf,
    plugin: PluginSource,
}

impl Folder {
    fn new() -> Self {
        Self::with(&committed_default())
    }

    fn with(component: &[u8]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let plugin = root.path().join("plugin.wasm");
        fs::write(&plugin, component).unwrap();
        Self {
            cache: root.path().join("cache/of/trocar"),
            plugin: PluginSource::File(plugin),
            _root: root,
        }
    }

    fn engine(&self, limits: Limits) -> Engine {
        let config = EngineConfig {
            limits,
            cache: Some(self.cache.clone()),
            ..EngineConfig::default()
        };
        Engine::new(config).unwrap()
    }

    /// Loads the plugin in a new engine.
    fn load(&self, limits: Limits) -> Result<(Engine, Plugin), PluginError> {
        let engine = self.engine(limits);
        let plugin = engine.load(&self.plugin, PluginType::Strategy, &Grants::default())?;
        Ok((engine, plugin))
    }

    /// Loads the plugin and makes a plan.
    fn load_and_plan(&self, limits: Limits) {
        let (engine, plugin) = self.load(limits).unwrap();
        let asked = Asked::default();
        let planned = engine.plan(&request(&plugin, &asked)).unwrap();
        assert_eq!(planned.plan.attach(), Some("debugger-x7k2p"));
    }

    /// The one file in the cache.
    fn kept(&self) -> PathBuf {
        let files: Vec<PathBuf> = fs::read_dir(&self.cache)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

/// Limits that prevent every compilation.
fn no_compiler() -> Limits {
    let mut limits = Limits::default();
    limits.compile_time = Duration::ZERO;
    limits
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_component_is_compiled_once_and_kept_in_private() {
    let folder = Folder::new();
    assert!(
        folder.load(no_compiler()).is_err(),
        "there is nothing to load yet"
    );
    folder.load_and_plan(Limits::default());
    let kept = folder.kept();
    assert_eq!(mode(&kept), 0o600);
    assert_eq!(mode(&folder.cache), 0o700);
    let before = fs::metadata(&kept).unwrap();
    folder.load_and_plan(no_compiler());
    let after = fs::metadata(folder.kept()).unwrap();
    assert_eq!(after.ino(), before.ino(), "the file was written again");
    assert_eq!(after.mtime_nsec(), before.mtime_nsec());
}

#[test]
fn a_kept_file_that_changed_is_compiled_again() {
    let folder = Folder::new();
    folder.load_and_plan(Limits::default());
    let kept = folder.kept();
    let whole = fs::read(&kept).unwrap();
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 1;
    let mut zeroed = whole.clone();
    zeroed[middle..].fill(0);
    let text = b"not machine code at all".to_vec();
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("cut", whole[..middle].to_vec()),
        ("one bit flipped", flipped),
        ("half of it zero", zeroed),
        ("a text", text),
        ("a component", committed_default()),
    ] {
        fs::write(&kept, bytes).unwrap();
        assert!(
            folder.load(no_compiler()).is_err(),
            "{what}: it was loaded as it is"
        );
        folder.load_and_plan(Limits::default());
        assert_eq!(folder.kept(), kept, "{what}");
        folder.load_and_plan(no_compiler());
    }
}

#[test]
fn a_kept_file_in_the_place_of_another_is_compiled_again() {
    let folder = Folder::new();
    folder.load_and_plan(Limits::default());
    let good = folder.kept();
    let other = Folder::with(&guest::plugin("trap"));
    other.load(Limits::default()).unwrap();
    fs::copy(other.kept(), &good).unwrap();
    assert!(
        folder.load(no_compiler()).is_err(),
        "another plugin's code was taken"
    );
    folder.load_and_plan(Limits::default());
    folder.load_and_plan(no_compiler());
}

#[test]
fn a_plugin_is_compiled_ahead_of_its_first_use() {
    let folder = Folder::new();
    let engine = folder.engine(Limits::default());
    assert!(engine.compile(&folder.plugin).unwrap());
    assert!(
        !engine.compile(&folder.plugin).unwrap(),
        "it was compiled already"
    );
    folder.load_and_plan(no_compiler());
}

#[test]
fn a_cache_that_cannot_be_written_is_no_reason_not_to_run() {
    let folder = Folder::new();
    folder.load_and_plan(Limits::default());
    let kept = folder.kept();
    fs::remove_file(&kept).unwrap();
    // A file cannot replace a folder that is not empty.
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("something"), "").unwrap();
    folder.load_and_plan(Limits::default());
    assert_eq!(folder.kept(), kept, "an unfinished file was left");
}

#[test]
fn another_component_is_another_file() {
    let folder = Folder::new();
    folder.load_and_plan(Limits::default());
    let first = folder.kept();
    let PluginSource::File(path) = &folder.plugin else {
        panic!("the plugin is a file");
    };
    fs::write(path, guest::plugin("trap")).unwrap();
    folder.load(Limits::default()).unwrap();
    assert!(first.exists());
    assert_eq!(fs::read_dir(&folder.cache).unwrap().count(), 2);
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let open = root.path().join("open");
    fs::create_dir(&open).unwrap();
    let private = root.path().join("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&private, &link).unwrap();
    for (folder, mode) in [
        (&open, 0o755),
        (&open, 0o770),
        (&open, 0o701),
        (&file, 0o600),
        (&link, 0o700),
    ] {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        let refused = Engine::new(EngineConfig {
            cache: Some(folder.clone()),
            ..EngineConfig::default()
        });
        let Err(error) = refused else {
            panic!("{} with mode {mode:o} is used", folder.display());
        };
        assert!(matches!(error, WasmError::Cache { .. }), "{error:?}");
        assert_eq!(error.blame(), Blame::User);
        let message = error.to_string();
        assert!(message.contains(folder.to_str().unwrap()), "{message}");
        assert!(message.contains("0700"), "{message}");
    }
}
