//! What can be typed. No I/O, and no meaning: that is given in `resolve.rs`.
//!
//! Here are the verbs and the parser. The flags of each verb have a file of its name; those of several are in `flags.rs`.

mod as_target;
mod attach;
mod before;
mod completion;
mod config;
mod connection;
mod debug;
mod end;
mod flags;
mod groups;
#[cfg(test)]
mod man;
mod output;
mod plan;
mod plugin;
mod policy;
mod sessions;
mod usage;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{
    ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind,
    parser::ValueSource,
};

pub(crate) use self::{
    attach::AttachArgs,
    completion::{CompletionArgs, CompletionShell},
    config::{ConfigCommand, ConfigFileFlag, ConfigViewArgs},
    connection::ConnectionFlags,
    debug::{DebugArgs, DryRunMode},
    flags::{DebugFlags, PluginFlags, PolicyFlags, Verbosity},
    output::{DocumentOutput, ListOutput},
    plan::{PlanArgs, PlanOutput},
    plugin::{
        NewPluginLanguage, NewPluginType, PluginBuildArgs, PluginBundleArgs, PluginCommand,
        PluginCompileArgs, PluginDevArgs, PluginInspectArgs, PluginListArgs, PluginLockArgs, PluginNewArgs,
        PluginPackArgs, PluginPruneArgs, PluginPullArgs, PluginPushArgs, PluginTestArgs, PluginUpdateArgs,
        PluginVerifyArgs,
    },
    policy::{PolicyCommand, PolicyEvalArgs, PolicyListArgs, PolicyTestArgs, TestOutput},
    sessions::{CleanArgs, SessionsArgs, SessionsOutput, Where},
};
use self::{before::Line, usage::usage_error};
use super::{
    error::CliError,
    kuberc::{FlagDefault, Kuberc},
    plugin_flags,
};

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
    /// Print the script by which a shell completes trocar
    Completion(CompletionArgs),
    /// List, inspect, build, push and pull plugins
    #[command(arg_required_else_help = true)]
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
}

/// The commands and flags, as they are offered.
pub(crate) fn command() -> clap::Command {
    groups::grouped(Arguments::command().args_override_self(true))
}

/// Parses the command line. Help and version are printed and end the program.
pub(crate) fn parse(typed: Vec<OsString>) -> Result<Command, CliError> {
    let command = command();
    let typed = joined_verbosity(typed);
    let kuberc = plugin_flags::value(&typed, "--kuberc").map(PathBuf::from);
    let mut line = Line::split(&command, typed)?;
    let parsed = parse_preferred(&command, &mut line, kuberc.as_deref());
    let is_debug = line.verb.as_ref().is_some_and(|verb| verb == "debug");
    parsed.map_err(|error| if is_debug { error.of_debug() } else { error })
}

/// Parses with the preferences of a kuberc.
fn parse_preferred(
    command: &clap::Command,
    line: &mut Line,
    kuberc: Option<&Path>,
) -> Result<Command, CliError> {
    let Some(kuberc) = Kuberc::load(kuberc)? else {
        return Ok(parse_words(command.clone(), line.joined(command, Vec::new()))?.0);
    };
    kuberc.warn();
    let defaults = preferred(command, line, &kuberc)?;
    parse_line(command, line, &defaults, &kuberc)
}

/// Puts the command of an alias in its place, and gives the defaults of the command's flags.
fn preferred(
    command: &clap::Command,
    line: &mut Line,
    kuberc: &Kuberc,
) -> Result<Vec<FlagDefault>, CliError> {
    let Some(verb) = line.verb.as_ref().and_then(|verb| verb.to_str()) else {
        return Ok(Vec::new());
    };
    if command.find_subcommand(verb).is_some() {
        return Ok(kuberc.flags(verb));
    }
    let Some((real, rest, defaults)) = kuberc.expanded(verb, line.rest.clone()) else {
        return Ok(Vec::new());
    };
    if real != "debug" {
        return Err(CliError::usage(format!(
            "the alias {verb:?} of {} is not for debug, and others are not known here",
            kuberc.file.display()
        )));
    }
    (line.verb, line.rest) = (Some(real), rest);
    Ok(defaults)
}

/// Parses what was typed, and again with the defaults for the flags that were not.
fn parse_line(
    command: &clap::Command,
    line: &Line,
    defaults: &[FlagDefault],
    kuberc: &Kuberc,
) -> Result<Command, CliError> {
    let (arguments, matches) = parse_words(command.clone(), line.joined(command, Vec::new()))?;
    let Some((verb, matches)) = matches.subcommand().filter(|_| !defaults.is_empty()) else {
        return Ok(arguments);
    };
    let Some(parser) = command.find_subcommand(verb) else {
        return Ok(arguments);
    };
    let mut words = Vec::new();
    for default in defaults {
        let place = || kuberc.place(default);
        let Some(flag) = parser
            .get_arguments()
            .find(|flag| flag.get_long() == Some(&default.name))
        else {
            // A plan has not all flags of a debug.
            if verb == "plan" {
                continue;
            }
            return Err(CliError::usage(format!(
                "kuberc: {}: {verb} has no flag {:?}",
                place(),
                default.name
            )));
        };
        if matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        // Each by itself, so that it is known which one is wrong.
        let alone = [OsString::from("trocar"), verb.into(), default.word()];
        parse_words(command.clone(), alone.to_vec())
            .map_err(|failed| CliError::usage(format!("kuberc: {}: {}", place(), failed.message())))?;
        words.push(default.word());
    }
    Ok(parse_words(command.clone(), line.joined(command, words))?.0)
}

fn parse_words(command: clap::Command, typed: Vec<OsString>) -> Result<(Command, ArgMatches), CliError> {
    let mut flags = plugin_flags::typed(&typed)?;
    let mut offered = plugin_flags::offer(command.clone(), &flags)?;
    let mut parsed = offered.try_get_matches_from_mut(&typed);
    let may_be_configured =
        |error: &clap::Error| matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::DisplayHelp);
    if parsed.as_ref().is_err_and(may_be_configured) {
        flags.extend(plugin_flags::configured(&typed)?);
        offered = plugin_flags::offer(command, &flags)?;
        parsed = offered.try_get_matches_from_mut(&typed);
    }
    let matches = match parsed {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        Err(error) => return Err(usage_error(&error, &verbs(&offered, &typed))),
    };
    let settings = plugin_flags::settings(&matches, &flags);
    let arguments = Arguments::from_arg_matches(&matches);
    let mut arguments = arguments.map_err(|error| usage_error(&error, &verbs(&offered, &typed)))?;
    match &mut arguments.command {
        Command::Debug(args) => args.plugin.set.extend(settings),
        Command::Plan(args) => args.plugin.set.extend(settings),
        _ => {}
    }
    Ok((arguments.command, matches))
}

/// The command that a line is of, with those above it: `trocar plugin list`.
fn verbs(command: &clap::Command, typed: &[OsString]) -> String {
    let mut verbs = command.get_name().to_owned();
    let mut command = Some(command);
    for word in typed.iter().skip(1) {
        command = command.and_then(|command| command.find_subcommand(word));
        let Some(found) = command else { break };
        verbs += &format!(" {}", found.get_name());
    }
    verbs
}

/// Parses what stands after `trocar debug`, for cases that are written as a command line.
pub(crate) fn parse_debug(typed: &[String]) -> Result<DebugArgs, CliError> {
    let words = ["trocar", "debug"].into_iter().map(OsString::from);
    let command = command();
    let words = joined_verbosity(words.chain(typed.iter().map(OsString::from)));
    match parse_words(command, words)?.0 {
        Command::Debug(args) => Ok(*args),
        _ => Err(CliError::usage("this is not a command line of trocar debug")),
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
        command().debug_assert();
    }
}
