//! Finding signatures: in a registry, in a store, and beside a file.
//!
//! A registry is asked through the referrers API, else at the tag that the OCI specification has for registries without it, and
//! at the tag of cosign 2. Most of these do not exist, which registries report with various statuses.

use std::{fs, io::Read as _, path::Path};

use bytes::Bytes;
use http::{StatusCode, header};
use serde::Deserialize;
use trocar_core::registry::{RegistryReference, is_digest};

use crate::{
    client::{Action, ApiRequest, Client, MAX_DOCUMENT, Session},
    error::RegistryError,
    layout::{Descriptor, Manifest},
    signature::{BUNDLE, SIMPLE_SIGNATURE, SIMPLE_SIGNING, Signature},
    store::{MAX_SIGNATURES, Store},
};

/// The largest part of a signature, in bytes. A bundle with certificates has a few thousand.
const MAX_PART: u64 = 1 << 20;

/// The media type of an empty configuration.
const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";

/// The suffix of the bundle beside a file: `NAME.wasm.sigstore.json`.
const BUNDLE_SUFFIX: &str = ".sigstore.json";

/// A signature as registries hold it, not verified.
#[derive(Clone, Debug)]
pub struct FoundSignature {
    /// The manifest.
    pub manifest: Bytes,
    /// The blobs that the manifest names.
    pub blobs: Vec<Bytes>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

impl Client {
    /// Fetches the signatures of a manifest: at most [`MAX_SIGNATURES`] of what is listed, and that of cosign 2.
    ///
    /// # Errors
    /// Fails when the registry cannot be reached or does not answer. Missing and malformed signatures are not errors.
    pub async fn signatures(
        &self,
        reference: &RegistryReference,
        manifest: &str,
    ) -> Result<Vec<FoundSignature>, RegistryError> {
        let mut session = self.session(reference, Action::Pull)?;
        let found = self.in_time(reference, session.signatures(manifest)).await;
        Ok(unless_unreachable(found)?.unwrap_or_default())
    }
}

impl Session {
    async fn signatures(&mut self, manifest: &str) -> Result<Vec<FoundSignature>, RegistryError> {
        let hex = manifest.strip_prefix("sha256:").unwrap_or_default().to_owned();
        let mut listed = self.index(&format!("referrers/{manifest}")).await?;
        // Registries without the referrers API keep the same index at a tag, by the OCI specification.
        if listed.is_none() {
            listed = self.index(&format!("manifests/sha256-{hex}")).await?;
        }
        let mut found: Vec<FoundSignature> = Vec::new();
        for descriptor in candidates(listed.unwrap_or_default()) {
            found.extend(self.signature(&format!("@{}", descriptor.digest)).await?);
            // Mostly two blobs each: the signature, and its configuration. Bounds the requests that a registry can cause.
            if found.iter().map(|signature| signature.blobs.len()).sum::<usize>() > 2 * MAX_SIGNATURES {
                break;
            }
        }
        found.extend(self.signature(&format!(":sha256-{hex}.sig")).await?);
        Ok(found)
    }

    /// Fetches an image index; none if it does not exist.
    async fn index(&mut self, path: &str) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let request = ApiRequest::get(self.url(path));
        let request = request.header(header::ACCEPT, "application/vnd.oci.image.index.v1+json");
        let answer = self.fetch(&request).await?;
        if answer.status != StatusCode::OK {
            return Ok(None);
        }
        let bytes = unless_unreachable(answer.bytes("the list of signatures", MAX_DOCUMENT).await)?;
        let index = bytes.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
        Ok(index.map(|index| index.manifests))
    }

    /// Fetches the signature at a tag or digest; none if it does not exist or is malformed.
    async fn signature(&mut self, under: &str) -> Result<Option<FoundSignature>, RegistryError> {
        let at = RegistryReference::parse(&format!("{}{under}", self.reference.name()));
        let Ok(at) = at else { return Ok(None) };
        let Some((_, manifest)) = unless_unreachable(self.manifest(&at).await)? else {
            return Ok(None);
        };
        let Ok(read) = Manifest::read(&manifest, &at.to_string()) else {
            return Ok(None);
        };
        let mut blobs = Vec::new();
        let layers = read.layers.iter().filter(|layer| is_signature(layer));
        for layer in layers.take(MAX_SIGNATURES) {
            let blob = self.blob(layer, "a signature", MAX_PART).await;
            blobs.extend(unless_unreachable(blob)?);
        }
        if blobs.is_empty() {
            return Ok(None);
        }
        // Mostly empty, but tools that read a bundle expect it.
        let config = self
            .blob(&read.config, "the configuration of a signature", MAX_PART)
            .await;
        blobs.extend(unless_unreachable(config)?);
        Ok(Some(FoundSignature { manifest, blobs }))
    }
}

fn is_signature(layer: &Descriptor) -> bool {
    layer.media_type == BUNDLE || layer.media_type == SIMPLE_SIGNING
}

/// The listed artifacts that may be signatures, at most [`MAX_SIGNATURES`], with known bundles first. Other artifact types are
/// dropped, except that of an empty configuration: some registries report it as the type of every such artifact.
fn candidates(listed: Vec<Descriptor>) -> Vec<Descriptor> {
    let is_bundle = |kind: &str| kind.starts_with(BUNDLE);
    let kind = |listed: &Descriptor| listed.artifact_type.clone();
    let mut candidates = listed;
    candidates.retain(|listed| {
        is_digest(&listed.digest)
            && kind(listed).is_none_or(|kind| is_bundle(&kind) || kind == EMPTY_CONFIG || kind.is_empty())
    });
    candidates.sort_by_key(|listed| !kind(listed).is_some_and(|kind| is_bundle(&kind)));
    candidates.truncate(MAX_SIGNATURES);
    candidates
}

/// Returns whether the registry could not be reached or did not answer. Any other error means that there is no signature: the
/// statuses for that differ, and a malformed signature proves nothing.
fn is_unreachable(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::Unreachable { .. }
            | RegistryError::Tls { .. }
            | RegistryError::TimedOut { .. }
            | RegistryError::Broken { .. }
    )
}

/// Turns errors other than those of an unreachable registry into none.
fn unless_unreachable<T>(found: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_unreachable(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

impl Store {
    /// Stores signatures of a plugin.
    ///
    /// # Errors
    /// Fails when they cannot be written.
    pub fn keep_signatures(&self, manifest: &str, found: &[FoundSignature]) -> Result<(), RegistryError> {
        let mut digests = Vec::new();
        for signature in found {
            for blob in &signature.blobs {
                self.write(blob)?;
            }
            digests.push(self.write(&signature.manifest)?);
        }
        self.add_signatures(manifest, &digests)
    }

    /// Reads the stored signatures of a plugin. They are not verified.
    ///
    /// # Errors
    /// Fails when a file cannot be read. Malformed signatures are skipped.
    pub fn signatures_of(&self, manifest: &str) -> Result<Vec<Signature>, RegistryError> {
        let mut signatures = Vec::new();
        for digest in self.signatures(manifest)? {
            let Some(bytes) = self.read(&digest, MAX_DOCUMENT)? else {
                continue;
            };
            let Ok(read) = Manifest::read(&bytes, &digest) else {
                continue;
            };
            for layer in read.layers.iter().filter(|layer| is_signature(layer)) {
                if signatures.len() == MAX_SIGNATURES {
                    return Ok(signatures);
                }
                if let Some(blob) = self.read(&layer.digest, MAX_PART)? {
                    signatures.extend(read_signature(layer, &blob));
                }
            }
        }
        Ok(signatures)
    }
}

fn read_signature(layer: &Descriptor, blob: &[u8]) -> Option<Signature> {
    match layer.media_type == BUNDLE {
        true => Signature::of_bundle(blob),
        false => Signature::of_simple_signing(blob, layer.annotations.get(SIMPLE_SIGNATURE)?.as_str()?),
    }
}

/// Reads the bundle beside a file, `NAME.wasm.sigstore.json`; none if it does not exist or is malformed.
pub fn signature_beside(file: &Path) -> Option<Signature> {
    let mut name = file.file_name()?.to_owned();
    name.push(BUNDLE_SUFFIX);
    let mut json = Vec::new();
    let bundle = fs::File::open(file.with_file_name(name)).ok()?;
    bundle.take(MAX_PART).read_to_end(&mut json).ok()?;
    Signature::of_bundle(&json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_come_first_and_other_artifacts_are_dropped() {
        let listed = |kind: Option<&str>, number: usize| Descriptor {
            artifact_type: kind.map(str::to_owned),
            ..Descriptor::of("x", &number.to_be_bytes())
        };
        let mut all: Vec<Descriptor> = (0..MAX_SIGNATURES)
            .map(|number| listed(Some(EMPTY_CONFIG), number))
            .collect();
        let bundle = listed(Some("application/vnd.dev.sigstore.bundle.v0.3+json"), 100);
        let unknown = listed(None, 101);
        all.push(listed(Some("application/spdx+json"), 102));
        all.extend([unknown.clone(), bundle.clone()]);
        let found = candidates(all);
        assert_eq!(found.len(), MAX_SIGNATURES);
        assert_eq!(found[0].digest, bundle.digest);
        assert!(
            found[1..]
                .iter()
                .all(|found| found.artifact_type.as_deref() == Some(EMPTY_CONFIG))
        );
        let one = super::candidates(vec![unknown.clone(), listed(Some(""), 1)]);
        assert_eq!((one.len(), &one[0].digest), (2, &unknown.digest));
    }
}
