//! A connection for another process, as text: the server, and the credentials as they were last obtained.
//!
//! The other process runs nothing and asks for nothing: a credential plugin stays behind, and only its last answer goes along. A
//! token of a file goes as the file, which the other process reads as well.

use std::{fmt, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use jiff::Timestamp;
use kube::{Config, config::AuthInfo};
use serde::{Deserialize, Serialize};

use super::{
    certificates::Pem,
    config::ClusterConfig,
    credentials::{Credentials, Given},
};

/// What another process needs for requests to the same server as the same user. It holds secrets: it goes over pipes only.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handover {
    server: String,
    /// The authorities as base64 of DER.
    authorities: Option<Vec<String>>,
    authority_file: Option<PathBuf>,
    accept_invalid_certs: bool,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
    /// The user to impersonate; this has no credentials of its own.
    acts_as: AuthInfo,
    authorization: Option<String>,
    token_file: Option<PathBuf>,
    /// The certificates and the key, in PEM.
    certificate: Option<(String, String)>,
    expires: Option<Timestamp>,
}

/// Why a handover is of no use. Nothing of what is in it is shown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// The server's or the proxy's address cannot be read.
    #[error("an address is not one")]
    Address,
    /// A certificate authority cannot be read.
    #[error("an authority is not base64")]
    Authority,
    /// The credentials cannot be a header.
    #[error("the credentials are not text")]
    Credentials,
    /// The client's certificate and key are of no use.
    #[error("{0}")]
    Certificate(String),
}

/// Most of it is secret.
impl fmt::Debug for Handover {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Handover")
    }
}

impl Handover {
    /// Takes a connection as it is now.
    pub(crate) async fn of(config: &ClusterConfig) -> Self {
        let (kube, given) = (&config.kube, config.credentials.to_give().await);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let user = &kube.auth_info;
        let authorities = kube.root_cert.as_ref();
        Self {
            server: kube.cluster_url.to_string(),
            authorities: authorities.map(|list| list.iter().map(|der| STANDARD.encode(der)).collect()),
            authority_file: kube.root_cert_file.clone(),
            accept_invalid_certs: kube.accept_invalid_certs,
            tls_server_name: kube.tls_server_name.clone(),
            proxy_url: kube.proxy_url.as_ref().map(ToString::to_string),
            acts_as: AuthInfo {
                impersonate: user.impersonate.clone(),
                impersonate_uid: user.impersonate_uid.clone(),
                impersonate_groups: user.impersonate_groups.clone(),
                impersonate_user_extra: user.impersonate_user_extra.clone(),
                ..AuthInfo::default()
            },
            authorization: given.header.map(|header| text(header.as_bytes())),
            token_file: given.token_file,
            certificate: given
                .certificate
                .map(|certificate| (text(&certificate.chain), text(&certificate.key))),
            expires: given.expires,
        }
    }

    /// When the credentials end, where that is known.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The configuration of the connection.
    ///
    /// # Errors
    /// Fails when it is not one that a cluster made; what is in it is not shown.
    pub fn into_config(self) -> Result<ClusterConfig, HandoverError> {
        let uri = |text: &str| text.parse::<Uri>().map_err(|_| HandoverError::Address);
        let mut kube = Config::new(uri(&self.server)?);
        kube.default_retry = false;
        let decoded = |list: Vec<String>| list.iter().map(|text| STANDARD.decode(text)).collect();
        let authorities: Option<Result<Vec<Vec<u8>>, _>> = self.authorities.map(decoded);
        kube.root_cert = authorities.transpose().map_err(|_| HandoverError::Authority)?;
        kube.root_cert_file = self.authority_file;
        kube.accept_invalid_certs = self.accept_invalid_certs;
        kube.tls_server_name = self.tls_server_name;
        kube.proxy_url = self.proxy_url.as_deref().map(uri).transpose()?;
        kube.auth_info = self.acts_as;
        let header = self.authorization.map(|text| {
            let mut header = HeaderValue::try_from(text).map_err(|_| HandoverError::Credentials)?;
            header.set_sensitive(true);
            Ok::<_, HandoverError>(header)
        });
        let certificate = self.certificate.map(|(chain, key)| {
            let (chain, key) = (Pem::new("the certificate", chain), Pem::new("the key", key));
            let chain = chain.with_key(&key).map(std::sync::Arc::new);
            chain.map_err(HandoverError::Certificate)
        });
        Ok(ClusterConfig {
            kube,
            credentials: Credentials::given(Given {
                header: header.transpose()?,
                token_file: self.token_file,
                certificate: certificate.transpose()?,
                expires: self.expires,
            }),
            authority: "the cluster's certificate authority".into(),
            // `removal.rs` bounds each answer itself.
            request_timeout: None,
            trace: None,
            warn: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use kube::config::{ExecConfig, ExecInteractiveMode};

    use super::*;
    use crate::connect::PluginPolicy;

    fn config(user: AuthInfo) -> ClusterConfig {
        let mut kube = Config::new("https://api.example:6443".parse().unwrap());
        kube.root_cert = Some(vec![vec![1, 2, 3]]);
        kube.proxy_url = Some("http://jane:pass@proxy.example:3128".parse().unwrap());
        kube.auth_info = user;
        ClusterConfig::from_kube(kube)
    }

    /// Over the text and back.
    async fn handed_over(config: &ClusterConfig) -> ClusterConfig {
        let text = serde_json::to_string(&Handover::of(config).await).unwrap();
        let read: Handover = serde_json::from_str(&text).unwrap();
        read.into_config().unwrap()
    }

    async fn header(config: &ClusterConfig) -> Option<String> {
        let authorization = config.credentials.authorization().await.unwrap();
        authorization
            .header
            .map(|header| header.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn the_other_process_is_the_same_user_at_the_same_server() {
        let user = AuthInfo {
            token: Some("abc".to_owned().into()),
            impersonate: Some("eve".into()),
            impersonate_groups: Some(vec!["dev".into()]),
            ..AuthInfo::default()
        };
        let before = config(user);
        let after = handed_over(&before).await;
        assert_eq!(header(&after).await.as_deref(), Some("Bearer abc"));
        assert_eq!(after.kube.cluster_url, before.kube.cluster_url);
        assert_eq!(after.kube.root_cert, before.kube.root_cert);
        assert_eq!(after.kube.proxy_url, before.kube.proxy_url);
        assert_eq!(after.kube.auth_info.impersonate.as_deref(), Some("eve"));
        assert_eq!(after.kube.auth_info.impersonate_groups, Some(vec!["dev".into()]));
    }

    #[tokio::test]
    async fn a_certificate_goes_along() {
        let encoded = |text: &str| Some(STANDARD.encode(text));
        let user = AuthInfo {
            client_certificate_data: encoded(include_str!("fixtures/leaf.crt")),
            client_key_data: encoded(include_str!("fixtures/p256.pkcs8.key")).map(Into::into),
            ..AuthInfo::default()
        };
        let after = handed_over(&config(user)).await;
        assert!(after.credentials.identity().now().is_some());
    }

    #[tokio::test]
    async fn of_a_plugin_only_its_last_answer_goes_along_and_it_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let script = "cd \"$1\" && echo run >>runs && cat answer";
        let answer = "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\
                      \"status\":{\"token\":\"last\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\"}}";
        std::fs::write(folder.path().join("answer"), answer).unwrap();
        let arguments = ["-c", script, "sh", folder.path().to_str().unwrap()];
        let exec = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".into()),
            command: Some("/bin/sh".into()),
            args: Some(arguments.map(str::to_owned).into()),
            interactive_mode: Some(ExecInteractiveMode::Never),
            ..ExecConfig::default()
        };
        let user = AuthInfo {
            exec: Some(exec),
            ..AuthInfo::default()
        };
        let before = config(user);
        assert_eq!(header(&handed_over(&before).await).await, None);
        assert!(!folder.path().join("runs").exists());
        let renewed = before.credentials.answers();
        assert_eq!(header(&before).await.as_deref(), Some("Bearer last"));
        assert!(renewed.has_changed().unwrap());
        let after = handed_over(&before).await;
        assert_eq!(header(&after).await.as_deref(), Some("Bearer last"));
        let runs = std::fs::read_to_string(folder.path().join("runs")).unwrap();
        assert_eq!(runs.lines().count(), 1);
        let expires = Handover::of(&before).await.expires().unwrap();
        assert_eq!(expires.to_string(), "2999-01-01T00:00:00Z");
    }

    #[tokio::test]
    async fn what_a_user_in_the_address_has_goes_along_without_tls() {
        let kube = Config::new("http://jane:pass@127.0.0.1:8001".parse().unwrap());
        let before = ClusterConfig::from_kube(kube);
        let after = handed_over(&before).await;
        assert_eq!(header(&after).await.as_deref(), Some("Basic amFuZTpwYXNz"));
    }

    #[test]
    fn nothing_of_it_is_shown_when_it_cannot_be_used() {
        let policy = PluginPolicy::DenyAll;
        assert_eq!(policy, PluginPolicy::DenyAll);
        let text = serde_json::json!({"server": "https://x", "acceptInvalidCerts": false, "actsAs": {},
            "authorization": "Bearer SECRET\u{1}"});
        let handover: Handover = serde_json::from_value(text).unwrap();
        assert_eq!(format!("{handover:?}"), "Handover");
        let error = handover.into_config().err().unwrap();
        assert_eq!(error.to_string(), "the credentials are not text");
    }
}
