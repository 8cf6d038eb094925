//! Builds plugins written in Rust: cargo makes a core module, which packing turns into a component.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::{build_failed, exit_description};
use crate::cli::error::CliError;

/// The target of the first tier: no WASI, and a third of the size of a wasm32-wasip2 component.
const TARGET: &str = "wasm32-unknown-unknown";

/// Build settings that override the crate's own profile. Against `opt-level="s"`, 3 makes components a third larger and plans a
/// tenth to a sixth faster. With link-time optimisation a guest imports only what it calls.
const PROFILE: [&str; 4] = [
    "profile.release.opt-level=3",
    "profile.release.lto=true",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
];

/// Compiles a crate to a core module. Returns its path. The bytes do not depend on the folder: paths of this machine are remapped.
pub(super) fn compile(folder: &Path, locked: bool, strip: bool) -> Result<PathBuf, CliError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .args([
            "rustc",
            "--release",
            "--lib",
            "--crate-type=cdylib",
            // Paths of artifacts as JSON on stdout, mistakes as text on stderr.
            "--message-format=json-render-diagnostics",
        ])
        .args(["--target", TARGET])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        // It replaces RUSTFLAGS and those of cargo's configuration: the bytes must not depend on the machine.
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(folder)?.join("\u{1f}"));
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    let what = if strip { "symbols" } else { "debuginfo" };
    command.args(["--config", &format!("profile.release.strip={what:?}")]);
    if locked {
        command.arg("--locked");
    }
    let output = run_cargo(&mut command)?;
    if !output.status.success() {
        let failed = build_failed("cargo", folder, output.status);
        return Err(match output.status.signal() {
            Some(9) => failed,
            _ => failed.hint(format!(
                "if it cannot find core or std: rustup target add {TARGET}"
            )),
        });
    }
    artifact(&output.stdout, folder).ok_or_else(|| {
        CliError::new("the crate did not produce a WebAssembly module")
            .hint("a plugin is a library: it needs a src/lib.rs")
    })
}

/// Runs cargo with its stderr shown, where it reports mistakes in the crate.
fn run_cargo(command: &mut Command) -> Result<Output, CliError> {
    command.stderr(Stdio::inherit()).output().map_err(|error| {
        let program = command.get_program().display();
        CliError::new(format!("cannot run {program}: {error}")).hint("install Rust: https://rustup.rs")
    })
}

/// The last module that cargo's messages report for the crate in the folder.
fn artifact(messages: &[u8], folder: &Path) -> Option<PathBuf> {
    let manifest = folder.join("Cargo.toml").canonicalize().ok()?;
    let made = |message: Value| {
        let of_crate = message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().map(Path::new) == Some(manifest.as_path());
        let files = message["filenames"].as_array().filter(|_| of_crate)?;
        let module = files
            .iter()
            .filter_map(Value::as_str)
            .find(|file| file.ends_with(".wasm"))?;
        Some(PathBuf::from(module))
    };
    // One JSON message per line. $CARGO may name a wrapper that prints other lines too: these are skipped.
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .filter_map(made)
        .next_back()
}

fn rustflags(folder: &Path) -> Result<Vec<String>, CliError> {
    let absolute = |path: PathBuf| path.canonicalize().unwrap_or(path).display().to_string();
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .ok_or_else(|| CliError::new("cannot find cargo's home folder: set CARGO_HOME"))?;
    let workspace = workspace_root(folder)?;
    Ok(vec![
        "-Clink-arg=-zstack-size=131072".into(),
        // Enough for most calls, which then do not grow their memory.
        "-Clink-arg=--initial-heap=196608".into(),
        format!("--remap-path-prefix={}=/plugin", absolute(workspace)),
        format!("--remap-path-prefix={}=/cargo", absolute(home)),
    ])
}

fn workspace_root(folder: &Path) -> Result<PathBuf, CliError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "locate-project",
            "--workspace",
            "--message-format=plain",
            "--manifest-path",
        ])
        .arg(folder.join("Cargo.toml"));
    let output = run_cargo(&mut command)?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match Path::new(&found).parent() {
        Some(root) if output.status.success() => Ok(root.to_owned()),
        _ => Err(CliError::new(format!(
            "cargo cannot find the crate in {}: {}",
            folder.display(),
            exit_description(output.status)
        ))),
    }
}
