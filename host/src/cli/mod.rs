//! The command line: contents, and the way from arguments to an exit code.

mod args;
mod commands;
mod connect;
mod error;
mod exit_code;
mod pflag;
mod planner;
mod resolve;
mod session;
mod terminal;
mod ui;

use std::process::ExitCode;

use args::{Command, PluginCommand};
use error::CliError;

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == terminal::GUARD)
    {
        terminal::guard();
        return ExitCode::SUCCESS;
    }
    let result = args::parse(std::env::args_os()).and_then(|command| match command {
        Command::Debug(args) => commands::debug::run(&args),
        Command::Plan(args) => commands::plan::run(args).map(|()| ExitCode::SUCCESS),
        Command::Plugin { command } => plugin(command).map(|()| ExitCode::SUCCESS),
    });
    result.unwrap_or_else(CliError::report)
}

fn plugin(command: PluginCommand) -> Result<(), CliError> {
    match command {
        PluginCommand::List(args) => commands::plugin::list(&args),
        PluginCommand::Inspect(args) => commands::plugin::inspect(&args),
        PluginCommand::Build(args) => commands::plugin::build(&args),
        PluginCommand::Pack(args) => commands::plugin::pack(&args),
    }
}
