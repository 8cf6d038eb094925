//! Who we are to the server: one source of credentials for all connections that are made from one configuration, so that a
//! plugin runs once per need.
//!
//! Source: `transport/round_trippers.go` and the exec plugin of client-go. Differences: a request that the server refuses
//! with 401 is sent again with new credentials, where those that it refused were once accepted.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use http::HeaderValue;
use jiff::Timestamp;
use kube::config::AuthInfo;
use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};
use secrecy::ExposeSecret as _;
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::{
    certificates::{ClientCertificate, identity, read},
    plugin::{Answer, CredentialPlugin, PluginPolicy, bearer},
};
use crate::error::CredentialError;

/// How long a plugin that failed is not run again.
// An attach is tried every 20 ms: without a pause the plugin would be run as often.
const FAILED_PAUSE: Duration = Duration::from_secs(10);

/// The source of credentials. Its clones share what it has got.
#[derive(Clone)]
pub(crate) struct Credentials(Arc<Inner>);

struct Inner {
    source: Source,
    /// The certificate with which new connections are made.
    identity: Identity,
    held: Mutex<Held>,
    /// Counts the answers of the plugin.
    answers: watch::Sender<u64>,
    stdin_taken: Arc<AtomicBool>,
}

/// What another process can be given of credentials, as they were last obtained. It may renew nothing.
pub(super) struct Given {
    pub(super) header: Option<HeaderValue>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    pub(super) expires: Option<Timestamp>,
}

enum Source {
    None,
    Header(HeaderValue),
    /// A file whose token may change, and the token where the file cannot be read.
    TokenFile(PathBuf, Option<HeaderValue>),
    Plugin(Box<CredentialPlugin>),
    Unusable(CredentialError),
}

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Answer {
        header: Option<HeaderValue>,
        expires: Option<Timestamp>,
        /// Whether the server has taken it.
        is_accepted: bool,
        /// Tells answers apart.
        number: u64,
    },
    Failure(CredentialError, Instant),
}

/// What one request is sent with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorization {
    pub(crate) header: Option<HeaderValue>,
    /// The plugin's answer that it is of; 0 where there is none.
    number: u64,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credentials")
    }
}

impl Credentials {
    /// Takes the credentials of a user. Over a connection without TLS none are sent, as in client-go, but for those that stand
    /// in the server's address, which are used where there are no others.
    pub(crate) fn new(
        user: &AuthInfo,
        policy: PluginPolicy,
        is_tls: bool,
        url_user: Option<(String, String)>,
    ) -> Self {
        let stdin_taken = Arc::new(AtomicBool::new(false));
        let mut fixed = None;
        let source = if is_tls {
            identity(user)
                .map_err(CredentialError::Unusable)
                .and_then(|found| {
                    fixed = found;
                    source(user, policy, &stdin_taken, fixed.is_some())
                })
                .unwrap_or_else(Source::Unusable)
        } else {
            Source::None
        };
        let source = match (source, url_user) {
            (Source::None, Some((name, password))) => Source::Header(basic(&name, &password)),
            (source, _) => source,
        };
        Self::of(source, fixed, stdin_taken)
    }

    fn of(source: Source, fixed: Option<Arc<ClientCertificate>>, stdin_taken: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Inner {
            source,
            identity: Identity(Arc::new(RwLock::new(fixed))),
            held: Mutex::default(),
            answers: watch::Sender::new(0),
            stdin_taken,
        }))
    }

    /// Takes what another process has obtained.
    pub(super) fn given(given: Given) -> Self {
        let source = match (given.token_file, given.header) {
            (Some(file), token) => Source::TokenFile(file, token),
            (None, Some(header)) => Source::Header(header),
            (None, None) => Source::None,
        };
        Self::of(source, given.certificate, Arc::default())
    }

    /// What another process can be given. No plugin is run for it.
    pub(super) async fn to_give(&self) -> Given {
        let mut given = Given {
            header: None,
            token_file: None,
            certificate: self.0.identity.certificate(),
            expires: None,
        };
        match &self.0.source {
            Source::None | Source::Unusable(_) => {}
            Source::Header(header) => given.header = Some(header.clone()),
            Source::TokenFile(file, token) => {
                given.token_file = Some(file.clone());
                given.header.clone_from(token);
            }
            Source::Plugin(_) => {
                if let Held::Answer { header, expires, .. } = &*self.0.held.lock().await {
                    given.header.clone_from(header);
                    given.expires = *expires;
                }
            }
        }
        given
    }

    /// Follows the answers of the plugin: the receiver is told of each new one.
    pub(crate) fn answers(&self) -> watch::Receiver<u64> {
        self.0.answers.subscribe()
    }

    /// Fails when what the kubeconfig has cannot be used, without asking a plugin.
    pub(crate) fn check(&self) -> Result<(), CredentialError> {
        match &self.0.source {
            Source::Unusable(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.0.identity.clone()
    }

    /// From now on no plugin gets standard input: something else reads it.
    pub(crate) fn take_stdin(&self) {
        self.0.stdin_taken.store(true, Ordering::Relaxed);
    }

    /// What the next request is to be sent with; a plugin is run where its last answer has expired.
    pub(crate) async fn authorization(&self) -> Result<Authorization, CredentialError> {
        let header = match &self.0.source {
            Source::None => None,
            Source::Header(header) => Some(header.clone()),
            Source::TokenFile(path, token) => Some(token_of(path, token.as_ref())?),
            Source::Plugin(plugin) => return self.of_plugin(plugin, None).await,
            Source::Unusable(error) => return Err(error.clone()),
        };
        Ok(Authorization { header, number: 0 })
    }

    /// Notes what the server made of a request. Where it refused credentials that it had taken before, gives new ones.
    pub(crate) async fn answered(
        &self,
        used: &Authorization,
        is_refused: bool,
    ) -> Result<Option<Authorization>, CredentialError> {
        let Source::Plugin(plugin) = &self.0.source else {
            return Ok(None);
        };
        if is_refused {
            let renewed = self.of_plugin(plugin, Some(used.number)).await?;
            return Ok(Some(renewed).filter(|renewed| renewed.number != used.number));
        }
        if let Held::Answer {
            number, is_accepted, ..
        } = &mut *self.0.held.lock().await
            && *number == used.number
        {
            *is_accepted = true;
        }
        Ok(None)
    }

    /// The plugin's answer. While it runs, all others wait for it. `refused` is an answer that the server does not take.
    async fn of_plugin(
        &self,
        plugin: &CredentialPlugin,
        refused: Option<u64>,
    ) -> Result<Authorization, CredentialError> {
        // Held while the plugin runs: a second run at once may open a second browser window for one login.
        let mut held = self.0.held.lock().await;
        let mut last = 0;
        match &*held {
            Held::Answer {
                header,
                expires,
                is_accepted,
                number,
            } => {
                last = *number;
                let is_expired = expires.is_some_and(|expires| Timestamp::now() >= expires);
                // Of an answer that the server never took, another run would only give the same.
                let is_refused = refused == Some(last) && *is_accepted;
                if !is_expired && !is_refused {
                    return Ok(Authorization {
                        header: header.clone(),
                        number: last,
                    });
                }
            }
            Held::Failure(error, since) if since.elapsed() < FAILED_PAUSE => return Err(error.clone()),
            Held::Failure(..) | Held::Nothing => {}
        }
        match plugin.run().await {
            Ok(Answer {
                header,
                identity,
                expires,
            }) => {
                if identity.is_some() {
                    self.0.identity.set(identity);
                }
                let number = last + 1;
                *held = Held::Answer {
                    header: header.clone(),
                    expires,
                    is_accepted: false,
                    number,
                };
                self.0.answers.send_replace(number);
                Ok(Authorization { header, number })
            }
            Err(error) => {
                *held = Held::Failure(error.clone(), Instant::now());
                Err(error)
            }
        }
    }
}

/// The source that a user's fields name. A certificate or token of the kubeconfig or of a flag makes the plugin needless.
fn source(
    user: &AuthInfo,
    policy: PluginPolicy,
    stdin_taken: &Arc<AtomicBool>,
    has_certificate: bool,
) -> Result<Source, CredentialError> {
    let unusable = |problem: String| CredentialError::Unusable(problem);
    let secret = |secret: &Option<secrecy::SecretString>| {
        secret
            .as_ref()
            .map(|secret| secret.expose_secret().to_owned())
            .filter(|text| !text.is_empty())
    };
    let token = secret(&user.token)
        .map(|token| bearer(&token))
        .transpose()
        .map_err(unusable)?;
    // client-go prefers the file, which is renewed, to the token beside it.
    if let Some(file) = user.token_file.as_ref().filter(|file| !file.is_empty()) {
        return Ok(Source::TokenFile(file.into(), token));
    }
    if let Some(token) = token {
        return Ok(Source::Header(token));
    }
    let (name, password) = (user.username.clone(), secret(&user.password));
    if name.is_some() || password.is_some() {
        let (name, password) = (name.unwrap_or_default(), password.unwrap_or_default());
        return Ok(Source::Header(basic(&name, &password)));
    }
    if has_certificate {
        return Ok(Source::None);
    }
    if let Some(config) = &user.exec {
        let stdin_taken = stdin_taken.clone();
        return Ok(Source::Plugin(Box::new(CredentialPlugin {
            config: config.clone(),
            policy,
            stdin_taken,
        })));
    }
    match &user.auth_provider {
        None => Ok(Source::None),
        Some(provider) if provider.name == "oidc" => match provider.config.get("id-token") {
            Some(token) => bearer(token).map(Source::Header).map_err(unusable),
            None => Err(unusable("the auth-provider \"oidc\" has no id-token".into())),
        },
        Some(provider) => Err(CredentialError::Provider(provider.name.clone())),
    }
}

/// The header for a user and password.
pub(super) fn basic(name: &str, password: &str) -> HeaderValue {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).expect("base64 is text for a header");
    // Keeps the value out of every `Debug` output of a request.
    value.set_sensitive(true);
    value
}

/// The token of a file as it is now; the one beside it where it cannot be read.
fn token_of(path: &std::path::Path, token: Option<&HeaderValue>) -> Result<HeaderValue, CredentialError> {
    let read = read(path).and_then(|text| {
        let text = String::from_utf8(text).unwrap_or_default();
        match text.trim() {
            "" => Err(format!("{} holds no token", path.display())),
            text => bearer(text).map_err(|problem| format!("{}: {problem}", path.display())),
        }
    });
    match (read, token) {
        (Ok(header), _) => Ok(header),
        (Err(_), Some(token)) => Ok(token.clone()),
        (Err(problem), None) => Err(CredentialError::Unusable(problem)),
    }
}

/// The client certificate, which a plugin may replace.
#[derive(Clone, Debug)]
pub(crate) struct Identity(Arc<RwLock<Option<Arc<ClientCertificate>>>>);

impl Identity {
    fn certificate(&self) -> Option<Arc<ClientCertificate>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn get(&self) -> Option<Arc<CertifiedKey>> {
        self.certificate()
            .map(|certificate| certificate.certified.clone())
    }

    fn set(&self, identity: Option<Arc<ClientCertificate>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// Returns true if the other was made with the same certificate.
    pub(crate) fn is_still(&self, other: &Option<Arc<CertifiedKey>>) -> bool {
        match (self.get(), other) {
            (Some(now), Some(other)) => Arc::ptr_eq(&now, other),
            (None, None) => true,
            _ => false,
        }
    }

    pub(crate) fn now(&self) -> Option<Arc<CertifiedKey>> {
        self.get()
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.get()
    }

    fn has_certs(&self) -> bool {
        self.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use kube::config::{AuthProviderConfig, ExecConfig, ExecInteractiveMode};

    use super::*;

    /// A user of a plugin that writes a line for each run, and answers with the file `answer`.
    fn counted(folder: &Path, status: &str) -> AuthInfo {
        let answer = format!(
            "{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{status}}}"
        );
        fs::write(folder.join("answer"), answer).unwrap();
        let script = "cd \"$1\" && echo run >>runs && cat answer && ! test -e fails";
        AuthInfo {
            exec: Some(ExecConfig {
                api_version: Some("client.authentication.k8s.io/v1".into()),
                command: Some("/bin/sh".into()),
                args: Some(
                    ["-c", script, "sh", folder.to_str().unwrap()]
                        .map(str::to_owned)
                        .into(),
                ),
                interactive_mode: Some(ExecInteractiveMode::Never),
                ..ExecConfig::default()
            }),
            ..AuthInfo::default()
        }
    }

    fn runs(folder: &Path) -> usize {
        fs::read_to_string(folder.join("runs")).map_or(0, |runs| runs.lines().count())
    }

    fn credentials(user: &AuthInfo) -> Credentials {
        Credentials::new(user, PluginPolicy::AllowAll, true, None)
    }

    fn shown(authorization: Result<Authorization, CredentialError>) -> String {
        match authorization {
            Ok(authorization) => {
                let header = authorization.header.as_ref();
                header
                    .map_or("none", |header| header.to_str().unwrap())
                    .to_owned()
            }
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_plugin_runs_once_for_all_who_need_it() {
        let folder = tempfile::tempdir().unwrap();
        let user = counted(
            folder.path(),
            "{\"token\":\"a\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\"}",
        );
        let credentials = credentials(&user);
        assert_eq!(runs(folder.path()), 0);
        let clone = credentials.clone();
        let both = tokio::join!(credentials.authorization(), clone.authorization());
        assert_eq!(
            (shown(both.0), shown(both.1)),
            ("Bearer a".into(), "Bearer a".into())
        );
        assert_eq!(shown(credentials.authorization().await), "Bearer a");
        assert_eq!(runs(folder.path()), 1);
    }

    #[tokio::test]
    async fn one_that_failed_is_not_run_again_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let user = counted(folder.path(), "{\"token\":\"a\"}");
        fs::write(folder.path().join("fails"), "").unwrap();
        let credentials = credentials(&user);
        for _ in 0..3 {
            let failed = shown(credentials.authorization().await);
            assert_eq!(failed, "credential plugin \"/bin/sh\" failed with exit code 1");
        }
        assert_eq!(runs(folder.path()), 1);
    }

    #[tokio::test]
    async fn what_has_expired_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let user = counted(
            folder.path(),
            "{\"token\":\"a\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}",
        );
        let credentials = credentials(&user);
        assert_eq!(shown(credentials.authorization().await), "Bearer a");
        counted(folder.path(), "{\"token\":\"b\"}");
        assert_eq!(shown(credentials.authorization().await), "Bearer b");
        assert_eq!(shown(credentials.authorization().await), "Bearer b");
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn what_the_server_no_longer_takes_is_renewed_once() {
        let folder = tempfile::tempdir().unwrap();
        let user = counted(folder.path(), "{\"token\":\"a\"}");
        let credentials = credentials(&user);
        let first = credentials.authorization().await.unwrap();
        // Refused at first sight: another run would give the same.
        assert!(credentials.answered(&first, true).await.unwrap().is_none());
        assert_eq!(runs(folder.path()), 1);
        assert!(credentials.answered(&first, false).await.unwrap().is_none());
        counted(folder.path(), "{\"token\":\"b\"}");
        let renewed = credentials.answered(&first, true).await.unwrap().unwrap();
        assert_eq!(shown(Ok(renewed.clone())), "Bearer b");
        // Another request that was sent with the old one gets the new one without a run.
        let other = credentials.answered(&first, true).await.unwrap().unwrap();
        assert_eq!(shown(Ok(other)), "Bearer b");
        assert!(credentials.answered(&renewed, true).await.unwrap().is_none());
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn a_plugins_certificate_is_for_new_connections() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (
            include_str!("fixtures/leaf.crt"),
            include_str!("fixtures/p256.pkcs8.key"),
        );
        let status = serde_json::json!({"clientCertificateData": certificate, "clientKeyData": key});
        let credentials = credentials(&counted(folder.path(), &status.to_string()));
        let identity = credentials.identity();
        assert!(!identity.has_certs() && identity.is_still(&None));
        assert_eq!(shown(credentials.authorization().await), "none");
        assert!(identity.has_certs() && !identity.is_still(&None));
    }

    #[tokio::test]
    async fn a_token_file_is_read_each_time_and_wins_over_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "first\n").unwrap();
        let mut user = AuthInfo {
            token_file: file.to_str().map(str::to_owned),
            ..AuthInfo::default()
        };
        let alone = credentials(&user);
        assert_eq!(shown(alone.authorization().await), "Bearer first");
        fs::write(&file, "second").unwrap();
        assert_eq!(shown(alone.authorization().await), "Bearer second");
        user.token = Some("beside".to_owned().into());
        let both = credentials(&user);
        assert_eq!(shown(both.authorization().await), "Bearer second");
        fs::remove_file(&file).unwrap();
        assert_eq!(shown(both.authorization().await), "Bearer beside");
        assert!(shown(alone.authorization().await).contains("No such file"));
    }

    #[tokio::test]
    async fn each_kind_of_user_has_its_header() {
        let provider = |name: &str, config: &[(&str, &str)]| AuthInfo {
            auth_provider: Some(AuthProviderConfig {
                name: name.into(),
                config: config
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                ..AuthProviderConfig::default()
            }),
            ..AuthInfo::default()
        };
        let basic = AuthInfo {
            username: Some("jane".into()),
            password: Some("pass".to_owned().into()),
            ..AuthInfo::default()
        };
        let token = |text: &str| AuthInfo {
            token: Some(text.to_owned().into()),
            ..AuthInfo::default()
        };
        for (user, wanted) in [
            (AuthInfo::default(), "none"),
            (basic, "Basic amFuZTpwYXNz"),
            (token("abc"), "Bearer abc"),
            (
                token("SECRET\u{1}"),
                "the token has letters that no token can have",
            ),
            (provider("oidc", &[("id-token", "abc")]), "Bearer abc"),
            (
                provider("oidc", &[]),
                "the auth-provider \"oidc\" has no id-token",
            ),
            (
                provider("gcp", &[]),
                "the auth-provider \"gcp\" of the kubeconfig is not supported; Kubernetes has removed it",
            ),
        ] {
            assert_eq!(shown(credentials(&user).authorization().await), wanted);
        }
    }

    #[tokio::test]
    async fn a_token_that_is_typed_makes_the_plugin_needless() {
        let folder = tempfile::tempdir().unwrap();
        let mut user = counted(folder.path(), "{\"token\":\"a\"}");
        user.token = Some("typed".to_owned().into());
        assert_eq!(shown(credentials(&user).authorization().await), "Bearer typed");
        assert_eq!(runs(folder.path()), 0);
    }

    #[tokio::test]
    async fn nothing_is_sent_without_tls_but_what_the_address_holds() {
        let user = AuthInfo {
            token: Some("SECRET".to_owned().into()),
            ..AuthInfo::default()
        };
        let of = |url_user| Credentials::new(&user, PluginPolicy::AllowAll, false, url_user);
        assert_eq!(shown(of(None).authorization().await), "none");
        let in_address = of(Some(("jane".into(), "pass".into())));
        assert_eq!(shown(in_address.authorization().await), "Basic amFuZTpwYXNz");
    }
}
