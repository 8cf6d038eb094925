//! A pod as a watch sends it, and any JSON where a server was asked for something else.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(pod) = serde_json::from_slice(data) {
        trocar_cluster::fuzzed::pod_status(&pod, "dbg");
        trocar_cluster::fuzzed::answer(&pod);
    }
});
