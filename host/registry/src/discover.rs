//! Finding signatures: at a registry, in a store, and beside a file.
//!
//! A registry is asked for what refers to a manifest, then for the tag under which older registries keep the same, then for the
//! tag of cosign 2. That one of these is not there is usual, and said by registries in many ways.

use std::{fs, io::Read as _, path::Path};

use bytes::Bytes;
use http::{StatusCode, header};
use serde::Deserialize;
use trocar_core::registry::{RegistryReference, is_digest};

use crate::{
    client::{Action, Client, MAX_DOCUMENT, Question, Session},
    error::RegistryError,
    layout::{Descriptor, Manifest},
    signature::{BUNDLE, SIMPLE_SIGNATURE, SIMPLE_SIGNING, Signature},
    store::{MAX_SIGNATURES, Store},
};

/// How large the parts of a signature may be: bundles with certificates have a few thousand bytes.
const MAX_PART: u64 = 1 << 20;

/// The type of a configuration that is empty.
const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";

/// What follows the name of a file with a component in the name of the file with its bundle.
const BUNDLE_SUFFIX: &str = ".sigstore.json";

/// A signature as it lies in a registry: its manifest, and the blobs that this names.
#[derive(Clone, Debug)]
pub struct FoundSignature {
    /// The manifest.
    pub manifest: Bytes,
    /// The blobs.
    pub blobs: Vec<Bytes>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

impl Client {
    /// The signatures of a manifest, 50 at most.
    ///
    /// # Errors
    /// Fails when the registry is not reached or does not answer.
    pub async fn signatures(
        &self,
        reference: &RegistryReference,
        manifest: &str,
    ) -> Result<Vec<FoundSignature>, RegistryError> {
        let mut session = self.session(reference, Action::Pull)?;
        let found = self.in_time(reference, session.signatures(manifest)).await;
        Ok(unless_silent(found)?.unwrap_or_default())
    }
}

impl Session {
    async fn signatures(&mut self, manifest: &str) -> Result<Vec<FoundSignature>, RegistryError> {
        let hex = manifest.strip_prefix("sha256:").unwrap_or_default().to_owned();
        let mut listed = self.index(&format!("referrers/{manifest}")).await?;
        if listed.is_none() {
            listed = self.index(&format!("manifests/sha256-{hex}")).await?;
        }
        let mut found: Vec<FoundSignature> = Vec::new();
        for descriptor in likely(listed.unwrap_or_default()) {
            found.extend(self.signature(&format!("@{}", descriptor.digest)).await?);
            if found.iter().map(|signature| signature.blobs.len()).sum::<usize>() > 2 * MAX_SIGNATURES {
                return Ok(found);
            }
        }
        found.extend(self.signature(&format!(":sha256-{hex}.sig")).await?);
        Ok(found)
    }

    /// An index; none where there is none.
    async fn index(&mut self, path: &str) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let question = Question::get(self.url(path));
        let question = question.header(header::ACCEPT, "application/vnd.oci.image.index.v1+json");
        let answer = self.fetch(&question).await?;
        if answer.status != StatusCode::OK {
            return Ok(None);
        }
        let bytes = unless_silent(answer.bytes("the list of signatures", MAX_DOCUMENT).await)?;
        let index = bytes.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
        Ok(index.map(|index| index.manifests))
    }

    /// The signature under a tag or digest; none where there is none.
    async fn signature(&mut self, under: &str) -> Result<Option<FoundSignature>, RegistryError> {
        let at = RegistryReference::parse(&format!("{}{under}", self.reference.name()));
        let Ok(at) = at else { return Ok(None) };
        let Some((_, manifest)) = unless_silent(self.manifest(&at).await)? else {
            return Ok(None);
        };
        let Ok(read) = Manifest::read(&manifest, &at.to_string()) else {
            return Ok(None);
        };
        let mut blobs = Vec::new();
        let layers = read.layers.iter().filter(|layer| is_signature(layer));
        for layer in layers.take(MAX_SIGNATURES) {
            let blob = self.blob(layer, "a signature", MAX_PART).await;
            blobs.extend(unless_silent(blob)?);
        }
        if blobs.is_empty() {
            return Ok(None);
        }
        // Empty, most often. It belongs to the whole where it is carried elsewhere.
        let config = self
            .blob(&read.config, "the configuration of a signature", MAX_PART)
            .await;
        blobs.extend(unless_silent(config)?);
        Ok(Some(FoundSignature { manifest, blobs }))
    }
}

fn is_signature(layer: &Descriptor) -> bool {
    layer.media_type == BUNDLE || layer.media_type == SIMPLE_SIGNING
}

/// Those that may be signatures, the likely ones first, and no more than are looked at. What is listed as something else is none.
/// Some registries list all that has an empty configuration by the type of that.
fn likely(listed: Vec<Descriptor>) -> Vec<Descriptor> {
    let is_bundle = |kind: &str| kind.starts_with(BUNDLE);
    let kind = |listed: &Descriptor| listed.artifact_type.clone();
    let mut likely = listed;
    likely.retain(|listed| {
        is_digest(&listed.digest)
            && kind(listed).is_none_or(|kind| is_bundle(&kind) || kind == EMPTY_CONFIG || kind.is_empty())
    });
    likely.sort_by_key(|listed| !kind(listed).is_some_and(|kind| is_bundle(&kind)));
    likely.truncate(MAX_SIGNATURES);
    likely
}

/// The registry does not answer. Anything else means that there is no signature that counts: registries say in many ways that
/// something is not there, and what is broken proves nothing.
fn is_silence(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::Unreachable { .. }
            | RegistryError::Tls { .. }
            | RegistryError::TimedOut { .. }
            | RegistryError::Broken { .. }
    )
}

/// What was found, or nothing; only silence is a failure.
fn unless_silent<T>(found: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_silence(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

impl Store {
    /// Keeps signatures with a plugin.
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

    /// The signatures that are kept with a plugin, read and not verified.
    ///
    /// # Errors
    /// Fails when what is there cannot be read.
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

/// The signature beside a file, in `NAME.wasm.sigstore.json`.
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
    fn what_is_listed_as_a_bundle_comes_first_and_what_is_something_else_not_at_all() {
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
        let likely = likely(all);
        assert_eq!(likely.len(), MAX_SIGNATURES);
        assert_eq!(likely[0].digest, bundle.digest);
        assert!(
            likely[1..]
                .iter()
                .all(|found| found.artifact_type.as_deref() == Some(EMPTY_CONFIG))
        );
        let one = super::likely(vec![unknown.clone(), listed(Some(""), 1)]);
        assert_eq!((one.len(), &one[0].digest), (2, &unknown.digest));
    }
}
