//! The public engine: describes, compiles, loads and calls plugins.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use trocar_core::{
    capability::{ClusterReader, Grants},
    manifest::PluginType,
    planning::{Decision, Proposal},
};
use trocar_sdk::{Diagnostic, Failure};

use crate::{
    Limits, LogLine, WasmError,
    plugin::{self, LoadedPlugin, Opened, Plugin, PluginDescription, PluginError, PluginSource},
    protection::Protection,
    runtime::{Allocation, CallContext, Called, Runtime},
    state::Reads,
};

/// The settings of an engine.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// The limits of guests.
    pub limits: Limits,
    /// The cache of compiled components; none compiles at each start. The folder is created if it is missing, and must be
    /// accessible to the user only.
    pub cache: Option<PathBuf>,
    /// Reserves memory for many plans at once, for servers. Off for programs that make a few plans and exit.
    pub pooling: bool,
    /// Compiles without optimization, for plugins that are replaced soon. Does not share cached code with other engines.
    pub compiles_quickly: bool,
    /// The files of plugins of the system's configuration.
    pub system: SystemFiles,
}

/// Where plugins of the system's configuration ([`PluginSource::System`]) may be: their components and compiled code, in folders
/// that only root can write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemFiles {
    pub(crate) compiled: Option<PathBuf>,
    pub(crate) protection: Protection,
}

impl Default for SystemFiles {
    fn default() -> Self {
        Self {
            compiled: None,
            protection: Protection {
                owner: 0,
                below: "/".into(),
            },
        }
    }
}

impl SystemFiles {
    /// Sets the folder of compiled code, which [`Engine::compile`] fills. Without one, plugins are compiled at each start.
    #[must_use]
    pub fn compiled_in(mut self, folder: PathBuf) -> Self {
        self.compiled = Some(folder);
        self
    }

    /// Accepts another owner than root, and checks only folders below `below`. For tests.
    #[must_use]
    pub fn owned_by(mut self, owner: u32, below: PathBuf) -> Self {
        self.protection = Protection { owner, below };
        self
    }
}

/// Events while plugins are loaded, which a user may want to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadEvent<'a> {
    /// A component takes longer than half a second to compile. Sent once per component.
    Compiling {
        /// Its name.
        plugin: &'a str,
    },
    /// A plugin does not satisfy a trust rule that only warns.
    NotSigned {
        /// Its reference or path.
        plugin: &'a str,
        /// The missing signatures.
        missing: &'a str,
    },
    /// A plugin of the system's configuration has no compiled code, so it is compiled at each start.
    NotCompiled {
        /// Its name.
        plugin: &'a str,
    },
}

type Listener = Box<dyn Fn(&LoadEvent<'_>) + Send + Sync>;

/// Runs plugins. Answers are bounded and escaped, but plans are not checked yet.
pub struct Engine {
    runtime: Runtime,
    /// Loaded plugins in use, shared when the same is loaded again. Files without a digest are not in it, since they may change.
    loaded: Mutex<HashMap<(PluginSource, Grants), Weak<LoadedPlugin>>>,
    listener: Option<Listener>,
}

/// A request for a plan, as JSON documents.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The target.
    pub target: &'a str,
    /// The `DebugOptions`.
    pub options: &'a str,
    /// The strategy's settings.
    pub settings: &'a str,
    /// Time, namespace and random suffix.
    pub context: &'a str,
}

/// A plan under review, as JSON documents.
#[derive(Clone, Copy, Debug)]
pub struct ReviewInput<'a> {
    /// The plan.
    pub plan: &'a str,
    /// The target.
    pub target: &'a str,
    /// The `DebugOptions`.
    pub options: &'a str,
    /// The user and the reason of the debug.
    pub actor: &'a str,
    /// The policy's settings.
    pub settings: &'a str,
    /// Time, namespace and random suffix.
    pub context: &'a str,
}

/// The context of a single call besides its documents.
#[derive(Clone, Copy, Default)]
pub struct CallAids<'a> {
    /// The time of the request, since 1970, for guests that read a clock.
    pub now: Duration,
    /// The reader behind the capability `cluster-read`; none without a cluster.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
}

/// A plugin's answer or refusal (inner), or why there is neither (outer).
pub type Answer<T> = Result<Result<T, Failure>, PluginError>;

impl Engine {
    /// Creates an engine. Nothing is compiled and no thread is started; only the cache folder is opened.
    ///
    /// # Errors
    /// Fails when the cache folder cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, WasmError> {
        let allocation = if config.pooling {
            Allocation::Pooling
        } else {
            Allocation::OnDemand
        };
        let runtime = Runtime::new(
            allocation,
            config.limits,
            config.cache.as_deref(),
            config.system,
            config.compiles_quickly,
        )?;
        Ok(Self {
            runtime,
            loaded: Mutex::default(),
            listener: None,
        })
    }

    /// Sets a listener for events while plugins are loaded.
    #[must_use]
    pub fn with_listener(mut self, listener: impl Fn(&LoadEvent<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// The limits of every call.
    pub fn limits(&self) -> &Limits {
        self.runtime.limits()
    }

    /// Sends an event to the listener.
    pub fn tell(&self, event: &LoadEvent<'_>) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }

    /// Describes a plugin, without running it.
    ///
    /// # Errors
    /// Fails when the plugin does not exist or cannot be used.
    pub fn describe(&self, source: &PluginSource) -> Result<PluginDescription, PluginError> {
        match self.runtime.known(source) {
            Some(known) => Ok(PluginDescription::known(source, known)),
            None => self.open(source).map(|opened| opened.description),
        }
    }

    /// Opens a plugin that was compiled in an earlier run, without reading its component.
    fn ready(&self, source: &PluginSource) -> Option<Opened> {
        let known = self.runtime.known(source)?;
        let code = self.runtime.ready(&known)?;
        Some(Opened::ready(PluginDescription::known(source, known), code))
    }

    fn open(&self, source: &PluginSource) -> Result<Opened, PluginError> {
        plugin::open(source, self.runtime.limits(), self.runtime.protection())
    }

    /// Compiles a plugin into the cache ahead of its first use. Returns false if it was compiled already, is a default plugin, or
    /// there is no cache.
    ///
    /// # Errors
    /// Fails when the plugin does not exist or cannot be used, and when the cache cannot be written.
    pub fn compile(&self, source: &PluginSource) -> Result<bool, PluginError> {
        let opened = self.open(source)?;
        let compiled = self.runtime.precompile(&opened.code(), &|event| self.tell(event));
        compiled.map_err(|error| blamed(&opened.description, error))
    }

    /// Loads a plugin with the capabilities that it was granted.
    ///
    /// # Errors
    /// Fails when the plugin does not exist, is of the other type, or cannot be used.
    pub fn load(
        &self,
        source: &PluginSource,
        wanted: PluginType,
        grants: &Grants,
    ) -> Result<Plugin, PluginError> {
        // A file without a digest may have changed since it was loaded.
        // The grants are a part of the key, since they decide what is linked.
        let key = (!matches!(source, PluginSource::File(_))).then(|| (source.clone(), grants.clone()));
        // Shared: when each of 2,000 policies loaded its own copy of one plugin, they took 1.26 GB.
        let known = key.as_ref().and_then(|key| self.known(key));
        let (loaded, is_new) = match known {
            Some(known) => (known, false),
            None => (Arc::new(self.load_new(source, wanted, grants)?), true),
        };
        check_type(&loaded.description, wanted)?;
        if let Some(key) = key.filter(|_| is_new) {
            self.remember(key, &loaded);
        }
        Ok(Plugin(loaded))
    }

    fn known(&self, key: &(PluginSource, Grants)) -> Option<Arc<LoadedPlugin>> {
        self.loaded.lock().ok()?.get(key)?.upgrade()
    }

    fn remember(&self, key: (PluginSource, Grants), plugin: &Arc<LoadedPlugin>) {
        if let Ok(mut loaded) = self.loaded.lock() {
            // A server that reads its configuration again would otherwise keep an entry for each former plugin.
            loaded.retain(|_, plugin| plugin.strong_count() > 0);
            loaded.insert(key, Arc::downgrade(plugin));
        }
    }

    fn load_new(
        &self,
        source: &PluginSource,
        wanted: PluginType,
        grants: &Grants,
    ) -> Result<LoadedPlugin, PluginError> {
        let opened = match self.ready(source) {
            Some(ready) => ready,
            None => self.open(source)?,
        };
        check_type(&opened.description, wanted)?;
        let inspected = &opened.description.inspected;
        let loaded = self
            .runtime
            .load(&opened.code(), inspected, grants, &|event| self.tell(event));
        match loaded {
            Ok(loaded) => Ok(LoadedPlugin {
                description: opened.description,
                loaded,
            }),
            Err(error) => Err(blamed(&opened.description, error)),
        }
    }

    /// Asks a strategy for a plan. Returns its log, too.
    pub fn propose(
        &self,
        strategy: &Plugin,
        input: &PlanInput<'_>,
        aids: CallAids<'_>,
    ) -> (Answer<Proposal>, Vec<LogLine>) {
        let call = call_context(strategy, aids);
        with_blame(strategy, self.runtime.make_plan(&strategy.0.loaded, input, call))
    }

    /// Asks a policy to review a plan. Returns its log, too.
    pub fn evaluate(
        &self,
        policy: &Plugin,
        input: &ReviewInput<'_>,
        aids: CallAids<'_>,
    ) -> (Answer<Decision>, Vec<LogLine>) {
        let call = call_context(policy, aids);
        with_blame(policy, self.runtime.evaluate(&policy.0.loaded, input, call))
    }

    /// Lets a plugin check its settings beyond their schema.
    ///
    /// # Errors
    /// Fails when the plugin crashes or reaches a limit.
    pub fn validate_settings(&self, plugin: &Plugin, settings: &str) -> Answer<Vec<Diagnostic>> {
        self.runtime
            .validate_settings(&plugin.0.loaded, settings, CallContext::default())
            .map_err(|error| blamed(plugin.description(), error))
    }
}

fn call_context(plugin: &Plugin, aids: CallAids<'_>) -> CallContext {
    CallContext {
        now: aids.now,
        reads: aids
            .reader
            .map(|reader| Reads::new(reader.clone(), plugin.description().manifest())),
    }
}

fn with_blame<T>(plugin: &Plugin, (answer, lines): Called<T>) -> (Answer<T>, Vec<LogLine>) {
    (answer.map_err(|error| blamed(plugin.description(), error)), lines)
}

fn check_type(description: &PluginDescription, wanted: PluginType) -> Result<(), PluginError> {
    let manifest = description.manifest();
    if manifest.plugin_type == wanted {
        return Ok(());
    }
    Err(PluginError::WrongType {
        name: manifest.name.clone(),
        wanted,
        found: manifest.plugin_type,
    })
}

fn blamed(description: &PluginDescription, error: WasmError) -> PluginError {
    let manifest = description.manifest();
    PluginError::Wasm {
        plugin: format!("{} {}", manifest.name, manifest.version),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;

    /// A default plugin as a file with a digest.
    struct Scene {
        home: tempfile::TempDir,
        digest: String,
    }

    impl Scene {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
            let committed = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../plugins/require-reason/require-reason.wasm");
            let component = fs::read(committed).unwrap();
            let digest = plugin::digest(&component);
            let scene = Self { home, digest };
            fs::write(scene.file(), component).unwrap();
            fs::set_permissions(scene.file(), fs::Permissions::from_mode(0o644)).unwrap();
            scene
        }

        fn file(&self) -> PathBuf {
            self.home.path().join("plugin.wasm")
        }

        fn pinned(&self) -> PluginSource {
            PluginSource::Pinned(self.file(), self.digest.clone())
        }

        fn system(&self) -> PluginSource {
            PluginSource::System(self.file(), self.digest.clone())
        }

        fn engine(&self) -> Engine {
            let owner = rustix::process::geteuid().as_raw();
            Engine::new(EngineConfig {
                cache: Some(self.home.path().join("cache")),
                compiles_quickly: true,
                system: SystemFiles::default()
                    .compiled_in(self.home.path().join("system"))
                    .owned_by(owner, self.home.path().to_owned()),
                ..EngineConfig::default()
            })
            .unwrap()
        }

        fn is_known(&self, source: &PluginSource) -> bool {
            self.engine().runtime.known(source).is_some()
        }
    }

    fn load(engine: &Engine, source: &PluginSource) -> Result<Plugin, PluginError> {
        engine.load(source, PluginType::Policy, &Grants::default())
    }

    /// Uses a plugin until its file is old enough for a record.
    fn use_until_known(scene: &Scene, source: &PluginSource, used: impl Fn()) {
        for _ in 0..10_000 {
            used();
            if scene.is_known(source) {
                return;
            }
        }
        panic!("no record was written");
    }

    #[test]
    fn a_plugin_with_a_digest_is_read_once() {
        let scene = Scene::new();
        let source = scene.pinned();
        assert!(!scene.is_known(&source));
        use_until_known(&scene, &source, || drop(load(&scene.engine(), &source).unwrap()));
        let engine = scene.engine();
        let (known, read) = (
            engine.describe(&source).unwrap(),
            engine.open(&source).unwrap().description,
        );
        assert_eq!(known.inspected, read.inspected);
        assert_eq!(
            (known.digest(), known.size(), known.source()),
            (read.digest(), read.size(), read.source())
        );
        assert!(engine.ready(&source).is_some(), "and its compiled code is loaded");
        assert!(
            !scene.is_known(&PluginSource::File(scene.file())),
            "a file without a digest has no record"
        );
        let other = PluginSource::Pinned(scene.file(), format!("sha256:{}", "0".repeat(64)));
        assert!(!scene.is_known(&other));
    }

    #[test]
    fn a_changed_file_is_read_and_refused() {
        let scene = Scene::new();
        let source = scene.pinned();
        use_until_known(&scene, &source, || drop(load(&scene.engine(), &source).unwrap()));
        let mut swapped = fs::read(scene.file()).unwrap();
        let last = swapped.len() - 1;
        swapped[last] ^= 1;
        fs::write(scene.file(), swapped).unwrap();
        let error = load(&scene.engine(), &source).unwrap_err();
        assert!(matches!(error, PluginError::Digest { .. }), "{error}");
    }

    #[test]
    fn limits_apply_to_known_plugins() {
        let scene = Scene::new();
        let source = scene.pinned();
        use_until_known(&scene, &source, || drop(load(&scene.engine(), &source).unwrap()));
        let set: [fn(&mut Limits); 2] = [|limits| limits.component = 1, |limits| limits.memory = 1];
        for set in set {
            let mut limits = Limits::default();
            set(&mut limits);
            let engine = Engine::new(EngineConfig {
                limits,
                cache: Some(scene.home.path().join("cache")),
                compiles_quickly: true,
                ..EngineConfig::default()
            });
            let error = load(&engine.unwrap(), &source).unwrap_err();
            assert!(error.to_string().contains("limit"), "{error}");
        }
    }

    #[test]
    fn records_of_system_plugins_come_from_protected_files() {
        let scene = Scene::new();
        let source = scene.system();
        drop(load(&scene.engine(), &source).unwrap());
        assert!(!scene.is_known(&source), "loading writes no record");
        use_until_known(&scene, &source, || {
            scene.engine().compile(&source).unwrap();
        });
        for open in [scene.home.path().join("system"), scene.file()] {
            let before = fs::metadata(&open).unwrap().permissions();
            fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
            assert!(!scene.is_known(&source), "{} is open", open.display());
            fs::set_permissions(&open, before).unwrap();
        }
        // Changing the mode changed the file's ctime.
        assert!(!scene.is_known(&source));
        use_until_known(&scene, &source, || {
            scene.engine().compile(&source).unwrap();
        });
    }
}
