//! How a component lies in a registry: the layout of the CNCF for WebAssembly, and what is read of others.
//!
//! Source: "Wasm OCI Artifact layout" of the CNCF's TAG Runtime, and `oci-wasm`. The same component gives the same bytes, and so
//! the same digest, whenever it is pushed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trocar_core::registry::is_digest;

use crate::{digest::digest, error::RegistryError, push::Upload};

/// The type of the configuration of a component.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The type of a component.
pub(crate) const WASM_LAYER: &str = "application/wasm";
/// What components were called before.
const OLD_WASM_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// The type of a manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The types of manifests that are asked for. Those of several are named so that it can be said what they are.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// The most layers that are looked at.
const MAX_LAYERS: usize = 64;

/// What a manifest says of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its type.
    pub media_type: String,
    /// Its digest: `sha256:…`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// The type of what it is the manifest of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

impl Descriptor {
    /// Describes bytes.
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: Map::new(),
        }
    }
}

/// A manifest, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u64,
    /// Its own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it is the manifest of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its configuration.
    pub config: Descriptor,
    /// Its blobs.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Fails when it is not one of a single artifact.
    pub fn read(bytes: &[u8], what: &str) -> Result<Self, RegistryError> {
        let malformed = |why: String| RegistryError::Malformed {
            what: what.to_owned(),
            why,
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if value.get("manifests").is_some() {
            return Err(RegistryError::NotAPlugin {
                what: what.to_owned(),
                why:
                    "it is an index of several images, one for each platform; a component is for all of them"
                        .into(),
            });
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        if manifest.layers.len() > MAX_LAYERS {
            return Err(malformed(format!("it has more than {MAX_LAYERS} layers")));
        }
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            if !is_digest(&descriptor.digest) {
                return Err(malformed(format!(
                    "{:?} is not a digest of SHA-256",
                    descriptor.digest
                )));
            }
        }
        Ok(manifest)
    }

    /// The one layer that is a component.
    ///
    /// # Errors
    /// Fails when there is none, or more than one.
    pub fn component(&self, what: &str) -> Result<&Descriptor, RegistryError> {
        let is_component =
            |layer: &&Descriptor| [WASM_LAYER, OLD_WASM_LAYER].contains(&layer.media_type.as_str());
        let mut components = self.layers.iter().filter(is_component);
        let refused = |why: String| RegistryError::NotAPlugin {
            what: what.to_owned(),
            why,
        };
        match (components.next(), components.next()) {
            (Some(component), None) => Ok(component),
            (Some(_), Some(_)) => Err(refused("it holds more than one component".into())),
            (None, _) => {
                let found = self.layers.first().map(|layer| layer.media_type.as_str());
                Err(refused(format!(
                    "it holds {}, not a component",
                    found.unwrap_or("nothing")
                )))
            }
        }
    }
}

/// The configuration of a component, as bytes.
pub(crate) fn config(component: &Descriptor, upload: &Upload) -> Vec<u8> {
    let created = Timestamp::from_second(upload.created).unwrap_or_default();
    let document = json!({
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [component.digest],
        "component": {"exports": upload.exports, "imports": upload.imports, "target": null},
    });
    document.to_string().into_bytes()
}

/// The manifest of a component, as bytes.
pub(crate) fn manifest(mut component: Descriptor, config: Descriptor, upload: &Upload) -> Vec<u8> {
    const TITLE: &str = "org.opencontainers.image.title";
    component
        .annotations
        .insert(TITLE.into(), format!("{}.wasm", upload.title).into());
    let annotations = upload.annotations.iter().filter(|(_, value)| !value.is_empty());
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.into()),
        artifact_type: None,
        config,
        layers: vec![component],
        annotations: annotations
            .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
            .collect(),
    };
    json!(manifest).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(types: &[&str]) -> Vec<u8> {
        let layers: Vec<Value> = types
            .iter()
            .map(|layer| json!(Descriptor::of(layer, b"")))
            .collect();
        json!({"schemaVersion": 2, "config": Descriptor::of("x", b"{}"), "layers": layers})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn both_types_of_layer_are_components_and_nothing_else_is() {
        let component = |types: &[&str]| {
            let manifest = Manifest::read(&layers(types), "it").unwrap();
            manifest
                .component("it")
                .map(|layer| layer.media_type.clone())
                .map_err(|error| error.to_string())
        };
        assert_eq!(component(&["text/plain", WASM_LAYER]), Ok(WASM_LAYER.to_owned()));
        assert_eq!(component(&[OLD_WASM_LAYER]), Ok(OLD_WASM_LAYER.to_owned()));
        for (types, why) in [
            (
                &["application/vnd.oci.image.layer.v1.tar+gzip"][..],
                "tar+gzip, not a component",
            ),
            (&[WASM_LAYER, OLD_WASM_LAYER], "more than one"),
            (&[], "holds nothing"),
        ] {
            let error = component(types).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_is_not_the_manifest_of_one_artifact_is_told() {
        let many: Vec<&str> = std::iter::repeat_n(WASM_LAYER, MAX_LAYERS + 1).collect();
        let evil =
            json!({"schemaVersion": 2, "config": {"mediaType": "x", "digest": "sha256:../../x", "size": 1}});
        for (bytes, why) in [
            (b"<html>".to_vec(), "cannot be read"),
            (b"{}".to_vec(), "cannot be read"),
            (
                br#"{"schemaVersion": 2, "manifests": []}"#.to_vec(),
                "one for each platform",
            ),
            (layers(&many), "more than 64"),
            (evil.to_string().into_bytes(), "not a digest"),
        ] {
            let error = Manifest::read(&bytes, "it").unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_same_component_has_the_same_manifest() {
        let component = Descriptor::of(WASM_LAYER, b"code");
        let upload = Upload {
            title: "java".to_owned(),
            ..Upload::default()
        };
        let config_bytes = config(&component, &upload);
        assert_eq!(
            String::from_utf8(config_bytes.clone()).unwrap(),
            r#"{"architecture":"wasm","component":{"exports":[],"imports":[],"target":null},"created":"1970-01-01T00:00:00Z","layerDigests":["sha256:5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b"],"os":"wasip2"}"#
        );
        let made = manifest(
            component.clone(),
            Descriptor::of(WASM_CONFIG, &config_bytes),
            &upload,
        );
        let read = Manifest::read(&made, "it").unwrap();
        assert_eq!(
            read.component("it").unwrap().annotations["org.opencontainers.image.title"],
            "java.wasm"
        );
        let again = manifest(component, Descriptor::of(WASM_CONFIG, &config_bytes), &upload);
        assert_eq!(made, again);
    }
}
