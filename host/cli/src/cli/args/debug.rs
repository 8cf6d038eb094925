//! What can be typed after `trocar debug`, besides the flags that `trocar plan` has as well.

use clap::{Args, ValueEnum};

use super::{
    connection::ConnectionFlags,
    end::EndFlags,
    flags::{DebugFlags, PluginFlags, PolicyFlags},
    plan::PlanOutput,
};

const DEBUG_EXAMPLES: &str = "Examples:
  # A shell beside a container, seeing its processes
  trocar debug -it web-0 --image=busybox:1.36 --target=app

  # The best pod of a deployment
  trocar debug -it deploy/web --image=busybox:1.36

  # A copy of the pod with another command; the original stays as it is
  trocar debug -it web-0 --copy-to=web-debug --container=app -- sh

  # A root shell on a node
  trocar debug -it node/n1 --image=busybox:1.36 --profile=sysadmin

  # The same, and nothing is left behind
  trocar debug -it node/n1 --image=busybox:1.36 --profile=sysadmin --rm

  # One command in every pod with a label: its output, and its exit code
  trocar debug -l app=web --image=busybox:1.36 --attach -- wget -qO- localhost:8080/healthz

  # What would be done?
  trocar debug web-0 --image=busybox:1.36 --dry-run=server -o diff

Exit codes: the program's own when attached; 0 when a debug container or pod was made; 2 the command line is not valid,
and nothing was done; 125 trocar itself failed, or a policy denied it; 141 the output has no reader any more";

/// `trocar debug`.
#[derive(Debug, Args)]
#[command(after_help = DEBUG_EXAMPLES)]
pub(crate) struct DebugArgs {
    /// Pod, node/NAME, or a workload with pods such as deploy/NAME, sts/NAME or svc/NAME
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) debug: DebugFlags,
    /// Debug the pods with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Debug every pod of a workload, not only the best one
    #[arg(long)]
    pub(crate) all_pods: bool,
    /// The namespace of pods (default: the context's)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Write nothing: show what would be done, or let the server check it
    #[arg(long, value_enum, value_name = "WHO", default_value = "none", default_missing_value = "client",
        num_args = 0..=1, require_equals = true)]
    pub(crate) dry_run: DryRunMode,
    /// Print the plan, or what it changes, besides carrying it out
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<PlanOutput>,
    /// How long the debug container may take to start, for example 30s or 5m (default: 1m)
    #[arg(long, value_name = "TIME")]
    pub(crate) pod_running_timeout: Option<String>,
    /// Keys that leave the session and let the program go on (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    #[command(flatten)]
    pub(crate) end: EndFlags,
    /// With several targets, debug those that can be when others are refused
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Do not ask whether a plan may give more than the flags ask for
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Letters for generated names, instead of random ones
    #[arg(long, value_name = "LETTERS")]
    pub(crate) suffix: Option<String>,
    #[command(flatten)]
    pub(crate) plugin: PluginFlags,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
    #[command(flatten)]
    pub(crate) connection: ConnectionFlags,
}

/// Who checks a plan that is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRunMode {
    /// Not a dry run: the plan is carried out
    None,
    /// This program
    Client,
    /// The API server, with all its admission rules
    Server,
}
