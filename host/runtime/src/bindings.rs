//! Bindings generated from `guest-sdk/wit`. They are in no public signature of this crate.

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
