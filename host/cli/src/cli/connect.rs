//! From flags, KUBECONFIG and the pod that we may run in to a connection. The only place that reads the environment for it.

use std::{sync::Arc, time::Duration};

use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use trocar::cluster::{Cluster, ClusterConfig, ClusterError, RequestTrace};

use super::{args::ConnectionFlags, error::CliError, ui, words};

/// From which verbosity on each request is shown, as in kubectl.
const SHOWS_REQUESTS: u8 = 6;

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
pub(crate) async fn connect(flags: &ConnectionFlags, verbosity: u8) -> Result<Connection, CliError> {
    let request_timeout = duration("request-timeout", &flags.request_timeout)?;
    let (mut config, names) = config(flags).await?;
    let real = config.clone();
    if let Some(user) = &flags.as_user {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !flags.as_group.is_empty() {
        if flags.as_user.is_none() {
            return Err(CliError::usage("--as-group needs --as"));
        }
        config.auth_info.impersonate_groups = Some(flags.as_group.clone());
    }
    let namespace = config.default_namespace.clone();
    let acts_as_other = config.auth_info.impersonate != real.auth_info.impersonate;
    let configured = |kube: Config| {
        let mut config = ClusterConfig::from_kube(kube);
        config.request_timeout = (!request_timeout.is_zero()).then_some(request_timeout);
        config.trace = (verbosity >= SHOWS_REQUESTS)
            .then(|| -> Arc<dyn Fn(&RequestTrace<'_>) + Send + Sync> { Arc::new(show) });
        config
    };
    let config = configured(config);
    Ok(Connection {
        unimpersonated: acts_as_other
            .then(|| Cluster::new(configured(real)))
            .transpose()?,
        cluster: Cluster::new(config.clone())?,
        config,
        namespace,
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
type NamedConfig = (Config, Option<(String, String)>);

async fn config(flags: &ConnectionFlags) -> Result<NamedConfig, CliError> {
    let kubeconfig = match &flags.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match kubeconfig {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let is_missing = matches!(&error, KubeconfigError::FindPath)
                || matches!(&error, KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound);
            if is_missing && flags.kubeconfig.is_none() {
                let config = Config::incluster().map_err(|_| no_kubeconfig())?;
                return Ok((config, None));
            }
            return Err(unusable(&error));
        }
    };
    let contexts: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let options = KubeConfigOptions {
        context: flags.context.clone(),
        cluster: flags.cluster.clone(),
        user: flags.user.clone(),
    };
    let names = names(&kubeconfig, flags);
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config = config.map_err(|error| {
        let failed = unusable(&error);
        match error {
            KubeconfigError::LoadContext(_) | KubeconfigError::CurrentContextNotSet
                if !contexts.is_empty() =>
            {
                failed.hint(format!("--context chooses one of {}", contexts.join(", ")))
            }
            _ => failed,
        }
    })?;
    Ok((config, names))
}

fn names(kubeconfig: &Kubeconfig, flags: &ConnectionFlags) -> Option<(String, String)> {
    let context = flags.context.as_ref().or(kubeconfig.current_context.as_ref())?;
    let found = kubeconfig.contexts.iter().find(|found| found.name == *context)?;
    let of_context = found.context.as_ref().map(|found| &found.cluster);
    let cluster = flags.cluster.as_ref().or(of_context)?;
    Some((context.clone(), cluster.clone()))
}

fn no_kubeconfig() -> CliError {
    CliError::new("there is no kubeconfig, so it is not known which cluster to talk to")
        .hint("set KUBECONFIG, or pass --kubeconfig=FILE; trocar plan works without a cluster")
}

/// A kubeconfig holds secrets: of a text that cannot be parsed only the place is shown.
fn unusable(error: &KubeconfigError) -> CliError {
    let reason = match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!(
                "it is not valid YAML at line {}, column {}",
                place.line(),
                place.column()
            ),
            None => "it is not valid YAML".into(),
        },
        KubeconfigError::LoadContext(name) => format!("there is no context {name:?}"),
        KubeconfigError::LoadClusterOfContext(name) => format!("there is no cluster {name:?}"),
        KubeconfigError::CurrentContextNotSet => "it names no current context".into(),
        KubeconfigError::ReadConfig(error, path) => format!("cannot read {}: {error}", path.display()),
        other => other.to_string(),
    };
    CliError::new(format!("the kubeconfig cannot be used: {reason}"))
}

/// Reads a duration as Go writes them: `30s`, `1m30s`, `500ms`; a bare number is in seconds.
pub(crate) fn duration(flag: &str, typed: &str) -> Result<Duration, CliError> {
    trocar::config::parse_duration(typed).map_err(|_| {
        CliError::usage(format!(
            "invalid argument {typed:?} for \"--{flag}\" flag: it is no duration"
        ))
        .hint("durations are written like 30s, 5m or 1h30m")
    })
}

impl From<ClusterError> for CliError {
    fn from(error: ClusterError) -> Self {
        let is_plain = matches!(error.code(), Some(404 | 409));
        let failed = Self::worded(error.to_string());
        let failed = failed.hints(words::after_cluster(&error));
        // What kubectl says as well, a script may compare; what it leaves unexplained, everybody is told.
        if is_plain { failed.kubectls() } else { failed }
    }
}
