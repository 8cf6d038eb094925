//! Runs components with wasmtime: compiles them, links what was granted, and uses a fresh instance for every call.

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
    queue::{Capacity, Queue},
    state::{MAX_INSTANCES, Reads, State},
    trusted, wasi,
};
use trocar_core::{
    capability::{CLUSTER_READ, Grants},
    manifest::PluginType,
    planning::{Decision, Proposal},
    text::message,
};

/// The interval of epochs, which is the resolution of guests' time limits.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The capacity of a pool. A component that needs more could never be instantiated.
const POOL: Capacity = Capacity {
    instances: 16,
    memories: 16,
    tables: MAX_INSTANCES as u32,
};

/// The size of an instance's metadata in a pool, in bytes: more than the maximum number of functions needs.
const POOLED_INSTANCE: usize = 8 << 20;

/// How the memory of instances is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// From the operating system at each call, for programs that make a few plans and exit.
    OnDemand,
    /// From a pool that is reserved once, for servers.
    Pooling,
}

/// A component that was compiled and linked.
pub(crate) struct Loaded {
    pre: Pre,
    wants_wasi: bool,
    /// The pool's capacity that a call takes.
    needed: Capacity,
}

enum Pre {
    Strategy(StrategyPluginPre<State>),
    Policy(PolicyPluginPre<State>),
}

pub(crate) enum Code<'a> {
    /// Machine code, compiled when the program was built.
    Embedded(&'static [u8]),
    /// Compiled in an earlier run, and already loaded.
    Ready(Component),
    /// A component that may have to be compiled.
    Component(Source<'a>),
}

/// A third-party component.
pub(crate) struct Source<'a> {
    pub(crate) inspected: &'a Inspected,
    /// The file that it was read from; none if no record can be written about it.
    pub(crate) seen: Option<&'a SeenFile>,
    pub(crate) bytes: &'a [u8],
    pub(crate) digest: &'a str,
    /// It is named by the system's configuration.
    pub(crate) is_systems: bool,
}

impl Source<'_> {
    fn plugin(&self) -> &str {
        &self.inspected.manifest.name
    }
}

/// A listener for events while a component is loaded.
pub(crate) type Tell<'a> = dyn Fn(&LoadEvent<'_>) + 'a;

/// The answer of a call, and the guest's log.
pub(crate) type Called<T> = (Result<Result<T, Failure>, WasmError>, Vec<LogLine>);

/// A wasmtime engine with limits and caches.
pub(crate) struct Runtime {
    engine: Engine,
    limits: Arc<Limits>,
    cache: Option<Cache>,
    system: SystemFiles,
    clock: OnceLock<()>,
    /// The queue for the pool, with pooling.
    queue: Option<Queue>,
}

impl Runtime {
    /// Creates an engine. Compiles nothing and starts no thread.
    pub(crate) fn new(
        allocation: Allocation,
        limits: Limits,
        cache: Option<&Path>,
        system: SystemFiles,
        compiles_quickly: bool,
    ) -> Result<Self, WasmError> {
        let mut config = compiler_config();
        if compiles_quickly {
            // Unoptimized code needs more stack. The plugin must not fail for that.
            config
                .cranelift_opt_level(OptLevel::None)
                .max_wasm_stack(4 * GUEST_STACK)
                .async_stack_size(2 << 20);
        }
        trusted::allow_embedded(&mut config);
        if allocation == Allocation::Pooling {
            // With 64 MiB for each of its 16 instances a pool reserves 68 GB of addresses, so it is not for short runs.
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
            queue: (allocation == Allocation::Pooling).then(|| Queue::new(POOL)),
        })
    }

    /// The limits of every call.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How the files of the system's configuration must be protected.
    pub(crate) fn protection(&self) -> &Protection {
        &self.system.protection
    }

    /// Compiles a component, unless its code is in a cache, and links what it was granted.
    pub(crate) fn load(
        &self,
        code: &Code<'_>,
        inspected: &Inspected,
        grants: &Grants,
        tell: &Tell<'_>,
    ) -> Result<Loaded, WasmError> {
        // Before anything is compiled: that takes seconds for large components.
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
        // Compares imports only. Exports with other types than the contract's are found at the first call.
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
        // Without an import nothing is linked: what a plugin can reach follows from its imports.
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
        // A cached file that cannot be loaded, for whatever reason, is compiled again.
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
        // The system's cache is written by `precompile` alone, which runs with root's rights.
        if let Some(cache) = cache.filter(|_| !source.is_systems) {
            // A failure, such as a full disk, does not prevent this run: the next one compiles again.
            drop(cache.store(from, code.bytes()));
            remember(Some(&cache), from, source);
        }
        trusted::compiled(&self.engine, &code).map_err(host_error)
    }

    /// What is known of a plugin without reading its component; none if a file changed since it was compiled.
    pub(crate) fn known(&self, source: &PluginSource) -> Option<Known> {
        let (digest, file) = (source.digest()?, source.file()?);
        let file = match source.is_systems() {
            true => self.system.protection.resolve(file).ok()?,
            false => fs::canonicalize(file).ok()?,
        };
        let cache = self.cache_of(source.is_systems())?;
        let known = cache.known(self.compiled_from(digest), &file)?;
        // A component that exceeds a limit is read again, which reports the error.
        let is_allowed =
            check_size(known.size, &self.limits).is_ok() && known.inspected.check_sizes(&self.limits).is_ok();
        is_allowed.then_some(known)
    }

    /// Loads compiled code that a record names; none if that fails, for whatever reason.
    pub(crate) fn ready(&self, known: &Known) -> Option<Component> {
        trusted::cached(&self.engine, &known.compiled).ok()
    }

    /// The cache of the system's plugins, or of all others.
    fn cache_of(&self, is_systems: bool) -> Option<Cache> {
        match is_systems {
            true => self.system_cache(),
            false => self.cache.clone(),
        }
    }

    /// Compiles a component into a cache. Returns false if the code was there already, or there is no cache.
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
                let created = Cache::create_system(folder, &self.system.protection);
                Some(created.map_err(|error| unusable(folder, error.into()))?)
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

    /// The system's cache; none if it is missing or not protected.
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
        // At the first call, so that a run without one starts no thread.
        self.clock.get_or_init(|| start_clock(&self.engine));
        // Declared before the store, so dropped after it: the store holds the capacity.
        let _permit = self.queue.as_ref().map(|queue| queue.acquire(loaded.needed));
        let wasi = loaded.wants_wasi.then(|| wasi::wasi_context(call.now));
        // After the wait for capacity, which must not count as the guest's time.
        let mut store = Store::new(&self.engine, State::new(self.limits.clone(), wasi, call.reads));
        store.limiter(|state| state);
        // Wasmtime's own bound is 128 MiB for each host call.
        store.set_hostcall_fuel(usize::try_from(self.limits.data).unwrap_or(usize::MAX));
        // Before the instantiation: a store without a deadline traps at its first instruction.
        store.set_epoch_deadline(ticks(self.limits.time));
        let result = run(&mut store);
        let started = store.data().started;
        let log = store.data_mut().take_log();
        let result = result.map_err(|phase| classify(phase, &self.limits, started, log.last_error()));
        (result, log.into_lines())
    }
}

/// The context of a single call besides its documents.
#[derive(Default)]
pub(crate) struct CallContext {
    /// The time of the request, since 1970, for guests that read a clock.
    pub(crate) now: Duration,
    /// The capability `cluster-read`, if it was granted and there is a cluster.
    pub(crate) reads: Option<Reads>,
}

/// The capacity of a pool that an instance takes. Fails if it exceeds that of an empty pool.
fn needed(component: &Component) -> Result<Capacity, WasmError> {
    // Unknown only for components that import core modules, which cannot be linked anyway.
    let found = component
        .resources_required()
        .map_or((0, 0), |required| (required.num_memories, required.num_tables));
    let needed = Capacity {
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

/// Writes the record of a compiled component. A failure is ignored: the next run reads the component again.
fn remember(cache: Option<&Cache>, from: CompiledFrom<'_>, source: &Source<'_>) {
    if let (Some(cache), Some(seen)) = (cache, source.seen) {
        drop(cache.remember(from, seen, source.inspected, SystemTime::now()));
    }
}

/// The epochs of a time limit. One more than fits, since the first tick may come at once.
fn ticks(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis()) + 1;
    // Capped so that adding the current epoch does not overflow.
    u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 2)
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL.instances)
        .total_core_instances(POOL.instances * MAX_INSTANCES as u32)
        .total_memories(POOL.memories)
        .total_tables(POOL.tables)
        .total_stacks(POOL.instances)
        // The default is 1, but compilers make modules with several tables.
        .max_tables_per_module(POOL.tables)
        .max_memories_per_module(POOL.memories)
        .max_core_instance_size(POOLED_INSTANCE)
        .max_component_instance_size(POOLED_INSTANCE)
        .max_memory_size(usize::try_from(limits.memory).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(limits.table_elements).unwrap_or(usize::MAX))
        .max_unused_warm_slots(16)
        // A typical plan's memory. Without it, each call pays a page fault for each page.
        .linear_memory_keep_resident(1 << 20)
        // Clears only pages that a call wrote to, where the kernel reports them.
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(64 << 10);
    pool
}

/// Starts the thread that advances epochs until the engine is dropped. Without it no time limit would ever be reached.
fn start_clock(engine: &Engine) {
    let engine = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            // Not held while it sleeps, so that the engine ends with its last user.
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
