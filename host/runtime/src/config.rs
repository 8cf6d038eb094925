//! The compiler settings, shared with `build.rs`, which includes this file: code compiled ahead of time must have the settings of
//! the engine that runs it. Allocation is configured in `runtime.rs`.

use std::num::NonZeroUsize;

use wasmtime::{Config, WasmBacktraceDetails};

/// A guest's stack size, in bytes.
pub(crate) const GUEST_STACK: usize = 256 << 10;

/// The settings that affect compiled code.
pub(crate) fn compiler_config() -> Config {
    let mut config = Config::new();
    config
        // Epochs instead of fuel: with fuel, loading the same component took 2.1 ms instead of 0.8 ms.
        .epoch_interruption(true)
        // Function names are enough in a backtrace; offsets would be an eighth of the code.
        .generate_address_map(false)
        // Nothing unwinds through a guest. Without unwind info code is smaller, and loading it registers nothing with the system.
        .native_unwind_info(false)
        // The contract has no async functions, and support for them costs time in every call.
        .concurrency_support(false)
        .wasm_memory64(false)
        // Composed components are joined by adapter modules that access the memories of both.
        .wasm_multi_memory(true)
        // Its results differ between processors.
        .wasm_relaxed_simd(false)
        // Plans must not depend on the processor.
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(GUEST_STACK)
        // What exceeds the guest's stack is that of host functions.
        .async_stack_size(1 << 20)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        // By default, an environment variable decides.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .memory_init_cow(true);
    config
}
