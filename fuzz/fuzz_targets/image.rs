//! An image reference. One that is taken is the same when it is read again.
#![no_main]

use trocar_sdk::image::ImageReference;

libfuzzer_sys::fuzz_target!(|data: &str| {
    drop(ImageReference::parse(data));
});
