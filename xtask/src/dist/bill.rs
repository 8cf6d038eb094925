//! What is in the program: a bill of materials in CycloneDX 1.6.
//!
//! Written from `cargo metadata` in a few lines, since the tools for it put in a serial number and a time.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::guests::cargo;

/// The document, for the crates that a package of this workspace links on a target.
pub(super) fn of_materials(root: &Path, package: &str, target: &str, version: &str) -> Result<String> {
    let output = Command::new(cargo())
        .current_dir(root)
        .args([
            "tree",
            "--locked",
            "--package",
            package,
            // Not what only build scripts and tests use: it is not linked into the program.
            "--edges=normal",
            "--prefix=none",
            "--target",
        ])
        .args([target, "--format={p}\t{l}"])
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    }
    // A set, since `cargo tree` lists a crate once for each way to it.
    let lines: BTreeSet<String> = String::from_utf8(output.stdout)?
        .lines()
        .map(str::to_owned)
        .collect();
    let components: Vec<Value> = lines.iter().filter_map(|line| component(line)).collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "name": package, "version": version,
            "licenses": [{"expression": "Apache-2.0"}],
        }},
        "components": components,
    });
    Ok(format!("{document:#}\n"))
}

/// A line as `serde v1.0.1 (/a/folder)\tMIT OR Apache-2.0`; crates of this workspace are the program itself.
fn component(line: &str) -> Option<Value> {
    let (package, license) = line.split_once('\t')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    if words.any(|word| word.starts_with("(/")) {
        return None;
    }
    // ` (*)` marks a crate that was listed before. Old crates write `MIT/Apache-2.0`, which SPDX does not have.
    let license = license.trim_end_matches(" (*)").replace('/', " OR ");
    Some(json!({
        "type": "library",
        "name": name,
        "version": version,
        "purl": format!("pkg:cargo/{name}@{version}"),
        "licenses": [{"expression": license}],
    }))
}
