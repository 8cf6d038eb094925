//! The second tier: a WASI 0.2 with nothing in it, for components of toolchains that cannot do without.
//!
//! No files, environment, arguments, sockets or input. The clock stands still at the time in the request, waiting
//! takes no time, randomness comes from a fixed seed, and output goes to the log. Linked only for components
//! that import it; nothing in here ever blocks, so a guest's time limit holds.

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

/// How much output is kept, at the most, before the log's own limit applies.
const OUTPUT_KEPT: usize = 1 << 20;

/// How many streams, pollables and the like a guest may hold at one time.
const MOST_RESOURCES: usize = 4096;

/// What a guest gets, over and over, when it asks for random bytes.
const SEED: &[u8; 61] = b"trocar: nothing here is random, so that plans can be repeated";

/// Links the interfaces of WASI 0.2.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    // The standard monotonic clock would wait in real time, which no time limit of a guest interrupts.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, StandingClock>(linker, |state| StandingClockView {
        table: &mut state
            .wasi
            .as_mut()
            .expect("WASI is linked only where it was made")
            .table,
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Makes the surroundings of one call, at a time that the host passes in.
pub(crate) fn surroundings(now: Duration) -> Box<Wasi> {
    let (stdout, stderr) = (Output::default(), Output::default());
    let mut table = ResourceTable::new();
    table.set_max_capacity(MOST_RESOURCES);
    let mut builder = WasiCtx::builder();
    builder
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .wall_clock(StandingAt(now))
        .monotonic_clock(StandingAt(Duration::ZERO))
        .secure_random(Deterministic::new(SEED.to_vec()))
        .insecure_random(Deterministic::new(SEED.to_vec()))
        .insecure_random_seed(0)
        .max_random_size(64 << 10)
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

/// What a guest wrote to its standard streams. A full buffer drops what is more; it never fails the guest.
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
        let room = OUTPUT_KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

struct StandingAt(Duration);

impl HostWallClock for StandingAt {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for StandingAt {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

struct StandingClock;

struct StandingClockView<'a> {
    table: &'a mut ResourceTable,
}

impl HasData for StandingClock {
    type Data<'a> = StandingClockView<'a>;
}

impl StandingClockView<'_> {
    fn at_once(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let ready = self.table.push(AtOnce)?;
        subscribe(self.table, ready)
    }
}

impl monotonic_clock::Host for StandingClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }
}

struct AtOnce;

#[wasmtime_wasi::async_trait]
impl Pollable for AtOnce {
    async fn ready(&mut self) {}
}
