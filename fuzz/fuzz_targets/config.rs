//! A configuration file.
#![no_main]

use std::io;

use trocar_core::config::{Layer, load};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let read = |path: &std::path::Path| match path.to_str() {
        Some("config.yaml") => Ok(data.to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    drop(load(&[(Layer::User, "config.yaml".into())], &["ephemeral"], &read));
});
