//! A server's refusal: what a person is shown of it moves no cursor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(shown) = trocar_cluster::fuzzed::status(data) {
        let is_harmful = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
        assert!(!shown.contains(is_harmful), "{shown:?}");
    }
});
