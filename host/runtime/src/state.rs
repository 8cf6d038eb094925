//! The store's state: what an instance can reach in the host. That is its log, its limits and granted capabilities, nothing else.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{
    bindings::strategy::trocar::plugin::{cluster, log, types},
    limits::{Limit, Limits},
    log::{Log, LogLevel},
};
use trocar_core::{
    capability::{ClusterReader, ObjectRef, Query, ReadError},
    manifest::{KindScope, PluginManifest},
};

/// The most instances, memories and tables of a component, each. More than Python and JavaScript guests need.
pub(crate) const MAX_INSTANCES: usize = 64;

/// The error of a reached limit, by which `classify` recognizes it.
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

/// The WASI context, only for components of the second tier.
pub(crate) struct Wasi {
    pub(crate) ctx: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) stdout: super::wasi::Output,
    pub(crate) stderr: super::wasi::Output,
}

/// The capability `cluster-read`, limited to a plugin's scope.
#[derive(Clone)]
pub(crate) struct Reads {
    pub(crate) reader: Arc<dyn ClusterReader>,
    pub(crate) scope: Arc<[KindScope]>,
}

impl Reads {
    pub(crate) fn new(reader: Arc<dyn ClusterReader>, manifest: &PluginManifest) -> Self {
        let scope = manifest
            .capabilities
            .iter()
            .flat_map(|request| request.scope.clone());
        Self {
            reader,
            scope: scope.collect(),
        }
    }

    fn check(&self, api_version: &str, kind: &str) -> Result<(), cluster::ReadError> {
        let is_in_scope = self
            .scope
            .iter()
            .any(|scope| scope.api_version == api_version && scope.kind == kind);
        // Manifests cannot ask for Secrets. Checked again, since this is the last line of defence.
        if is_in_scope && kind != "Secret" {
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

    /// Takes the log, with what a guest of the second tier wrote to its standard streams.
    pub(crate) fn take_log(&mut self) -> Log {
        let mut log = std::mem::replace(&mut self.log, Log::new(0));
        if let Some(wasi) = &self.wasi {
            wasi.stdout.drain_into(&mut log, LogLevel::Info);
            // The message of a panic is on this stream only, so it becomes the reason if the guest trapped.
            wasi.stderr.drain_into(&mut log, LogLevel::Error);
        }
        log
    }

    /// The rest of the call's time limit.
    fn time_left(&self) -> Duration {
        self.limits.time.saturating_sub(self.started.elapsed())
    }

    fn count_host_call(&mut self) -> wasmtime::Result<()> {
        // Time alone does not bound host calls, since epochs do not interrupt the host.
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

/// The most fields that a guest may name in one read, and the longest of their pointers in bytes.
const MAX_FIELDS: usize = 256;
const MAX_FIELD_LENGTH: usize = 1024;

/// Bounds the work of a read: the guest's time limit does not interrupt host code.
fn check_fields(fields: &[String]) -> Result<(), cluster::ReadError> {
    if fields.len() <= MAX_FIELDS && fields.iter().all(|field| field.len() <= MAX_FIELD_LENGTH) {
        return Ok(());
    }
    Err(cluster::ReadError::Unavailable(format!(
        "a read may name at most {MAX_FIELDS} fields of at most {MAX_FIELD_LENGTH} bytes"
    )))
}

/// Reduces an object to the parts that the pointers name; no pointers name the whole. Earlier items of a list become null, so
/// that a part keeps its index.
fn project(value: Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return value;
    }
    let fields: BTreeSet<&str> = fields.iter().map(String::as_str).collect();
    let mut kept = Value::Null;
    for pointer in fields.iter().filter(|field| !is_covered(field, &fields)) {
        if let Some(part) = value.pointer(pointer) {
            *place(&mut kept, &value, pointer) = part.clone();
        }
    }
    match kept {
        Value::Null => Value::Object(serde_json::Map::new()),
        kept => kept,
    }
}

/// Returns whether another field contains this one, so that no part is copied twice.
fn is_covered(field: &str, fields: &BTreeSet<&str>) -> bool {
    fields.iter().any(|other| {
        field
            .strip_prefix(other)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

/// Creates the path of a pointer in `kept`, with the types of `whole`.
fn place<'a>(mut kept: &'a mut Value, mut whole: &Value, pointer: &str) -> &'a mut Value {
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        match whole {
            Value::Array(items) => {
                let index: usize = step.parse().expect("the pointer exists in the whole");
                if !kept.is_array() {
                    *kept = Value::Array(Vec::new());
                }
                let list = kept.as_array_mut().expect("it is a list by now");
                if list.len() <= index {
                    list.resize(index + 1, Value::Null);
                }
                kept = &mut list[index];
                whole = &items[index];
            }
            _ => {
                if !kept.is_object() {
                    *kept = Value::Object(serde_json::Map::new());
                }
                whole = &whole[step.as_str()];
                kept = &mut kept[step];
            }
        }
    }
    kept
}

/// Returns whether a name is a single segment of a URL path.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.contains(['/', '\\', '%', '?', '#'])
        && !name.contains(char::is_control)
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
        let refused = reads
            .check(&object.api_version, &object.kind)
            .and_then(|()| check_fields(&fields))
            .and_then(|()| check_names([Some(&object.name), object.namespace.as_ref()]));
        if let Err(refused) = refused {
            return Ok(Err(refused));
        }
        let object = ObjectRef {
            api_version: object.api_version,
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
        };
        let read = reads.reader.get(&object, self.time_left()).map_err(read_error);
        Ok(read.and_then(|value| self.answer(value, &fields)))
    }

    fn list(&mut self, query: cluster::Query) -> wasmtime::Result<Result<Vec<String>, cluster::ReadError>> {
        self.count_host_call()?;
        let Some(reads) = self.reads.clone() else {
            return Ok(Err(no_cluster()));
        };
        let refused = reads
            .check(&query.api_version, &query.kind)
            .and_then(|()| check_fields(&query.fields))
            .and_then(|()| check_names([query.namespace.as_ref()]));
        if let Err(refused) = refused {
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
        let read = reads.reader.list(&query, self.time_left()).map_err(read_error);
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

/// Refuses names that would change a request's path. No object has such a name, hence "not found".
fn check_names<const N: usize>(names: [Option<&String>; N]) -> Result<(), cluster::ReadError> {
    if names.into_iter().flatten().all(|name| is_name(name)) {
        return Ok(());
    }
    Err(cluster::ReadError::NotFound)
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
        let wasi = self
            .wasi
            .as_mut()
            .expect("WASI is linked only for components that get a context");
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut wasi.table,
        }
    }
}

/// Limits the sums over all memories and tables, since the engine's own limits are for each one.
impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.memory + (desired - current) as u64;
        if asked > self.limits.memory {
            // An error, not `Ok(false)`: then a Rust guest would abort as `unreachable`, and the reason would be lost.
            return Err(self.reached(Limit::Memory, Some(asked)));
        }
        // Growth beyond the memory's own maximum fails, so it must not be counted.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = asked;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.table_elements + (desired - current) as u64;
        if asked > self.limits.table_elements {
            return Err(self.reached(Limit::TableElements, Some(asked)));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = asked;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_read_keeps_only_the_named_fields_at_their_places() {
        let pod = || json!({"kind": "Pod", "a/b": 1, "spec": {"containers": [{"name": "x", "image": "i"}, {"name": "y"}], "n": null}});
        for (fields, wanted) in [
            (vec![], pod()),
            (vec!["/kind"], json!({"kind": "Pod"})),
            (vec!["/a~1b", "/nope", "kind"], json!({"a/b": 1})),
            (
                vec!["/spec/containers/1/name"],
                json!({"spec": {"containers": [null, {"name": "y"}]}}),
            ),
            (
                vec!["/spec/containers/0/name", "/spec/containers/0/image"],
                json!({"spec": {"containers": [{"name": "x", "image": "i"}]}}),
            ),
            (vec!["/spec/n"], json!({"spec": {"n": null}})),
            (
                vec!["/spec/containers", "/spec", "/spec/n"],
                json!({"spec": pod()["spec"]}),
            ),
            (vec!["/kind", ""], pod()),
            (
                vec!["/spec/containers/-", "/spec/containers/01", "/spec/containers/9"],
                json!({}),
            ),
        ] {
            let fields: Vec<String> = fields.into_iter().map(str::to_owned).collect();
            assert_eq!(project(pod(), &fields), wanted, "{fields:?}");
        }
    }

    #[test]
    fn the_fields_of_a_read_are_bounded() {
        assert!(check_fields(&vec!["/a".to_owned(); MAX_FIELDS]).is_ok());
        assert!(check_fields(&vec!["/a".to_owned(); MAX_FIELDS + 1]).is_err());
        assert!(check_fields(&["/a".repeat(MAX_FIELD_LENGTH)]).is_err());
    }

    #[test]
    fn names_that_would_change_a_path_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../secrets/x",
            "a%2fb",
            "a?b",
            "a#b",
            "a\nb",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
        for name in ["web-0", "system:node", "a.b"] {
            assert!(is_name(name), "{name:?}");
        }
    }
}
