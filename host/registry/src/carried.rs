//! Bundles: plugins and their signatures in one file, an OCI image layout in a tar archive, which other tools read as well.
//!
//! An entry's name is the whole reference of its plugin. Signatures are listed as referrers, and at the tags of registries without
//! the referrers API. A bundle is untrusted: digests are verified when it is read, and signatures when a plugin is used.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write},
    path::Path,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trocar_core::registry::{RegistryReference, is_digest};

use crate::{
    archive::{self, Archive},
    client::MAX_DOCUMENT,
    digest::digest,
    error::RegistryError,
    layout::{Descriptor, MANIFEST, Manifest},
    pull::Pulled,
    signature::SIMPLE_SIGNING,
    store::{MAX_SIGNATURES, Store},
};

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The annotation that holds an entry's name.
const NAME: &str = "org.opencontainers.image.ref.name";
/// A plugin in a bundle: its reference, and the digest of its manifest.
pub type CarriedPlugin = (RegistryReference, String);

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    #[serde(default)]
    schema_version: u64,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

impl Index {
    fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX.into(),
            manifests,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        json!(self).to_string().into_bytes()
    }
}

/// Writes stored plugins and their signatures into a bundle.
///
/// # Errors
/// Fails when a plugin is not in the store, and when the bundle cannot be written.
pub fn write_bundle(
    out: &mut impl Write,
    store: &Store,
    plugins: &[CarriedPlugin],
    allowed: u64,
) -> Result<(), RegistryError> {
    let mut writer = Writer {
        out,
        store,
        allowed,
        files: 0,
        written: HashSet::new(),
        entries: Vec::new(),
    };
    writer.append("oci-layout", LAYOUT.as_bytes())?;
    for (reference, manifest) in plugins {
        writer.plugin(reference, manifest)?;
    }
    let index = Index::new(std::mem::take(&mut writer.entries)).bytes();
    if index.len() as u64 > MAX_DOCUMENT {
        return Err(too_many());
    }
    writer.append("index.json", &index)?;
    archive::finish(writer.out).map_err(unwritable)
}

struct Writer<'a, W> {
    out: &'a mut W,
    store: &'a Store,
    allowed: u64,
    files: usize,
    /// Digests of the blobs that were written, since plugins may share some.
    written: HashSet<String>,
    entries: Vec<Descriptor>,
}

impl<W: Write> Writer<'_, W> {
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        self.files += 1;
        if self.files > archive::MAX_ENTRIES {
            return Err(too_many());
        }
        archive::append(self.out, name, bytes).map_err(unwritable)
    }

    fn blob(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        let digest = digest(bytes);
        if !self.written.insert(digest.clone()) {
            return Ok(());
        }
        self.append(&blob_name(&digest), bytes)
    }

    fn plugin(&mut self, reference: &RegistryReference, manifest: &str) -> Result<(), RegistryError> {
        // A bundle that lacks a component would only be found out where no registry can be reached.
        let bytes = self.whole(manifest, true)?;
        self.list(&bytes, MANIFEST, Some(reference.to_string()));
        let (mut bundles, hex) = (Vec::new(), manifest.trim_start_matches("sha256:"));
        let tagged = |suffix: &str| format!("{}:sha256-{hex}{suffix}", reference.name());
        for signature in self.store.signatures(manifest)? {
            let bytes = self.whole(&signature, false)?;
            let read = Manifest::read(&bytes, &signature)?;
            // Each form where its tool looks for it: cosign 2 at the tag `sha256-HEX.sig`, cosign 3 in the index of the
            // referrers.
            if read.layers.iter().any(|layer| layer.media_type == SIMPLE_SIGNING) {
                self.list(&bytes, MANIFEST, Some(tagged(".sig")));
            } else {
                self.list(&bytes, MANIFEST, None);
                let mut listed = Descriptor::of(MANIFEST, &bytes);
                listed.artifact_type = read.artifact_type;
                bundles.push(listed);
            }
        }
        if !bundles.is_empty() {
            let index = Index::new(bundles).bytes();
            self.blob(&index)?;
            self.list(&index, INDEX, Some(tagged("")));
        }
        Ok(())
    }

    /// Writes a manifest and the blobs that it names. Returns the manifest. Without `must_be_whole`, missing blobs are left out.
    fn whole(&mut self, manifest: &str, must_be_whole: bool) -> Result<Vec<u8>, RegistryError> {
        let missing = |digest: &str| RegistryError::NotFound {
            what: digest.to_owned(),
            said: "it is not on this machine".into(),
        };
        let bytes = self
            .store
            .read(manifest, MAX_DOCUMENT)?
            .ok_or_else(|| missing(manifest))?;
        let read = Manifest::read(&bytes, manifest)?;
        for blob in read.layers.iter().chain([&read.config]) {
            match self.store.read(&blob.digest, self.allowed)? {
                Some(bytes) => self.blob(&bytes)?,
                // Without its configuration a plugin still runs: only other tools read it, and a pull may lack it.
                None if must_be_whole && blob.digest != read.config.digest => {
                    return Err(missing(&blob.digest));
                }
                None => {}
            }
        }
        self.blob(&bytes)?;
        Ok(bytes)
    }

    fn list(&mut self, bytes: &[u8], media_type: &str, name: Option<String>) {
        let mut entry = Descriptor::of(media_type, bytes);
        let name = name.map(|name| name.trim_start_matches("oci://").to_owned());
        entry
            .annotations
            .extend(name.map(|name| (NAME.to_owned(), name.into())));
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }
}

/// Reads a bundle into a store. A component has at most `allowed` bytes. Signatures are stored, not verified.
///
/// # Errors
/// Fails when the file is not a bundle, when a blob is missing or has another digest, and when the store cannot be written.
pub fn read_bundle(file: &Path, store: &Store, allowed: u64) -> Result<Vec<CarriedPlugin>, RegistryError> {
    let shown = file.display().to_string();
    let malformed = |why: String| RegistryError::Malformed {
        what: shown.clone(),
        why,
    };
    let opened = File::open(file).map_err(|source| RegistryError::File {
        action: "read",
        path: file.to_owned(),
        source,
    })?;
    let archive = Archive::open(opened).map_err(|error| malformed(error.to_string()))?;
    let mut reader = Reader {
        archive,
        shown: &shown,
    };
    let layout = reader.file("oci-layout", MAX_DOCUMENT)?;
    if !layout.starts_with(b"{") {
        return Err(malformed("it is not an OCI layout".into()));
    }
    let index: Index = serde_json::from_slice(&reader.file("index.json", MAX_DOCUMENT)?)
        .map_err(|error| malformed(format!("index.json: {error}")))?;
    let mut plugins = Vec::new();
    let mut signatures = Vec::new();
    // Bounded by the size of the index, and each plugin by the number of the archive's files.
    for entry in &index.manifests {
        let name = entry.annotations.get(NAME).and_then(|name| name.as_str());
        let Some(reference) = name.and_then(|name| RegistryReference::parse(name).ok()) else {
            continue;
        };
        match reference.tag().and_then(signed_by_tag) {
            Some((manifest, is_index)) => signatures.push((manifest, is_index, entry.digest.clone())),
            None => plugins.push((reference, entry.digest.clone())),
        }
    }
    for (reference, manifest) in &plugins {
        reader.plugin(store, reference, manifest, allowed)?;
    }
    for (manifest, is_index, entry) in signatures {
        reader.signatures(store, &manifest, is_index, &entry)?;
    }
    Ok(plugins)
}

/// The digest in a signature tag, `sha256-HEX` or `sha256-HEX.sig`; true for the former, which is the tag of an index.
fn signed_by_tag(tag: &str) -> Option<(String, bool)> {
    let rest = tag.strip_prefix("sha256-")?;
    let hex = rest.strip_suffix(".sig").unwrap_or(rest);
    let digest = format!("sha256:{hex}");
    is_digest(&digest).then_some((digest, hex == rest))
}

struct Reader<'a> {
    archive: Archive,
    shown: &'a str,
}

impl Reader<'_> {
    fn file(&mut self, name: &str, allowed: u64) -> Result<Vec<u8>, RegistryError> {
        let malformed = |why: String| RegistryError::Malformed {
            what: self.shown.to_owned(),
            why,
        };
        let read = self.archive.read(name, allowed);
        let read = read.map_err(|error| malformed(error.to_string()))?;
        read.ok_or_else(|| malformed(format!("{name} is missing or larger than {allowed} bytes")))
    }

    /// Reads a blob, verified by its digest.
    fn blob(&mut self, wanted: &str, allowed: u64) -> Result<Vec<u8>, RegistryError> {
        let bytes = self.file(&blob_name(wanted), allowed)?;
        let found = digest(&bytes);
        match found == wanted {
            true => Ok(bytes),
            false => Err(RegistryError::Digest {
                what: format!("a blob of {}", self.shown),
                wanted: wanted.to_owned(),
                found,
            }),
        }
    }

    fn plugin(
        &mut self,
        store: &Store,
        reference: &RegistryReference,
        manifest: &str,
        allowed: u64,
    ) -> Result<(), RegistryError> {
        let bytes = self.blob(manifest, MAX_DOCUMENT)?;
        let what = reference.to_string();
        let read = Manifest::read(&bytes, &what)?;
        let component = read.component(&what)?;
        // Optional as in a pull: trocar does not read the configuration.
        let config = self.blob(&read.config.digest, MAX_DOCUMENT).ok();
        let pulled = Pulled {
            digest: manifest.to_owned(),
            component_digest: component.digest.clone(),
            component: Bytes::from(self.blob(&component.digest, allowed)?),
            manifest: Bytes::from(bytes),
            config: config.map(Bytes::from),
            from: reference.clone(),
        };
        store.keep(&pulled)
    }

    fn signatures(
        &mut self,
        store: &Store,
        manifest: &str,
        is_index: bool,
        entry: &str,
    ) -> Result<(), RegistryError> {
        let mut listed = vec![entry.to_owned()];
        if is_index {
            // A malformed index is the same as no signature: it proves nothing, and the plugin is checked when it is used.
            let index: Index = serde_json::from_slice(&self.blob(entry, MAX_DOCUMENT)?).unwrap_or_default();
            listed = index
                .manifests
                .into_iter()
                .map(|entry| entry.digest)
                .take(MAX_SIGNATURES)
                .collect();
        }
        for signature in &listed {
            let bytes = self.blob(signature, MAX_DOCUMENT)?;
            let read = Manifest::read(&bytes, signature)?;
            for blob in read.layers.iter().chain([&read.config]) {
                let bytes = self.blob(&blob.digest, MAX_DOCUMENT)?;
                store.write(&bytes)?;
            }
            store.write(&bytes)?;
        }
        store.add_signatures(manifest, &listed)
    }
}

fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"))
}

/// What cannot be read again is not written.
fn too_many() -> RegistryError {
    unwritable(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "it would have more than {} files, or an index of more than {} MiB: write several bundles",
            archive::MAX_ENTRIES,
            MAX_DOCUMENT >> 20
        ),
    ))
}

fn unwritable(source: io::Error) -> RegistryError {
    RegistryError::File {
        action: "write",
        path: "the bundle".into(),
        source,
    }
}
