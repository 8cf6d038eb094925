//! From flags, KUBECONFIG and the pod that we may run in to a connection. The only place that reads the environment for it.

use std::{sync::Arc, time::Duration};

use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use trocar::cluster::{Cluster, ClusterConfig, ClusterError, RequestTrace};

use super::{args::ConnectionFlags, error::CliError, ui};

/// From which verbosity on each request is shown, as in kubectl.
const SHOWS_REQUESTS: u8 = 6;

/// A connection, and what the kubeconfig says besides.
pub(crate) struct Connection {
    pub(crate) cluster: Cluster,
    /// The namespace of the context.
    pub(crate) namespace: String,
}

/// Connects. Nothing is sent yet.
pub(crate) async fn connect(flags: &ConnectionFlags, verbosity: u8) -> Result<Connection, CliError> {
    let request_timeout = duration("request-timeout", &flags.request_timeout)?;
    let mut config = config(flags).await?;
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
    let cluster = Cluster::new(ClusterConfig {
        kube: config,
        request_timeout: (!request_timeout.is_zero()).then_some(request_timeout),
        trace: (verbosity >= SHOWS_REQUESTS)
            .then(|| -> Arc<dyn Fn(&RequestTrace<'_>) + Send + Sync> { Arc::new(show) }),
    })?;
    Ok(Connection { cluster, namespace })
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

async fn config(flags: &ConnectionFlags) -> Result<Config, CliError> {
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
                return Config::incluster().map_err(|_| no_kubeconfig());
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
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| {
            let failed = unusable(&error);
            match error {
                KubeconfigError::LoadContext(_) | KubeconfigError::CurrentContextNotSet
                    if !contexts.is_empty() =>
                {
                    failed.hint(format!("--context chooses one of {}", contexts.join(", ")))
                }
                _ => failed,
            }
        })
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
    if let Ok(seconds) = typed.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    let parsed = typed.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| {
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
        let failed = error.advice().into_iter().fold(failed, Self::hint);
        // What kubectl says as well, a script may compare; what it leaves unexplained, everybody is told.
        if is_plain { failed.kubectls() } else { failed }
    }
}
