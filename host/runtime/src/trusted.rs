//! Loading machine code: the only `unsafe` of the host, and why it is sound.
//!
//! Machine code never comes from a user, a registry or a plugin. `build.rs` compiled it into this program, or this program
//! compiled it itself and stored it in a folder that only its user can enter, or only root can change.
#![expect(
    unsafe_code,
    reason = "wasmtime cannot verify machine code; its origin shows that it is our own"
)]

use std::{
    collections::BTreeSet,
    path::Path,
    ptr::NonNull,
    sync::{Arc, Mutex},
};

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::{Config, CustomCodeMemory, Engine, component::Component};

/// Machine code in the program's data, aligned to a page so that it can be made executable in place.
#[repr(C, align(4096))]
pub(crate) struct PageAligned<T>(pub(crate) T);

/// Whether embedded code can run in place. On other systems pages may be larger, or instruction caches need a flush.
const IN_PLACE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// The size of a page, in bytes.
const PAGE: usize = 4096;

/// Configures an engine to run embedded code in place.
pub(crate) fn allow_embedded(config: &mut Config) {
    if IN_PLACE {
        config.with_custom_code_memory(Some(Arc::new(InPlace)));
    }
}

/// Loads what `build.rs` compiled into the program.
pub(crate) fn embedded(engine: &Engine, code: &'static [u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are the output of `Engine::precompile_component` in our own build, and part of the program, which
    // lives longer than the component and is never written to.
    unsafe {
        // Copying the code would take a third of a short run.
        if IN_PLACE && code.as_ptr().align_offset(PAGE) == 0 && is_first_use(code) {
            Component::deserialize_raw(engine, NonNull::from(code))
        } else {
            Component::deserialize(engine, code)
        }
    }
}

/// Returns whether this process loads the code for the first time. Wasmtime registers code by its address, so only one component
/// can use it in place.
fn is_first_use(code: &[u8]) -> bool {
    static USED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    USED.lock()
        .is_ok_and(|mut used| used.insert(code.as_ptr().addr()))
}

/// Makes code executable in place, until its memory is unmapped.
struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        // SAFETY: wasmtime passes the pages of a component's code and of nothing else: of a mapping that it owns, or of
        // what was given to `embedded`, which has its pages to itself. No code writes to them.
        let protected = unsafe {
            mprotect(
                code.cast_mut().cast(),
                length,
                MprotectFlags::READ | MprotectFlags::EXEC,
            )
        };
        Ok(protected?)
    }

    fn unpublish_executable(&self, _code: *const u8, _length: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Loads code that this process compiled.
pub(crate) fn compiled(engine: &Engine, code: &CompiledHere) -> wasmtime::Result<Component> {
    // SAFETY: only `compile` creates a `CompiledHere`.
    unsafe { Component::deserialize(engine, &code.0) }
}

/// Loads code that this program compiled in an earlier run, from a file in a cache.
pub(crate) fn cached(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // Mapped, not copied: 0.3 ms instead of 0.8 ms for 0.7 MB of code.
    // SAFETY: `Cache::open` refuses a folder that other users can enter, `Cache::open_system` one that users other than root can
    // change, and `Cache::store` writes only the output of `Engine::precompile_component`, atomically.
    unsafe { Component::deserialize_file(engine, file) }
}

/// Machine code that this process compiled.
pub(crate) struct CompiledHere(Vec<u8>);

impl CompiledHere {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Compiles a component, on all threads of the current rayon pool.
pub(crate) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<CompiledHere> {
    engine.precompile_component(component).map(CompiledHere)
}
