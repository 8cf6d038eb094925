//! The configuration of a connection: from a kubeconfig and flags, from the pod that we run in, or from kube's own type.

use std::{sync::Arc, time::Duration};

use http::Uri;
use kube::{
    Config,
    config::{Cluster, ExecAuthCluster},
};

use super::{
    certificates::{authorities, authority_name, authority_pem},
    credentials::Credentials,
    kubeconfig::KubeconfigError,
    plugin::PluginPolicy,
    proxy::{ProxyEnvironment, proxy, user_of, without_user},
    selection::{Overrides, Selection, changed_user},
};
use crate::client::RequestTrace;

/// The name of the extension of a cluster that its credential plugin is given.
const PLUGIN_EXTENSION: &str = "client.authentication.k8s.io/exec";

type Trace = Arc<dyn Fn(&RequestTrace<'_>) + Send + Sync>;

type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// How a cluster is reached. Its clones share their credentials: a credential plugin runs once for all of them.
#[derive(Clone)]
pub struct ClusterConfig {
    pub(crate) kube: Config,
    pub(crate) credentials: Credentials,
    /// Where the authorities stand.
    pub(super) authority: String,
    /// The time limit of one request; none for no limit. It does not apply to streams.
    pub request_timeout: Option<Duration>,
    /// Called for every request.
    pub trace: Option<Trace>,
    /// Called for every warning of the server, in its own words, as often as it is sent.
    pub warn: Option<Warn>,
}

impl ClusterConfig {
    /// Takes the configuration of a kube client.
    pub fn from_kube(kube: Config) -> Self {
        Self::new(kube, PluginPolicy::AllowAll)
    }

    fn new(mut kube: Config, plugins: PluginPolicy) -> Self {
        let is_tls = kube.cluster_url.scheme_str() == Some("https");
        let url_user = user_of(&kube.cluster_url);
        kube.cluster_url = without_user(&kube.cluster_url);
        // The library would try for minutes without a word, and writes again that may have been carried out.
        kube.default_retry = false;
        Self {
            authority: match kube.root_cert {
                Some(_) => "the cluster's certificate authority".into(),
                None => "an authority that this system trusts".into(),
            },
            credentials: Credentials::new(&kube.auth_info, plugins, is_tls, url_user),
            kube,
            request_timeout: None,
            trace: None,
            warn: None,
        }
    }

    /// Takes what a kubeconfig and flags come to. Reads the certificates that it names.
    ///
    /// # Errors
    /// Fails when the certificate authority or the proxy cannot be used.
    pub fn from_selection(
        selection: Selection,
        proxies: &ProxyEnvironment,
        plugins: PluginPolicy,
    ) -> Result<Self, KubeconfigError> {
        let mut kube = Config::new(selection.address()?);
        let Selection {
            cluster,
            mut user,
            namespace,
            ..
        } = selection;
        kube.root_cert = authorities(&cluster).map_err(KubeconfigError::Invalid)?;
        kube.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
        kube.tls_server_name = cluster.tls_server_name.clone();
        kube.proxy_url = chosen_proxy(cluster.proxy_url.as_deref(), &kube.cluster_url, proxies)?;
        if let Some(namespace) = namespace {
            kube.default_namespace = namespace;
        }
        if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
            exec.cluster = Some(for_plugin(&cluster)?);
        }
        kube.auth_info = user;
        let mut config = Self::new(kube, plugins);
        if let Some(name) = authority_name(&cluster) {
            config.authority = format!("an authority in {name}");
        }
        Ok(config)
    }

    /// Takes the service account of the pod that we run in, changed as flags say.
    ///
    /// # Errors
    /// Fails where we do not run in a pod with a service account, or what a flag names cannot be used.
    pub fn in_pod(overrides: &Overrides, proxies: &ProxyEnvironment) -> Result<Self, KubeconfigError> {
        let invalid = |problem: String| KubeconfigError::Invalid(problem);
        let mut kube = Config::incluster().map_err(|error| invalid(error.to_string()))?;
        kube.auth_info = changed_user(kube.auth_info, overrides);
        if let Some(file) = overrides.certificate_authority.clone() {
            let cluster = Cluster {
                certificate_authority: Some(file),
                ..Cluster::default()
            };
            kube.root_cert = authorities(&cluster).map_err(invalid)?;
            kube.root_cert_file = None;
        }
        kube.proxy_url = chosen_proxy(overrides.proxy_url.as_deref(), &kube.cluster_url, proxies)?;
        // A service account has a token file and no plugin.
        Ok(Self::new(kube, PluginPolicy::AllowAll))
    }

    /// The authorities, as a sentence names them.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The namespace of what names none.
    pub fn namespace(&self) -> &str {
        &self.kube.default_namespace
    }

    /// The same without impersonation; none if no user is impersonated.
    pub fn unimpersonated(&self) -> Option<Self> {
        self.kube.auth_info.impersonate.as_ref()?;
        let mut real = self.clone();
        let user = &mut real.kube.auth_info;
        user.impersonate = None;
        user.impersonate_uid = None;
        user.impersonate_groups = None;
        user.impersonate_user_extra = None;
        Some(real)
    }
}

fn chosen_proxy(
    typed: Option<&str>,
    server: &Uri,
    environment: &ProxyEnvironment,
) -> Result<Option<Uri>, KubeconfigError> {
    let chosen = match typed.filter(|typed| !typed.is_empty()) {
        Some(typed) => proxy(typed)
            .map(Some)
            .map_err(|problem| format!("proxy-url: {problem}")),
        None => environment.proxy_for(server),
    };
    chosen.map_err(KubeconfigError::Invalid)
}

/// What a credential plugin is told about its cluster.
fn for_plugin(cluster: &Cluster) -> Result<ExecAuthCluster, KubeconfigError> {
    let extensions = cluster.extensions.iter().flatten();
    let mut of_plugin = extensions.filter(|extension| extension.name == PLUGIN_EXTENSION);
    let data = authority_pem(cluster).map_err(KubeconfigError::Invalid)?;
    Ok(ExecAuthCluster {
        server: cluster.server.clone(),
        insecure_skip_tls_verify: cluster.insecure_skip_tls_verify,
        certificate_authority_data: data,
        proxy_url: cluster.proxy_url.clone(),
        tls_server_name: cluster.tls_server_name.clone(),
        config: of_plugin.next().map(|extension| extension.extension.clone()),
    })
}
