//! Manifests and configurations of components in registries, in the CNCF's layout for WebAssembly.
//!
//! Source: "Wasm OCI Artifact layout" of the CNCF's TAG Runtime, and `oci-wasm`. Output is deterministic: the same component has
//! the same digest whenever it is pushed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trocar_core::registry::is_digest;

use crate::{digest::digest, error::RegistryError, push::Upload};

/// The media type of a component's configuration.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The media type of a component.
pub(crate) const WASM_LAYER: &str = "application/wasm";
/// The former media type of WebAssembly, which older tools still push.
const OLD_WASM_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// The media type of a manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The `Accept` header for manifests. Indexes are accepted only for a better error than "not found".
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// The most layers of a manifest.
const MAX_LAYERS: usize = 64;

/// An OCI descriptor: how a manifest refers to a blob, or an index to a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// Its digest: `sha256:…`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// The artifact type, in descriptors of manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

impl Descriptor {
    /// Creates the descriptor of a blob.
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

/// An OCI image manifest, without the fields that are not used here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u64,
    /// The media type of the manifest itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The artifact type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration blob.
    pub config: Descriptor,
    /// The other blobs.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

impl Manifest {
    /// Parses a manifest. `what` is its name in errors.
    ///
    /// # Errors
    /// Fails when it is malformed, an index, or has more than 64 layers.
    pub fn read(bytes: &[u8], what: &str) -> Result<Self, RegistryError> {
        let malformed = |why: String| RegistryError::Malformed {
            what: what.to_owned(),
            why,
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if value.get("manifests").is_some() {
            return Err(RegistryError::NotAPlugin {
                what: what.to_owned(),
                why: "it is an index with an image per platform, but a component is for all platforms".into(),
            });
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        if manifest.layers.len() > MAX_LAYERS {
            return Err(malformed(format!("it has more than {MAX_LAYERS} layers")));
        }
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            if !is_digest(&descriptor.digest) {
                return Err(malformed(format!(
                    "{:?} is not a SHA-256 digest",
                    descriptor.digest
                )));
            }
        }
        Ok(manifest)
    }

    /// Finds the one layer that is a component.
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
            (Some(_), Some(_)) => Err(refused("it has more than one component".into())),
            (None, _) => {
                let found = self.layers.first().map(|layer| layer.media_type.as_str());
                Err(refused(format!(
                    "it has {}, not a component",
                    found.unwrap_or("nothing")
                )))
            }
        }
    }
}

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
    fn only_the_two_wasm_media_types_are_components() {
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
            (&[], "has nothing"),
        ] {
            let error = component(types).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn manifests_of_anything_but_one_artifact_are_refused() {
        let many: Vec<&str> = std::iter::repeat_n(WASM_LAYER, MAX_LAYERS + 1).collect();
        let evil =
            json!({"schemaVersion": 2, "config": {"mediaType": "x", "digest": "sha256:../../x", "size": 1}});
        for (bytes, why) in [
            (b"<html>".to_vec(), "cannot be read"),
            (b"{}".to_vec(), "cannot be read"),
            (
                br#"{"schemaVersion": 2, "manifests": []}"#.to_vec(),
                "an image per platform",
            ),
            (layers(&many), "more than 64"),
            (evil.to_string().into_bytes(), "not a SHA-256 digest"),
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
        let generated = manifest(
            component.clone(),
            Descriptor::of(WASM_CONFIG, &config_bytes),
            &upload,
        );
        let read = Manifest::read(&generated, "it").unwrap();
        assert_eq!(
            read.component("it").unwrap().annotations["org.opencontainers.image.title"],
            "java.wasm"
        );
        let again = manifest(component, Descriptor::of(WASM_CONFIG, &config_bytes), &upload);
        assert_eq!(generated, again);
    }
}
