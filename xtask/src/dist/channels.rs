//! The ways by which people install: krew, Homebrew, a Debian package.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Result, bail};

use super::{
    Release,
    archive::{Entry, gz},
};

const SUMMARY: &str = "Debug pods and nodes by sandboxed plugins";

/// What the indexes of krew and Homebrew take: they say where the archive can be had.
pub(super) fn indexes(release: &Release, digest: &str) -> Vec<(String, Vec<u8>)> {
    let Some(repository) = &release.repository else {
        println!("SKIPPED: what krew and Homebrew take, which needs --repository");
        return Vec::new();
    };
    let (name, version) = (release.name(), &release.version);
    let uri = format!("{repository}/releases/download/v{version}/{name}.tar.gz");
    vec![
        (
            format!("{name}.krew.yaml"),
            krew(release, repository, &uri, digest).into(),
        ),
        (
            format!("{name}.rb"),
            homebrew(release, repository, &uri, digest).into(),
        ),
    ]
}

/// The manifest of `kubectl krew`.
fn krew(release: &Release, repository: &str, uri: &str, digest: &str) -> String {
    let architecture = if release.target.starts_with("aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let system = if release.target.contains("darwin") {
        "darwin"
    } else {
        "linux"
    };
    let (name, version) = (release.name(), &release.version);
    format!(
        r#"apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: trocar
spec:
  version: v{version}
  homepage: {repository}
  shortDescription: {SUMMARY}
  description: |
    Debugs pods and nodes as kubectl debug does: ephemeral containers, copies
    of pods, pods on nodes. How a target is debugged is decided by sandboxed
    WebAssembly plugins, and an organisation's policies are plugins as well.
    All of a program's output is shown, and its exit code is passed on.
  platforms:
  - selector:
      matchLabels:
        os: {system}
        arch: {architecture}
    uri: {uri}
    sha256: {digest}
    bin: kubectl-trocar
    files:
    - from: {name}/kubectl-trocar
      to: .
    - from: {name}/trocar
      to: .
    - from: {name}/LICENSE
      to: .
"#
    )
}

/// The formula of Homebrew.
fn homebrew(release: &Release, repository: &str, uri: &str, digest: &str) -> String {
    let version = &release.version;
    format!(
        r##"class Trocar < Formula
  desc "{SUMMARY}"
  homepage "{repository}"
  url "{uri}"
  version "{version}"
  sha256 "{digest}"
  license "Apache-2.0"

  def install
    bin.install "trocar", "kubectl-trocar"
    bin.install "completions/kubectl_complete-trocar"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/trocar.bash" => "trocar"
    zsh_completion.install "completions/_trocar"
    fish_completion.install "completions/trocar.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/trocar version")
  end
end
"##
    )
}

/// The Debian package; none for other systems, and where `dpkg-deb` is not there.
pub(super) fn deb(release: &Release, entries: &[Entry]) -> Result<Option<(String, Vec<u8>)>> {
    let Some(architecture) = debian_architecture(&release.target) else {
        return Ok(None);
    };
    let tree = release.folder.join("deb");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let version = &release.version;
    for entry in entries {
        let (place, bytes) = match entry.place.strip_prefix("man/") {
            Some(page) => (format!("usr/share/man/man1/{page}.gz"), gz(&entry.bytes)?),
            None => match installed(&entry.place) {
                Some(place) => (place, entry.bytes.clone()),
                None => continue,
            },
        };
        write(&tree.join(place), &bytes, entry.mode())?;
    }
    let control = format!(
        "Package: trocar\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: The authors of trocar <trocar@invalid>\n\
         Section: admin\nPriority: optional\nDescription: {SUMMARY}\n"
    );
    write(&tree.join("DEBIAN/control"), control.as_bytes(), 0o644)?;
    let name = format!("trocar_{version}_{architecture}.deb");
    let package = release.folder.join(&name);
    let made = Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .args([&tree, &package])
        .env("SOURCE_DATE_EPOCH", release.time.to_string())
        .output();
    fs::remove_dir_all(&tree)?;
    match made {
        Ok(made) if made.status.success() => Ok(Some((name, fs::read(package)?))),
        Ok(made) => bail!("dpkg-deb: {}", String::from_utf8_lossy(&made.stderr)),
        Err(_) => {
            println!("SKIPPED: the Debian package, since dpkg-deb is not there");
            Ok(None)
        }
    }
}

fn debian_architecture(target: &str) -> Option<&'static str> {
    match target.split_once('-')? {
        ("x86_64", system) if system.contains("linux") => Some("amd64"),
        ("aarch64", system) if system.contains("linux") => Some("arm64"),
        _ => None,
    }
}

fn installed(place: &str) -> Option<String> {
    Some(match place {
        "trocar" | "kubectl-trocar" => format!("usr/bin/{place}"),
        "completions/kubectl_complete-trocar" => "usr/bin/kubectl_complete-trocar".into(),
        "completions/trocar.bash" => "usr/share/bash-completion/completions/trocar".into(),
        "completions/_trocar" => "usr/share/zsh/vendor-completions/_trocar".into(),
        "completions/trocar.fish" => "usr/share/fish/vendor_completions.d/trocar.fish".into(),
        "LICENSE" => "usr/share/doc/trocar/copyright".into(),
        _ => return None,
    })
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}
