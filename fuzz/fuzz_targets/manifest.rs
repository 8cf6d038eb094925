//! A plugin's manifest, from the custom section of a component.
#![no_main]

use trocar_core::manifest::PluginManifest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drop(PluginManifest::parse(data));
});
