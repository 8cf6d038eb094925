//! Packages of distributions: `.deb` and `.rpm`, made by nfpm from one description.

use std::{
    collections::BTreeMap, fs, io::ErrorKind, os::unix::fs::PermissionsExt as _, path::Path, process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    Release, SUMMARY,
    archive::{Entry, gz},
};

/// The packages by their names; none for other systems than Linux, and where nfpm is not there.
pub(super) fn made(release: &Release, entries: &[Entry]) -> Result<Vec<(String, Vec<u8>)>> {
    let Some(architecture) = release
        .architecture()
        .filter(|_| release.target.contains("linux"))
    else {
        return Ok(Vec::new());
    };
    let tree = release.folder.join("package");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let places = lay_out(&tree, entries)?;
    let config = tree.join("nfpm.json");
    fs::write(
        &config,
        description(release, architecture, &tree, &places).to_string(),
    )?;
    let version = &release.version;
    let names = [
        ("deb", format!("trocar_{version}_{architecture}.deb")),
        ("rpm", format!("trocar-{version}-1.{}.rpm", release.machine())),
    ];
    let mut packages = Vec::new();
    for (packager, name) in names {
        let Some(package) = pack(&config, packager, &tree.join(&name), release.time)? else {
            println!("SKIPPED: {name}, since nfpm is not there");
            continue;
        };
        packages.push((name, package));
    }
    fs::remove_dir_all(&tree)?;
    Ok(packages)
}

/// Writes the files as they will be installed, below a folder; gives their places and modes.
fn lay_out(tree: &Path, entries: &[Entry]) -> Result<BTreeMap<String, u32>> {
    let mut places = BTreeMap::new();
    for entry in entries {
        let (place, bytes) = match entry.place.strip_prefix("man/") {
            Some(page) => (format!("/usr/share/man/man1/{page}.gz"), gz(&entry.bytes)?),
            None => match installed(&entry.place) {
                Some(place) => (place, entry.bytes.clone()),
                None => continue,
            },
        };
        let path = tree.join(&place[1..]);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode()))?;
        places.insert(place, entry.mode());
    }
    Ok(places)
}

fn installed(place: &str) -> Option<String> {
    Some(match place {
        "trocar" | "kubectl-trocar" => format!("/usr/bin/{place}"),
        "completions/kubectl_complete-trocar" => "/usr/bin/kubectl_complete-trocar".into(),
        "completions/trocar.bash" => "/usr/share/bash-completion/completions/trocar".into(),
        "completions/_trocar" => "/usr/share/zsh/site-functions/_trocar".into(),
        "completions/trocar.fish" => "/usr/share/fish/vendor_completions.d/trocar.fish".into(),
        "LICENSE" => "/usr/share/doc/trocar/copyright".into(),
        "CHANGELOG.md" => "/usr/share/doc/trocar/CHANGELOG.md".into(),
        _ => return None,
    })
}

/// What nfpm reads: JSON is YAML.
fn description(release: &Release, architecture: &str, tree: &Path, places: &BTreeMap<String, u32>) -> Value {
    let contents: Vec<Value> = places
        .iter()
        .map(
            |(place, mode)| json!({"src": tree.join(&place[1..]), "dst": place, "file_info": {"mode": mode}}),
        )
        .collect();
    json!({
        "name": "trocar",
        "arch": architecture,
        "platform": "linux",
        "version": release.version,
        "release": 1,
        "section": "admin",
        "priority": "optional",
        "maintainer": "The authors of trocar <trocar@localhost>",
        "description": SUMMARY,
        "homepage": release.repository.as_deref().unwrap_or_default(),
        "license": "Apache-2.0",
        "contents": contents,
        // The name of the machine would be part of the package.
        "rpm": {"buildhost": "localhost", "group": "Applications/System", "compression": "zstd"},
        "deb": {"compression": "xz"},
    })
}

fn pack(config: &Path, packager: &str, package: &Path, time: u64) -> Result<Option<Vec<u8>>> {
    let made = Command::new("nfpm")
        .args(["package", "--packager", packager, "--config"])
        .arg(config)
        .arg("--target")
        .arg(package)
        .env("SOURCE_DATE_EPOCH", time.to_string())
        .output();
    match made {
        Ok(made) if made.status.success() => Ok(Some(fs::read(package)?)),
        Ok(made) => bail!("nfpm: {}", String::from_utf8_lossy(&made.stderr)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("cannot run nfpm"),
    }
}
