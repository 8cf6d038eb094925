//! Turns the engine's errors into ours: limits, crashes, and whose fault they are.

use std::{io, time::Instant};

use trocar_core::text::message;
use wasmtime::{Trap, WasmBacktrace, component::ResourceTableError};
use wasmtime_wasi::I32Exit;

use super::{
    config::GUEST_STACK,
    error::WasmError,
    limits::{Limit, Limits},
    runtime::TICK,
    state::LimitReached,
};

/// The phase in which a call failed.
pub(super) enum Phase {
    Instantiate(wasmtime::Error),
    Call(wasmtime::Error),
}

/// Classifies an error by its type. The engine's own text is a last resort, since it starts with a backtrace.
pub(super) fn classify(
    phase: Phase,
    limits: &Limits,
    started: Instant,
    last_error: Option<String>,
) -> WasmError {
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
    let limit = |limit| reached(limit, limits);
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => limit(Limit::Time),
        Some(Trap::StackOverflow) => WasmError::Limit {
            limit: Limit::Stack,
            allowed: GUEST_STACK as u64,
            asked: None,
        },
        // A panic in Rust traps as `unreachable`, without a text: the message is only in the log.
        Some(Trap::UnreachableCodeReached) if last_error.is_some() => {
            WasmError::Panicked(last_error.unwrap_or_default())
        }
        Some(trap) => WasmError::Trapped {
            reason: trap_reason(*trap),
            function: innermost_function(error),
        },
        // Epochs do not interrupt host calls: one that outlasts the limit fails with an error of its own.
        None if started.elapsed() > limits.time + TICK => limit(Limit::Time),
        None => untyped(&phase, limits),
    }
}

/// The error for a limit that was reached.
fn reached(limit: Limit, limits: &Limits) -> WasmError {
    WasmError::Limit {
        limit,
        allowed: limits.get(limit),
        asked: None,
    }
}

fn trap_reason(trap: Trap) -> String {
    match trap {
        // A Rust guest's own stack is at the start of its memory and grows down: endless recursion leaves the memory.
        Trap::MemoryOutOfBounds => {
            "it accessed memory out of bounds, most often after recursing too deeply".into()
        }
        other => other.to_string().trim_start_matches("wasm trap: ").to_owned(),
    }
}

fn innermost_function(error: &wasmtime::Error) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let frame = backtrace.frames().iter().find_map(|frame| frame.func_name())?;
    Some(message(&format!("{:#}", rustc_demangle::demangle(frame))))
}

/// Classifies errors that have no type of their own. Two are recognized by their text: the tests `data_bomb` and
/// `too_many_instances` fail if wasmtime changes it.
fn untyped(phase: &Phase, limits: &Limits) -> WasmError {
    let (Phase::Instantiate(error) | Phase::Call(error)) = phase;
    let cause = innermost_cause(error);
    let limit = |limit| reached(limit, limits);
    if cause.contains("too much data is being copied") {
        return limit(Limit::Data);
    }
    if cause.starts_with("resource limit exceeded") {
        return limit(Limit::Parts);
    }
    let ran = error
        .downcast_ref::<WasmBacktrace>()
        .is_some_and(|backtrace| !backtrace.frames().is_empty());
    match phase {
        _ if error.is::<ResourceTableError>() => WasmError::Trapped {
            reason: "it holds too many host resources".into(),
            function: innermost_function(error),
        },
        // The guest was running, so a call into the host failed.
        _ if ran => WasmError::Trapped {
            reason: message(&cause),
            function: innermost_function(error),
        },
        // An instance reserves more than 4 GiB of addresses, whatever its memory limit. That is not the plugin's fault.
        Phase::Instantiate(error) if is_os_error(error) => WasmError::NoRoom(message(&cause)),
        Phase::Instantiate(_) => {
            WasmError::Invalid(format!("it cannot be instantiated: {}", message(&cause)))
        }
        Phase::Call(_) => WasmError::Answer(message(&cause)),
    }
}

/// Returns true for errors of the operating system, such as a failed reservation of address space under `ulimit -v`.
fn is_os_error(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<io::Error>() || cause.is::<rustix::io::Errno>())
}

// The chain begins with the whole backtrace, which is not for users.
fn innermost_cause(error: &wasmtime::Error) -> String {
    error
        .chain()
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
