//! From flags, KUBECONFIG and the pod that we may run in to a connection. The only place that reads the environment for it.

use std::{
    collections::HashMap,
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use trocar::{
    cluster::{
        Cluster, ClusterConfig, ClusterError, Kubeconfig, KubeconfigError, Overrides, ProxyEnvironment,
        RequestTrace, Selection,
    },
    text,
};

use super::{
    args::ConnectionFlags, error::CliError, kuberc::Kuberc, resolve::read_bounded, server_warnings, ui, words,
};

/// From which verbosity on each request is shown, as in kubectl.
const SHOWS_REQUESTS: u8 = 6;

/// What tells that this runs in a pod with a service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// A connection, and what the kubeconfig says besides.
pub(crate) struct Connection {
    pub(crate) cluster: Cluster,
    /// The same without `--as`, where that is used: for who really asks.
    pub(crate) unimpersonated: Option<Cluster>,
    /// How it is reached, for plugins that may read.
    pub(crate) config: ClusterConfig,
    /// The namespace of the context.
    pub(crate) namespace: String,
    /// The kubeconfig's names for context and cluster, where there is a kubeconfig.
    pub(crate) names: Option<(String, String)>,
}

/// Connects. Nothing is sent yet.
pub(crate) fn connect(flags: &ConnectionFlags, verbosity: u8) -> Result<Connection, CliError> {
    let request_timeout = duration("request-timeout", &flags.request_timeout)?;
    let (mut config, names) = config(flags)?;
    config.request_timeout = (!request_timeout.is_zero()).then_some(request_timeout);
    config.trace = (verbosity >= SHOWS_REQUESTS)
        .then(|| -> Arc<dyn Fn(&RequestTrace<'_>) + Send + Sync> { Arc::new(show) });
    config.warn = Some(Arc::new(server_warnings::show));
    server_warnings::are_errors(flags.warnings_as_errors.is_some_and(|switch| switch.0));
    Ok(Connection {
        unimpersonated: config.unimpersonated().map(Cluster::new).transpose()?,
        cluster: Cluster::new(config.clone())?,
        namespace: config.namespace().to_owned(),
        config,
        names,
    })
}

fn show(request: &RequestTrace<'_>) {
    let code = request
        .code
        .map_or_else(|| "no answer".to_owned(), |code| code.to_string());
    ui::error_line(&format!(
        "{} {} {code} in {} ms",
        request.method,
        request.path,
        request.took.as_millis()
    ));
}

/// A connection's settings, and what the kubeconfig calls context and cluster.
type NamedConfig = (ClusterConfig, Option<(String, String)>);

fn config(flags: &ConnectionFlags) -> Result<NamedConfig, CliError> {
    let overrides = overrides(flags)?;
    let proxies = ProxyEnvironment::read(|name| env::var(name).ok());
    let kubeconfig = kubeconfig(flags.kubeconfig.as_deref())?;
    let is_in_pod = is_in_pod();
    let mut selection = match kubeconfig.select(&overrides) {
        // As client-go: within a pod an empty kubeconfig means the pod's service account.
        Err(KubeconfigError::NoServer(_)) if is_in_pod => {
            return Ok((
                ClusterConfig::in_pod(&overrides, &proxies).map_err(unusable)?,
                None,
            ));
        }
        Err(KubeconfigError::NoServer(cluster)) if cluster.is_empty() => return Err(no_server()),
        selected => selected.map_err(unusable)?,
    };
    if is_in_pod && selection.namespace.is_none() {
        selection.namespace = pod_namespace();
    }
    let names = names(&selection);
    let kuberc = Kuberc::load(flags.kuberc.as_deref())?;
    let plugins = kuberc.map(|kuberc| kuberc.plugins).unwrap_or_default();
    let config = ClusterConfig::from_selection(selection, &proxies, plugins);
    Ok((config.map_err(unusable)?, names))
}

fn names(selection: &Selection) -> Option<(String, String)> {
    selection.context.clone().zip(selection.cluster_name.clone())
}

/// The flags as client-go's overrides.
fn overrides(flags: &ConnectionFlags) -> Result<Overrides, CliError> {
    let mut impersonate_user_extra: HashMap<String, Vec<String>> = HashMap::new();
    for typed in &flags.as_user_extra {
        let Some((key, value)) = typed.split_once('=') else {
            return Err(CliError::usage(format!(
                "--as-user-extra: {typed:?} must be formatted as KEY=VALUE"
            )));
        };
        impersonate_user_extra
            .entry(key.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    let is_acting =
        !flags.as_group.is_empty() || flags.as_uid.is_some() || !impersonate_user_extra.is_empty();
    if is_acting && flags.as_user.is_none() {
        return Err(CliError::usage(
            "--as-group, --as-uid and --as-user-extra need --as",
        ));
    }
    if flags.token.is_some() && (flags.username.is_some() || flags.password.is_some()) {
        return Err(contradiction("--token", "--username"));
    }
    let is_insecure = flags.insecure_skip_tls_verify.is_some_and(|switch| switch.0);
    if is_insecure && flags.certificate_authority.is_some() {
        return Err(contradiction(
            "--insecure-skip-tls-verify",
            "--certificate-authority",
        ));
    }
    Ok(Overrides {
        context: flags.context.clone(),
        cluster: flags.cluster.clone(),
        user: flags.user.clone(),
        server: flags.server.clone(),
        default_server: env::var("KUBERNETES_MASTER").ok(),
        tls_server_name: flags.tls_server_name.clone(),
        certificate_authority: flags.certificate_authority.clone(),
        insecure_skip_tls_verify: flags.insecure_skip_tls_verify.map(|switch| switch.0),
        proxy_url: flags.proxy_url.clone(),
        token: flags.token.clone(),
        username: flags.username.clone(),
        password: flags.password.clone(),
        client_certificate: flags.client_certificate.clone(),
        client_key: flags.client_key.clone(),
        impersonate: flags.as_user.clone(),
        impersonate_uid: flags.as_uid.clone(),
        impersonate_groups: flags.as_group.clone(),
        impersonate_user_extra,
    })
}

/// The file that was typed, which must be there; else those of KUBECONFIG or the user's own, as far as they are there.
pub(crate) fn kubeconfig(typed: Option<&Path>) -> Result<Kubeconfig, CliError> {
    let typed = typed.filter(|file| !file.as_os_str().is_empty());
    let files: Vec<PathBuf> = match (typed, env::var_os("KUBECONFIG").filter(|list| !list.is_empty())) {
        (Some(file), _) => vec![file.to_owned()],
        (None, Some(list)) => env::split_paths(&list)
            .filter(|file| !file.as_os_str().is_empty())
            .collect(),
        (None, None) => env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
    };
    let mut read = Vec::new();
    for file in files {
        match read_bounded(&file) {
            Ok(text) => read.push(Kubeconfig::parse(&file, &text).map_err(unusable)?),
            // As client-go: files of KUBECONFIG may be missing, the one of the flag may not.
            Err(error) if error.kind() == io::ErrorKind::NotFound && typed.is_none() => {}
            Err(error) => {
                return Err(CliError::new(format!(
                    "the kubeconfig cannot be used: cannot read {}: {error}",
                    file.display()
                )));
            }
        }
    }
    Ok(Kubeconfig::merge(read))
}

fn is_in_pod() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("KUBERNETES_SERVICE_HOST") && is_set("KUBERNETES_SERVICE_PORT") && Path::new(POD_TOKEN).is_file()
}

fn pod_namespace() -> Option<String> {
    // As client-go: the variable wins over the file.
    let named = env::var("POD_NAMESPACE")
        .ok()
        .or_else(|| fs::read_to_string(POD_NAMESPACE).ok());
    named
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

fn no_server() -> CliError {
    CliError::new("no kubeconfig was found, so the cluster is not known").hint(
        "set KUBECONFIG, or pass --kubeconfig=FILE or --server=URL; trocar plan works without a cluster",
    )
}

/// How the message ends about a file of certificates that has none.
const NO_CERTIFICATE: &str = "holds no certificate in PEM";

fn contradiction(one: &str, other: &str) -> CliError {
    CliError::usage(format!("{one} and {other} cannot be used together")).hint("leave one of them out")
}

fn unusable(error: KubeconfigError) -> CliError {
    let failed = CliError::new(format!(
        "the kubeconfig cannot be used: {}",
        text::message(&error.to_string())
    ));
    match error {
        KubeconfigError::NoContext { known, .. } if !known.is_empty() => failed.hint(format!(
            "--context chooses one of {}",
            text::message(&known.join(", "))
        )),
        KubeconfigError::Invalid(told) if told.contains(NO_CERTIFICATE) => {
            failed.hint("such a file has a line -----BEGIN CERTIFICATE-----")
        }
        _ => failed,
    }
}

/// Reads a duration as Go writes them: `30s`, `1m30s`, `500ms`; a bare number is in seconds.
pub(crate) fn duration(flag: &str, typed: &str) -> Result<Duration, CliError> {
    trocar::config::parse_duration(typed).map_err(|_| {
        CliError::usage(format!(
            "invalid argument {typed:?} for \"--{flag}\" flag: it is not a duration"
        ))
        .hint("durations are written like 30s, 5m or 1h30m")
    })
}

impl From<ClusterError> for CliError {
    fn from(error: ClusterError) -> Self {
        let is_plain = matches!(error.code(), Some(404 | 409));
        let failed = Self::worded(error.to_string());
        let failed = failed.hints(words::after_cluster(&error));
        // Scripts may compare kubectl's words, so they stay; the hint explains them.
        if is_plain { failed.kubectls() } else { failed }
    }
}
