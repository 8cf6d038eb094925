//! Generated from `guest-sdk/wit`, and nothing else. No public signature of the crate names these types.

pub(crate) mod strategy {
    wasmtime::component::bindgen!({
        path: "../../guest-sdk/wit",
        world: "strategy-plugin",
        imports: { default: trappable },
    });
}

pub(crate) mod policy {
    wasmtime::component::bindgen!({
        path: "../../guest-sdk/wit",
        world: "policy-plugin",
        imports: { default: trappable },
        with: {
            "trocar:plugin/types": super::strategy::trocar::plugin::types,
            "trocar:plugin/log": super::strategy::trocar::plugin::log,
            "trocar:plugin/cluster": super::strategy::trocar::plugin::cluster,
        },
    });
}
