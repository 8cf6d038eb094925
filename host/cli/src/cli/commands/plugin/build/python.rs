//! Builds plugins written in Python: componentize-py makes a component that contains CPython.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use trocar::manifest::{PluginManifest, PluginType};

use super::{build_failed, build_folder, show_errors, tools::Tool, world};
use crate::cli::{commands::plugin::write_file, error::CliError};

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
            // The installation of a source package would run its code.
            "--only-binary=:all:",
        ];
        let rest = ["--target".into(), folder, exact];
        words.map(str::to_owned).into_iter().chain(rest).collect()
    },
};

const NO_PIP: &str = "it needs Python 3.10 or later with pip: python3 -m pip --version";

/// Runs componentize-py. It reports mistakes in the author's source as an `AssertionError`, whose first part is the mistake and
/// whose "Caused by" chain is the tool's own call stack: only the former is printed.
const RUN: &str = "import sys
from componentize_py import script
try:
    sys.exit(script())
except AssertionError as error:
    sys.exit(str(error).split('\\n\\nCaused by:')[0])";

/// The component's entry module, which joins the author's plugin.py with the SDK.
const ENTRY: &str = "_trocar_entry";

/// Compiles plugin.py and its imports. Returns the path of the component.
pub(super) fn compile(
    folder: &Path,
    manifest: &PluginManifest,
    may_install: bool,
) -> Result<PathBuf, CliError> {
    let tool = TOOL.folder(may_install)?;
    let build_folder = build_folder(folder)?;
    let entry = build_folder.join(format!("{ENTRY}.py"));
    write_file(&entry, entry_text(manifest.plugin_type).as_bytes())?;
    let component = build_folder.join("component.wasm");
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", &tool)
        // No `__pycache__` beside the author's source.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-c", RUN, "--quiet", "--wit-path"])
        .arg(build_folder.join("wit"))
        .args(["--world", world(manifest), "componentize", "--stub-wasi"]);
    for place in [build_folder.as_path(), folder, &folder.join("sdk")] {
        if place.is_dir() {
            command.arg("--python-path").arg(place);
        }
    }
    command.arg("--output").arg(&component).arg(ENTRY);
    let output = command
        .output()
        .map_err(|error| CliError::new(format!("cannot run python3: {error}")).hint(NO_PIP))?;
    show_errors(&output.stderr);
    match output.status.success() {
        true => Ok(component),
        false => Err(build_failed(TOOL.name, folder, output.status)),
    }
}

fn entry_text(plugin_type: PluginType) -> String {
    let (class, function) = match plugin_type {
        PluginType::Strategy => ("Strategy", "strategy"),
        PluginType::Policy => ("Policy", "policy"),
    };
    format!("import plugin\nfrom trocar_sdk import guest\n\n{class} = guest.{function}(plugin)\n")
}
