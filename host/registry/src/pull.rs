//! Pulling: resolves a reference and downloads a plugin, verified by its digests.

use bytes::Bytes;
use http::{StatusCode, header};
use trocar_core::registry::RegistryReference;

use crate::{
    client::{Action, ApiRequest, Client, MAX_DOCUMENT, Session},
    digest::digest,
    error::RegistryError,
    layout::{ACCEPTED, Descriptor, Manifest},
};

/// The largest configuration that is kept with a plugin, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// A plugin that was pulled.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The digest of the manifest. It identifies the plugin in the registry, and is what cosign signs.
    pub digest: String,
    /// The manifest, byte for byte.
    pub manifest: Bytes,
    /// The digest of the component.
    pub component_digest: String,
    /// The component.
    pub component: Bytes,
    /// The configuration; none if it could not be fetched or is larger than 1 MiB.
    pub config: Option<Bytes>,
    /// The reference that it was fetched from: of the registry or of one of its mirrors.
    pub from: RegistryReference,
}

impl Client {
    /// Pulls a plugin whose component has at most `allowed` bytes. Mirrors are tried first.
    ///
    /// # Errors
    /// Fails when neither a mirror nor the registry has it. The error is the registry's.
    pub async fn pull(&self, reference: &RegistryReference, allowed: u64) -> Result<Pulled, RegistryError> {
        let mut places = self.places(reference);
        let last = places.pop();
        for place in &places {
            // A mirror's error is not shown: it may only lack what the registry has.
            if let Ok(pulled) = self.pull_from(place, allowed).await {
                return Ok(pulled);
            }
        }
        self.pull_from(&last.unwrap_or_else(|| reference.clone()), allowed)
            .await
    }

    async fn pull_from(&self, place: &RegistryReference, allowed: u64) -> Result<Pulled, RegistryError> {
        self.in_time(place, self.pull_unbounded(place, allowed)).await
    }

    async fn pull_unbounded(&self, place: &RegistryReference, allowed: u64) -> Result<Pulled, RegistryError> {
        let mut session = self.session(place, Action::Pull)?;
        let (digest, bytes) = session.manifest(place).await?;
        let what = place.to_string();
        let manifest = Manifest::read(&bytes, &what)?;
        let described = manifest.component(&what)?;
        let component = session
            .blob(described, &format!("the component of {what}"), allowed)
            .await?;
        // Trocar does not read the configuration, so a failure is ignored. Other tools need it when they read a bundle.
        let config = session
            .blob(
                &manifest.config,
                &format!("the configuration of {what}"),
                MAX_CONFIG,
            )
            .await
            .ok();
        Ok(Pulled {
            digest,
            manifest: bytes,
            component_digest: described.digest.clone(),
            component,
            config,
            from: place.clone(),
        })
    }
}

impl Session {
    /// Fetches a manifest. Returns its digest too, which is verified if the reference has one.
    pub(crate) async fn manifest(
        &mut self,
        reference: &RegistryReference,
    ) -> Result<(String, Bytes), RegistryError> {
        let what = reference.to_string();
        let wanted = reference
            .wanted()
            .ok_or_else(|| RegistryError::NoTag { name: what.clone() })?;
        let url = self.url(&format!("manifests/{wanted}"));
        let request = ApiRequest::get(url).header(header::ACCEPT, ACCEPTED);
        let answer = self.fetch(&request).await?;
        if answer.status != StatusCode::OK {
            return Err(self.failure(answer, &request, &what).await);
        }
        let content_type = answer.header(header::CONTENT_TYPE).unwrap_or_default();
        // A web site that is not a registry may answer 200 with a page to any path.
        if content_type.starts_with("text/html") {
            return Err(RegistryError::NotARegistry {
                host: answer.host,
                found: "it answers with an HTML page".into(),
            });
        }
        let bytes = answer
            .bytes(&format!("the manifest of {what}"), MAX_DOCUMENT)
            .await?;
        // Of the bytes, not from `Docker-Content-Digest`, which is only the registry's claim.
        let found = digest(&bytes);
        match reference.digest() {
            Some(wanted) if wanted != found => Err(RegistryError::Digest {
                what: format!("the manifest of {what}"),
                wanted: wanted.to_owned(),
                found,
            }),
            _ => Ok((found, bytes)),
        }
    }

    /// Fetches a blob of at most `allowed` bytes, and verifies its size and digest.
    pub(crate) async fn blob(
        &mut self,
        described: &Descriptor,
        what: &str,
        allowed: u64,
    ) -> Result<Bytes, RegistryError> {
        if described.size > allowed {
            return Err(RegistryError::TooLarge {
                what: what.to_owned(),
                allowed,
                announced: Some(described.size),
            });
        }
        let request = ApiRequest::get(self.url(&format!("blobs/{}", described.digest)));
        let answer = self.fetch(&request).await?;
        if answer.status != StatusCode::OK {
            return Err(self.failure(answer, &request, what).await);
        }
        // At most the announced size is read: a longer blob has the wrong digest anyway.
        let bytes = answer.bytes(what, described.size).await?;
        if bytes.len() as u64 != described.size {
            return Err(RegistryError::Size {
                what: what.to_owned(),
                wanted: described.size,
                found: bytes.len() as u64,
            });
        }
        let found = digest(&bytes);
        if found != described.digest {
            return Err(RegistryError::Digest {
                what: what.to_owned(),
                wanted: described.digest.clone(),
                found,
            });
        }
        Ok(bytes)
    }
}
