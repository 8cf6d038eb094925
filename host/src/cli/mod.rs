//! The command line: contents, and the way from arguments to an exit code.

mod args;
mod commands;
mod error;
mod exit_code;
mod pflag;
mod resolve;
mod ui;

use std::process::ExitCode;

use args::{Command, PluginCommand};

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let result = args::parse(std::env::args_os()).and_then(|command| match command {
        Command::Plan(args) => commands::plan::run(args),
        Command::Plugin { command } => match command {
            PluginCommand::List(args) => commands::plugin::list(&args),
            PluginCommand::Inspect(args) => commands::plugin::inspect(&args),
            PluginCommand::Build(args) => commands::plugin::build(&args),
            PluginCommand::Pack(args) => commands::plugin::pack(&args),
        },
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
