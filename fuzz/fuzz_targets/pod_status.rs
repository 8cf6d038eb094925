//! A pod as a watch sends it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(pod) = serde_json::from_slice(data) {
        trocar_cluster::fuzzed::pod_status(&pod, "dbg");
    }
});
