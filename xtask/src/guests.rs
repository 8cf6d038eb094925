//! Building the committed components, and checking that they are what the source makes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// Where crates of plugins are: each folder with a `plugin.yaml` makes `FOLDER/FOLDER.wasm`.
const HOMES: [&str; 2] = ["plugins", "tests/guests/rust"];

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds all components into their places.
pub(crate) fn build() -> Result<()> {
    if !has_target()? {
        bail!("the wasm target is missing: rustup target add {TARGET}");
    }
    for crate_ in crates()? {
        make(&crate_, &committed(&crate_))?;
    }
    Ok(())
}

/// Builds all components elsewhere and compares.
pub(crate) fn check() -> Result<()> {
    if !has_target()? {
        println!("SKIPPED: committed components were not checked; rustup target add {TARGET}");
        return Ok(());
    }
    let elsewhere = super::root().join("target/guests-check");
    fs::create_dir_all(&elsewhere)?;
    let mut differ = Vec::new();
    for crate_ in crates()? {
        let made = elsewhere.join(name(&crate_)).with_extension("wasm");
        make(&crate_, &made)?;
        let committed = committed(&crate_);
        if fs::read(&made)? != fs::read(&committed).unwrap_or_default() {
            differ.push(committed.display().to_string());
        }
    }
    if !differ.is_empty() {
        bail!(
            "not what the source makes: {}\nhint: cargo xtask guests, and commit what it changes",
            differ.join(", ")
        );
    }
    println!("the committed components are what the source makes");
    Ok(())
}

fn make(crate_: &Path, output: &Path) -> Result<()> {
    // The default plugins are part of the program, which is to be small.
    let is_default = crate_.starts_with(super::root().join("plugins"));
    let made = Command::new(cargo())
        .current_dir(super::root())
        .args([
            "run",
            "--quiet",
            "--package",
            "trocar-cli",
            "--bin",
            "trocar",
            "--",
        ])
        .args(["plugin", "build", "--locked"])
        // Without names of functions: they were half a megabyte of the program.
        .args(is_default.then_some("--strip"))
        .arg("--output")
        .arg(output)
        .arg(crate_)
        .status()
        .context("cannot run cargo")?;
    if !made.success() {
        bail!("{} could not be built", crate_.display());
    }
    Ok(())
}

/// The crates of plugins, sorted.
fn crates() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for home in HOMES {
        let Ok(entries) = fs::read_dir(super::root().join(home)) else {
            continue;
        };
        for entry in entries {
            let folder = entry?.path();
            if folder.join("plugin.yaml").is_file() {
                found.push(folder);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn name(crate_: &Path) -> &str {
    crate_
        .file_name()
        .and_then(|name| name.to_str())
        .expect("folders of plugins are named in UTF-8")
}

fn committed(crate_: &Path) -> PathBuf {
    crate_.join(name(crate_)).with_extension("wasm")
}

/// Says whether the compiler has the standard library for guests.
fn has_target() -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(super::root())
        .output()
        .context("cannot run rustc")?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Path::new(&folder).is_dir())
}

pub(crate) fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
