//! `trocar plugin build`: from the source of a plugin, in one of several languages, to the plugin.

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

/// A language in which plugins are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Python,
    JavaScript,
}

impl Language {
    pub(super) const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    /// Its name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        }
    }

    /// Its name on the command line and among the examples.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }

    /// The file by which a plugin's folder is known to be of the language.
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
                CliError::new(format!("{} has no source of a plugin", shown(folder))).hint(
                    "a plugin is a Cargo.toml with src/lib.rs, a plugin.py or a plugin.js; trocar plugin new NAME makes one",
                ),
            ),
            several => {
                let markers: Vec<&str> = several.iter().map(|language| language.marker()).collect();
                let markers = markers.join(" and ");
                Err(CliError::new(format!("{} has {markers}: which is the plugin?", shown(folder)))
                    .hint("a folder holds one plugin in one language"))
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

/// A plugin that was made, and not written yet.
pub(super) struct Made {
    pub(super) name: String,
    pub(super) plugin_type: PluginType,
    pub(super) plugin: Vec<u8>,
}

/// Builds the plugin of a folder.
pub(super) fn component(args: &PluginBuildArgs) -> Result<Made, CliError> {
    let file = args.folder.join("plugin.yaml");
    let text = read_text(&file).map_err(|error| {
        error.hint("every plugin has a plugin.yaml beside its source; trocar plugin new NAME makes one")
    })?;
    // Before a compiler runs for a minute.
    let manifest = read_manifest(&file, &text)?;
    let module = match Language::of(&args.folder)? {
        Language::Rust => rust::compile(&args.folder, args.locked, args.strip)?,
        Language::Python => python::compile(&args.folder, &manifest, args.install_tool)?,
        Language::JavaScript => javascript::compile(&args.folder, &manifest, args.install_tool)?,
    };
    let (plugin, manifest) =
        plugin::pack(&read(&module)?, &text).map_err(|error| refused(&module, &error))?;
    Ok(Made {
        name: manifest.name,
        plugin_type: manifest.plugin_type,
        plugin,
    })
}

/// The world of the contract that a plugin implements, for tools that import all that a world names.
fn world(manifest: &PluginManifest) -> &'static str {
    match (manifest.plugin_type, manifest.capabilities.is_empty()) {
        (PluginType::Strategy, true) => "pure-strategy",
        (PluginType::Strategy, false) => "strategy-plugin",
        (PluginType::Policy, true) => "pure-policy",
        (PluginType::Policy, false) => "policy-plugin",
    }
}

/// The folder of what a build needs besides the source, with the contract in it.
fn workshop(folder: &Path) -> Result<PathBuf, CliError> {
    let workshop = folder.join(".trocar");
    let wit = workshop.join("wit");
    let unwritten = |error: io::Error| CliError::new(format!("cannot write {}: {error}", shown(&wit)));
    fs::create_dir_all(&wit).map_err(unwritten)?;
    for (name, text) in embedded::below("wit/") {
        fs::write(wit.join(name), text).map_err(unwritten)?;
    }
    // What is in there is made anew each time; it is not to be committed.
    fs::write(workshop.join(".gitignore"), "*\n").map_err(unwritten)?;
    Ok(workshop)
}

fn shown(path: &Path) -> impl std::fmt::Display + '_ {
    path.display()
}

/// A compiler and what stands in its place may end without a word.
fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".into(),
    }
}

/// Why a compiler that was run did not make what it should.
fn unbuilt(tool: &str, folder: &Path, status: ExitStatus) -> CliError {
    let failed = format!(
        "{tool} could not build {}: {}",
        shown(folder),
        how_it_ended(status)
    );
    let failed = CliError::new(failed);
    match status.signal() {
        Some(9) => failed.hint(ENDED_BY_KILL),
        _ => failed,
    }
}

/// What a program was most likely ended by that was ended by signal 9.
const ENDED_BY_KILL: &str = "another program ended it: most often the system, when memory runs out";

/// The most of what a compiler says that is shown, in bytes.
const MAX_SAID: usize = 64 << 10;

/// Shows what a compiler said was wrong.
fn tell(stderr: &[u8]) {
    let said = &stderr[..stderr.len().min(MAX_SAID)];
    if !said.is_empty() {
        ui::error_lines(&String::from_utf8_lossy(said));
    }
}
