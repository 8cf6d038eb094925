//! Plugins: their sources, how they are opened, and what is known of them without running them.

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

/// The source of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PluginSource {
    /// A default plugin, by its name.
    Default(String),
    /// A file.
    File(PathBuf),
    /// A file that must have a digest: `sha256:…`.
    Pinned(PathBuf, String),
    /// The same for the system's configuration: component and compiled code must be in folders that only root can write to.
    System(PathBuf, String),
    /// A plugin from a registry, which must be found in a store before it is opened.
    Registry(RegistrySource),
    /// A file with a digest that was found in a store, or checked by trust rules.
    Stored(StoredSource),
}

impl PluginSource {
    /// Parses a source as typed: a reference beginning with `oci://`, a path (with a slash, or ending in `.wasm`), or a name.
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
    /// Returns whether it is named by the system's configuration.
    pub fn is_systems(&self) -> bool {
        match self {
            Self::System(..) => true,
            Self::Registry(source) => source.is_systems,
            Self::Stored(source) => source.is_systems,
            Self::Default(_) | Self::File(_) | Self::Pinned(..) => false,
        }
    }

    /// The digest that its component must have.
    pub(crate) fn digest(&self) -> Option<&str> {
        match self {
            Self::Pinned(_, digest) | Self::System(_, digest) => Some(digest),
            Self::Stored(source) => Some(&source.digest),
            Self::Default(_) | Self::File(_) | Self::Registry(_) => None,
        }
    }

    /// The file that it is read from; none for default plugins and unresolved references.
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
    /// The description by a record of an earlier run.
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

    /// The initial size of its largest memory, in bytes; 0 for a default plugin, which is not limited.
    pub fn memory(&self) -> u64 {
        self.inspected.sizes.memory
    }

    /// The source that it was opened from.
    pub fn source(&self) -> &PluginSource {
        &self.source
    }

    /// The signers that trust rules asked for and found.
    pub fn signers(&self) -> &[String] {
        match &self.source {
            PluginSource::Stored(source) => &source.signers,
            _ => &[],
        }
    }

    /// Returns whether it is a default plugin.
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

    /// Name, version, digest and signers, as plans and audit records have them.
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

/// Why a plugin cannot be used or did not answer, with the plugin's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// No default plugin has that name.
    #[error("there is no plugin named {name:?}; the default {} are {}", plugin_type.map_or("plugins", plural), known.join(", "))]
    Unknown {
        /// What was typed.
        name: String,
        /// The expected type.
        plugin_type: Option<PluginType>,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The plugin is of the other type.
    #[error("plugin {name:?} is a {}, not a {}", found.name(), wanted.name())]
    WrongType {
        /// Its name.
        name: String,
        /// The expected type.
        wanted: PluginType,
        /// Its type.
        found: PluginType,
    },
    /// The file cannot be read.
    #[error("cannot read the plugin {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file does not have the digest in the configuration.
    #[error("the plugin {} has digest {found} instead of {wanted}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// The digest in the configuration.
        wanted: String,
        /// The file's digest.
        found: String,
    },
    /// Users other than root could change a plugin of the system's configuration.
    #[error("the plugin {} of the system's configuration cannot be used: users other than root can write to {}", path.display(), writable.display())]
    Unprotected {
        /// The file.
        path: PathBuf,
        /// The file or a parent folder.
        writable: PathBuf,
    },
    /// A plugin from a registry is not on this machine, or trust rules refuse it.
    #[error("the plugin {plugin} cannot be used: {error}")]
    Supply {
        /// Its reference or path.
        plugin: String,
        /// The cause.
        error: SupplyError,
    },
    /// The component cannot be used or did not answer.
    #[error("plugin {plugin:?}: {error}")]
    Wasm {
        /// Name and version, or the file if these are unknown.
        plugin: String,
        /// The cause.
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
    /// Returns who has to fix it.
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

/// A plugin that was read and checked, but not loaded.
pub(crate) struct Opened {
    pub(crate) description: PluginDescription,
    code: OpenedCode,
}

enum OpenedCode {
    Embedded(&'static [u8]),
    /// Compiled in an earlier run, and loaded.
    Ready(Component),
    /// A component; and its file if a record can be written about it.
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

/// Reads a plugin, and checks its digest and manifest.
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
        // A plan never reaches a registry: a reference that no store had is not fetched here.
        PluginSource::Registry(wanted) => Err(PluginError::Supply {
            plugin: wanted.reference.clone(),
            error: SupplyError::NotPinned { lock: None },
        }),
    }
}

/// Opens a file that only root can change.
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
    // The path that was checked is opened: a link in the typed one may lead elsewhere by now.
    open_file(path, &resolved, Some(digest), limits, source)
}

/// Describes all default plugins, in alphabetical order.
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

/// Returns whether a default plugin has this name.
pub fn is_default_name(name: &str) -> bool {
    embedded::ALL.iter().any(|plugin| plugin.name == name)
}

/// Reads a plugin from `at`, the resolved path. Errors name `path`, as typed.
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
    // A plugin without a digest is read each time, since no record is looked up without one.
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

/// The bytes of a file, and its identity unless it changed while it was read.
type FileBytes = (Vec<u8>, Option<Identity>);

/// Reads a file, bounded, since its reported size may be wrong: it may be a device, or grow.
fn read(path: &Path, at: &Path, limits: &Limits) -> Result<Result<FileBytes, WasmError>, PluginError> {
    let unreadable = |source| PluginError::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(at).map_err(unreadable)?;
    // Of the open file, not of its path, under which another file may lie a moment later.
    let before = file.metadata().map_err(unreadable)?;
    if let Err(error) = check_size(before.len(), limits) {
        return Ok(Err(error));
    }
    let mut bytes = Vec::new();
    (&file)
        .take(limits.component.saturating_add(1))
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
