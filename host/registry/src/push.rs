//! Pushing: a component, its configuration and its manifest, the same bytes whenever it is done.

use bytes::Bytes;
use http::{Method, StatusCode, Uri, header};
use trocar_core::registry::RegistryReference;

use crate::{
    address::Origin,
    client::{Action, Client, MAX_ERROR, Question, Session, said},
    digest::digest,
    error::RegistryError,
    layout::{self, Descriptor, MANIFEST, WASM_CONFIG, WASM_LAYER},
};

/// A component that is to be pushed.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    /// The component.
    pub component: Bytes,
    /// The name under which it is saved by tools that write it to a file.
    pub title: String,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// Annotations of the manifest; empty ones are left out.
    pub annotations: Vec<(&'static str, String)>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The type of its configuration; by default the CNCF's.
    pub config_type: Option<String>,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest.
    pub digest: String,
}

impl Client {
    /// Pushes a component under a tag.
    ///
    /// # Errors
    /// Fails when the reference has no tag, and when the registry takes one of the parts not.
    pub async fn push(&self, to: &RegistryReference, upload: &Upload) -> Result<Pushed, RegistryError> {
        self.in_time(to, self.push_slowly(to, upload)).await
    }

    async fn push_slowly(&self, to: &RegistryReference, upload: &Upload) -> Result<Pushed, RegistryError> {
        let tag = to.tag().ok_or_else(|| RegistryError::NoTag { name: to.name() })?;
        let config_type = upload.config_type.as_deref().unwrap_or(WASM_CONFIG);
        let component = Descriptor::of(WASM_LAYER, &upload.component);
        let config = Bytes::from(layout::config(&component, upload));
        let config_descriptor = Descriptor::of(config_type, &config);
        let mut session = self.session(to, Action::Push)?;
        session.upload(&component.digest, &upload.component).await?;
        session.upload(&config_descriptor.digest, &config).await?;
        let manifest = Bytes::from(layout::manifest(component, config_descriptor, upload));
        session.put_manifest(tag, &manifest, config_type).await?;
        Ok(Pushed {
            digest: digest(&manifest),
        })
    }
}

impl Session {
    /// Uploads a blob, unless it is there.
    async fn upload(&mut self, digest: &str, blob: &Bytes) -> Result<(), RegistryError> {
        let head = Question {
            method: Method::HEAD,
            ..Question::get(self.url(&format!("blobs/{digest}")))
        };
        if self.ask(&head).await?.status == StatusCode::OK {
            return Ok(());
        }
        let begin = Question {
            method: Method::POST,
            ..Question::get(self.url("blobs/uploads/"))
        };
        let answer = self.ask(&begin).await?;
        let what = format!("an upload to {}", self.reference.name());
        if answer.status != StatusCode::ACCEPTED {
            return Err(self.failure(answer, &begin, &what).await);
        }
        let at: Uri = begin.url.parse().unwrap_or_default();
        let to = self.location(&at, &answer)?;
        drop(answer);
        let separator = if to.query().is_some() { '&' } else { '?' };
        let put = Question {
            method: Method::PUT,
            body: blob.clone(),
            ..Question::get(format!("{to}{separator}digest={}", digest.replace(':', "%3A")))
        };
        let put = put.header(header::CONTENT_TYPE, "application/octet-stream");
        // Credentials are for the registry, not for where it keeps its blobs.
        let answer = match Origin::of(&to).as_ref() == Some(&self.origin) {
            true => self.ask(&put).await?,
            false => self.send(&put, None, false).await?,
        };
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(self.failure(answer, &put, &what).await),
        }
    }

    /// Writes a manifest under a tag.
    async fn put_manifest(
        &mut self,
        tag: &str,
        manifest: &Bytes,
        config_type: &str,
    ) -> Result<(), RegistryError> {
        let put = Question {
            method: Method::PUT,
            body: manifest.clone(),
            ..Question::get(self.url(&format!("manifests/{tag}")))
        };
        let put = put.header(header::CONTENT_TYPE, MANIFEST);
        let answer = self.ask(&put).await?;
        if answer.status == StatusCode::CREATED {
            return Ok(());
        }
        let what = format!("the manifest of {}", self.reference);
        if answer.status != StatusCode::BAD_REQUEST {
            return Err(self.failure(answer, &put, &what).await);
        }
        let (host, status) = (answer.host.clone(), answer.status.as_u16());
        let (body, _) = answer.read(MAX_ERROR).await?;
        let said = said(&body);
        let lower = said.to_lowercase();
        let is_type =
            lower.contains("media type") || lower.contains("mediatype") || lower.contains(config_type);
        Err(match is_type {
            true => RegistryError::ConfigType {
                host,
                media_type: config_type.to_owned(),
                said,
            },
            false => RegistryError::Refused {
                host,
                status,
                request: format!("PUT of {what}"),
                said,
            },
        })
    }
}
