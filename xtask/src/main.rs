//! Chores of this repository. Depends on nothing of ours: what needs trocar runs it as a program.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the developers of this repository"
)]

mod book;
mod dist;
mod guests;
mod kubernetes;
mod man;
mod markdown;
mod names;
mod purity;
mod source;
mod text;
mod tidy;
mod walls;
mod words;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

const HELP: &str = "Usage: cargo xtask VERB

  book [--repository URL]
                   build the site from docs into target/book, and check its links (needs mdbook)
  dist [--target TRIPLE] [--repository URL] [--programs FOLDER]
                   make the files of a release below target/dist (default: a static program for x86-64 Linux)
  dist-index --repository URL --folder FOLDER
                   write what krew and Homebrew take, for the archives of all targets in a folder
  guests           build the default plugins and the test guests from source
  guests --check   say whether the committed components are what the source makes
  image OUT.tar PROGRAM [FILE...]
                   write the image of a program as an OCI layout, with files that it needs put where they are here
  kubernetes --version VERSION --from SWAGGER.JSON TYPES.GO...
                   write the table of the Kubernetes API from its OpenAPI document and its Go types
  man [FOLDER]     write the man pages (default: target/man)
  names            write the list of names that other programs read, docs/schemas/names.txt
  tidy             check what no compiler checks: the contract's hash, links, words, file headers, walls between crates";

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
        ["image", to, program, needs @ ..] => dist::image(&root(), Path::new(to), Path::new(program), needs),
        ["book"] => book::make(&root(), None),
        ["book", "--repository", repository] => book::make(&root(), Some(repository)),
        ["dist-index", words @ ..] => dist::index(words),
        ["dist", words @ ..] => dist::make(&root(), words),
        ["man"] => man::write(&root().join("target/man")),
        ["man", folder] => man::write(Path::new(folder)),
        ["names"] => names::write(&root()),
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
