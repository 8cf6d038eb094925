//! The engine: compiling components, linking what was granted, and one fresh instance for every call.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, SystemTime},
};

use trocar_sdk::Failure;
use wasmtime::{
    Enabled, Engine, OptLevel, PoolingAllocationConfig, Store,
    component::{Component, HasSelf, Linker},
};

use super::{
    bindings::{
        policy::{PolicyPluginPre, exports::trocar::plugin::policy as policy_abi},
        strategy::{StrategyPluginPre, exports::trocar::plugin::strategy as abi, trocar::plugin as imports},
    },
    cache::{Cache, CompiledFrom},
    classify::{Phase, classify},
    compiler,
    component::{Inspected, Interface, check_size},
    config::{GUEST_STACK, compiler_config},
    convert,
    engine::{LoadEvent, PlanInput, ReviewInput, SystemFiles},
    error::WasmError,
    known::{Known, SeenFile},
    limits::{Limit, Limits},
    log::LogLine,
    plugin::PluginSource,
    protection::Protection,
    state::{PARTS, Reads, State},
    trusted,
    turns::{Room, Turns},
    wasi,
};
use trocar_core::{
    capability::{CLUSTER_READ, Grants},
    manifest::PluginType,
    planning::{Decision, Proposal},
    text::message,
};

/// How often the clock of running guests ticks.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// What is reserved for many plans at once. A component with more memories or tables would never get its turn.
const POOL: Room = Room {
    instances: 16,
    memories: 16,
    tables: PARTS as u32,
};

/// The largest instance of a pool, in bytes: what the most functions that a component may have need, with room.
const POOLED_INSTANCE: usize = 8 << 20;

/// Where the memory of instances comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// From the operating system at each call: for a program that makes a few plans and ends.
    OnDemand,
    /// From a pool that is reserved once: for a program that makes many plans.
    Pooling,
}

/// A component that is ready to be instantiated.
pub(crate) struct Loaded {
    pre: Pre,
    wants_wasi: bool,
    /// What a call takes of the pool.
    needed: Room,
}

enum Pre {
    Strategy(StrategyPluginPre<State>),
    Policy(PolicyPluginPre<State>),
}

/// Where the code of a component is.
pub(crate) enum Code<'a> {
    /// Compiled when the program was built.
    Embedded(&'static [u8]),
    /// Compiled in an earlier run, and loaded.
    Ready(Component),
    /// A component of somebody's, by its digest.
    Component(Source<'a>),
}

/// A component of somebody's.
pub(crate) struct Source<'a> {
    pub(crate) inspected: &'a Inspected,
    /// The file that it was read from, where that may be recognised later.
    pub(crate) seen: Option<&'a SeenFile>,
    pub(crate) bytes: &'a [u8],
    pub(crate) digest: &'a str,
    /// It is one of the system's configuration.
    pub(crate) is_systems: bool,
}

impl Source<'_> {
    fn plugin(&self) -> &str {
        &self.inspected.manifest.name
    }
}

/// Is told what happens while a component is loaded.
pub(crate) type Tell<'a> = dyn Fn(&LoadEvent<'_>) + 'a;

/// What a call gave, and what the guest wrote meanwhile.
pub(crate) type Called<T> = (Result<Result<T, Failure>, WasmError>, Vec<LogLine>);

/// The engine with its limits and its cache.
pub(crate) struct Runtime {
    engine: Engine,
    limits: Arc<Limits>,
    cache: Option<Cache>,
    system: SystemFiles,
    clock: OnceLock<()>,
    /// Who waits for the pool, where there is one.
    turns: Option<Turns>,
}

impl Runtime {
    /// Makes an engine. Nothing is compiled and no thread is started before the first need.
    pub(crate) fn new(
        allocation: Allocation,
        limits: Limits,
        cache: Option<&Path>,
        system: SystemFiles,
        compiles_quickly: bool,
    ) -> Result<Self, WasmError> {
        let mut config = compiler_config();
        if compiles_quickly {
            // Such code takes more of the stack, which is no fault of the plugin's.
            config
                .cranelift_opt_level(OptLevel::None)
                .max_wasm_stack(4 * GUEST_STACK)
                .async_stack_size(2 << 20);
        }
        trusted::allow_embedded(&mut config);
        if allocation == Allocation::Pooling {
            config.allocation_strategy(pool(&limits));
        }
        let cache = cache
            .map(|folder| {
                Cache::open(folder).map_err(|source| WasmError::Cache {
                    folder: folder.to_owned(),
                    source,
                })
            })
            .transpose()?;
        Ok(Self {
            engine: Engine::new(&config).map_err(host_error)?,
            limits: Arc::new(limits),
            cache,
            system,
            clock: OnceLock::new(),
            turns: (allocation == Allocation::Pooling).then(|| Turns::new(POOL)),
        })
    }

    /// The limits of every call.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What protects the files of the system's configuration.
    pub(crate) fn protection(&self) -> &Protection {
        &self.system.protection
    }

    /// Makes a component ready: compiles it unless that was done before, and links what it was granted.
    pub(crate) fn load(
        &self,
        code: &Code<'_>,
        inspected: &Inspected,
        grants: &Grants,
        tell: &Tell<'_>,
    ) -> Result<Loaded, WasmError> {
        if inspected.imports(Interface::Cluster) && !grants.cluster_read {
            return Err(WasmError::NotGranted(CLUSTER_READ.into()));
        }
        let component = match code {
            Code::Embedded(code) => trusted::embedded(&self.engine, code).map_err(host_error)?,
            Code::Ready(component) => component.clone(),
            Code::Component(source) => self.compiled(source, tell)?,
        };
        let needed = needed(&component)?;
        let linker = self.linker(inspected).map_err(host_error)?;
        let unfit = |error: wasmtime::Error| {
            WasmError::Invalid(message(&format!("it does not fit the contract: {error:#}")))
        };
        let pre = linker.instantiate_pre(&component).map_err(unfit)?;
        let pre = match inspected.manifest.plugin_type {
            PluginType::Strategy => Pre::Strategy(StrategyPluginPre::new(pre).map_err(unfit)?),
            PluginType::Policy => Pre::Policy(PolicyPluginPre::new(pre).map_err(unfit)?),
        };
        Ok(Loaded {
            pre,
            wants_wasi: inspected.wants_wasi(),
            needed,
        })
    }

    fn linker(&self, inspected: &Inspected) -> wasmtime::Result<Linker<State>> {
        let mut linker = Linker::new(&self.engine);
        imports::log::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        if inspected.imports(Interface::Cluster) {
            imports::cluster::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        }
        if inspected.wants_wasi() {
            wasi::link(&mut linker)?;
        }
        Ok(linker)
    }

    fn compiled(&self, source: &Source<'_>, tell: &Tell<'_>) -> Result<Component, WasmError> {
        let from = self.compiled_from(source.digest);
        let cache = self.cache_of(source.is_systems);
        // A file that cannot be loaded, from whatever cause, is compiled anew.
        if let Some(path) = cache.as_ref().and_then(|cache| cache.find(from))
            && let Ok(component) = trusted::cached(&self.engine, &path)
        {
            if !source.is_systems {
                remember(cache.as_ref(), from, source);
            }
            return Ok(component);
        }
        if source.is_systems {
            tell(&LoadEvent::NotCompiled {
                plugin: source.plugin(),
            });
        }
        let code = self.compile(source, tell)?;
        if let Some(cache) = cache.filter(|_| !source.is_systems) {
            // A full disk is no reason not to run: the next run compiles again.
            drop(cache.store(from, code.bytes()));
            remember(Some(&cache), from, source);
        }
        trusted::compiled(&self.engine, &code).map_err(host_error)
    }

    /// What is known of a plugin without reading its component, where nothing touched its files since it was compiled.
    pub(crate) fn known(&self, source: &PluginSource) -> Option<Known> {
        let (digest, file) = (source.digest()?, source.file()?);
        let file = match source.is_systems() {
            true => self.system.protection.resolve(file).ok()?,
            false => fs::canonicalize(file).ok()?,
        };
        let cache = self.cache_of(source.is_systems())?;
        let known = cache.known(self.compiled_from(digest), &file)?;
        // What breaks a limit is read again, and told.
        let is_allowed =
            check_size(known.size, &self.limits).is_ok() && known.inspected.check_sizes(&self.limits).is_ok();
        is_allowed.then_some(known)
    }

    /// Loads what is known to be compiled; none where that does not work, from whatever cause.
    pub(crate) fn ready(&self, known: &Known) -> Option<Component> {
        trusted::cached(&self.engine, &known.compiled).ok()
    }

    /// Where the compiled code of plugins is: the system's, or all others.
    fn cache_of(&self, is_systems: bool) -> Option<Cache> {
        match is_systems {
            true => self.system_cache(),
            false => self.cache.clone(),
        }
    }

    /// Compiles a component unless that was done before, and keeps what comes of it.
    pub(crate) fn precompile(&self, code: &Code<'_>, tell: &Tell<'_>) -> Result<bool, WasmError> {
        let Code::Component(source) = code else {
            return Ok(false);
        };
        let unusable = |folder: &Path, error| {
            let folder = folder.to_owned();
            match source.is_systems {
                true => WasmError::SystemCache {
                    folder,
                    source: error,
                },
                false => WasmError::Cache {
                    folder,
                    source: error,
                },
            }
        };
        let cache = match (source.is_systems, &self.system.compiled) {
            (true, Some(folder)) => {
                let made = Cache::make_system(folder, &self.system.protection);
                Some(made.map_err(|error| unusable(folder, error.into()))?)
            }
            (true, None) => None,
            (false, _) => self.cache.clone(),
        };
        let from = self.compiled_from(source.digest);
        if cache.as_ref().is_some_and(|cache| cache.find(from).is_some()) {
            remember(cache.as_ref(), from, source);
            return Ok(false);
        }
        let code = self.compile(source, tell)?;
        let Some(cache) = cache else {
            return Ok(false);
        };
        let stored = cache.store(from, code.bytes());
        stored.map_err(|error| unusable(cache.folder(), error))?;
        remember(Some(&cache), from, source);
        Ok(true)
    }

    /// The system's folder of compiled components, where it is one.
    fn system_cache(&self) -> Option<Cache> {
        let folder = self.system.compiled.as_deref()?;
        Cache::open_system(folder, &self.system.protection).ok()
    }

    fn compiled_from<'a>(&self, digest: &'a str) -> CompiledFrom<'a> {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        CompiledFrom {
            component: digest,
            compiler: hasher.finish(),
        }
    }

    fn compile(&self, source: &Source<'_>, tell: &Tell<'_>) -> Result<trusted::CompiledHere, WasmError> {
        let plugin = source.plugin();
        compiler::compile(&self.engine, source.bytes, &self.limits, &|| {
            tell(&LoadEvent::Compiling { plugin });
        })
    }

    /// Asks a strategy for a plan.
    pub(crate) fn make_plan(
        &self,
        loaded: &Loaded,
        input: &PlanInput<'_>,
        call: CallContext,
    ) -> Called<Proposal> {
        let Pre::Strategy(pre) = &loaded.pre else {
            return (Err(wrong_world(Interface::Strategy)), Vec::new());
        };
        let request = abi::Request {
            target: input.target.to_owned(),
            options: input.options.to_owned(),
            settings: input.settings.to_owned(),
            context: input.context.to_owned(),
        };
        let (answer, log) = self.call(loaded, call, |store| {
            let instance = pre.instantiate(&mut *store).map_err(Phase::Instantiate)?;
            let strategy = instance.trocar_plugin_strategy();
            strategy.call_make_plan(store, &request).map_err(Phase::Call)
        });
        let answer = answer.and_then(|answer| match answer {
            Ok(plan) => convert::plan(plan, &self.limits).map(Ok),
            Err(failure) => Ok(Err(convert::failure(failure))),
        });
        (answer, log)
    }

    /// Asks a policy about a plan.
    pub(crate) fn evaluate(
        &self,
        loaded: &Loaded,
        input: &ReviewInput<'_>,
        call: CallContext,
    ) -> Called<Decision> {
        let Pre::Policy(pre) = &loaded.pre else {
            return (Err(wrong_world(Interface::Policy)), Vec::new());
        };
        let review = policy_abi::Review {
            plan: input.plan.to_owned(),
            target: input.target.to_owned(),
            options: input.options.to_owned(),
            actor: input.actor.to_owned(),
            settings: input.settings.to_owned(),
            context: input.context.to_owned(),
        };
        let (answer, log) = self.call(loaded, call, |store| {
            let instance = pre.instantiate(&mut *store).map_err(Phase::Instantiate)?;
            let policy = instance.trocar_plugin_policy();
            policy.call_evaluate(store, &review).map_err(Phase::Call)
        });
        let answer = answer.and_then(|answer| match answer {
            Ok(decision) => convert::decision(decision, &self.limits).map(Ok),
            Err(failure) => Ok(Err(convert::failure(failure))),
        });
        (answer, log)
    }

    /// Lets a plugin check its settings.
    pub(crate) fn validate_settings(
        &self,
        loaded: &Loaded,
        settings: &str,
        call: CallContext,
    ) -> Result<Result<Vec<trocar_sdk::Diagnostic>, Failure>, WasmError> {
        let settings = settings.to_owned();
        let (answer, _) = self.call(loaded, call, |store| match &loaded.pre {
            Pre::Strategy(pre) => {
                let instance = pre.instantiate(&mut *store).map_err(Phase::Instantiate)?;
                let strategy = instance.trocar_plugin_strategy();
                strategy
                    .call_validate_settings(store, &settings)
                    .map_err(Phase::Call)
            }
            Pre::Policy(pre) => {
                let instance = pre.instantiate(&mut *store).map_err(Phase::Instantiate)?;
                let policy = instance.trocar_plugin_policy();
                policy
                    .call_validate_settings(store, &settings)
                    .map_err(Phase::Call)
            }
        });
        Ok(answer?.map(convert::diagnostics).map_err(convert::failure))
    }

    fn call<T>(
        &self,
        loaded: &Loaded,
        call: CallContext,
        run: impl FnOnce(&mut Store<State>) -> Result<T, Phase>,
    ) -> (Result<T, WasmError>, Vec<LogLine>) {
        self.clock.get_or_init(|| start_clock(&self.engine));
        // Given back after the store, which is what takes the room.
        let _turn = self.turns.as_ref().map(|turns| turns.wait_for(loaded.needed));
        let surroundings = loaded.wants_wasi.then(|| wasi::surroundings(call.now));
        let mut store = Store::new(
            &self.engine,
            State::new(self.limits.clone(), surroundings, call.reads),
        );
        store.limiter(|state| state);
        store.set_hostcall_fuel(usize::try_from(self.limits.data).unwrap_or(usize::MAX));
        store.set_epoch_deadline(ticks(self.limits.time));
        let result = run(&mut store);
        let started = store.data().started;
        let log = store.data_mut().take_log();
        let result = result.map_err(|phase| classify(phase, &self.limits, started, log.last_error()));
        (result, log.into_lines())
    }
}

/// What a single call may need besides the request: all of it data or a capability that was granted.
#[derive(Default)]
pub(crate) struct CallContext {
    /// The time in the request, since 1970, for guests that ask a clock.
    pub(crate) now: Duration,
    /// The capability `cluster-read`, where it was granted and there is a cluster.
    pub(crate) reads: Option<Reads>,
}

/// What a call of a component takes of a pool; refuses a component of which no pool has room for one.
fn needed(component: &Component) -> Result<Room, WasmError> {
    // Only components that import modules do not know, and no host offers a module.
    let found = component
        .resources_required()
        .map_or((0, 0), |required| (required.num_memories, required.num_tables));
    let needed = Room {
        instances: 1,
        memories: found.0,
        tables: found.1,
    };
    for (asked, allowed) in [(needed.memories, POOL.memories), (needed.tables, POOL.tables)] {
        if asked > allowed {
            return Err(WasmError::Limit {
                limit: Limit::Parts,
                allowed: allowed.into(),
                asked: Some(asked.into()),
            });
        }
    }
    Ok(needed)
}

/// Writes down what was found out of a component that is compiled here, where its file may be recognised. Where that cannot be
/// written, the next run finds it out again.
fn remember(cache: Option<&Cache>, from: CompiledFrom<'_>, source: &Source<'_>) {
    if let (Some(cache), Some(seen)) = (cache, source.seen) {
        drop(cache.remember(from, seen, source.inspected, SystemTime::now()));
    }
}

/// The clock may tick right away, so it is one tick more than the time takes.
fn ticks(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis()) + 1;
    // Half of what a clock can count, so that a deadline from now on is still a number.
    u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 2)
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL.instances)
        .total_core_instances(POOL.instances * PARTS as u32)
        .total_memories(POOL.memories)
        .total_tables(POOL.tables)
        .total_stacks(POOL.instances)
        .max_tables_per_module(POOL.tables)
        .max_memories_per_module(POOL.memories)
        .max_core_instance_size(POOLED_INSTANCE)
        .max_component_instance_size(POOLED_INSTANCE)
        .max_memory_size(usize::try_from(limits.memory).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(limits.table_elements).unwrap_or(usize::MAX))
        .max_unused_warm_slots(16)
        // What a plan of a usual size touches; without it, each call pays a page fault for each page.
        .linear_memory_keep_resident(1 << 20)
        // Only the pages that a call wrote to are cleared after it, where the kernel can tell which.
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(64 << 10);
    pool
}

/// Ticks until the engine is gone. Unconditional: a deadline without a clock would never pass.
fn start_clock(engine: &Engine) {
    let engine = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    });
}

fn wrong_world(wanted: Interface) -> WasmError {
    WasmError::World {
        wanted: wanted.name().into(),
    }
}

fn host_error(error: wasmtime::Error) -> WasmError {
    WasmError::Host(format!("{error:#}"))
}
