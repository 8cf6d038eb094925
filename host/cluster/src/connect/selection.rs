//! What a kubeconfig and the connection flags come to: one server, one user, one namespace. Pure.
//!
//! Source: `tools/clientcmd/client_config.go` and `validation.go` of client-go, `rest/url_utils.go` for addresses.

use std::{collections::HashMap, fmt};

use http::Uri;
use kube::config::{AuthInfo, Cluster, ExecConfig, ExecInteractiveMode};

use super::kubeconfig::{Kubeconfig, KubeconfigError};

/// What the connection flags of kubectl say. An empty text is the same as none.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--server`.
    pub server: Option<String>,
    /// The server where nothing else names one, from `KUBERNETES_MASTER`.
    pub default_server: Option<String>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: Option<bool>,
    /// `--proxy-url`.
    pub proxy_url: Option<String>,
    /// `--token`.
    pub token: Option<Secret>,
    /// `--username`.
    pub username: Option<String>,
    /// `--password`.
    pub password: Option<Secret>,
    /// `--client-certificate`.
    pub client_certificate: Option<String>,
    /// `--client-key`.
    pub client_key: Option<String>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-uid`.
    pub impersonate_uid: Option<String>,
    /// `--as-group`.
    pub impersonate_groups: Vec<String>,
    /// `--as-user-extra`, by key.
    pub impersonate_user_extra: HashMap<String, Vec<String>>,
}

/// A text that is never shown: no `Debug` and no error prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[hidden]")
    }
}

/// A server and who talks to it.
#[derive(Clone)]
pub struct Selection {
    /// The name of the context, where one is used.
    pub context: Option<String>,
    /// The name of the cluster, where one is used.
    pub cluster_name: Option<String>,
    /// The context's namespace.
    pub namespace: Option<String>,
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
}

/// Names only: what stands beside them may be secret.
impl fmt::Debug for Selection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Selection")
            .field("context", &self.context)
            .field("cluster_name", &self.cluster_name)
            .finish_non_exhaustive()
    }
}

impl Kubeconfig {
    /// Selects the cluster and user that the flags name, or those of the current context, and changes them as the flags say.
    ///
    /// # Errors
    /// Fails when a name is unknown, no server is named, or values contradict each other.
    pub fn select(&self, overrides: &Overrides) -> Result<Selection, KubeconfigError> {
        let typed = non_empty(&overrides.context);
        let name = typed.as_ref().unwrap_or(&self.current_context);
        let context = self.contexts.get(name);
        if context.is_none() && !name.is_empty() {
            return Err(KubeconfigError::NoContext {
                name: name.clone(),
                known: self.contexts.keys().cloned().collect(),
            });
        }
        let of_context = |pick: fn(&kube::config::Context) -> Option<String>| context.and_then(pick);
        let (cluster_name, cluster) = entry(
            &self.clusters,
            non_empty(&overrides.cluster),
            of_context(|context| Some(context.cluster.clone()).filter(|name| !name.is_empty())),
            KubeconfigError::NoCluster,
        )?;
        let (_, user) = entry(
            &self.users,
            non_empty(&overrides.user),
            of_context(|context| context.user.clone()),
            KubeconfigError::NoUser,
        )?;
        let selection = Selection {
            context: context.map(|_| name.clone()),
            cluster: changed_cluster(cluster, overrides),
            cluster_name,
            namespace: of_context(|context| context.namespace.clone()),
            user: changed_user(user, overrides),
        };
        selection.check()?;
        Ok(selection)
    }
}

fn non_empty(typed: &Option<String>) -> Option<String> {
    typed.clone().filter(|text| !text.is_empty())
}

/// An entry and its name. Only one that was typed has to be there.
fn entry<T: Clone + Default>(
    entries: &std::collections::BTreeMap<String, T>,
    typed: Option<String>,
    of_context: Option<String>,
    missing: fn(String) -> KubeconfigError,
) -> Result<(Option<String>, T), KubeconfigError> {
    match (typed, of_context) {
        (Some(name), _) => match entries.get(&name) {
            Some(entry) => Ok((Some(name), entry.clone())),
            None => Err(missing(name)),
        },
        (None, Some(name)) => {
            let entry = entries.get(&name).cloned().unwrap_or_default();
            Ok((Some(name), entry))
        }
        (None, None) => Ok((None, T::default())),
    }
}

fn set<T: Clone>(value: &mut Option<T>, typed: &Option<T>) {
    if typed.is_some() {
        value.clone_from(typed);
    }
}

fn changed_cluster(mut cluster: Cluster, flags: &Overrides) -> Cluster {
    let (server, authority) = (non_empty(&flags.server), non_empty(&flags.certificate_authority));
    let name = non_empty(&flags.tls_server_name);
    // A kubeconfig's name is of the kubeconfig's server.
    if server.is_some() || name.is_some() {
        cluster.tls_server_name = name;
    }
    set(&mut cluster.server, &server);
    if cluster.server.is_none() {
        cluster.server = non_empty(&flags.default_server);
    }
    set(&mut cluster.proxy_url, &non_empty(&flags.proxy_url));
    // Each of the two clears what the kubeconfig has of both.
    if flags.insecure_skip_tls_verify == Some(true) || authority.is_some() {
        cluster.insecure_skip_tls_verify = flags.insecure_skip_tls_verify;
        cluster.certificate_authority = authority;
        cluster.certificate_authority_data = None;
    }
    cluster
}

pub(super) fn changed_user(mut user: AuthInfo, flags: &Overrides) -> AuthInfo {
    let shown = |secret: &Option<Secret>| {
        secret
            .clone()
            .map(|secret| secret.0)
            .filter(|text| !text.is_empty())
    };
    let (token, password) = (shown(&flags.token), shown(&flags.password));
    let username = non_empty(&flags.username);
    if token.is_some() || password.is_some() || username.is_some() {
        // client-go lets the file win over the flag; a flag that was typed holds.
        user.token_file = None;
    }
    set(&mut user.token, &token.map(Into::into));
    set(&mut user.username, &username);
    set(&mut user.password, &password.map(Into::into));
    if let Some(file) = non_empty(&flags.client_certificate) {
        user.client_certificate = Some(file);
        user.client_certificate_data = None;
    }
    if let Some(file) = non_empty(&flags.client_key) {
        user.client_key = Some(file);
        user.client_key_data = None;
    }
    set(&mut user.impersonate, &non_empty(&flags.impersonate));
    set(&mut user.impersonate_uid, &non_empty(&flags.impersonate_uid));
    if !flags.impersonate_groups.is_empty() {
        user.impersonate_groups = Some(flags.impersonate_groups.clone());
    }
    let extra = user.impersonate_user_extra.get_or_insert_default();
    extra.extend(flags.impersonate_user_extra.clone());
    user
}

impl Selection {
    /// The address of the server, with a scheme.
    ///
    /// # Errors
    /// Fails when it is not an address, and says so without showing it, since it may hold a password.
    pub(super) fn address(&self) -> Result<Uri, KubeconfigError> {
        let invalid = || KubeconfigError::Invalid("the server's address is not a URL or host:port".into());
        let server = self.cluster.server.clone().unwrap_or_default();
        // As client-go's `DefaultServerURL`: an address without a scheme is HTTPS where anything of TLS is configured.
        let is_tls = has(&self.cluster.certificate_authority)
            || has(&self.cluster.certificate_authority_data)
            || has(&self.user.client_certificate)
            || has(&self.user.client_certificate_data)
            || self.cluster.insecure_skip_tls_verify == Some(true);
        let server = match server.split_once("://") {
            Some(_) => server,
            None if is_tls => format!("https://{server}"),
            None => format!("http://{server}"),
        };
        let uri: Uri = server.parse().map_err(|_| invalid())?;
        let is_usable = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        if is_usable { Ok(uri) } else { Err(invalid()) }
    }

    fn check(&self) -> Result<(), KubeconfigError> {
        if !has(&self.cluster.server) {
            return Err(KubeconfigError::NoServer(
                self.cluster_name.clone().unwrap_or_default(),
            ));
        }
        self.address()?;
        check_cluster(&self.cluster)
            .and_then(|()| check_user(&self.user))
            .map_err(KubeconfigError::Invalid)
    }
}

fn has(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

fn check_cluster(cluster: &Cluster) -> Result<(), String> {
    let (file, data) = (
        has(&cluster.certificate_authority),
        has(&cluster.certificate_authority_data),
    );
    if file && data {
        return Err("certificate-authority and certificate-authority-data are both set".into());
    }
    if cluster.insecure_skip_tls_verify == Some(true) && (file || data) {
        return Err("insecure-skip-tls-verify is set together with a certificate authority".into());
    }
    Ok(())
}

fn check_user(user: &AuthInfo) -> Result<(), String> {
    if user.token.is_some() && (user.username.is_some() || user.password.is_some()) {
        return Err("a token and a username are both set; only one of them can be used".into());
    }
    let (certificate, certificate_data) = (has(&user.client_certificate), has(&user.client_certificate_data));
    let (key, key_data) = (has(&user.client_key), user.client_key_data.is_some());
    if certificate && certificate_data {
        return Err("client-certificate and client-certificate-data are both set".into());
    }
    if certificate || certificate_data {
        if key && key_data {
            return Err("client-key and client-key-data are both set".into());
        }
        if !key && !key_data {
            return Err("a client certificate is set without its key".into());
        }
    }
    let acts_as = user.impersonate_uid.is_some()
        || user
            .impersonate_groups
            .as_ref()
            .is_some_and(|groups| !groups.is_empty())
        || user
            .impersonate_user_extra
            .as_ref()
            .is_some_and(|extra| !extra.is_empty());
    if acts_as && !has(&user.impersonate) {
        return Err("a uid, groups or extra values to act as are set without a user to act as".into());
    }
    match &user.exec {
        Some(_) if user.auth_provider.is_some() => Err("exec and auth-provider are both set".into()),
        Some(exec) => check_exec(exec),
        None => Ok(()),
    }
}

fn check_exec(exec: &ExecConfig) -> Result<(), String> {
    if !has(&exec.command) {
        return Err("the credential plugin (exec) has no command".into());
    }
    let named =
        |variable: &HashMap<String, String>| variable.get("name").is_some_and(|name| !name.is_empty());
    if exec.env.iter().flatten().any(|variable| !named(variable)) {
        return Err("a variable in env of the credential plugin (exec) has no name".into());
    }
    match exec.api_version.as_deref() {
        None | Some("") => Err("the credential plugin (exec) has no apiVersion".into()),
        Some("client.authentication.k8s.io/v1beta1") => Ok(()),
        Some("client.authentication.k8s.io/v1") => match exec.interactive_mode {
            Some(
                ExecInteractiveMode::Never | ExecInteractiveMode::IfAvailable | ExecInteractiveMode::Always,
            ) => Ok(()),
            None => Err("the credential plugin (exec) has no interactiveMode".into()),
        },
        Some(other) => Err(format!(
            "apiVersion {other:?} of the credential plugin (exec) is not known; it must be client.authentication.k8s.io/v1 or v1beta1"
        )),
    }
}
