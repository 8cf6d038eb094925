//! The partial container of `--custom`.
#![no_main]

use trocar_core::{documents, request};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for document in documents::read(data).unwrap_or_default() {
        drop(request::custom(&document));
    }
});
