//! What an instance can reach in the host: its log, its limits, and what was granted. Nothing ambient.

use std::{sync::Arc, time::Instant};

use serde_json::Value;
use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{
    bindings::strategy::trocar::plugin::{cluster, log, types},
    limits::{Limit, Limits},
    log::{Log, LogLevel},
};
use crate::{
    capability::{ClusterReader, ObjectRef, Query, ReadError},
    plugin::{KindScope, PluginManifest},
};

/// How many instances, memories and tables a component may be made of: what Python and JavaScript guests need, with room.
const PARTS: usize = 64;

/// A limit that was reached: what the store's error carries, so that it can be told apart.
#[derive(Debug, thiserror::Error)]
#[error("limit reached: {}", limit.name())]
pub(crate) struct LimitReached {
    pub(crate) limit: Limit,
    pub(crate) allowed: u64,
    pub(crate) asked: Option<u64>,
}

/// The state of one call.
pub(crate) struct State {
    limits: Arc<Limits>,
    memory: u64,
    table_elements: u64,
    host_calls: u64,
    pub(crate) log: Log,
    pub(crate) wasi: Option<Box<Wasi>>,
    reads: Option<Reads>,
    pub(crate) started: Instant,
}

/// The second tier's surroundings, made only for components that want them.
pub(crate) struct Wasi {
    pub(crate) ctx: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) stdout: super::wasi::Output,
    pub(crate) stderr: super::wasi::Output,
}

/// The capability `cluster-read`, bound to one plugin's scope.
#[derive(Clone)]
pub(crate) struct Reads {
    pub(crate) reader: Arc<dyn ClusterReader>,
    pub(crate) scope: Arc<[KindScope]>,
}

impl Reads {
    pub(crate) fn new(reader: Arc<dyn ClusterReader>, manifest: &PluginManifest) -> Self {
        let scope = manifest.capabilities.iter().flat_map(|asked| asked.scope.clone());
        Self {
            reader,
            scope: scope.collect(),
        }
    }

    fn check(&self, api_version: &str, kind: &str) -> Result<(), cluster::ReadError> {
        let inside = self
            .scope
            .iter()
            .any(|scope| scope.api_version == api_version && scope.kind == kind);
        // Secrets are refused in the manifest already; twice is cheap.
        if inside && kind != "Secret" {
            return Ok(());
        }
        let scope: Vec<String> = self
            .scope
            .iter()
            .map(|scope| format!("{}/{}", scope.api_version, scope.kind))
            .collect();
        Err(cluster::ReadError::OutOfScope(scope.join(", ")))
    }
}

impl State {
    pub(crate) fn new(limits: Arc<Limits>, wasi: Option<Box<Wasi>>, reads: Option<Reads>) -> Self {
        Self {
            memory: 0,
            table_elements: 0,
            host_calls: 0,
            log: Log::new(limits.log),
            wasi,
            reads,
            started: Instant::now(),
            limits,
        }
    }

    /// The log, with what the second tier wrote to its standard streams.
    pub(crate) fn take_log(&mut self) -> Log {
        let mut log = std::mem::replace(&mut self.log, Log::new(0));
        if let Some(wasi) = &self.wasi {
            wasi.stdout.drain_into(&mut log, LogLevel::Info);
            wasi.stderr.drain_into(&mut log, LogLevel::Error);
        }
        log
    }

    fn count_host_call(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(self.reached(Limit::HostCalls, None));
        }
        Ok(())
    }

    fn reached(&self, limit: Limit, asked: Option<u64>) -> wasmtime::Error {
        wasmtime::Error::new(LimitReached {
            limit,
            allowed: self.limits.get(limit),
            asked,
        })
    }

    fn answer(&self, value: Value, fields: &[String]) -> Result<String, cluster::ReadError> {
        let text = project(value, fields).to_string();
        if text.len() as u64 > self.limits.data {
            return Err(cluster::ReadError::TooLarge(self.limits.data));
        }
        Ok(text)
    }
}

/// Keeps only the parts that the pointers name, at their places; the whole when there are none.
fn project(value: Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return value;
    }
    let mut kept = Value::Object(serde_json::Map::new());
    for pointer in fields {
        let Some(part) = value.pointer(pointer) else {
            continue;
        };
        let mut place = &mut kept;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            if !place.is_object() {
                *place = Value::Object(serde_json::Map::new());
            }
            place = &mut place[step];
        }
        *place = part.clone();
    }
    kept
}

impl types::Host for State {}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.count_host_call()?;
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.write(level, &message);
        Ok(())
    }
}

impl cluster::Host for State {
    fn get(
        &mut self,
        object: cluster::ObjectRef,
        fields: Vec<String>,
    ) -> wasmtime::Result<Result<String, cluster::ReadError>> {
        self.count_host_call()?;
        let Some(reads) = self.reads.clone() else {
            return Ok(Err(no_cluster()));
        };
        if let Err(refused) = reads.check(&object.api_version, &object.kind) {
            return Ok(Err(refused));
        }
        let object = ObjectRef {
            api_version: object.api_version,
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
        };
        let read = reads.reader.get(&object).map_err(read_error);
        Ok(read.and_then(|value| self.answer(value, &fields)))
    }

    fn list(&mut self, query: cluster::Query) -> wasmtime::Result<Result<Vec<String>, cluster::ReadError>> {
        self.count_host_call()?;
        let Some(reads) = self.reads.clone() else {
            return Ok(Err(no_cluster()));
        };
        if let Err(refused) = reads.check(&query.api_version, &query.kind) {
            return Ok(Err(refused));
        }
        let fields = query.fields;
        let query = Query {
            api_version: query.api_version,
            kind: query.kind,
            namespace: query.namespace,
            label_selector: query.label_selector,
            limit: query.limit.unwrap_or(500).min(500),
        };
        let read = reads.reader.list(&query).map_err(read_error);
        Ok(read.and_then(|objects| {
            let texts: Result<Vec<String>, _> = objects
                .into_iter()
                .map(|value| self.answer(value, &fields))
                .collect();
            let texts = texts?;
            let size: u64 = texts.iter().map(|text| text.len() as u64).sum();
            if size > self.limits.data {
                return Err(cluster::ReadError::TooLarge(self.limits.data));
            }
            Ok(texts)
        }))
    }
}

fn no_cluster() -> cluster::ReadError {
    cluster::ReadError::Unavailable("this plan is made without a cluster".into())
}

fn read_error(error: ReadError) -> cluster::ReadError {
    match error {
        ReadError::NotFound => cluster::ReadError::NotFound,
        ReadError::Forbidden(text) => cluster::ReadError::Forbidden(text),
        ReadError::Unavailable(text) => cluster::ReadError::Unavailable(text),
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.as_mut().expect("WASI is linked only where it was made");
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut wasi.table,
        }
    }
}

/// Sums over all memories and all tables: the engine's own limits are for each one alone.
impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.memory + (desired - current) as u64;
        if asked > self.limits.memory {
            return Err(self.reached(Limit::Memory, Some(asked)));
        }
        self.memory = asked;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.table_elements + (desired - current) as u64;
        if asked > self.limits.table_elements {
            return Err(self.reached(Limit::TableElements, Some(asked)));
        }
        self.table_elements = asked;
        Ok(true)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}
