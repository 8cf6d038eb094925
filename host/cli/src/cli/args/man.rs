//! The man pages, made of the commands by a test: `cargo xtask man` runs it, and the program holds nothing for them.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use super::command;

/// The folder into which the pages are written, where they are to be kept.
const FOLDER: &str = "TROCAR_MAN_FOLDER";

/// Writes the page of a command and of those below it. Gives their files.
fn write(command: &clap::Command, name: &str, folder: &Path) -> Vec<PathBuf> {
    let page = command
        .clone()
        .name(name.to_owned())
        .display_name(name.to_owned());
    let page = page
        .bin_name(name.replace('-', " "))
        .version(env!("CARGO_PKG_VERSION"));
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .expect("memory can be written to");
    let file = folder.join(format!("{name}.1"));
    fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let below = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set() && below.get_name() != "help");
    let below = below.flat_map(|below| write(below, &format!("{name}-{}", below.get_name()), folder));
    std::iter::once(file).chain(below).collect()
}

#[test]
fn every_command_has_a_man_page_that_renders() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = env::var_os(FOLDER).map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    let mut command = command();
    command.build();
    let files = write(&command, "trocar", &folder);
    assert!(
        files.iter().any(|file| file.ends_with("trocar-plugin-inspect.1")),
        "{files:?}"
    );
    if Command::new("man").arg("--version").output().is_err() {
        // Past what a test's output is caught by: one that did not run must not look like one that passed.
        io::stderr()
            .write_all(b"SKIPPED: no man page was rendered: this machine has no man\n")
            .ok();
        return;
    }
    for file in files {
        let rendered = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(&file)
            .env("MANPAGER", "cat")
            .env("MANWIDTH", "100")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let (text, said) = (
            String::from_utf8_lossy(&rendered.stdout),
            String::from_utf8_lossy(&rendered.stderr),
        );
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(rendered.status.success() && said.is_empty(), "{name}: {said}");
        for part in ["NAME", "SYNOPSIS", &name] {
            assert!(text.contains(part), "{part:?} is not in the page {name}:\n{text}");
        }
    }
}
