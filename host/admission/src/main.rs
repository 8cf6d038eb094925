//! The program `trocar-admission`: arguments, and what they ask for.

mod args;
mod commands;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match commands::run(args) {
        Ok(code) => code,
        Err(error) => {
            trocar_admission::server::log("error", &format!("{error:#}"), &serde_json::Value::Null);
            ExitCode::FAILURE
        }
    }
}
