//! The client and its settings, and sessions with one repository each.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::Value;
use trocar_core::{
    registry::{RegistryReference, reference::is_this_machine},
    text,
};

use crate::{
    address::{self, Origin},
    auth::{self, Challenge},
    connection::{self, Answer, Route},
    credentials::CredentialFiles,
    error::RegistryError,
};

/// How much of an error's body is read, in bytes.
pub(crate) const MAX_ERROR: u64 = 16 << 10;
/// How much of a registry's message is shown, in bytes.
const MAX_MESSAGE: usize = 300;
/// The most redirects of one request.
const MAX_REDIRECTS: usize = 3;
/// The largest document, such as a manifest or a list of tags, in bytes.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

/// Timeouts of requests.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// For connecting, with TLS.
    pub connect: Duration,
    /// Until the head of the answer arrives; uploads have `whole`.
    pub answer: Duration,
    /// Between two parts of the answer's body.
    pub idle: Duration,
    /// For a request with its answer, and for a whole pull or push.
    pub whole: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            whole: Duration::from_secs(600),
        }
    }
}

/// The settings of one registry.
#[derive(Clone, Debug, Default)]
pub struct HostConfig {
    /// Host and port, as in references.
    pub host: String,
    /// Uses HTTP without TLS. The default is TLS, except for registries on this machine.
    pub plain_http: bool,
    /// PEM certificates of authorities that are trusted for it in addition to the system's.
    pub authorities: Option<Vec<u8>>,
    /// Mirrors that are tried first: `HOST[/PREFIX]`.
    pub mirrors: Vec<String>,
    /// Other hosts that its credentials may be sent to, for tokens.
    pub auth: Vec<String>,
}

/// Returns the proxy for a URL; none for a direct connection.
pub type ProxyFor = dyn Fn(&str) -> Result<Option<String>, ProxyError> + Send + Sync;

/// Why the settings do not yield a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProxyError(pub String);

/// The settings of a client.
#[derive(Clone, Default)]
pub struct ClientConfig {
    /// Settings of single registries.
    pub hosts: Vec<HostConfig>,
    /// The credential files.
    pub credentials: CredentialFiles,
    /// Timeouts of requests.
    pub timeouts: Timeouts,
    /// Chooses the proxy; none uses none.
    pub proxy: Option<Arc<ProxyFor>>,
}

/// A client for registries. Stateless but for the system's certificates, which are read once.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: ClientConfig,
    /// The system's certificate authorities.
    roots: OnceLock<rustls::RootCertStore>,
    /// TLS with the system's authorities alone.
    tls: OnceLock<Arc<rustls::ClientConfig>>,
}

/// What a session does with its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Pull,
    Push,
}

impl Action {
    /// The actions in the scope of a token.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Pull => "pull from",
            Self::Push => "push to",
        }
    }
}

impl Client {
    /// Creates a client. Files are read and connections made on demand.
    pub fn new(config: ClientConfig) -> Self {
        Self(Arc::new(Inner {
            config,
            roots: OnceLock::new(),
            tls: OnceLock::new(),
        }))
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.0.config
    }

    /// Bounds the time of a whole operation: a registry could otherwise send any number of timely answers.
    pub(crate) async fn in_time<T>(
        &self,
        reference: &RegistryReference,
        done: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let late = || RegistryError::TimedOut {
            host: reference.host().to_owned(),
            what: "is too slow",
        };
        let done = tokio::time::timeout(self.config().timeouts.whole, done);
        done.await.unwrap_or_else(|_| Err(late()))
    }

    /// The settings of a host.
    pub(crate) fn host(&self, host: &str) -> Option<&HostConfig> {
        self.0.config.hosts.iter().find(|known| known.host == host)
    }

    /// The references to try in order: at the mirrors of the host, then at the host itself.
    pub(crate) fn places(&self, reference: &RegistryReference) -> Vec<RegistryReference> {
        let mirrors = self.host(reference.host()).map(|host| host.mirrors.as_slice());
        let moved = |mirror: &String| {
            let (host, prefix) = mirror.split_once('/').unwrap_or((mirror, ""));
            let separator = if prefix.is_empty() { "" } else { "/" };
            reference.moved(host, &format!("{prefix}{separator}{}", reference.repository()))
        };
        let mut places: Vec<_> = mirrors.unwrap_or_default().iter().map(moved).collect();
        places.push(reference.clone());
        places
    }

    /// Creates a session. Does not connect.
    pub(crate) fn session(
        &self,
        reference: &RegistryReference,
        action: Action,
    ) -> Result<Session, RegistryError> {
        let set = self.host(reference.host());
        let is_local = is_this_machine(reference.host());
        // On this machine without TLS, unless an authority is configured, which only TLS needs.
        let is_plain = set.is_some_and(|set| set.plain_http)
            || is_local && set.is_none_or(|set| set.authorities.is_none());
        let host = match reference.host() {
            // The host in references to Docker Hub does not serve the registry API.
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let scheme = if is_plain { "http" } else { "https" };
        let origin = format!("{scheme}://{host}/").parse().ok();
        let origin = origin.and_then(|url| Origin::of(&url));
        let origin = origin.ok_or_else(|| RegistryError::Unreachable {
            host: host.to_owned(),
            why: "this is not a valid host name".into(),
        })?;
        Ok(Session {
            client: self.clone(),
            tls: self.tls(set)?,
            reference: reference.clone(),
            origin,
            action,
            authorization: None,
            is_anonymous: true,
        })
    }

    fn roots(&self) -> rustls::RootCertStore {
        let read = || {
            let mut roots = rustls::RootCertStore::empty();
            // Leaves out what rustls cannot parse: one odd certificate of a system must not make all others unusable.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        };
        self.0.roots.get_or_init(read).clone()
    }

    fn tls(&self, set: Option<&HostConfig>) -> Result<Arc<rustls::ClientConfig>, RegistryError> {
        match set.and_then(|set| Some((set, set.authorities.as_ref()?))) {
            Some((set, authorities)) => tls(self.roots(), Some((&set.host, authorities))),
            None => match self.0.tls.get() {
                Some(known) => Ok(known.clone()),
                None => {
                    let new = tls(self.roots(), None)?;
                    Ok(self.0.tls.get_or_init(|| new).clone())
                }
            },
        }
    }
}

/// TLS settings with the system's authorities and those of a host.
fn tls(
    mut roots: rustls::RootCertStore,
    more: Option<(&str, &[u8])>,
) -> Result<Arc<rustls::ClientConfig>, RegistryError> {
    if let Some((host, authorities)) = more {
        let failed = |why: String| RegistryError::Tls {
            host: host.to_owned(),
            why: format!("the certificates for it: {why}"),
        };
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(authorities) {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| failed(error.to_string()))?;
            found += 1;
        }
        if found == 0 {
            return Err(failed("the file has no certificate".into()));
        }
    }
    // Named here, since `ClientConfig::builder` panics if the process has no default provider.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| RegistryError::Tls {
        host: more.map_or("", |(host, _)| host).to_owned(),
        why: error.to_string(),
    })?;
    Ok(Arc::new(
        versions.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Requests to one repository, with the authorization that it required.
pub(crate) struct Session {
    client: Client,
    tls: Arc<rustls::ClientConfig>,
    pub(crate) reference: RegistryReference,
    /// The registry's own origin, where credentials may be sent.
    pub(crate) origin: Origin,
    action: Action,
    authorization: Option<HeaderValue>,
    /// No credentials were found, or they were not needed so far.
    is_anonymous: bool,
}

/// A request, repeatable with authorization.
#[derive(Clone)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl ApiRequest {
    pub(crate) fn get(url: String) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

impl Session {
    /// The URL of a path below the repository, such as `blobs/…`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.origin.url(), self.reference.repository())
    }

    /// Sends a request to the registry, and again with authorization if it is challenged.
    pub(crate) async fn ask(&mut self, request: &ApiRequest) -> Result<Answer, RegistryError> {
        // Without credentials at first: what a registry gives without a challenge runs no helper and sends no secret.
        let answer = self.send(request, self.authorization.clone(), true).await?;
        // A challenge to a request with authorization is a refusal: asking again would only repeat it.
        if answer.status != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(answer);
        }
        let challenges = answer.headers.get_all(header::WWW_AUTHENTICATE);
        let challenge = challenges
            .iter()
            .filter_map(|value| Challenge::parse(value.to_str().ok()?))
            .next();
        let Some(challenge) = challenge else {
            return Ok(answer);
        };
        drop(answer);
        self.authorize(&challenge).await?;
        match &self.authorization {
            Some(known) => self.send(request, Some(known.clone()), true).await,
            None => Err(self.denied(String::new())),
        }
    }

    async fn authorize(&mut self, challenge: &Challenge) -> Result<(), RegistryError> {
        let config = self.client.config();
        let found = config.credentials.find(&self.reference).await?;
        self.is_anonymous = found.is_none();
        let scope = format!(
            "repository:{}:{}",
            self.reference.repository(),
            self.action.scope()
        );
        self.authorization = match challenge {
            Challenge::Basic => found.as_ref().and_then(auth::basic),
            Challenge::Bearer { realm, service } => {
                if let Some(given) = found.as_ref().and_then(auth::registry_token) {
                    Some(given)
                } else {
                    let realm = self.realm(realm)?;
                    let request = auth::token_request(&realm, service.as_deref(), &scope, found.as_ref());
                    // The registry named the realm, so `false`: it must not lead to an address of this machine or network.
                    let answer = self.send(&request, None, false).await?;
                    Some(auth::token(self, answer).await?)
                }
            }
        };
        Ok(())
    }

    /// The realm of a challenge, if credentials may be sent there.
    fn realm(&self, realm: &str) -> Result<String, RegistryError> {
        let set = self.client.host(self.reference.host());
        let configured = set.map(|set| set.auth.as_slice()).unwrap_or_default();
        auth::check_realm(realm, &self.origin, configured).map_err(|why| RegistryError::Realm {
            host: self.origin.authority(),
            realm: text::message(realm),
            why,
        })?;
        Ok(realm.to_owned())
    }

    /// Fetches something that may be stored elsewhere. Redirects are followed without credentials.
    pub(crate) async fn fetch(&mut self, request: &ApiRequest) -> Result<Answer, RegistryError> {
        let mut answer = self.ask(request).await?;
        let mut at: Uri = request.url.parse().unwrap_or_default();
        for _ in 0..MAX_REDIRECTS {
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            let to = self.location(&at, &answer)?;
            // The next host is often a storage provider with a signed URL. It gets neither the credentials nor other headers.
            let next = ApiRequest {
                url: to.to_string(),
                headers: request
                    .headers
                    .iter()
                    .filter(|(name, _)| name == header::ACCEPT)
                    .cloned()
                    .collect(),
                ..request.clone()
            };
            answer = self.send(&next, None, false).await?;
            at = to;
        }
        match is_redirect(answer.status) {
            true => Err(self.not_followed(
                answer.header(header::LOCATION).unwrap_or_default(),
                "it is the fourth redirect",
            )),
            false => Ok(answer),
        }
    }

    /// The checked target of an answer's `Location` header.
    pub(crate) fn location(&self, at: &Uri, answer: &Answer) -> Result<Uri, RegistryError> {
        let location = answer.header(header::LOCATION).unwrap_or_default();
        address::next_place(&self.origin, at, location).map_err(|why| self.not_followed(location, why))
    }

    fn not_followed(&self, to: &str, why: &'static str) -> RegistryError {
        RegistryError::Redirect {
            host: self.origin.authority(),
            to: text::message(to),
            why,
        }
    }

    /// Sends one request. `to_registry` is false for URLs that the registry named.
    pub(crate) async fn send(
        &self,
        request: &ApiRequest,
        authorization: Option<HeaderValue>,
        to_registry: bool,
    ) -> Result<Answer, RegistryError> {
        let url: Uri = request.url.parse().map_err(|_| RegistryError::Unreachable {
            host: self.origin.authority(),
            why: "its URL is malformed".into(),
        })?;
        let origin =
            Origin::of(&url).ok_or_else(|| self.not_followed(&request.url, "it is not an HTTP URL"))?;
        let is_plain_allowed = !self.origin.is_tls;
        if !origin.is_tls && !is_plain_allowed {
            return Err(RegistryError::Plain {
                host: origin.authority(),
            });
        }
        let mut http_request = Request::builder().method(request.method.clone()).uri(url);
        for (name, value) in &request.headers {
            http_request = http_request.header(name, value);
        }
        if let Some(authorization) = authorization {
            http_request = http_request.header(header::AUTHORIZATION, authorization);
        }
        http_request = http_request.header(header::USER_AGENT, concat!("trocar/", env!("CARGO_PKG_VERSION")));
        let http_request = http_request.body(Full::new(request.body.clone()));
        let http_request = http_request.map_err(|error| RegistryError::Broken {
            host: origin.authority(),
            why: error.to_string(),
        })?;
        let config = self.client.config();
        let proxy = match &config.proxy {
            Some(proxy_for) => proxy_for(&request.url),
            None => Ok(None),
        };
        let proxy = proxy.map_err(|error| RegistryError::Unreachable {
            host: origin.authority(),
            why: error.0,
        })?;
        let proxy = proxy.and_then(|proxy| proxy.parse().ok());
        let route = Route {
            tls: &self.tls,
            timeouts: &config.timeouts,
            refuses_local: !to_registry && address::refuses_local(&self.origin, &origin),
            proxy: proxy.as_ref(),
        };
        connection::send(&route, &origin, http_request).await
    }

    /// Turns an unsuccessful answer into an error.
    pub(crate) async fn failure(&self, answer: Answer, request: &ApiRequest, what: &str) -> RegistryError {
        let (host, status) = (answer.host.clone(), answer.status);
        let is_html = answer
            .header(header::CONTENT_TYPE)
            .is_some_and(|found| found.trim_start().starts_with("text/html"));
        let said = match answer.read(MAX_ERROR).await {
            Ok((body, _)) => error_message(&body),
            Err(_) => String::new(),
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.denied(said),
            StatusCode::TOO_MANY_REQUESTS => RegistryError::TooMany { host, said },
            // A gateway in front of a real registry answers 5xx with HTML, too.
            _ if is_html && !status.is_server_error() => RegistryError::NotARegistry {
                host,
                found: format!("it answers {} with an HTML page", status.as_u16()),
            },
            StatusCode::NOT_FOUND => RegistryError::NotFound {
                what: what.to_owned(),
                said,
            },
            _ => RegistryError::Refused {
                host,
                status: status.as_u16(),
                request: format!("{} of {what}", request.method),
                said,
            },
        }
    }

    pub(crate) fn denied(&self, said: String) -> RegistryError {
        RegistryError::Denied {
            host: self.origin.authority(),
            repository: self.reference.repository().to_owned(),
            action: self.action.phrase(),
            is_anonymous: self.is_anonymous,
            said,
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The first error of a registry's JSON body, escaped and cut for display; empty for other bodies.
pub(crate) fn error_message(body: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    // The format of the OCI distribution specification: `{"errors": [{"code": …, "message": …, "detail": …}]}`.
    let first = &document["errors"][0];
    let word = |field: &str| first[field].as_str().unwrap_or_default().to_owned();
    let detail = match &first["detail"] {
        // The specification allows any JSON in `detail`. Only text is fit to be shown.
        Value::String(detail) => detail.clone(),
        _ => String::new(),
    };
    let words: Vec<String> = [word("code"), word("message"), detail]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    let all = text::plain(&words.join(": "));
    let end = all.floor_char_boundary(MAX_MESSAGE);
    all[..end].to_owned()
}
