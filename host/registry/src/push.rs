//! Pushing: uploads a component, its configuration and its manifest. Reproducible: the same component has the same digest.

use bytes::Bytes;
use http::{Method, StatusCode, Uri, header};
use trocar_core::registry::RegistryReference;

use crate::{
    address::Origin,
    client::{Action, ApiRequest, Client, MAX_ERROR, Session, error_message},
    digest::digest,
    error::RegistryError,
    layout::{self, Descriptor, MANIFEST, WASM_CONFIG, WASM_LAYER},
};

/// A component to push.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    /// The component.
    pub component: Bytes,
    /// The title annotation, without `.wasm`: tools such as oras use it as the name of the file.
    pub title: String,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// Annotations of the manifest; empty ones are left out.
    pub annotations: Vec<(&'static str, String)>,
    /// The creation time, in seconds since 1970.
    pub created: i64,
    /// The media type of its configuration; [`WASM_CONFIG`] by default. Some registries accept only types that they know.
    pub config_type: Option<String>,
}

/// A plugin that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest.
    pub digest: String,
}

impl Client {
    /// Pushes a component under a tag.
    ///
    /// # Errors
    /// Fails when the reference has no tag, and when the registry refuses the push.
    pub async fn push(&self, to: &RegistryReference, upload: &Upload) -> Result<Pushed, RegistryError> {
        self.in_time(to, self.push_unbounded(to, upload)).await
    }

    async fn push_unbounded(&self, to: &RegistryReference, upload: &Upload) -> Result<Pushed, RegistryError> {
        let tag = to.tag().ok_or_else(|| RegistryError::NoTag { name: to.name() })?;
        let config_type = upload.config_type.as_deref().unwrap_or(WASM_CONFIG);
        let component = Descriptor::of(WASM_LAYER, &upload.component);
        let config = Bytes::from(layout::config(&component, upload));
        let config_descriptor = Descriptor::of(config_type, &config);
        let mut session = self.session(to, Action::Push)?;
        // The manifest comes last: registries refuse one that names blobs that they lack.
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
    /// Uploads a blob unless the registry has it.
    async fn upload(&mut self, digest: &str, blob: &Bytes) -> Result<(), RegistryError> {
        let head = ApiRequest {
            method: Method::HEAD,
            ..ApiRequest::get(self.url(&format!("blobs/{digest}")))
        };
        if self.ask(&head).await?.status == StatusCode::OK {
            return Ok(());
        }
        let begin = ApiRequest {
            method: Method::POST,
            ..ApiRequest::get(self.url("blobs/uploads/"))
        };
        let answer = self.ask(&begin).await?;
        let what = format!("an upload to {}", self.reference.name());
        if answer.status != StatusCode::ACCEPTED {
            return Err(self.failure(answer, &begin, &what).await);
        }
        let at: Uri = begin.url.parse().unwrap_or_default();
        let to = self.location(&at, &answer)?;
        drop(answer);
        // The upload's URL may have a query, with the state of the upload. The digest is added to it.
        let separator = if to.query().is_some() { '&' } else { '?' };
        let put = ApiRequest {
            method: Method::PUT,
            body: blob.clone(),
            ..ApiRequest::get(format!("{to}{separator}digest={}", digest.replace(':', "%3A")))
        };
        let put = put.header(header::CONTENT_TYPE, "application/octet-stream");
        // The upload URL may be that of a storage provider, which must not see the registry's credentials.
        let answer = match Origin::of(&to).as_ref() == Some(&self.origin) {
            true => self.ask(&put).await?,
            false => self.send(&put, None, false).await?,
        };
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(self.failure(answer, &put, &what).await),
        }
    }

    async fn put_manifest(
        &mut self,
        tag: &str,
        manifest: &Bytes,
        config_type: &str,
    ) -> Result<(), RegistryError> {
        let put = ApiRequest {
            method: Method::PUT,
            body: manifest.clone(),
            ..ApiRequest::get(self.url(&format!("manifests/{tag}")))
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
        let said = error_message(&body);
        let lower = said.to_lowercase();
        // GitLab refuses the type of a component's configuration. The specification has no error code for that, so its
        // text decides.
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
