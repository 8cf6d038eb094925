//! Loading machine code: the one place of the host that needs `unsafe`, and the reasons why it may.
//!
//! Machine code is never taken from a user, a registry or a plugin: it is what `build.rs` compiled into this program, or
//! what this program compiled itself and kept in a folder that only its user may enter, or only root may change.
#![expect(
    unsafe_code,
    reason = "wasmtime cannot check machine code; that it is our own is checked by where it comes from"
)]

use std::{
    collections::BTreeSet,
    path::Path,
    ptr::NonNull,
    sync::{Arc, Mutex},
};

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::{Config, CustomCodeMemory, Engine, component::Component};

/// Machine code within the program where the processor can run it: at the beginning of a page.
#[repr(C, align(4096))]
pub(crate) struct PageAligned<T>(pub(crate) T);

/// Says whether code can be run where it lies within the program. Elsewhere pages are larger, or caches want to be told.
const IN_PLACE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// The size of a page.
const PAGE: usize = 4096;

/// Lets an engine run code where it lies within the program.
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
        // To copy it would take a third of a short run.
        if IN_PLACE && code.as_ptr().align_offset(PAGE) == 0 && is_first_use(code) {
            Component::deserialize_raw(engine, NonNull::from(code))
        } else {
            Component::deserialize(engine, code)
        }
    }
}

/// Says whether this process did not load the code before: wasmtime tells components apart by where their code is, so only
/// one may have it where it lies.
fn is_first_use(code: &[u8]) -> bool {
    static USED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    USED.lock()
        .is_ok_and(|mut used| used.insert(code.as_ptr().addr()))
}

/// Code is made executable where it is, and stays so until its memory is given back.
struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        // SAFETY: wasmtime passes the pages of a component's code and of nothing else: of a mapping that it owns, or of
        // what was given to `embedded`, which is all that lies on its pages. Nobody writes to them.
        let made = unsafe {
            mprotect(
                code.cast_mut().cast(),
                length,
                MprotectFlags::READ | MprotectFlags::EXEC,
            )
        };
        Ok(made?)
    }

    fn unpublish_executable(&self, _code: *const u8, _length: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Loads what was compiled a moment ago.
pub(crate) fn compiled(engine: &Engine, code: &CompiledHere) -> wasmtime::Result<Component> {
    // SAFETY: only `compile` makes a `CompiledHere`.
    unsafe { Component::deserialize(engine, &code.0) }
}

/// Loads what this program compiled in an earlier run, from a file that a cache has found.
pub(crate) fn cached(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: `Cache::open` refuses a folder that others than the user may enter, `Cache::open_system` one that others than
    // root may change, and `Cache::store` writes only the output of `Engine::precompile_component`, whole or not at all.
    unsafe { Component::deserialize_file(engine, file) }
}

/// Machine code that this process compiled.
pub(crate) struct CompiledHere(Vec<u8>);

impl CompiledHere {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Compiles a component.
pub(crate) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<CompiledHere> {
    engine.precompile_component(component).map(CompiledHere)
}
