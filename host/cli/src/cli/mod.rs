//! The command line: contents, and the way from arguments to an exit code.

mod args;
mod as_target;
mod commands;
mod completion;
mod configuration;
mod connect;
mod diff;
mod embedded;
mod error;
mod exit_code;
mod journal;
mod kuberc;
mod patient;
mod pflag;
mod planner;
mod plugin_flags;
mod prefixed;
mod removal;
mod resolve;
mod server_warnings;
mod session;
mod terminal;
mod ui;
mod words;

use std::process::ExitCode;

use args::{Command, ConfigCommand, PluginCommand, PolicyCommand};
use error::CliError;

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    // Before the parser: these are for the program's own processes and for shells, and have to start quickly.
    let mut words = std::env::args_os().skip(1);
    match words.next().as_ref().and_then(|first| first.to_str()) {
        Some(terminal::GUARD) => {
            terminal::guard();
            return ExitCode::SUCCESS;
        }
        Some(completion::COMPLETE) => {
            completion::complete(words);
            return ExitCode::SUCCESS;
        }
        Some(completion::WORKER) => {
            completion::work(words);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == removal::REMOVER)
    {
        return removal::remover();
    }
    let mut is_debug = false;
    let result = args::parse(std::env::args_os().collect()).and_then(|command| {
        is_debug = matches!(command, Command::Debug(_) | Command::Attach(_));
        carry_out(command)
    });
    let ended = result.unwrap_or_else(CliError::report);
    match server_warnings::as_error() {
        // A failure that is there already keeps its own code.
        Some(failed) if ended == ExitCode::SUCCESS => {
            let failed = if is_debug { failed.of_debug() } else { failed };
            failed.report()
        }
        _ => ended,
    }
}

fn carry_out(command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Debug(args) => commands::debug::run(*args),
        Command::Plan(args) => commands::plan::run(*args).map(|()| ExitCode::SUCCESS),
        Command::Attach(args) => commands::attach::run(&args),
        Command::Sessions(args) => commands::sessions::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Clean(args) => commands::clean::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Completion(args) => commands::completion::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Policy { command } => policy(command),
        Command::Config { command } => config(command).map(|()| ExitCode::SUCCESS),
        Command::Plugin { command } => plugin(command),
    }
}

/// Runs what waits for a cluster.
fn block_on<T>(done: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(format!("cannot start the async runtime: {error}")))?;
    let result = runtime.block_on(done);
    // Reading standard input cannot be called off; it ends with the program.
    runtime.shutdown_background();
    result
}

fn policy(command: PolicyCommand) -> Result<ExitCode, CliError> {
    match command {
        PolicyCommand::List(args) => commands::policy::list(&args).map(|()| ExitCode::SUCCESS),
        PolicyCommand::Eval(args) => commands::policy::eval(&args),
        PolicyCommand::Test(args) => commands::policy::test(&args),
    }
}

fn config(command: ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::View(args) => commands::config::view(&args),
        ConfigCommand::Check(args) => commands::config::check(&args),
    }
}

fn plugin(command: PluginCommand) -> Result<ExitCode, CliError> {
    let done = match command {
        PluginCommand::Test(args) => return commands::policy::test_plugin(&args),
        PluginCommand::Dev(args) => return commands::plugin::dev(&args),
        PluginCommand::New(args) => commands::plugin::new(&args),
        PluginCommand::List(args) => commands::plugin::list(&args),
        PluginCommand::Inspect(args) => commands::plugin::inspect(&args),
        PluginCommand::Build(args) => commands::plugin::build(&args),
        PluginCommand::Pack(args) => commands::plugin::pack(&args),
        PluginCommand::Compile(args) => commands::plugin::compile(&args),
        PluginCommand::Push(args) => commands::registry::push(&args),
        PluginCommand::Pull(args) => commands::registry::pull(&args),
        PluginCommand::Lock(args) => commands::registry::lock(&args),
        PluginCommand::Update(args) => commands::registry::update(&args),
        PluginCommand::Verify(args) => commands::registry::verify(&args),
        PluginCommand::Bundle(args) => commands::registry::bundle(&args),
        PluginCommand::Prune(args) => commands::registry::prune(&args),
    };
    done.map(|()| ExitCode::SUCCESS)
}
