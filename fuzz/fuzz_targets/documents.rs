//! Documents that people and servers write: YAML or JSON. What is read can be written, and is read as the same again.
#![no_main]

use trocar_core::documents;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(read) = documents::read(data) {
        let written = documents::to_yaml(&read);
        assert_eq!(documents::read(written.as_bytes()).ok(), Some(read), "{written}");
    }
});
