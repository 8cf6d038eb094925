//! Packing: turns a compiler's output into a plugin, a component with its manifest inside.

use serde_json::{Map, Value};
use wit_component::ComponentEncoder;

use trocar_core::{documents, manifest::PluginManifest, settings::check_settings};

use crate::{
    Limits, WasmError,
    component::{has_manifest, inspect, is_core_module, with_manifest},
};

/// Why a plugin cannot be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The manifest is malformed.
    #[error("the manifest: {0}")]
    Manifest(String),
    /// The core module cannot be turned into a component.
    #[error("cannot turn the core module into a component: {0}")]
    Encode(String),
    /// The input already has a manifest.
    #[error("the component already has a manifest")]
    HasManifest,
    /// The result would not be loaded.
    #[error("the plugin would be refused: {0}")]
    Refused(#[source] WasmError),
}

/// Packs a plugin: turns a core module into a component, adds the manifest (YAML or JSON), and checks the result as at loading.
///
/// # Errors
/// Fails when the manifest is malformed or wrong, and when the input is neither a component nor a core module that was built
/// with `wit-bindgen`.
pub fn pack(wasm: &[u8], manifest_text: &str) -> Result<(Vec<u8>, PluginManifest), PackError> {
    let manifest = read_manifest(manifest_text)?;
    if has_manifest(wasm) {
        return Err(PackError::HasManifest);
    }
    let component = if is_core_module(wasm) {
        let mut encoder = ComponentEncoder::default()
            .module(wasm)
            .map_err(|error| PackError::Encode(format!("{error:#}")))?
            .validate(true);
        encoder
            .encode()
            .map_err(|error| PackError::Encode(format!("{error:#}")))?
    } else {
        wasm.to_vec()
    };
    let json = serde_json::to_vec(&manifest).expect("a manifest can always be serialized");
    let plugin = with_manifest(component, &json);
    let no_limit_on_size = Limits {
        component: u64::MAX,
        ..Limits::default()
    };
    inspect(&plugin, &no_limit_on_size).map_err(PackError::Refused)?;
    Ok((plugin, manifest))
}

/// Creates the error for a mistake in a manifest (YAML or JSON), with line and column. `at` is an RFC 6901 pointer.
pub fn mistake(text: &str, at: &str, message: &str) -> PackError {
    PackError::Manifest(match documents::locate(text, at) {
        Some((line, column)) => format!("line {line}, column {column}: {message}"),
        None => message.to_owned(),
    })
}

/// Parses a manifest (YAML or JSON) and its settings schema.
///
/// # Errors
/// Fails when one of them is malformed.
pub fn read_manifest(text: &str) -> Result<PluginManifest, PackError> {
    let failed = |error: String| PackError::Manifest(error);
    let documents = documents::read(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    let [document] =
        <[Value; 1]>::try_from(documents).map_err(|_| failed("it must be a single document".into()))?;
    let json = serde_json::to_vec(&document).expect("a JSON value can always be serialized");
    let manifest = PluginManifest::parse(&json).map_err(|error| mistake(text, &error.at, &error.message))?;
    manifest
        .check_for_author()
        .map_err(|error| mistake(text, &error.at, &error.message))?;
    if let Some(schema) = &manifest.settings_schema {
        check_settings(schema, &Value::Object(Map::new()))
            .map_err(|error| failed(format!("settingsSchema is malformed: {error}")))?;
    }
    Ok(manifest)
}
