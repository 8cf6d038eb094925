//! Building a plugin that is written in Python: componentize-py makes a component, with an interpreter in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use trocar::manifest::{PluginManifest, PluginType};

use super::{tell, tools::Tool, unbuilt, workshop, world};
use crate::cli::{commands::plugin::save, error::CliError};

const TOOL: Tool = Tool {
    name: "componentize-py",
    version: "0.25.1",
    registry: "PyPI",
    size: "46 MB",
    proof: "componentize_py/__init__.py",
    installer: ("python3", NO_PIP),
    arguments: |tool, folder| {
        let folder = folder.display().to_string();
        let exact = format!("{}=={}", tool.name, tool.version);
        let words = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--no-deps",
            "--only-binary=:all:",
        ];
        let rest = ["--target".into(), folder, exact];
        words.map(str::to_owned).into_iter().chain(rest).collect()
    },
};

const NO_PIP: &str = "it needs Python 3.10 or later with pip: python3 -m pip --version";

/// Runs the tool. What it is asked to compile may be wrong: that is told without the way that the tool went.
const RUN: &str = "import sys
from componentize_py import script
try:
    sys.exit(script())
except AssertionError as error:
    sys.exit(str(error).split('\\n\\nCaused by:')[0])";

/// The module that the component starts from. Authors write plugin.py alone.
const ENTRY: &str = "_trocar_entry";

/// Compiles plugin.py and what it imports, and says where the component is.
pub(super) fn compile(
    folder: &Path,
    manifest: &PluginManifest,
    may_install: bool,
) -> Result<PathBuf, CliError> {
    let tool = TOOL.folder(may_install)?;
    let workshop = workshop(folder)?;
    let entry = workshop.join(format!("{ENTRY}.py"));
    save(&entry, entry_text(manifest.plugin_type).as_bytes())?;
    let component = workshop.join("component.wasm");
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", &tool)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-c", RUN, "--quiet", "--wit-path"])
        .arg(workshop.join("wit"))
        .args(["--world", world(manifest), "componentize", "--stub-wasi"]);
    for place in [workshop.as_path(), folder, &folder.join("sdk")] {
        if place.is_dir() {
            command.arg("--python-path").arg(place);
        }
    }
    command.arg("--output").arg(&component).arg(ENTRY);
    let output = command
        .output()
        .map_err(|error| CliError::new(format!("cannot run python3: {error}")).hint(NO_PIP))?;
    tell(&output.stderr);
    match output.status.success() {
        true => Ok(component),
        false => Err(unbuilt(TOOL.name, folder, output.status)),
    }
}

fn entry_text(plugin_type: PluginType) -> String {
    let (class, function) = match plugin_type {
        PluginType::Strategy => ("Strategy", "strategy"),
        PluginType::Policy => ("Policy", "policy"),
    };
    format!("import plugin\nfrom trocar_sdk import guest\n\n{class} = guest.{function}(plugin)\n")
}
