//! What the indexes of krew and Homebrew take: they say where each platform's archive can be had, and what its digest is.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::SUMMARY;

/// An archive of a release, as its line in `SHA256SUMS` has it.
struct Archive<'a> {
    digest: &'a str,
    /// Its name without `.tar.gz`, which is the folder in it as well.
    name: &'a str,
    system: &'static str,
    architecture: &'static str,
}

/// Writes `trocar.yaml` for krew, which wants a file of the plugin's name, and `trocar.rb` for Homebrew, for the archives that
/// `SHA256SUMS` of a folder lists.
pub(super) fn write(folder: &Path, repository: &str, version: &str) -> Result<()> {
    let path = folder.join("SHA256SUMS");
    let sums = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let archives: Vec<Archive<'_>> = sums.lines().filter_map(archive).collect();
    let address = format!("{repository}/releases/download/v{version}");
    fs::write(
        folder.join("trocar.yaml"),
        krew(&archives, repository, &address, version),
    )?;
    fs::write(
        folder.join("trocar.rb"),
        homebrew(&archives, repository, &address, version),
    )?;
    Ok(())
}

fn archive(line: &str) -> Option<Archive<'_>> {
    let (digest, name) = line.split_once("  ")?;
    let name = name.strip_suffix(".tar.gz")?;
    let system = if name.ends_with("-darwin") {
        "darwin"
    } else if name.contains("-linux-") {
        "linux"
    } else {
        return None;
    };
    let architecture = if name.contains("-aarch64-") {
        "arm64"
    } else {
        "amd64"
    };
    Some(Archive {
        digest,
        name,
        system,
        architecture,
    })
}

/// The manifest of `kubectl krew`.
fn krew(archives: &[Archive<'_>], repository: &str, address: &str, version: &str) -> String {
    let mut manifest = format!(
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
"#
    );
    for Archive {
        digest,
        name,
        system,
        architecture,
    } in archives
    {
        manifest += &format!(
            r#"  - selector:
      matchLabels:
        os: {system}
        arch: {architecture}
    uri: {address}/{name}.tar.gz
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
        );
    }
    manifest
}

fn homebrew(archives: &[Archive<'_>], repository: &str, address: &str, version: &str) -> String {
    let mut formula = format!(
        r#"class Trocar < Formula
  desc "{SUMMARY}"
  homepage "{repository}"
  version "{version}"
  license "Apache-2.0"

"#
    );
    for archive in archives {
        let system = if archive.system == "darwin" {
            "macos"
        } else {
            "linux"
        };
        let processor = if archive.architecture == "arm64" {
            "arm"
        } else {
            "intel"
        };
        formula += &format!(
            r#"  on_{system} do
    on_{processor} do
      url "{address}/{}.tar.gz"
      sha256 "{}"
    end
  end

"#,
            archive.name, archive.digest
        );
    }
    formula
        + r##"  def install
    bin.install "trocar", "kubectl-trocar"
    bin.install "completions/kubectl_complete-trocar"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/trocar.bash" => "trocar"
    zsh_completion.install "completions/_trocar"
    fish_completion.install "completions/trocar.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/trocar --version")
  end
end
"##
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMS: &str = "aa  trocar-0.1.0-x86_64-unknown-linux-musl.tar.gz\n\
                        bb  trocar-0.1.0-aarch64-apple-darwin.tar.gz\n\
                        cc  trocar_0.1.0_amd64.deb\n\
                        dd  trocar-sdk-0.1.0.tgz\n\
                        ee  trocar_sdk-0.1.0.tar.gz\n";

    #[test]
    fn each_archive_is_a_platform_and_nothing_else_is() {
        let archives: Vec<Archive<'_>> = SUMS.lines().filter_map(archive).collect();
        let manifest = krew(
            &archives,
            "https://forge/trocar",
            "https://forge/trocar/r",
            "0.1.0",
        );
        assert_eq!(manifest.matches("- selector:").count(), 2);
        assert!(manifest.contains(
            "os: darwin\n        arch: arm64\n    uri: https://forge/trocar/r/trocar-0.1.0-aarch64-apple-darwin.tar.gz\n    sha256: bb\n"
        ));
        let formula = homebrew(
            &archives,
            "https://forge/trocar",
            "https://forge/trocar/r",
            "0.1.0",
        );
        assert!(formula.contains("on_linux do\n    on_intel do\n"));
    }
}
