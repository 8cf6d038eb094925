//! The second tier: an empty, deterministic WASI 0.2 for components whose toolchain needs one.
//!
//! No files, environment, arguments, sockets or input. The clock is fixed at the time in the request, waiting takes no time,
//! random numbers have a fixed seed, and output goes to the log. Linked only for components that import it. Nothing blocks, so
//! a guest's time limit holds.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::{
    Deterministic, WasiCtx,
    cli::{IsTerminal, StdoutStream},
    clocks::{HostMonotonicClock, HostWallClock},
    p2::{DynPollable, OutputStream, Pollable, StreamResult, bindings::clocks::monotonic_clock, subscribe},
};

use super::{
    log::{Log, LogLevel},
    state::{State, Wasi},
};

/// The most output that is buffered per stream, in bytes. The log's own limit applies after the call.
const MAX_OUTPUT: usize = 1 << 20;

/// The most streams, pollables and other resources that a guest may hold at once.
const MAX_RESOURCES: usize = 4096;

/// The bytes that the random number generators repeat.
const SEED: &[u8; 61] = b"trocar: nothing here is random, so that plans can be repeated";

/// Links the interfaces of WASI 0.2.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // Everything, sockets and files included: a plain Rust program for wasip2 imports 24 interfaces, and each must be linked.
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    // Wasmtime's monotonic clock would block in the host, where epoch interruption cannot stop it.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, FixedClock>(linker, |state| FixedClockView {
        table: &mut state
            .wasi
            .as_mut()
            .expect("WASI is linked only for components that get a context")
            .table,
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Creates the WASI context of one call. `now` is the time since 1970 that clocks show.
pub(crate) fn wasi_context(now: Duration) -> Box<Wasi> {
    let (stdout, stderr) = (Output::default(), Output::default());
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_RESOURCES);
    let mut builder = WasiCtx::builder();
    builder
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .wall_clock(FixedTime(now))
        .monotonic_clock(FixedTime(Duration::ZERO))
        .secure_random(Deterministic::new(SEED.to_vec()))
        .insecure_random(Deterministic::new(SEED.to_vec()))
        .insecure_random_seed(0)
        // Bounds what one call makes the host allocate.
        .max_random_size(64 << 10)
        // The default since wasmtime 48. Stated, so that another default cannot open it.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    Box::new(Wasi {
        ctx: builder.build(),
        table,
        stdout,
        stderr,
    })
}

/// A guest's output to a standard stream. What does not fit is dropped; a write never fails.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    pub(crate) fn drain_into(&self, log: &mut Log, level: LogLevel) {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no writer panics"));
        log.write(level, &String::from_utf8_lossy(&bytes));
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut kept = self.0.lock().expect("no writer panics");
        // Dropped without an error, on which `println!` would panic. Wasmtime's own pipe closes when it is full.
        let capacity = MAX_OUTPUT.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(capacity)]);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

struct FixedTime(Duration);

impl HostWallClock for FixedTime {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for FixedTime {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

struct FixedClock;

struct FixedClockView<'a> {
    table: &'a mut ResourceTable,
}

impl HasData for FixedClock {
    type Data<'a> = FixedClockView<'a>;
}

impl FixedClockView<'_> {
    fn ready_pollable(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let ready = self.table.push(AlwaysReady)?;
        subscribe(self.table, ready)
    }
}

impl monotonic_clock::Host for FixedClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.ready_pollable()
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.ready_pollable()
    }
}

struct AlwaysReady;

#[wasmtime_wasi::async_trait]
impl Pollable for AlwaysReady {
    async fn ready(&mut self) {}
}
