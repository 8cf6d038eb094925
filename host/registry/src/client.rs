//! The client: what it is made with, and one conversation with one repository of a registry.

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
    connection::{self, Answer, Way},
    credentials::CredentialFiles,
    error::RegistryError,
};

/// How much of the answer to a failed request is read.
pub(crate) const MAX_ERROR: u64 = 16 << 10;
/// How much of it is shown.
const MAX_SAID: usize = 300;
/// How often a registry may send on.
const MAX_REDIRECTS: usize = 3;
/// How large a document of a registry may be: a manifest, a list of tags.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

/// How long things may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// To connect, with TLS.
    pub connect: Duration,
    /// Until an answer begins.
    pub answer: Duration,
    /// Between two parts of an answer.
    pub idle: Duration,
    /// For one request and its answer.
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

/// What is set for one registry.
#[derive(Clone, Debug, Default)]
pub struct HostConfig {
    /// Its host and port, as references have it.
    pub host: String,
    /// It is asked without TLS. Where this is not set, only this machine is.
    pub plain_http: bool,
    /// Certificates in PEM that are believed for it besides the system's.
    pub authorities: Option<Vec<u8>>,
    /// Where its plugins are looked for first: `HOST[/PREFIX]`.
    pub mirrors: Vec<String>,
    /// Hosts besides its own that may be sent credentials for it.
    pub auth: Vec<String>,
}

/// Finds the proxy for a URL, where there is one.
pub type ProxyFor = dyn Fn(&str) -> Result<Option<String>, ProxyError> + Send + Sync;

/// Why it is not known which proxy to use: one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProxyError(pub String);

/// What a client is made with.
#[derive(Clone, Default)]
pub struct ClientConfig {
    /// What is set for single registries.
    pub hosts: Vec<HostConfig>,
    /// Where credentials are looked for.
    pub credentials: CredentialFiles,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Finds proxies.
    pub proxy: Option<Arc<ProxyFor>>,
}

/// Talks to registries. Nothing is kept between calls but the system's certificates.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: ClientConfig,
    /// The certificates of the system.
    roots: OnceLock<rustls::RootCertStore>,
    /// With those alone.
    tls: OnceLock<Arc<rustls::ClientConfig>>,
}

/// What a repository is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Pull,
    Push,
}

impl Action {
    /// What a token is asked for.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Pull => "pull from",
            Self::Push => "push to",
        }
    }
}

impl Client {
    /// Makes a client. Nothing is read or connected to before the first need.
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

    /// Gives up what takes longer than anything may: many short answers are as slow as a long one.
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

    /// What is set for a host.
    pub(crate) fn host(&self, host: &str) -> Option<&HostConfig> {
        self.0.config.hosts.iter().find(|known| known.host == host)
    }

    /// Where a plugin is looked for: at the mirrors of its host, then there.
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

    /// Begins a conversation.
    pub(crate) fn session(
        &self,
        reference: &RegistryReference,
        action: Action,
    ) -> Result<Session, RegistryError> {
        let set = self.host(reference.host());
        let is_local = is_this_machine(reference.host());
        let is_plain = set.is_some_and(|set| set.plain_http)
            || is_local && set.is_none_or(|set| set.authorities.is_none());
        let host = match reference.host() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let scheme = if is_plain { "http" } else { "https" };
        let origin = format!("{scheme}://{host}/").parse().ok();
        let origin = origin.and_then(|url| Origin::of(&url));
        let origin = origin.ok_or_else(|| RegistryError::Unreachable {
            host: host.to_owned(),
            why: "this is not the name of a host".into(),
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
                    let made = tls(self.roots(), None)?;
                    Ok(self.0.tls.get_or_init(|| made).clone())
                }
            },
        }
    }
}

/// TLS with the system's certificates, and perhaps those of a file.
fn tls(
    mut roots: rustls::RootCertStore,
    more: Option<(&str, &[u8])>,
) -> Result<Arc<rustls::ClientConfig>, RegistryError> {
    if let Some((host, authorities)) = more {
        let failed = |why: String| RegistryError::Tls {
            host: host.to_owned(),
            why: format!("the file of its authorities: {why}"),
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
            return Err(failed("it holds no certificate".into()));
        }
    }
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

/// One conversation with one repository.
pub(crate) struct Session {
    client: Client,
    tls: Arc<rustls::ClientConfig>,
    pub(crate) reference: RegistryReference,
    /// The registry.
    pub(crate) origin: Origin,
    action: Action,
    authorization: Option<HeaderValue>,
    /// There are no credentials for the host.
    is_anonymous: bool,
}

/// One question to a registry.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Question {
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
    /// The URL of something in the repository: `blobs/…`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.origin.url(), self.reference.repository())
    }

    /// Asks the registry, and again with credentials where it wants some.
    pub(crate) async fn ask(&mut self, question: &Question) -> Result<Answer, RegistryError> {
        let answer = self.send(question, self.authorization.clone(), true).await?;
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
            Some(known) => self.send(question, Some(known.clone()), true).await,
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
                if let Some(given) = found.as_ref().and_then(auth::given_token) {
                    Some(given)
                } else {
                    let realm = self.realm(realm)?;
                    let question = auth::token_question(&realm, service.as_deref(), &scope, found.as_ref());
                    let answer = self.send(&question, None, false).await?;
                    Some(auth::token(self, answer).await?)
                }
            }
        };
        Ok(())
    }

    /// Where a token is asked for, if credentials may be sent there.
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

    /// Asks for something that may be kept elsewhere. Where the registry sends on, nothing of its credentials goes.
    pub(crate) async fn fetch(&mut self, question: &Question) -> Result<Answer, RegistryError> {
        let mut answer = self.ask(question).await?;
        let mut at: Uri = question.url.parse().unwrap_or_default();
        for _ in 0..MAX_REDIRECTS {
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            let to = self.location(&at, &answer)?;
            let next = Question {
                url: to.to_string(),
                headers: question
                    .headers
                    .iter()
                    .filter(|(name, _)| name == header::ACCEPT)
                    .cloned()
                    .collect(),
                ..question.clone()
            };
            answer = self.send(&next, None, false).await?;
            at = to;
        }
        match is_redirect(answer.status) {
            true => Err(self.not_followed(
                answer.header(header::LOCATION).unwrap_or_default(),
                "it is the fourth place",
            )),
            false => Ok(answer),
        }
    }

    /// Where an answer leads to, if that is a place to go to.
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

    /// Sends one question to one place. `to_registry` is false where the place was named by the registry.
    pub(crate) async fn send(
        &self,
        question: &Question,
        authorization: Option<HeaderValue>,
        to_registry: bool,
    ) -> Result<Answer, RegistryError> {
        let url: Uri = question.url.parse().map_err(|_| RegistryError::Unreachable {
            host: self.origin.authority(),
            why: "the URL is not one".into(),
        })?;
        let origin =
            Origin::of(&url).ok_or_else(|| self.not_followed(&question.url, "it is not a URL of HTTP"))?;
        let is_plain_allowed = !self.origin.is_tls;
        if !origin.is_tls && !is_plain_allowed {
            return Err(RegistryError::Plain {
                host: origin.authority(),
            });
        }
        let mut request = Request::builder().method(question.method.clone()).uri(url);
        for (name, value) in &question.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request = request.header(header::USER_AGENT, concat!("trocar/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Full::new(question.body.clone()));
        let request = request.map_err(|error| RegistryError::Broken {
            host: origin.authority(),
            why: error.to_string(),
        })?;
        let config = self.client.config();
        let proxy = match &config.proxy {
            Some(proxy_for) => proxy_for(&question.url),
            None => Ok(None),
        };
        let proxy = proxy.map_err(|error| RegistryError::Unreachable {
            host: origin.authority(),
            why: error.0,
        })?;
        let proxy = proxy.and_then(|proxy| proxy.parse().ok());
        let way = Way {
            tls: &self.tls,
            timeouts: &config.timeouts,
            refuses_local: !to_registry && address::refuses_local(&self.origin, &origin),
            proxy: proxy.as_ref(),
        };
        connection::send(&way, &origin, request).await
    }

    /// What a failed answer says, as an error.
    pub(crate) async fn failure(&self, answer: Answer, question: &Question, what: &str) -> RegistryError {
        let (host, status) = (answer.host.clone(), answer.status);
        let is_html = answer
            .header(header::CONTENT_TYPE)
            .is_some_and(|found| found.trim_start().starts_with("text/html"));
        let said = match answer.read(MAX_ERROR).await {
            Ok((body, _)) => said(&body),
            Err(_) => String::new(),
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.denied(said),
            StatusCode::TOO_MANY_REQUESTS => RegistryError::TooMany { host, said },
            _ if is_html && !status.is_server_error() => RegistryError::NotARegistry {
                host,
                found: format!("it answers {} with a page for people", status.as_u16()),
            },
            StatusCode::NOT_FOUND => RegistryError::NotFound {
                what: what.to_owned(),
                said,
            },
            _ => RegistryError::Refused {
                host,
                status: status.as_u16(),
                request: format!("{} of {what}", question.method),
                said,
            },
        }
    }

    pub(crate) fn denied(&self, said: String) -> RegistryError {
        RegistryError::Denied {
            host: self.origin.authority(),
            repository: self.reference.repository().to_owned(),
            action: self.action.words(),
            is_anonymous: self.is_anonymous,
            said,
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The first error that a registry lists, for people; nothing where it answers in another form.
pub(crate) fn said(body: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    let first = &document["errors"][0];
    let word = |field: &str| first[field].as_str().unwrap_or_default().to_owned();
    let detail = match &first["detail"] {
        Value::String(detail) => detail.clone(),
        _ => String::new(),
    };
    let words: Vec<String> = [word("code"), word("message"), detail]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    let all = text::plain(&words.join(": "));
    let end = all.floor_char_boundary(MAX_SAID);
    all[..end].to_owned()
}
