//! The command line program: parse, run, exit code. Everything else is in `cli` and the library.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
