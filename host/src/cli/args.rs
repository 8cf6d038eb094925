//! What can be typed. No I/O, and no meaning: that is given in `resolve.rs`.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{error::CliError, pflag::Switch, plugin_flags};

/// Debug Kubernetes pods and nodes; sandboxed WebAssembly plugins decide how
#[derive(Debug, Parser)]
#[command(name = "trocar", version, about, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  # A shell beside the container app of a pod
  trocar debug -it web-0 --image=busybox:1.36 --target=app

  # What would a debug of this pod create? No cluster needed
  trocar plan -f pod.yaml --image=busybox:1.36

  # The same, as a diff against the pod
  kubectl get pod web-0 -o yaml | trocar plan -f - --image=busybox:1.36 -o diff

  # Which plugins are there, and what may they do?
  trocar plugin list
  trocar plugin inspect ephemeral";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Debug a pod, a node, or the pods of a workload
    Debug(Box<DebugArgs>),
    /// Show what a debug would create, without a cluster
    Plan(Box<PlanArgs>),
    /// Test policies, evaluate one case, list those that are configured
    #[command(arg_required_else_help = true)]
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Show and check the configuration
    #[command(arg_required_else_help = true)]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// List, inspect and build plugins
    #[command(arg_required_else_help = true)]
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
}

/// The verbs of `trocar plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the default plugins
    List(PluginListArgs),
    /// Show what a plugin is, what it imports and what it may do, without running it
    Inspect(PluginInspectArgs),
    /// Build a plugin from a Rust crate with a plugin.yaml
    Build(PluginBuildArgs),
    /// Make a plugin of a component or core module and a manifest
    Pack(PluginPackArgs),
}

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

Exit codes: 0 planned, 1 failed or refused, 2 the command line makes no sense, 3 denied by a policy,
141 nobody reads the output";

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

/// The flags of `kubectl debug` that say what to make.
#[derive(Debug, Args)]
pub(crate) struct DebugFlags {
    /// Pass everything after -- as arguments to the image's entry point, not as a command
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) arguments_only: Option<Switch>,
    /// Wait for the container to start and attach to it (default: true with -i)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) attach: Option<Switch>,
    /// Name of the debug container
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) container: Option<String>,
    /// Debug a copy of the pod, of this name, instead of the pod itself
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) copy_to: Option<String>,
    /// JSON or YAML file with a partial container that customizes the profile
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) custom: Option<PathBuf>,
    /// Environment variable of the container (can be repeated)
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) env: Vec<String>,
    /// File with the pod or node to debug; - for standard input (can be repeated)
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    pub(crate) filename: Vec<PathBuf>,
    /// Image of the debug container
    #[arg(long, value_name = "IMAGE", allow_hyphen_values = true)]
    pub(crate) image: Option<String>,
    /// When to pull the image: Always, IfNotPresent or Never
    #[arg(long, value_name = "POLICY", allow_hyphen_values = true)]
    pub(crate) image_pull_policy: Option<String>,
    /// With --copy-to, keep the pod's annotations
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_annotations: Option<Switch>,
    /// With --copy-to, run the pod's init containers (default: true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_init_containers: Option<Switch>,
    /// With --copy-to, keep the pod's labels
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_labels: Option<Switch>,
    /// With --copy-to, keep the pod's liveness probes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_liveness: Option<Switch>,
    /// With --copy-to, keep the pod's readiness probes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_readiness: Option<Switch>,
    /// With --copy-to, keep the pod's startup probes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) keep_startup: Option<Switch>,
    /// What the container may do: general, baseline, restricted, netadmin or sysadmin (default: general)
    #[arg(long, value_name = "PROFILE", allow_hyphen_values = true)]
    pub(crate) profile: Option<String>,
    /// Print no notes
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) quiet: Option<Switch>,
    /// With --copy-to, delete the original once the copy exists
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) replace: Option<Switch>,
    /// With --copy-to, put the copy on the node of the original
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) same_node: Option<Switch>,
    /// With --copy-to, change the image of a container; * for all (can be repeated)
    #[arg(long, value_name = "NAME=IMAGE", allow_hyphen_values = true)]
    pub(crate) set_image: Vec<String>,
    /// With --copy-to, let all containers see each other's processes (default: true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) share_processes: Option<Switch>,
    /// Keep standard input open
    #[arg(short = 'i', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) stdin: Option<Switch>,
    /// Container whose processes an ephemeral container sees
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) target: Option<String>,
    /// Give the container a terminal
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) tty: Option<Switch>,
    /// Command to run in the container
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// The flags that choose plugins and bound them.
#[derive(Debug, Args)]
pub(crate) struct PluginFlags {
    /// Strategy plugin: a default one, one of the configuration, or a file (default: by target and flags)
    #[arg(long, value_name = "NAME|FILE.wasm")]
    pub(crate) strategy: Option<String>,
    /// Setting of the strategy plugin; the value is JSON or else text (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Grant a capability to the plugin (can be repeated)
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) grant: Vec<String>,
    /// Raise or lower a limit of the plugin, for example time=5s or memory=128Mi (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
    /// Show more: from 1 what plugins log, from 6 every request
    #[arg(short = 'v', long = "v", visible_alias = "verbose", num_args = 0..=1, require_equals = true,
        default_value = "0", default_missing_value = "1", value_name = "LEVEL")]
    pub(crate) verbose: Verbosity,
}

/// The flags that choose policies, and that say why somebody debugs.
#[derive(Debug, Default, Args)]
pub(crate) struct PolicyFlags {
    /// Configuration file, besides the system's and your own
    #[arg(long, value_name = "FILE", help_heading = POLICIES)]
    pub(crate) config: Option<PathBuf>,
    /// Policy plugin to ask besides those that are configured (can be repeated)
    #[arg(long, value_name = "NAME|FILE.wasm", help_heading = POLICIES)]
    pub(crate) policy: Vec<String>,
    /// Why you debug, for policies and for the audit
    #[arg(long, value_name = "TEXT", help_heading = POLICIES)]
    pub(crate) reason: Option<String>,
}

const POLICIES: &str = "Policies";

/// How much is shown besides the result: 0 to 10, as `-v` of kubectl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verbosity(pub(crate) u8);

impl std::str::FromStr for Verbosity {
    type Err = std::num::ParseIntError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        typed.parse().map(Self)
    }
}

/// The flags that say which cluster, as every kubectl command has them.
#[derive(Debug, Default, Args)]
pub(crate) struct ConnectionFlags {
    /// The kubeconfig file (default: KUBECONFIG, ~/.kube/config, or the pod that this runs in)
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context
    #[arg(long, value_name = "NAME", help_heading = CONNECTION)]
    pub(crate) context: Option<String>,
    /// The kubeconfig's cluster
    #[arg(long, value_name = "NAME", help_heading = CONNECTION)]
    pub(crate) cluster: Option<String>,
    /// The kubeconfig's user
    #[arg(long, value_name = "NAME", help_heading = CONNECTION)]
    pub(crate) user: Option<String>,
    /// Act as this user
    #[arg(long = "as", value_name = "USER", help_heading = CONNECTION)]
    pub(crate) as_user: Option<String>,
    /// Act as a member of this group (can be repeated)
    #[arg(long, value_name = "GROUP", help_heading = CONNECTION)]
    pub(crate) as_group: Vec<String>,
    /// How long one request may take, for example 5s or 1m; 0 for as long as it takes
    #[arg(long, value_name = "TIME", default_value = "0", help_heading = CONNECTION)]
    pub(crate) request_timeout: String,
}

const CONNECTION: &str = "Cluster";

const DEBUG_EXAMPLES: &str = "Examples:
  # A shell beside a container, seeing its processes
  trocar debug -it web-0 --image=busybox:1.36 --target=app

  # The best pod of a deployment
  trocar debug -it deploy/web --image=busybox:1.36

  # A copy of the pod with another command; the original stays as it is
  trocar debug -it web-0 --copy-to=web-debug --container=app -- sh

  # A root shell on a node
  trocar debug -it node/n1 --image=busybox:1.36 --profile=sysadmin

  # One command in every pod with a label: its output, and its exit code
  trocar debug -l app=web --image=busybox:1.36 --attach -- wget -qO- localhost:8080/healthz

  # What would be done?
  trocar debug web-0 --image=busybox:1.36 --dry-run=server -o diff

Exit codes: the program's own when attached; 0 when a debug container or pod was made; 125 when trocar itself failed or a
policy denied it; 141 when nobody reads the output any more";

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
    /// Nobody: it is carried out
    None,
    /// This program
    Client,
    /// The API server, with all its admission rules
    Server,
}

/// The verbs of `trocar config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show all files together, and where each value comes from
    View(ConfigViewArgs),
    /// Check all files, the plugins that they name and their settings
    Check(ConfigFileFlag),
}

/// `trocar config view`.
#[derive(Debug, Args)]
pub(crate) struct ConfigViewArgs {
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
    /// What to print
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: DocumentOutput,
}

/// Which configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigFileFlag {
    /// Configuration file, besides the system's and your own
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The verbs of `trocar policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the default policies and those that are configured
    List(PolicyListArgs),
    /// Evaluate one case and show what every policy says
    Eval(PolicyEvalArgs),
    /// Run the cases of a folder
    Test(PolicyTestArgs),
}

/// `trocar policy list`.
#[derive(Debug, Args)]
pub(crate) struct PolicyListArgs {
    #[command(flatten)]
    pub(crate) file: ConfigFileFlag,
    /// What to print
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ListOutput,
}

/// `trocar policy eval`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 allowed, 1 failed, 2 the command line makes no sense, 3 denied")]
pub(crate) struct PolicyEvalArgs {
    /// File with cases
    #[arg(value_name = "FILE.cases.yaml")]
    pub(crate) case: PathBuf,
    /// The case, where the file holds several
    #[arg(value_name = "CASE")]
    pub(crate) name: Option<String>,
    /// What to print
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: DocumentOutput,
}

/// `trocar policy test`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Run all cases below a folder
  trocar policy test tests/

  # Write down what the policies say now as what is expected
  trocar policy test tests/ --update

  # For a CI system
  trocar policy test tests/ --output=junit > report.xml

Exit codes: 0 all as expected, 1 at least one is not, 2 the command line makes no sense")]
pub(crate) struct PolicyTestArgs {
    /// Folder with cases, in files that end in .cases.yaml; or one such file
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Write down what comes out as what is expected
    #[arg(long)]
    pub(crate) update: bool,
    /// What to print
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: TestOutput,
    /// Raise or lower a limit of the policies, for example time=5s (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}

/// What the results of tests are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestOutput {
    /// For people
    Text,
    /// JSON
    Json,
    /// JUnit XML
    Junit,
}

/// `trocar plugin list`.
#[derive(Debug, Args)]
pub(crate) struct PluginListArgs {
    /// What to print
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ListOutput,
}

/// What lists are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListOutput {
    /// A table for people
    Table,
    /// JSON
    Json,
    /// The names, one a line
    Name,
}

/// `trocar plugin inspect`.
#[derive(Debug, Args)]
pub(crate) struct PluginInspectArgs {
    /// A default plugin or a file
    #[arg(value_name = "NAME|FILE.wasm")]
    pub(crate) plugin: String,
    /// What to print
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: DocumentOutput,
    /// Raise a limit, for example component=64Mi (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
}

/// What documents are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentOutput {
    /// YAML
    Yaml,
    /// JSON
    Json,
}

/// `trocar plugin build`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Build the plugin in this folder: needs Rust and rustup target add wasm32-unknown-unknown
  trocar plugin build

  # Build another one, to a place of your choice
  trocar plugin build plugins/mine -o mine.wasm")]
pub(crate) struct PluginBuildArgs {
    /// Folder of the crate, with Cargo.toml and plugin.yaml
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Where to write the plugin (default: NAME.wasm in the folder)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Build with the versions in Cargo.lock only
    #[arg(long)]
    pub(crate) locked: bool,
    /// Leave out the names of functions: smaller, but a trap tells less
    #[arg(long)]
    pub(crate) strip: bool,
}

/// `trocar plugin pack`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Add a manifest to a component that a Python, JavaScript, Go or C toolchain made
  trocar plugin pack component.wasm --manifest plugin.yaml -o plugin.wasm")]
pub(crate) struct PluginPackArgs {
    /// A component, or a core module that was built with wit-bindgen
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// The manifest, in YAML or JSON
    #[arg(long, value_name = "FILE", default_value = "plugin.yaml")]
    pub(crate) manifest: PathBuf,
    /// Where to write the plugin (default: NAME.wasm)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Parses the command line. Help and version are printed and end the program.
pub(crate) fn parse(typed: Vec<OsString>) -> Result<Command, CliError> {
    let flags = plugin_flags::typed(&typed)?;
    let command = plugin_flags::offer(Arguments::command().args_override_self(true), &flags)?;
    let matches = match command.try_get_matches_from(joined_verbosity(typed)) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        Err(error) => return Err(usage_error(&error)),
    };
    let settings = plugin_flags::settings(&matches, &flags);
    let mut arguments = Arguments::from_arg_matches(&matches).map_err(|error| usage_error(&error))?;
    match &mut arguments.command {
        Command::Debug(args) => args.plugin.set.extend(settings),
        Command::Plan(args) => args.plugin.set.extend(settings),
        _ => {}
    }
    Ok(arguments.command)
}

/// Parses what stands after `trocar debug`, for cases that are written as a command line.
pub(crate) fn parse_debug(typed: &[String]) -> Result<DebugArgs, CliError> {
    let words = ["trocar", "debug"].into_iter().map(OsString::from);
    match parse(words.chain(typed.iter().map(OsString::from)).collect())? {
        Command::Debug(args) => Ok(*args),
        _ => Err(CliError::usage("this is no command line of trocar debug")),
    }
}

/// kubectl takes `-v 6` as well as `-v=6`; a number after `-v` is never a target.
fn joined_verbosity(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_command = false;
    for item in typed {
        is_command |= item == "--";
        let is_number = item
            .to_str()
            .is_some_and(|text| text.len() <= 2 && text.parse::<u8>().is_ok());
        match joined.last_mut() {
            Some(last) if !is_command && is_number && (last == "-v" || last == "--v") => {
                last.push("=");
                last.push(&item);
            }
            _ => joined.push(item),
        }
    }
    joined
}

/// Says what is wrong with a command line in kubectl's words where it has some.
fn usage_error(error: &clap::Error) -> CliError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let flag = argument.split(['=', ' ', '[', '<']).next().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UnknownArgument => match argument.strip_prefix('-').and_then(|flag| flag.chars().next()) {
            Some(letter) if letter != '-' => format!("unknown shorthand flag: {letter:?} in {argument}"),
            _ => format!("unknown flag: {argument}"),
        },
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("invalid argument {value:?} for {flag:?} flag: {reason}")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) => {
                format!(
                    "invalid argument {value:?} for {flag:?} flag: it must be one of {}",
                    valid.join(", ")
                )
            }
            _ => first_line(error),
        },
        _ => first_line(error),
    };
    let failed = CliError::usage(message);
    let failed = match error
        .get(ContextKind::SuggestedArg)
        .or_else(|| error.get(ContextKind::SuggestedValue))
    {
        Some(ContextValue::String(suggested)) => failed.hint(format!("did you mean {suggested}?")),
        Some(ContextValue::Strings(suggested)) if !suggested.is_empty() => {
            failed.hint(format!("did you mean {}?", suggested.join(" or ")))
        }
        _ => failed,
    };
    failed.hint("see 'trocar --help' for usage")
}

/// clap's own message, without its label, its usage and its tips.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
