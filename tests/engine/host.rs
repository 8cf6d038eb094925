//! A host for guests, with low limits so that tests are short, and checks that hold for every guest.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use trocar::{
    Actor, Blame, Context, DebugOptions, Engine, EngineConfig, Limit, Limits, LogLevel, PlanError,
    PlanRequest, Planned, PolicyRule, Target, WasmError,
    capability::{ClusterReader, Grants},
    plan::Mode,
    plugin::{Plugin, PluginError, PluginSource, PluginType},
    policy::Match,
};

use crate::guest;

/// The time limit of guests in most tests.
pub(crate) const TIME: Duration = Duration::from_millis(200);

/// The tolerance for calls that reach their time limit.
const GRACE: Duration = Duration::from_millis(100);

/// The most measurements of a call.
const ATTEMPTS: usize = 10;

/// Held for writing by a test that keeps all processors busy, so that no other test measures meanwhile.
pub(crate) static CROWD: RwLock<()> = RwLock::new(());

/// An engine with a well-behaved plugin, which must keep working.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) folder: TempDir,
    time: Duration,
    default_plugin: Plugin,
}

/// The inputs of a plan besides the plugin.
pub(crate) struct Asked {
    pub(crate) target: Target,
    pub(crate) options: DebugOptions,
    pub(crate) context: Context,
    pub(crate) settings: String,
    pub(crate) actor: Actor,
    pub(crate) reader: Option<Arc<dyn ClusterReader>>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            target: pod(),
            options: DebugOptions {
                image: Some("busybox:1.36".into()),
                ..DebugOptions::default()
            },
            context: Context {
                namespace: "ops".into(),
                suffix: "x7k2p".into(),
                time: "2026-01-02T03:04:05Z".into(),
            },
            settings: "{}".into(),
            actor: Actor::default(),
            reader: None,
        }
    }
}

pub(crate) fn pod() -> Target {
    let pod: Value = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": "shop/web:1"}]},
    });
    Target::new(pod, "default").unwrap()
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::limited(|_| {})
    }

    pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        Self::made(change, |_| {})
    }

    pub(crate) fn pooling() -> Self {
        Self::made(|_| {}, |config| config.pooling = true)
    }

    pub(crate) fn made(change: impl FnOnce(&mut Limits), configure: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut limits = Limits::default();
        limits.time = TIME;
        change(&mut limits);
        let time = limits.time;
        let mut config = EngineConfig {
            limits,
            ..EngineConfig::default()
        };
        configure(&mut config);
        let engine = Engine::new(config).unwrap();
        let default_plugin = engine
            .load(
                &PluginSource::Default("ephemeral".into()),
                PluginType::Strategy,
                &Grants::default(),
            )
            .unwrap();
        Self {
            engine,
            folder: tempfile::tempdir().unwrap(),
            time,
            default_plugin,
        }
    }

    /// The path of a file, which may not exist.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a plugin to a file.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PluginSource {
        let path = self.path(&format!("{name}.wasm"));
        fs::write(&path, bytes).unwrap();
        PluginSource::File(path)
    }

    /// Loads bytes as a strategy without grants.
    pub(crate) fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Plugin, PluginError> {
        let loaded = self
            .engine
            .load(&self.file(name, bytes), PluginType::Strategy, &Grants::default());
        self.assert_unhurt(name);
        loaded
    }

    /// Loads a guest that can be loaded.
    pub(crate) fn load(&self, guest: &str) -> Plugin {
        self.load_bytes(guest, &guest::plugin(guest))
            .unwrap_or_else(|error| panic!("{guest} is not loaded: {error}"))
    }

    /// Loads a guest that is a policy.
    pub(crate) fn load_policy(&self, guest: &str) -> Plugin {
        let source = self.file(guest, &guest::plugin(guest));
        self.engine
            .load(&source, PluginType::Policy, &Grants::default())
            .unwrap_or_else(|error| panic!("{guest} is not loaded: {error}"))
    }

    /// Plans with the default strategy and policies in one mode. Each policy has its guest's name.
    pub(crate) fn reviewed(&self, guests: &[&str], mode: Mode, asked: &Asked) -> Result<Planned, PlanError> {
        let guests: Vec<(&str, Mode)> = guests.iter().map(|guest| (*guest, mode)).collect();
        self.reviewed_as(&guests, asked)
    }

    /// The same, with a mode for each.
    pub(crate) fn reviewed_as(&self, guests: &[(&str, Mode)], asked: &Asked) -> Result<Planned, PlanError> {
        let rules: Vec<PolicyRule> = guests
            .iter()
            .map(|(guest, mode)| PolicyRule {
                name: guest::plugin_name(guest),
                plugin: self.load_policy(guest),
                mode: *mode,
                matches: Match::default(),
                settings: "{}".into(),
            })
            .collect();
        let rules: Vec<&PolicyRule> = rules.iter().collect();
        let request = PlanRequest {
            policies: &rules,
            ..request(&self.default_plugin, asked)
        };
        self.timed("a chain of policies", || self.engine.plan(&request))
    }

    /// The error of loading a guest.
    pub(crate) fn refuses(&self, guest: &str) -> PluginError {
        self.refuses_bytes(guest, &guest::unchecked(guest))
    }

    /// The error of loading bytes.
    pub(crate) fn refuses_bytes(&self, name: &str, bytes: &[u8]) -> PluginError {
        match self.load_bytes(name, bytes) {
            Ok(_) => panic!("{name} was loaded"),
            Err(error) => error,
        }
    }

    /// Plans with a guest.
    pub(crate) fn run(&self, guest: &str) -> Result<Planned, PlanError> {
        self.plan(&self.load(guest), &Asked::default())
    }

    /// The plan of a guest.
    pub(crate) fn plans(&self, guest: &str) -> Planned {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.run(guest) {
                Ok(planned) => return planned,
                // The limit is short, for guests that do not end; a busy machine may take as long for one that does.
                Err(error) if attempts < ATTEMPTS && error.to_string().contains("time limit") => {}
                Err(error) => panic!("{guest} makes no plan: {error}"),
            }
        }
    }

    /// The error of a guest that does not answer.
    pub(crate) fn breaks(&self, guest: &str) -> PluginError {
        broken(guest, self.run(guest))
    }

    /// Plans with a plugin, and checks that it kept the time limit and that the engine still works.
    pub(crate) fn plan(&self, plugin: &Plugin, asked: &Asked) -> Result<Planned, PlanError> {
        let request = request(plugin, asked);
        let name = &plugin.description().manifest().name;
        self.timed(name, || self.engine.plan(&request))
    }

    /// Makes a call, and checks that it kept the time limit and that the engine still works.
    pub(crate) fn timed<T>(&self, name: &str, call: impl Fn() -> T) -> T {
        let mut taken = Vec::new();
        // A busy machine may delay a call now and then; an engine that does not stop a guest delays it
        // always.
        for _ in 0..ATTEMPTS {
            let _nobody_crowds = CROWD.read().unwrap_or_else(PoisonError::into_inner);
            let started = Instant::now();
            let answer = call();
            taken.push(started.elapsed());
            if taken[taken.len() - 1] <= self.time + GRACE {
                self.assert_unhurt(name);
                return answer;
            }
        }
        panic!("{name} took {taken:?} of the {:?} that it has", self.time);
    }

    fn assert_unhurt(&self, name: &str) {
        let asked = Asked::default();
        let plan = || self.engine.plan(&request(&self.default_plugin, &asked));
        let planned = (0..ATTEMPTS).find_map(|_| match plan() {
            // On a busy machine even a good plugin may not be scheduled in time.
            Err(PlanError::Plugin(error)) if is_out_of_time(&error) => None,
            other => Some(other),
        });
        match planned {
            Some(Ok(planned)) => assert_eq!(planned.plan.attach(), Some("debugger-x7k2p")),
            other => panic!("after {name}, a default plugin fails: {other:?}"),
        }
    }
}

pub(crate) fn request<'a>(plugin: &'a Plugin, asked: &'a Asked) -> PlanRequest<'a> {
    PlanRequest {
        target: &asked.target,
        options: &asked.options,
        strategy: plugin,
        strategy_name: None,
        settings: &asked.settings,
        context: &asked.context,
        actor: &asked.actor,
        policies: &[],
        reader: asked.reader.as_ref(),
        time_to_live: None,
    }
}

/// The plugin error of a failed plan.
pub(crate) fn broken(guest: &str, result: Result<Planned, PlanError>) -> PluginError {
    match result {
        Err(PlanError::Plugin(error)) => error,
        other => panic!("{guest} is not broken: {other:?}"),
    }
}

/// The cause in a plugin error.
pub(crate) fn reason(error: &PluginError) -> &WasmError {
    match error {
        PluginError::Wasm { error, .. } => error,
        other => panic!("not about a component: {other:?}"),
    }
}

fn is_out_of_time(error: &PluginError) -> bool {
    matches!(
        reason(error),
        WasmError::Limit {
            limit: Limit::Time,
            ..
        }
    )
}

/// Checks that a limit was reached. Returns the amount that the guest asked for.
pub(crate) fn reached(error: &PluginError, wanted: Limit) -> Option<u64> {
    match reason(error) {
        WasmError::Limit { limit, asked, .. } if *limit == wanted => *asked,
        other => panic!("not the limit {wanted:?}: {other:?}"),
    }
}

/// Checks the message: the plugin, what it did, and whose fault that is.
pub(crate) fn told(error: &PluginError, plugin: &str, blame: Blame, message: &[&str]) {
    let text = error.to_string();
    for part in message.iter().chain([&plugin]) {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(text.len() < 6000, "the message has {} bytes", text.len());
    assert_harmless(&text);
    assert_eq!(error.blame(), blame, "{text}");
}

/// Checks that a text is harmless on a terminal.
pub(crate) fn assert_harmless(text: &str) {
    let harmful = text
        .chars()
        .find(|letter| letter.is_control() && *letter != '\t' || ('\u{202a}'..='\u{2069}').contains(letter));
    assert_eq!(harmful, None, "{text:?}");
}

/// The lines of a log, for one level.
pub(crate) fn lines(planned: &Planned, level: LogLevel) -> Vec<&str> {
    let lines = planned
        .logs
        .iter()
        .flat_map(|log| &log.lines)
        .filter(|line| line.level == level);
    lines.map(|line| line.text.as_str()).collect()
}
