//! Generated from `guest-sdk/wit`, and nothing else. No public signature of the crate names these types.

pub(crate) mod strategy {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "strategy-plugin",
        imports: { default: trappable },
    });
}
