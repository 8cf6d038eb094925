//! Builds plugins written in JavaScript: componentize-qjs makes a component that contains QuickJS.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use trocar::manifest::{PluginManifest, PluginType};

use super::{build_failed, build_folder, show_errors, tools::Tool, world};
use crate::cli::{commands::plugin::write_file, error::CliError};

const TOOL: Tool = Tool {
    name: "componentize-qjs",
    version: "0.4.5",
    registry: "the npm registry",
    size: "38 MB",
    proof: "node_modules/componentize-qjs/cli.mjs",
    installer: ("npm", NO_NODE),
    arguments: |tool, folder| {
        let folder = folder.display().to_string();
        let exact = format!("{}@{}", tool.name, tool.version);
        let words = [
            "install",
            "--silent",
            "--no-fund",
            "--no-audit",
            // Scripts of packages would run with the author's rights.
            "--ignore-scripts",
            "--no-save",
            "--prefix",
        ];
        words
            .map(str::to_owned)
            .into_iter()
            .chain([folder, exact])
            .collect()
    },
};

const NO_NODE: &str = "it needs Node.js 20 or later with npm: node --version";

/// Compiles plugin.js and its imports. Returns the path of the component.
pub(super) fn compile(
    folder: &Path,
    manifest: &PluginManifest,
    may_install: bool,
) -> Result<PathBuf, CliError> {
    let tool = TOOL.folder(may_install)?;
    let build_folder = build_folder(folder)?;
    let has_sdk = folder.join("sdk/guest.js").is_file();
    let entry = build_folder.join("entry.js");
    write_file(&entry, entry_text(manifest, has_sdk).as_bytes())?;
    let component = build_folder.join("component.wasm");
    let mut command = Command::new("node");
    command
        .arg(tool.join(TOOL.proof))
        .arg("--wit")
        .arg(build_folder.join("wit"))
        .args([
            "--world",
            world(manifest),
            "--sync",
            "--stub-wasi",
            "--module-root",
        ])
        .arg(folder)
        .arg("--js")
        .arg(&entry)
        .arg("--output")
        .arg(&component);
    let output = command
        .output()
        .map_err(|error| CliError::new(format!("cannot run node: {error}")).hint(NO_NODE))?;
    if output.status.success() {
        return Ok(component);
    }
    show_errors(&output.stderr);
    Err(build_failed(TOOL.name, folder, output.status))
}

/// The source of the component's entry module, which joins the author's plugin.js with the SDK.
fn entry_text(manifest: &PluginManifest, has_sdk: bool) -> String {
    let kind = match manifest.plugin_type {
        PluginType::Strategy => "strategy",
        PluginType::Policy => "policy",
    };
    let sdk = if has_sdk {
        "../sdk/guest.js"
    } else {
        "@trocar/sdk/guest"
    };
    let (import, cluster) = match manifest.capabilities.is_empty() {
        true => ("", "null"),
        false => (
            "import * as cluster from 'trocar:plugin/cluster@0.1.0';\n",
            "cluster",
        ),
    };
    format!(
        "import * as log from 'trocar:plugin/log@0.1.0';\n{import}import * as plugin from '../plugin.js';\n\
         import {{ {kind} as exported }} from '{sdk}';\n\n\
         export const {kind} = exported(plugin, {{ log: log.log, cluster: {cluster} }});\n"
    )
}
