//! The engine: compiling components, linking what was granted, and one fresh instance for every call.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use trocar_sdk::Failure;
use wasmtime::{
    Engine, PoolingAllocationConfig, Store, Trap, WasmBacktrace,
    component::{Component, HasSelf, Linker},
};
use wasmtime_wasi::I32Exit;

use super::{
    bindings::strategy::{
        StrategyPluginPre, exports::trocar::plugin::strategy as abi, trocar::plugin as imports,
    },
    cache::Cache,
    component::{Inspected, Interface},
    config::{GUEST_STACK, compiler_config},
    convert::{self, GuestPlan},
    error::WasmError,
    limits::{Limit, Limits},
    log::{LogLine, plain},
    state::{LimitReached, Reads, State},
    trusted, wasi,
};
use crate::{
    capability::{CLUSTER_READ, Grants},
    plugin::PluginType,
};

/// How often the clock of running guests ticks.
const TICK: Duration = Duration::from_millis(10);

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
}

enum Pre {
    Strategy(StrategyPluginPre<State>),
}

/// Where the code of a component is.
pub(crate) enum Code<'a> {
    /// Compiled when the program was built.
    Embedded(&'static [u8]),
    /// A component of somebody's, by its digest.
    Component { bytes: &'a [u8], digest: &'a str },
}

/// The texts of a request for a plan.
pub(crate) struct PlanInput<'a> {
    pub(crate) target: &'a str,
    pub(crate) options: &'a str,
    pub(crate) settings: &'a str,
    pub(crate) context: &'a str,
}

/// The engine with its limits and its cache.
pub(crate) struct Runtime {
    engine: Engine,
    limits: Arc<Limits>,
    cache: Option<Cache>,
    clock: OnceLock<()>,
}

impl Runtime {
    /// Makes an engine. Nothing is compiled and no thread is started before the first need.
    pub(crate) fn new(
        allocation: Allocation,
        limits: Limits,
        cache: Option<&Path>,
    ) -> Result<Self, WasmError> {
        let mut config = compiler_config();
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
            clock: OnceLock::new(),
        })
    }

    /// The limits of every call.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Makes a component ready: compiles it unless that was done before, and links what it was granted.
    pub(crate) fn load(
        &self,
        code: &Code<'_>,
        inspected: &Inspected,
        grants: &Grants,
    ) -> Result<Loaded, WasmError> {
        if inspected.imports(Interface::Cluster) && !grants.cluster_read {
            return Err(WasmError::NotGranted(CLUSTER_READ.into()));
        }
        let component = match code {
            Code::Embedded(code) => trusted::embedded(&self.engine, code).map_err(host_error)?,
            Code::Component { bytes, digest } => self.compiled(bytes, digest)?,
        };
        let linker = self.linker(inspected).map_err(host_error)?;
        let unfit =
            |error: wasmtime::Error| WasmError::Invalid(format!("it does not fit the contract: {error:#}"));
        let pre = linker.instantiate_pre(&component).map_err(unfit)?;
        let pre = match inspected.manifest.plugin_type {
            PluginType::Strategy => Pre::Strategy(StrategyPluginPre::new(pre).map_err(unfit)?),
            PluginType::Policy => {
                return Err(WasmError::World {
                    wanted: Interface::Strategy.name().into(),
                });
            }
        };
        Ok(Loaded {
            pre,
            wants_wasi: inspected.wants_wasi(),
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

    fn compiled(&self, bytes: &[u8], digest: &str) -> Result<Component, WasmError> {
        let Some(cache) = &self.cache else {
            let code = self.compile(bytes)?;
            return trusted::compiled(&self.engine, &code).map_err(host_error);
        };
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        let path = cache.path(digest, hasher.finish());
        // A file that cannot be loaded, from whatever cause, is compiled anew.
        if cache.is_whole(&path) {
            if let Ok(component) = trusted::cached(&self.engine, &path) {
                return Ok(component);
            }
        }
        let code = self.compile(bytes)?;
        // A full disk is no reason not to run: the next run compiles again.
        drop(cache.store(&path, code.bytes()));
        trusted::compiled(&self.engine, &code).map_err(host_error)
    }

    /// Compiles on a thread of its own. One that takes too long is left behind: nothing can stop a compiler.
    fn compile(&self, bytes: &[u8]) -> Result<trusted::CompiledHere, WasmError> {
        let (sender, receiver) = mpsc::channel();
        let (engine, bytes) = (self.engine.clone(), bytes.to_vec());
        thread::spawn(move || sender.send(trusted::compile(&engine, &bytes)));
        match receiver.recv_timeout(self.limits.compile_time) {
            Ok(compiled) => compiled.map_err(|error| WasmError::Invalid(format!("{error:#}"))),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(WasmError::Limit {
                limit: Limit::CompileTime,
                allowed: self.limits.get(Limit::CompileTime),
                asked: None,
            }),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(WasmError::Invalid("the compiler gave up on it".into()))
            }
        }
    }

    /// Asks a strategy for a plan.
    pub(crate) fn make_plan(
        &self,
        loaded: &Loaded,
        input: &PlanInput<'_>,
        call: CallContext,
    ) -> (Result<Result<GuestPlan, Failure>, WasmError>, Vec<LogLine>) {
        let Pre::Strategy(pre) = &loaded.pre;
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

    /// Lets a plugin check its settings.
    pub(crate) fn validate_settings(
        &self,
        loaded: &Loaded,
        settings: &str,
        call: CallContext,
    ) -> Result<Result<Vec<trocar_sdk::Diagnostic>, Failure>, WasmError> {
        let Pre::Strategy(pre) = &loaded.pre;
        let (answer, _) = self.call(loaded, call, |store| {
            let instance = pre.instantiate(&mut *store).map_err(Phase::Instantiate)?;
            let strategy = instance.trocar_plugin_strategy();
            strategy
                .call_validate_settings(store, &settings.to_owned())
                .map_err(Phase::Call)
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
        let surroundings = loaded.wants_wasi.then(|| wasi::surroundings(call.now));
        let mut store = Store::new(
            &self.engine,
            State::new(self.limits.clone(), surroundings, call.reads),
        );
        store.limiter(|state| state);
        store.set_hostcall_fuel(usize::try_from(self.limits.data).unwrap_or(usize::MAX));
        // The clock may tick right away, so one tick more than fits into the time.
        store.set_epoch_deadline((self.limits.time.as_millis() / TICK.as_millis()) as u64 + 1);
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

enum Phase {
    Instantiate(wasmtime::Error),
    Call(wasmtime::Error),
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(16)
        .total_core_instances(64)
        .total_memories(16)
        .total_tables(32)
        .total_stacks(16)
        .max_memory_size(usize::try_from(limits.memory).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(limits.table_elements).unwrap_or(usize::MAX))
        .max_unused_warm_slots(16)
        // What a plan of a usual size touches; without it, each call pays a page fault for each page.
        .linear_memory_keep_resident(1 << 20)
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

fn host_error(error: wasmtime::Error) -> WasmError {
    WasmError::Host(format!("{error:#}"))
}

/// From what the engine reports to what a person can use. The engine's own text starts with a backtrace and is shown last.
fn classify(phase: Phase, limits: &Limits, started: Instant, last_error: Option<String>) -> WasmError {
    let (Phase::Instantiate(error) | Phase::Call(error)) = &phase;
    if let Some(reached) = error.downcast_ref::<LimitReached>() {
        return WasmError::Limit {
            limit: reached.limit,
            allowed: reached.allowed,
            asked: reached.asked,
        };
    }
    if error.downcast_ref::<I32Exit>().is_some() {
        return WasmError::Exited;
    }
    let limit = |limit| WasmError::Limit {
        limit,
        allowed: limits.get(limit),
        asked: None,
    };
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => limit(Limit::Time),
        Some(Trap::StackOverflow) => WasmError::Limit {
            limit: Limit::Stack,
            allowed: GUEST_STACK as u64,
            asked: None,
        },
        Some(Trap::UnreachableCodeReached) if last_error.is_some() => {
            WasmError::Panicked(last_error.unwrap_or_default())
        }
        Some(trap) => WasmError::Trapped {
            reason: trap_reason(*trap),
            function: innermost_function(error),
        },
        None if started.elapsed() > limits.time + TICK => limit(Limit::Time),
        None => untyped(&phase, limits),
    }
}

fn trap_reason(trap: Trap) -> String {
    match trap {
        // A Rust guest keeps its own stack at the start of its memory: recursion without end falls off that end.
        Trap::MemoryOutOfBounds => "it left its memory, most often by recursing too deeply".into(),
        other => other.to_string().trim_start_matches("wasm trap: ").to_owned(),
    }
}

fn innermost_function(error: &wasmtime::Error) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let frame = backtrace.frames().iter().find_map(|frame| frame.func_name())?;
    Some(plain(&format!("{:#}", rustc_demangle::demangle(frame))))
}

fn untyped(phase: &Phase, limits: &Limits) -> WasmError {
    match phase {
        Phase::Instantiate(error) => WasmError::Invalid(format!(
            "it cannot be instantiated: {}",
            plain(&innermost_cause(error))
        )),
        Phase::Call(error) => {
            let cause = innermost_cause(error);
            // The engine has no type for this one; the test `data_bomb` fails should the text ever change.
            if cause.contains("too much data is being copied") {
                return WasmError::Limit {
                    limit: Limit::Data,
                    allowed: limits.data,
                    asked: None,
                };
            }
            WasmError::Answer(plain(&cause))
        }
    }
}

fn innermost_cause(error: &wasmtime::Error) -> String {
    error
        .chain()
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
