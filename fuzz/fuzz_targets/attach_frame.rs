//! A message of an attach.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    trocar_cluster::fuzzed::attach_frame(data);
});
