//! Loading machine code: the one place of the host that needs `unsafe`, and the reasons why it may.
//!
//! Machine code is never taken from a user, a registry or a plugin: it is what `build.rs` compiled into this program, or
//! what this program compiled itself and kept in a folder that only its user may enter.
#![expect(
    unsafe_code,
    reason = "wasmtime cannot check machine code; that it is our own is checked by where it comes from"
)]

use std::path::Path;

use wasmtime::{Engine, component::Component};

/// Loads what `build.rs` compiled into the program.
pub(crate) fn embedded(engine: &Engine, code: &'static [u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are the output of `Engine::precompile_component` in our own build, and part of the program.
    unsafe { Component::deserialize(engine, code) }
}

/// Loads what was compiled a moment ago.
pub(crate) fn compiled(engine: &Engine, code: &CompiledHere) -> wasmtime::Result<Component> {
    // SAFETY: only `compile` makes a `CompiledHere`.
    unsafe { Component::deserialize(engine, &code.0) }
}

/// Loads what this program compiled in an earlier run, from a cache that was opened and hence is private.
pub(crate) fn cached(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: `Cache::open` refuses a folder that anyone but the user may enter, and `Cache::store` writes only the
    // output of `Engine::precompile_component`, whole or not at all.
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
