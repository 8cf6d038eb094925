//! `kubectl trocar`: kubectl finds its plugins by their names, and this one becomes `trocar`.

use std::{
    env,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let _own_name = arguments.next();
    // krew links to the file: `trocar` lies beside the file and not beside the link.
    let beside = env::current_exe().ok().and_then(|own| own.canonicalize().ok());
    let beside = beside
        .map(|own| own.with_file_name("trocar"))
        .filter(|path| path.exists());
    let program = beside.unwrap_or_else(|| "trocar".into());
    // The same process goes on, so that signals and the terminal are trocar's.
    let error = Command::new(&program).args(arguments).exec();
    #[expect(clippy::print_stderr, reason = "this program has no other way to report it")]
    {
        eprintln!("error: cannot run {}: {error}", program.display());
        eprintln!("hint: trocar belongs beside kubectl-trocar, or in a folder of PATH");
    }
    ExitCode::from(125)
}
