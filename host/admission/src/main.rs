//! The program `trocar-admission`: arguments, and what they ask for.

mod args;
mod commands;

use std::process::ExitCode;

use clap::Parser as _;

/// Reviews are trees of small values, made and dropped by the thousand in a second: with the system's allocator a third of the
/// processor's time went there, and a static program has a slower one still.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let is_server = matches!(args.command, args::Command::Serve(_));
    let error = match commands::run(args) {
        Ok(code) => return code,
        Err(error) => format!("{error:#}"),
    };
    if is_server {
        trocar_admission::server::log("error", &error, &serde_json::Value::Null);
    } else {
        tell(&error);
    }
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "a person typed the command")]
fn tell(error: &str) {
    eprintln!("error: {}", trocar::text::message(error));
}
