//! Plugins of the system's configuration: component and compiled code come from folders that only root can write, regardless of
//! the user's cache. In these tests the user acts as root, and a folder is the whole system.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use trocar::{
    Engine, EngineConfig, LoadEvent, SystemFiles,
    capability::Grants,
    plugin::{Plugin, PluginError, PluginSource, PluginType},
};

use crate::{
    guest,
    host::{Asked, request},
    limits::committed_default,
};

struct System {
    root: tempfile::TempDir,
    told: Arc<Mutex<Vec<String>>>,
}

impl System {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        allow(root.path(), 0o755);
        let system = Self {
            root,
            told: Arc::default(),
        };
        system.put("opt/plugin.wasm", &committed_default());
        system
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        allow(path.parent().unwrap(), 0o755);
        allow(&path, 0o644);
    }

    fn plugin(&self) -> PluginSource {
        let path = self.path("opt/plugin.wasm");
        let described = self.engine().describe(&PluginSource::File(path.clone())).unwrap();
        PluginSource::System(path, described.digest().to_owned())
    }

    fn engine(&self) -> Engine {
        let owner = rustix::process::geteuid().as_raw();
        let config = EngineConfig {
            cache: Some(self.path("home/cache")),
            system: SystemFiles::default()
                .compiled_in(self.path("compiled"))
                .owned_by(owner, self.root.path().to_owned()),
            ..EngineConfig::default()
        };
        let told = self.told.clone();
        Engine::new(config).unwrap().with_listener(move |event| {
            if let LoadEvent::NotCompiled { plugin } = event {
                told.lock().unwrap().push((*plugin).to_owned());
            }
        })
    }

    /// Loads the plugin in a new engine and makes a plan. Returns the plugins that were reported as compiled at each start.
    fn plans(&self) -> Vec<String> {
        let engine = self.engine();
        plans(&engine, &load(&engine, &self.plugin()).unwrap());
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn load(engine: &Engine, source: &PluginSource) -> Result<Plugin, PluginError> {
    engine.load(source, PluginType::Strategy, &Grants::default())
}

fn plans(engine: &Engine, plugin: &Plugin) {
    let asked = Asked::default();
    let planned = engine.plan(&request(plugin, &asked)).unwrap();
    assert_eq!(planned.plan.attach(), Some("debugger-x7k2p"));
}

/// The files of compiled code in a folder, without records.
fn compiled(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "cwasm"))
        .collect()
}

/// The one file of compiled code in a folder.
fn only_file(folder: &Path) -> PathBuf {
    let files = compiled(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn without_the_systems_compiled_code_it_is_compiled_at_each_start_with_a_note() {
    let system = System::new();
    assert_eq!(system.plans(), ["ephemeral"]);
    assert_eq!(system.plans(), ["ephemeral"]);
    assert_eq!(
        fs::read_dir(system.path("home/cache")).unwrap().count(),
        0,
        "nothing of it is in the user's cache"
    );
}

#[test]
fn the_systems_compiled_code_is_used_without_a_note() {
    let system = System::new();
    assert!(system.engine().compile(&system.plugin()).unwrap());
    assert!(!system.engine().compile(&system.plugin()).unwrap());
    assert!(system.plans().is_empty());
}

#[test]
fn another_plugins_code_in_the_users_cache_does_not_become_the_systems() {
    let system = System::new();
    let pinned = match system.plugin() {
        PluginSource::System(path, digest) => PluginSource::Pinned(path, digest),
        other => other,
    };
    let engine = system.engine();
    load(&engine, &pinned).unwrap();
    let kept = only_file(&system.path("home/cache"));
    system.put("home/other.wasm", &guest::plugin("trap"));
    load(&engine, &PluginSource::File(system.path("home/other.wasm"))).unwrap();
    let mut files = compiled(&system.path("home/cache")).into_iter();
    let other = files.find(|path| *path != kept);
    fs::copy(other.unwrap(), &kept).unwrap();
    assert_eq!(system.plans(), ["ephemeral"]);
    // Neither is code used that this engine has already loaded for the user.
    plans(&engine, &load(&engine, &system.plugin()).unwrap());
    assert_eq!(*system.told.lock().unwrap(), ["ephemeral"]);
}

#[test]
fn a_plugin_that_others_could_replace_is_not_used() {
    let system = System::new();
    for open in ["opt", "opt/plugin.wasm"] {
        let before = fs::metadata(system.path(open)).unwrap().permissions();
        allow(&system.path(open), 0o777);
        let error = load(&system.engine(), &system.plugin()).unwrap_err();
        let writable = fs::canonicalize(system.path(open)).unwrap();
        match &error {
            PluginError::Unprotected { writable: found, .. } => assert_eq!(*found, writable),
            other => panic!("{other:?}"),
        }
        fs::set_permissions(system.path(open), before).unwrap();
    }
    system.plans();
}

#[test]
fn compiled_forms_that_others_could_replace_are_not_used() {
    let system = System::new();
    system.engine().compile(&system.plugin()).unwrap();
    let kept = only_file(&system.path("compiled"));
    for open in [&system.path("compiled"), &kept] {
        let before = fs::metadata(open).unwrap().permissions();
        allow(open, 0o777);
        assert_eq!(system.plans(), ["ephemeral"], "{}", open.display());
        fs::set_permissions(open, before).unwrap();
    }
    assert!(system.plans().is_empty());
}

#[test]
fn a_plugin_is_loaded_once_for_several_policies() {
    let system = System::new();
    let engine = system.engine();
    let plugins: Vec<Plugin> = (0..100)
        .map(|_| load(&engine, &system.plugin()).unwrap())
        .collect();
    assert_eq!(system.told.lock().unwrap().len(), 1, "it was compiled once");
    drop(plugins);
    load(&engine, &system.plugin()).unwrap();
    assert_eq!(
        system.told.lock().unwrap().len(),
        2,
        "what no plugin uses is not kept"
    );
}
