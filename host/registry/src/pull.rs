//! Pulling: from a reference to bytes that are what their digests say.

use bytes::Bytes;
use http::{StatusCode, header};
use trocar_core::registry::RegistryReference;

use crate::{
    client::{Action, Client, MAX_DOCUMENT, Question, Session},
    digest::digest,
    error::RegistryError,
    layout::{ACCEPTED, Descriptor, Manifest},
};

/// How large a configuration is carried along.
const MAX_CONFIG: u64 = 1 << 20;

/// A plugin that was pulled.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The digest of the manifest: what the registry knows the plugin by, and what is signed.
    pub digest: String,
    /// The manifest, as the registry has it.
    pub manifest: Bytes,
    /// The digest of the component.
    pub component_digest: String,
    /// The component.
    pub component: Bytes,
    /// Its configuration, where that is small enough to be carried along.
    pub config: Option<Bytes>,
    /// Where it came from: the registry or one of its mirrors.
    pub from: RegistryReference,
}

impl Client {
    /// Pulls a plugin, of at most so many bytes.
    ///
    /// # Errors
    /// Fails when none of the places gives it; the error is that of the registry that the reference names.
    pub async fn pull(&self, reference: &RegistryReference, allowed: u64) -> Result<Pulled, RegistryError> {
        let mut places = self.places(reference);
        let last = places.pop();
        for place in &places {
            if let Ok(pulled) = self.pull_from(place, allowed).await {
                return Ok(pulled);
            }
        }
        self.pull_from(&last.unwrap_or_else(|| reference.clone()), allowed)
            .await
    }

    async fn pull_from(&self, place: &RegistryReference, allowed: u64) -> Result<Pulled, RegistryError> {
        self.in_time(place, self.pull_slowly(place, allowed)).await
    }

    async fn pull_slowly(&self, place: &RegistryReference, allowed: u64) -> Result<Pulled, RegistryError> {
        let mut session = self.session(place, Action::Pull)?;
        let (digest, bytes) = session.manifest(place).await?;
        let what = place.to_string();
        let manifest = Manifest::read(&bytes, &what)?;
        let described = manifest.component(&what)?;
        let component = session
            .blob(described, &format!("the component of {what}"), allowed)
            .await?;
        // Nothing needs it but other tools, to which the plugin is carried.
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
    /// A manifest and its digest, which is the one in the reference where there is one.
    pub(crate) async fn manifest(
        &mut self,
        reference: &RegistryReference,
    ) -> Result<(String, Bytes), RegistryError> {
        let what = reference.to_string();
        let wanted = reference
            .wanted()
            .ok_or_else(|| RegistryError::NoTag { name: what.clone() })?;
        let url = self.url(&format!("manifests/{wanted}"));
        let question = Question::get(url).header(header::ACCEPT, ACCEPTED);
        let answer = self.fetch(&question).await?;
        if answer.status != StatusCode::OK {
            return Err(self.failure(answer, &question, &what).await);
        }
        let content_type = answer.header(header::CONTENT_TYPE).unwrap_or_default();
        if content_type.starts_with("text/html") {
            return Err(RegistryError::NotARegistry {
                host: answer.host,
                found: "it answers with a page for people".into(),
            });
        }
        let bytes = answer
            .bytes(&format!("the manifest of {what}"), MAX_DOCUMENT)
            .await?;
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

    /// A blob that is what a manifest says of it, of at most so many bytes.
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
        let question = Question::get(self.url(&format!("blobs/{}", described.digest)));
        let answer = self.fetch(&question).await?;
        if answer.status != StatusCode::OK {
            return Err(self.failure(answer, &question, what).await);
        }
        // No more than was announced: what is longer is not what was meant, and need not be read to its end.
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
