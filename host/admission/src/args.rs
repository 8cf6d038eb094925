//! What can be typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

/// Judges every debug container and debug pod that reaches a cluster, by trocar's policies
#[derive(Debug, Parser)]
#[command(name = "trocar-admission", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer the API server's reviews
    Serve(Serve),
    /// Judge a review that is in a file, and print the answer; without a cluster
    Review(Review),
    /// Judge cases that `trocar policy test --as-admission=FOLDER` wrote, and compare the verdicts
    Test(Test),
    /// Print the rights that the server needs in the cluster for a configuration
    Rbac(Rbac),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rules {
    /// The configuration: policies, plugins, audit, and what is judged
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// A folder of compiled plugins, made where it is missing; without it they are compiled at each start
    #[arg(long, value_name = "FOLDER")]
    pub(crate) cache: Option<PathBuf>,
    /// The milliseconds that one call of a policy may take
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) policy_time: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Where reviews come in
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8443")]
    pub(crate) listen: SocketAddr,
    /// Where health and metrics are asked for without TLS, besides the address for reviews
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) health_listen: Option<SocketAddr>,
    /// The certificate and those that lead to its authority, in PEM
    #[arg(long, value_name = "FILE", required_unless_present = "plain_http")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", required_unless_present = "plain_http")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Authorities that clients must have a certificate of, in PEM
    #[arg(long, value_name = "FILE", conflicts_with = "plain_http")]
    pub(crate) client_ca: Option<PathBuf>,
    /// No TLS; on a loopback address alone
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(crate) plain_http: bool,
    /// The kubeconfig of the cluster; without it, the service account of the pod that this runs in
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Read nothing of the cluster: pods that are bound to a node cannot be judged then
    #[arg(long, conflicts_with = "kubeconfig")]
    pub(crate) no_cluster: bool,
    /// The seconds after which files are looked at again
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    pub(crate) reload: f64,
    /// The seconds for which requests are still taken after the order to end
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    pub(crate) linger: f64,
    /// The most connections
    #[arg(long, value_name = "COUNT", default_value_t = 1024, value_parser = count)]
    pub(crate) connections: usize,
    /// The most reviews that are judged at once; by default two for each processor
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) judging: Option<usize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Review {
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// The AdmissionReview, in JSON; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) review: PathBuf,
    /// Judge as the mutating webhook does, which makes changes
    #[arg(long)]
    pub(crate) mutate: bool,
    /// Objects of the cluster that may be read, such as nodes, in YAML or JSON; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) object: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// The folder
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rbac {
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// The name of the ClusterRole
    #[arg(long, value_name = "NAME", default_value = "trocar-admission")]
    pub(crate) name: String,
}

fn seconds(typed: &str) -> Result<f64, String> {
    let seconds: f64 = typed.parse().map_err(|_| "it is not a number".to_owned())?;
    match (0.0..=3600.0).contains(&seconds) {
        true => Ok(seconds),
        false => Err("it is not between 0 and 3600".to_owned()),
    }
}

fn count(typed: &str) -> Result<usize, String> {
    let count: usize = typed.parse().map_err(|_| "it is not a whole number".to_owned())?;
    match (1..=100_000).contains(&count) {
        true => Ok(count),
        false => Err("it is not between 1 and 100000".to_owned()),
    }
}
