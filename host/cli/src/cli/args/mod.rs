//! What can be typed. No I/O, and no meaning: that is given in `resolve.rs`.
//!
//! Here are the verbs and the parser. The flags of each verb have a file of its name; those of several are in `flags.rs`.

mod attach;
mod config;
mod debug;
mod flags;
mod output;
mod plan;
mod plugin;
mod policy;
mod sessions;
mod usage;

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};

use self::usage::usage_error;
pub(crate) use self::{
    attach::AttachArgs,
    config::{ConfigCommand, ConfigFileFlag, ConfigViewArgs},
    debug::{DebugArgs, DryRunMode},
    flags::{ConnectionFlags, DebugFlags, PluginFlags, PolicyFlags, Verbosity},
    output::{DocumentOutput, ListOutput},
    plan::{PlanArgs, PlanOutput},
    plugin::{
        PluginBuildArgs, PluginCommand, PluginCompileArgs, PluginInspectArgs, PluginListArgs, PluginPackArgs,
    },
    policy::{PolicyCommand, PolicyEvalArgs, PolicyListArgs, PolicyTestArgs, TestOutput},
    sessions::{CleanArgs, SessionsArgs, SessionsOutput, Where},
};
use super::{error::CliError, plugin_flags};

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
    /// Come back to a debug container that still runs
    Attach(Box<AttachArgs>),
    /// List debug sessions: containers and pods that debugs made, and whose they are
    Sessions(Box<SessionsArgs>),
    /// Delete debug pods that are left behind
    Clean(Box<CleanArgs>),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
