//! Chores of this repository. Depends on nothing of ours: what needs trocar runs it as a program.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for whoever works on this repository"
)]

mod dist;
mod guests;
mod kubernetes;
mod man;
mod purity;
mod source;
mod tidy;
mod walls;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

const HELP: &str = "Usage: cargo xtask VERB

  dist [--target TRIPLE] [--repository URL]
                   make the files of a release below target/dist (default: a static program for x86-64 Linux)
  guests           build the default plugins and the test guests from source
  guests --check   say whether the committed components are what the source makes
  kubernetes --version VERSION --from SWAGGER.JSON TYPES.GO...
                   write the table of the Kubernetes API from its OpenAPI document and its Go types
  man [FOLDER]     write the man pages (default: target/man)
  tidy             check what no compiler checks: the contract's hash, links, file headers, walls between crates";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["guests"] => guests::build(),
        ["guests", "--check"] => guests::check(),
        [
            "kubernetes",
            "--version",
            version,
            "--from",
            swagger,
            sources @ ..,
        ] => kubernetes::write(&root(), version, swagger, sources),
        ["dist", words @ ..] => dist::make(&root(), words),
        ["man"] => man::write(&root().join("target/man")),
        ["man", folder] => man::write(Path::new(folder)),
        ["tidy"] => tidy::tidy(&root()),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("xtask is a folder of the workspace")
        .to_owned()
}
