//! A plugin's schema of settings, and settings against it: two JSON documents, one a line.
#![no_main]

use serde_json::Value;
use trocar_core::structural::Schema;

libfuzzer_sys::fuzz_target!(|data: &str| {
    let (schema, settings) = data.split_once('\n').unwrap_or((data, "{}"));
    let (Ok(schema), Ok(settings)) = (
        serde_json::from_str::<Value>(schema),
        serde_json::from_str::<Value>(settings),
    ) else {
        return;
    };
    if let Ok(schema) = Schema::parse(&schema) {
        schema.check(&settings);
    }
});
