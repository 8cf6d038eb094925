//! `trocar plugin build`: builds a plugin from its source, in any of the supported languages.

mod javascript;
mod python;
mod rust;
mod tools;

use std::{
    fs, io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use trocar::{
    manifest::{PluginManifest, PluginType},
    plugin,
};

use super::{compile_packed, read, read_manifest, read_text, refused, write};
use crate::cli::{
    args::{NewPluginLanguage, PluginBuildArgs},
    embedded,
    error::CliError,
    ui,
};

/// A language that plugins can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Python,
    JavaScript,
}

impl Language {
    pub(super) const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    /// The name as prose has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The name on the command line and in the folder of examples.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }

    /// The file that identifies a plugin's folder as of this language.
    pub(super) fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "plugin.py",
            Self::JavaScript => "plugin.js",
        }
    }

    /// The language of the plugin in a folder.
    fn of(folder: &Path) -> Result<Self, CliError> {
        let found: Vec<Self> = Self::ALL
            .into_iter()
            .filter(|language| folder.join(language.marker()).is_file())
            .collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(
                CliError::new(format!("no plugin source found in {}", shown(folder))).hint(
                    "a plugin has a Cargo.toml with src/lib.rs, a plugin.py or a plugin.js; trocar plugin new NAME creates one",
                ),
            ),
            several => {
                let markers: Vec<&str> = several.iter().map(|language| language.marker()).collect();
                let markers = markers.join(" and ");
                Err(CliError::new(format!("{} has {markers}, so its language is ambiguous", shown(folder)))
                    .hint("keep one plugin per folder, in one language"))
            }
        }
    }
}

impl From<NewPluginLanguage> for Language {
    fn from(typed: NewPluginLanguage) -> Self {
        match typed {
            NewPluginLanguage::Rust => Self::Rust,
            NewPluginLanguage::Python => Self::Python,
            NewPluginLanguage::Javascript => Self::JavaScript,
        }
    }
}

pub(crate) fn build(args: &PluginBuildArgs) -> Result<(), CliError> {
    let made = component(args)?;
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.folder.join(format!("{}.wasm", made.name)));
    write(&output, &made.plugin)?;
    match args.no_compile {
        true => Ok(()),
        false => compile_packed(&output),
    }
}

/// A plugin that was built and packed, but not written to disk.
pub(super) struct BuiltPlugin {
    pub(super) name: String,
    pub(super) plugin_type: PluginType,
    pub(super) plugin: Vec<u8>,
}

/// Builds the plugin of a folder.
pub(super) fn component(args: &PluginBuildArgs) -> Result<BuiltPlugin, CliError> {
    let file = args.folder.join("plugin.yaml");
    let text = read_text(&file).map_err(|error| {
        error.hint("a plugin has a plugin.yaml beside its source; trocar plugin new NAME creates one")
    })?;
    // Checked first: a compiler may run for a minute.
    let manifest = read_manifest(&file, &text)?;
    let module = match Language::of(&args.folder)? {
        Language::Rust => rust::compile(&args.folder, args.locked, args.strip)?,
        Language::Python => python::compile(&args.folder, &manifest, args.install_tool)?,
        Language::JavaScript => javascript::compile(&args.folder, &manifest, args.install_tool)?,
    };
    let (plugin, manifest) =
        plugin::pack(&read(&module)?, &text).map_err(|error| refused(&module, &error))?;
    Ok(BuiltPlugin {
        name: manifest.name,
        plugin_type: manifest.plugin_type,
        plugin,
    })
}

/// The world that a plugin implements. The componentizers import everything that a world names, hence worlds without `cluster`.
fn world(manifest: &PluginManifest) -> &'static str {
    match (manifest.plugin_type, manifest.capabilities.is_empty()) {
        (PluginType::Strategy, true) => "pure-strategy",
        (PluginType::Strategy, false) => "strategy-plugin",
        (PluginType::Policy, true) => "pure-policy",
        (PluginType::Policy, false) => "policy-plugin",
    }
}

/// Prepares `.trocar`, the folder of generated build inputs, with the WIT files in it.
fn build_folder(folder: &Path) -> Result<PathBuf, CliError> {
    let build_folder = folder.join(".trocar");
    let wit = build_folder.join("wit");
    let unwritten = |error: io::Error| CliError::new(format!("cannot write {}: {error}", shown(&wit)));
    fs::create_dir_all(&wit).map_err(unwritten)?;
    for (name, text) in embedded::below("wit/") {
        fs::write(wit.join(name), text).map_err(unwritten)?;
    }
    // Everything in it is generated on each build and must not be committed.
    fs::write(build_folder.join(".gitignore"), "*\n").map_err(unwritten)?;
    Ok(build_folder)
}

fn shown(path: &Path) -> impl std::fmt::Display + '_ {
    path.display()
}

/// How a compiler ended: some end without printing anything.
fn exit_description(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with code {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "its exit status is unknown".into(),
    }
}

/// The error for a compiler that ran and failed.
fn build_failed(tool: &str, folder: &Path, status: ExitStatus) -> CliError {
    let failed = format!(
        "{tool} could not build {}: {}",
        shown(folder),
        exit_description(status)
    );
    let failed = CliError::new(failed);
    match status.signal() {
        Some(9) => failed.hint(KILLED_HINT),
        _ => failed,
    }
}

/// The likely cause of signal 9: the kernel's out-of-memory killer.
const KILLED_HINT: &str = "the system most likely ran out of memory; free some, then build again";

/// The most of a compiler's stderr that is shown, in bytes.
const MAX_STDERR: usize = 64 << 10;

/// Prints a compiler's error output.
fn show_errors(stderr: &[u8]) {
    let shown = &stderr[..stderr.len().min(MAX_STDERR)];
    if !shown.is_empty() {
        ui::error_lines(&String::from_utf8_lossy(shown));
    }
}
