//! Plugins: components with a manifest, where they come from, and what is known of them without running them.

mod embedded;
mod pack;

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use trocar_core::{
    manifest::{PluginManifest, PluginType},
    plan::PluginId,
    planning::Blamed,
    registry::{RegistrySource, SCHEME, StoredSource, SupplyError},
};

use crate::{
    Blame, Limits, WasmError,
    component::{Inspected, check_encoding, check_size, inspect},
    known::{Identity, Known, SeenFile},
    protection::{Protection, Unprotected},
    runtime::{Code, Loaded, Source},
};

pub use pack::{PackError, mistake, pack, read_manifest};

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PluginSource {
    /// Part of the program, by its name.
    Default(String),
    /// A file.
    File(PathBuf),
    /// A file that must have a certain digest: `sha256:…`.
    Pinned(PathBuf, String),
    /// The same for the system's configuration: component and compiled form come from folders that root alone can write to.
    System(PathBuf, String),
    /// A plugin of a registry, of which it has to be found out first where it is on this machine.
    Registry(RegistrySource),
    /// A file with a certain digest that was found out so, or that was held against rules of trust.
    Stored(StoredSource),
}

impl PluginSource {
    /// Reads a source as it is typed: a reference in a registry, a name, or a path, which has a slash in it or ends in
    /// `.wasm`.
    pub fn typed(typed: &str) -> Self {
        if typed.starts_with(SCHEME) {
            return Self::Registry(RegistrySource {
                reference: typed.to_owned(),
                configured: None,
                component: None,
                is_systems: false,
            });
        }
        if typed.contains('/') || typed.ends_with(".wasm") {
            Self::File(typed.into())
        } else {
            Self::Default(typed.to_owned())
        }
    }
}

impl PluginSource {
    /// It is one of the system's configuration.
    pub fn is_systems(&self) -> bool {
        match self {
            Self::System(..) => true,
            Self::Registry(source) => source.is_systems,
            Self::Stored(source) => source.is_systems,
            Self::Default(_) | Self::File(_) | Self::Pinned(..) => false,
        }
    }

    /// The digest that its component has to have, where it is known before the component is read.
    pub(crate) fn digest(&self) -> Option<&str> {
        match self {
            Self::Pinned(_, digest) | Self::System(_, digest) => Some(digest),
            Self::Stored(source) => Some(&source.digest),
            Self::Default(_) | Self::File(_) | Self::Registry(_) => None,
        }
    }

    /// The file that it is read from, where it is known.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Pinned(path, _) | Self::System(path, _) => Some(path),
            Self::Stored(source) => Some(&source.path),
            Self::Default(_) | Self::Registry(_) => None,
        }
    }
}

impl std::fmt::Display for PluginSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default(name) => out.write_str(name),
            Self::Registry(source) => out.write_str(&source.reference),
            Self::Stored(source) => out.write_str(&source.name),
            Self::File(path) | Self::Pinned(path, _) | Self::System(path, _) => {
                write!(out, "{}", path.display())
            }
        }
    }
}

/// What is known of a plugin without running it.
#[derive(Clone, Debug)]
pub struct PluginDescription {
    pub(crate) inspected: Inspected,
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) source: PluginSource,
}

impl PluginDescription {
    /// What was found out of a component in an earlier run.
    pub(crate) fn known(source: &PluginSource, known: Known) -> Self {
        Self {
            digest: known.digest,
            size: known.size,
            source: source.clone(),
            inspected: known.inspected,
        }
    }

    /// The manifest, which was checked against the component.
    pub fn manifest(&self) -> &PluginManifest {
        &self.inspected.manifest
    }

    /// The digest of the component: `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The size of the component, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of its largest memory from the start; 0 of a default plugin, which is not limited.
    pub fn memory(&self) -> u64 {
        self.inspected.sizes.memory
    }

    /// Where it comes from.
    pub fn source(&self) -> &PluginSource {
        &self.source
    }

    /// Who signed it, as far as the configuration asks for that.
    pub fn signers(&self) -> &[String] {
        match &self.source {
            PluginSource::Stored(source) => &source.signers,
            _ => &[],
        }
    }

    /// Says whether it is a default plugin, part of the program.
    pub fn is_default(&self) -> bool {
        matches!(self.source, PluginSource::Default(_))
    }

    /// The interfaces that the component imports, with versions.
    pub fn imports(&self) -> &[String] {
        &self.inspected.imports
    }

    /// The interfaces that the component exports, with versions.
    pub fn exports(&self) -> &[String] {
        &self.inspected.exports
    }

    /// Name, version and digest.
    pub fn id(&self) -> PluginId {
        PluginId {
            name: self.manifest().name.clone(),
            version: self.manifest().version.clone(),
            digest: self.digest.clone(),
            signers: self.signers().to_vec(),
        }
    }
}

/// A plugin that is ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<LoadedPlugin>);

pub(crate) struct LoadedPlugin {
    pub(crate) description: PluginDescription,
    pub(crate) loaded: Loaded,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Plugin")
            .field("description", self.description())
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// What is known of it.
    pub fn description(&self) -> &PluginDescription {
        &self.0.description
    }
}

/// Why a plugin cannot be had or did not answer; names the plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// There is no default plugin of that name.
    #[error("there is no plugin named {name:?}; the default {} are {}", plugin_type.map_or("plugins", plural), known.join(", "))]
    Unknown {
        /// What was typed.
        name: String,
        /// What was looked for.
        plugin_type: Option<PluginType>,
        /// What there is.
        known: Vec<String>,
    },
    /// The plugin is of the other kind.
    #[error("plugin {name:?} is a {}, not a {}", found.name(), wanted.name())]
    WrongType {
        /// Its name.
        name: String,
        /// What was looked for.
        wanted: PluginType,
        /// What it is.
        found: PluginType,
    },
    /// The file cannot be read.
    #[error("cannot read the plugin {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not the one that the configuration means.
    #[error("the plugin {} has the digest {found}, not {wanted}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// The digest in the configuration.
        wanted: String,
        /// The file's own.
        found: String,
    },
    /// A plugin of the system's configuration is where others than root could change it.
    #[error("the plugin {} of the system's configuration is not used: others than root can write to {}", path.display(), writable.display())]
    Unprotected {
        /// The file.
        path: PathBuf,
        /// It, or a folder on the way to it.
        writable: PathBuf,
    },
    /// A plugin of a registry is not there, or one is not trusted.
    #[error("the plugin {plugin} is not used: {error}")]
    Supply {
        /// Its reference, or its path.
        plugin: String,
        /// Why not.
        error: SupplyError,
    },
    /// The component cannot be used or did not answer.
    #[error("plugin {plugin:?}: {error}")]
    Wasm {
        /// Name and version, or the file where those are not known.
        plugin: String,
        /// Why.
        error: WasmError,
    },
}

impl Blamed for PluginError {
    fn blame(&self) -> Blame {
        match self {
            Self::Wasm { error, .. } => error.blame(),
            _ => Blame::User,
        }
    }
}

impl PluginError {
    /// Who has to change something.
    pub fn blame(&self) -> Blame {
        Blamed::blame(self)
    }
}

fn plural(plugin_type: PluginType) -> &'static str {
    match plugin_type {
        PluginType::Strategy => "strategies",
        PluginType::Policy => "policies",
    }
}

/// The bytes of a plugin and what is known of it.
pub(crate) struct Opened {
    pub(crate) description: PluginDescription,
    code: OpenedCode,
}

enum OpenedCode {
    Embedded(&'static [u8]),
    /// Compiled in an earlier run, and loaded.
    Ready(Component),
    /// A component, and its file where that may be recognised later.
    Bytes(Vec<u8>, Option<SeenFile>),
}

impl Opened {
    /// A plugin that was compiled in an earlier run.
    pub(crate) fn ready(description: PluginDescription, code: Component) -> Self {
        let code = OpenedCode::Ready(code);
        Self { description, code }
    }

    pub(crate) fn code(&self) -> Code<'_> {
        match &self.code {
            OpenedCode::Embedded(compiled) => Code::Embedded(compiled),
            OpenedCode::Ready(component) => Code::Ready(component.clone()),
            OpenedCode::Bytes(bytes, seen) => Code::Component(Source {
                inspected: &self.description.inspected,
                bytes,
                seen: seen.as_ref(),
                digest: &self.description.digest,
                is_systems: self.description.source.is_systems(),
            }),
        }
    }
}

/// Finds a plugin and reads what it says about itself.
pub(crate) fn open(
    source: &PluginSource,
    limits: &Limits,
    protection: &Protection,
) -> Result<Opened, PluginError> {
    match source {
        PluginSource::Default(name) => open_default(name),
        PluginSource::File(path) => open_file(path, path, None, limits, source),
        PluginSource::Pinned(path, digest) => open_file(path, path, Some(digest), limits, source),
        PluginSource::System(path, digest) => open_protected(path, digest, limits, protection, source),
        PluginSource::Stored(stored) if stored.is_systems => {
            open_protected(&stored.path, &stored.digest, limits, protection, source)
        }
        PluginSource::Stored(stored) => {
            let file = &stored.path;
            open_file(file, file, Some(&stored.digest), limits, source)
        }
        PluginSource::Registry(wanted) => Err(PluginError::Supply {
            plugin: wanted.reference.clone(),
            error: SupplyError::NotPinned { lock: None },
        }),
    }
}

/// Opens a file that root alone can change.
fn open_protected(
    path: &Path,
    digest: &str,
    limits: &Limits,
    protection: &Protection,
    source: &PluginSource,
) -> Result<Opened, PluginError> {
    let resolved = protection.resolve(path).map_err(|error| match error {
        Unprotected::Unknown(source) => PluginError::Read {
            path: path.to_owned(),
            source,
        },
        Unprotected::Writable(writable) => PluginError::Unprotected {
            path: path.to_owned(),
            writable,
        },
    })?;
    open_file(path, &resolved, Some(digest), limits, source)
}

/// Describes the default plugins, in alphabetical order.
pub fn defaults() -> Vec<PluginDescription> {
    embedded::ALL.iter().map(embedded::describe).collect()
}

fn open_default(name: &str) -> Result<Opened, PluginError> {
    let found = embedded::ALL.iter().find(|plugin| plugin.name == name);
    let plugin = found.ok_or_else(|| PluginError::Unknown {
        name: name.to_owned(),
        plugin_type: None,
        known: embedded::ALL
            .iter()
            .map(|plugin| plugin.name.to_owned())
            .collect(),
    })?;
    Ok(Opened {
        description: embedded::describe(plugin),
        code: OpenedCode::Embedded(plugin.compiled),
    })
}

/// Says whether a name is a default plugin's.
pub fn is_default_name(name: &str) -> bool {
    embedded::ALL.iter().any(|plugin| plugin.name == name)
}

/// Reads a plugin from where it is; errors name it by the path that was typed.
fn open_file(
    path: &Path,
    at: &Path,
    wanted: Option<&str>,
    limits: &Limits,
    source: &PluginSource,
) -> Result<Opened, PluginError> {
    let file_name = || path.display().to_string();
    let of_file = |error| PluginError::Wasm {
        plugin: file_name(),
        error,
    };
    let (bytes, identity) = read(path, at, limits)?.map_err(of_file)?;
    let digest = digest(&bytes);
    if let Some(wanted) = wanted.filter(|wanted| **wanted != digest) {
        return Err(PluginError::Digest {
            path: path.to_owned(),
            wanted: wanted.to_owned(),
            found: digest,
        });
    }
    let inspected = inspect(&bytes, limits).map_err(of_file)?;
    // One without a digest is read each time: there is nothing to recognise it by.
    let identity = identity.filter(|_| wanted.is_some());
    let seen = identity.and_then(|identity| {
        let path = fs::canonicalize(at).ok()?;
        Some(SeenFile { path, identity })
    });
    Ok(Opened {
        description: PluginDescription {
            digest,
            size: bytes.len() as u64,
            source: source.clone(),
            inspected,
        },
        code: OpenedCode::Bytes(bytes, seen),
    })
}

/// The bytes of a file, and which file they are of where it did not change meanwhile.
type FileBytes = (Vec<u8>, Option<Identity>);

/// Reads a file of which the size is not to be trusted: it may be a device, or grow.
fn read(path: &Path, at: &Path, limits: &Limits) -> Result<Result<FileBytes, WasmError>, PluginError> {
    let unreadable = |source| PluginError::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(at).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if let Err(error) = check_size(before.len(), limits) {
        return Ok(Err(error));
    }
    let mut bytes = Vec::new();
    (&file)
        .take(limits.component + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let after = file.metadata().map_err(unreadable)?;
    let identity = Some(Identity::of(&after)).filter(|identity| *identity == Identity::of(&before));
    Ok(check_size(bytes.len() as u64, limits)
        .and_then(|()| check_encoding(&bytes))
        .map(|()| (bytes, identity)))
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
