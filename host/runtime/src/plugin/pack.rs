//! Making a plugin from what a compiler made: a component with its manifest inside.

use serde_json::{Map, Value};
use wit_component::ComponentEncoder;

use trocar_core::{documents, manifest::PluginManifest, settings::check_settings};

use crate::{
    Limits, WasmError,
    component::{has_manifest, inspect, is_core_module, with_manifest},
};

/// Why a plugin cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The manifest is malformed.
    #[error("the manifest: {0}")]
    Manifest(String),
    /// The core module cannot be made a component.
    #[error("cannot make a component of the core module: {0}")]
    Encode(String),
    /// The input already has a manifest.
    #[error("the component already has a manifest")]
    HasManifest,
    /// What came out would not be loaded.
    #[error("the plugin would be refused: {0}")]
    Refused(#[source] WasmError),
}

/// Makes a plugin: a core module becomes a component, the manifest (YAML or JSON) goes into it, and the result is checked
/// as it will be when it is loaded.
///
/// # Errors
/// Fails when the manifest is malformed or untrue, and when the input is neither a core module that was built with
/// `wit-bindgen` nor a component.
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
    let json = serde_json::to_vec(&manifest).expect("a manifest can always be written");
    let plugin = with_manifest(component, &json);
    let no_limit_on_size = Limits {
        component: u64::MAX,
        ..Limits::default()
    };
    inspect(&plugin, &no_limit_on_size).map_err(PackError::Refused)?;
    Ok((plugin, manifest))
}

/// Says what is wrong at a place of a manifest (YAML or JSON), with line and column. The place is an RFC 6901 pointer.
pub fn mistake(text: &str, at: &str, message: &str) -> PackError {
    PackError::Manifest(match documents::locate(text, at) {
        Some((line, column)) => format!("line {line}, column {column}: {message}"),
        None => message.to_owned(),
    })
}

/// Reads a manifest (YAML or JSON), and its schema of settings with it.
///
/// # Errors
/// Fails when either is malformed.
pub fn read_manifest(text: &str) -> Result<PluginManifest, PackError> {
    let failed = |error: String| PackError::Manifest(error);
    let documents = documents::read(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    let [document] =
        <[Value; 1]>::try_from(documents).map_err(|_| failed("it must be one document".into()))?;
    let json = serde_json::to_vec(&document).expect("a JSON value can always be written");
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
