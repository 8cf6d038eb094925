//! Runs the tests of the SDKs and examples in other languages, if their tools are installed.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use trocar_test_support::skipped;

use crate::guests::{here, succeeds};

/// Runs a program in a folder.
fn run(program: &str, arguments: &[&str], folder: &Path) {
    succeeds(
        Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
}

/// Returns whether a program can be run.
fn has(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let status = command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_there = status.is_ok_and(|status| status.success());
    if !is_there {
        skipped(&format!("{program} {} does not work here", arguments.join(" ")));
    }
    is_there
}

/// A new plugin, written by `trocar plugin new`.
fn new(language: &str, plugin_type: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_trocar"))
        .args([
            "plugin",
            "new",
            "mine",
            "--language",
            language,
            "--type",
            plugin_type,
        ])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert!(fs::exists(folder.path().join("mine/plugin.yaml")).unwrap());
    folder
}

#[test]
fn the_sdk_in_python_and_new_plugins_pass_their_tests() {
    if !has("python3", &["-m", "pytest", "--version"]) {
        return;
    }
    let pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"];
    run("python3", &pytest, &here("../../guest-sdk/python"));
    for plugin_type in ["strategy", "policy"] {
        let folder = new("python", plugin_type);
        run("python3", &pytest, &folder.path().join("mine"));
    }
}

#[test]
fn the_sdk_in_javascript_and_new_plugins_pass_their_tests() {
    if !has("node", &["--version"]) {
        return;
    }
    run("node", &["--test"], &here("../../guest-sdk/javascript"));
    for plugin_type in ["strategy", "policy"] {
        let folder = new("javascript", plugin_type);
        run("node", &["--test"], &folder.path().join("mine"));
    }
}
