//! The connection flags that every kubectl command has: cluster, credentials, user. Also before the command.
//!
//! Source: `kubectl options` of kubectl 1.37.

use std::path::PathBuf;

use clap::Args;
use trocar::cluster::Secret;

use crate::cli::pflag::Switch;

/// The heading of these flags, which may also stand before the command.
pub(crate) const CONNECTION: &str = "Cluster";

/// The connection flags: cluster, credentials, user.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = CONNECTION)]
pub(crate) struct ConnectionFlags {
    /// The kubeconfig file (default: KUBECONFIG, ~/.kube/config, or the pod that this runs in)
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig's cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// The kubeconfig's user
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Address of the API server
    #[arg(short, long, value_name = "URL", allow_hyphen_values = true)]
    pub(crate) server: Option<String>,
    /// File with the certificate authority of the API server
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate_authority: Option<String>,
    /// Take any certificate of the API server; insecure
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) insecure_skip_tls_verify: Option<Switch>,
    /// Name to expect in the certificate of the API server
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,
    /// Address of a proxy: http, https or socks5
    #[arg(long, value_name = "URL", allow_hyphen_values = true)]
    pub(crate) proxy_url: Option<String>,
    /// Bearer token for the API server
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) token: Option<Secret>,
    /// File with a client certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) client_certificate: Option<String>,
    /// File with the key of the client certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) client_key: Option<String>,
    /// User for basic authentication
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) username: Option<String>,
    /// Password for basic authentication
    #[arg(long, value_name = "PASSWORD", allow_hyphen_values = true)]
    pub(crate) password: Option<Secret>,
    /// Act as this user
    #[arg(long = "as", value_name = "USER")]
    pub(crate) as_user: Option<String>,
    /// Act as a member of this group (can be repeated)
    #[arg(long, value_name = "GROUP")]
    pub(crate) as_group: Vec<String>,
    /// Act as a user with this UID
    #[arg(long, value_name = "UID")]
    pub(crate) as_uid: Option<String>,
    /// Act as a user with this extra value (can be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) as_user_extra: Vec<String>,
    /// How long one request may take, for example 5s or 1m; 0 for as long as it takes
    #[arg(long, value_name = "TIME", default_value = "0")]
    pub(crate) request_timeout: String,
    /// File with preferences of kubectl (default: KUBERC, ~/.kube/kuberc)
    #[arg(long, value_name = "FILE")]
    pub(crate) kuberc: Option<PathBuf>,
    /// Fail where the API server warned
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) warnings_as_errors: Option<Switch>,
    #[command(flatten)]
    _ignored: IgnoredFlags,
}

/// Flags of kubectl that mean nothing here, so that what is typed for kubectl works. Their values are checked as kubectl's.
#[derive(Debug, Default, Args)]
struct IgnoredFlags {
    /// Ignored: nothing is cached of the cluster
    #[arg(long, value_name = "FOLDER", hide = true)]
    cache_dir: Option<PathBuf>,
    /// Ignored: nothing is compressed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    disable_compression: Option<Switch>,
    /// Ignored: versions are not compared
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    match_server_version: Option<Switch>,
    /// Ignored
    #[arg(long, value_name = "TIME", hide = true)]
    log_flush_frequency: Option<String>,
    /// Ignored
    #[arg(long, value_name = "PATTERN=LEVEL", hide = true)]
    vmodule: Option<String>,
}
