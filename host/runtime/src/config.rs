//! How code is compiled, in one place: `build.rs` includes this file, so that what it compiles ahead of time is
//! what the host runs. How an engine allocates is in `runtime.rs`.

use std::num::NonZeroUsize;

use wasmtime::{Config, WasmBacktraceDetails};

/// How much stack a guest has, in bytes.
pub(crate) const GUEST_STACK: usize = 256 << 10;

/// Everything that shapes compiled code or must agree between compiling and running it.
pub(crate) fn compiler_config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Function names are enough in a backtrace; offsets would be an eighth of the code.
        .generate_address_map(false)
        // Nothing unwinds through a guest; without, its code is smaller and nothing is registered when it is loaded.
        .native_unwind_info(false)
        // Asynchronous components are not part of the contract, and their machinery costs time in every call.
        .concurrency_support(false)
        .wasm_memory64(false)
        // Components that are composed of others are joined by modules that see the memories of both.
        .wasm_multi_memory(true)
        .wasm_relaxed_simd(false)
        // Same input, same bytes, on every processor.
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(1 << 20)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .memory_init_cow(true);
    config
}
