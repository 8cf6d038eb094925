//! What can be typed after `trocar plan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::flags::{DebugFlags, PluginFlags, PolicyFlags};

const PLAN_EXAMPLES: &str = "Examples:
  # An ephemeral container in a pod
  trocar plan -f pod.yaml --image=busybox:1.36

  # A copy of the pod with another image, as objects for kubectl apply
  trocar plan -f pod.yaml --copy-to=web-debug --set-image=app=app:debug -o manifest

  # A privileged pod on a node, from what the cluster says about the node
  kubectl get node n1 -o yaml | trocar plan -f - --image=busybox:1.36 --profile=sysadmin

  # A strategy of your own
  trocar plan -f pod.yaml --strategy=./mine.wasm --image=busybox:1.36

  # Would jane's policies let her do that?
  trocar plan -f pod.yaml --image=busybox:1.36 --as=jane --as-group=dev --reason=OPS-1

Exit codes: 0 planned, 1 failed or refused, 2 the command line is not valid, 3 denied by a policy,
141 the output has no reader";

/// `trocar plan`.
#[derive(Debug, Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) debug: DebugFlags,
    #[command(flatten)]
    pub(crate) plugin: PluginFlags,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
    /// Ask the policies as for this user
    #[arg(long = "as", value_name = "USER")]
    pub(crate) as_user: Option<String>,
    /// Ask the policies as for a member of this group (can be repeated)
    #[arg(long, value_name = "GROUP", requires = "as_user")]
    pub(crate) as_group: Vec<String>,
    /// Ask the policies as for this context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// File with preferences of kubectl (default: KUBERC, ~/.kube/kuberc)
    #[arg(long, value_name = "FILE")]
    pub(crate) kuberc: Option<PathBuf>,
    /// The namespace of pods that name none, and of pods on nodes
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// What to print
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: PlanOutput,
    /// Letters for generated names, instead of random ones
    #[arg(long, value_name = "LETTERS")]
    pub(crate) suffix: Option<String>,
}

/// What `trocar plan` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanOutput {
    /// The debug plan
    Yaml,
    /// The debug plan, as JSON
    Json,
    /// The objects that would be written, for kubectl apply and kubectl patch
    Manifest,
    /// What would change, against the target
    Diff,
    /// The names of the objects that would be written
    Name,
}
