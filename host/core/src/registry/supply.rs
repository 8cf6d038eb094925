//! Where a plugin of a registry comes from when it is used, and why it may not be.

use std::path::PathBuf;

use super::{LockError, ReferenceError, Untrusted};

/// A plugin of a registry, of which it is not known yet where it is on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistrySource {
    /// The reference as it was written.
    pub reference: String,
    /// The name and the file of the configuration that names it; none where it was typed.
    pub configured: Option<(String, PathBuf)>,
    /// The digest that its component has to have, where the configuration says so.
    pub component: Option<String>,
    /// It is one of the system's configuration.
    pub is_systems: bool,
}

/// A plugin whose bytes are known by their digest, and which may have been signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredSource {
    /// What it is called: its reference, or its path.
    pub name: String,
    /// The file with its component.
    pub path: PathBuf,
    /// The digest of its component.
    pub digest: String,
    /// It is one of the system's configuration.
    pub is_systems: bool,
    /// Who signed it, as far as the configuration asks for that.
    pub signers: Vec<String>,
}

/// Why a plugin of a registry, or one that has to be trusted, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupplyError {
    /// The reference is not one.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// It has no digest, and no lock says which one is meant.
    #[error("it has no digest{}", lock.as_ref().map(|lock| format!(", and {} does not say which one is meant", lock.display())).unwrap_or_default())]
    NotPinned {
        /// The lock, where the reference is one of a configuration.
        lock: Option<PathBuf>,
    },
    /// The lock cannot be read.
    #[error("{}: {error}", file.display())]
    Lock {
        /// The lock.
        file: PathBuf,
        /// Why not.
        error: LockError,
    },
    /// A lock says something else than the configuration.
    #[error("{} says {what} {found}, not {wanted}", file.display())]
    LockDiffers {
        /// The lock.
        file: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the lock says.
        found: String,
        /// What is the case.
        wanted: String,
    },
    /// It is not on this machine.
    #[error("{digest} is not on this machine")]
    NotPulled {
        /// The digest of its manifest.
        digest: String,
        /// It has to be in the system's store.
        is_systems: bool,
    },
    /// Its component is not the one that the configuration means.
    #[error("its component has the digest {found}, not {wanted}")]
    Component {
        /// The digest in the configuration.
        wanted: String,
        /// That of the component.
        found: String,
    },
    /// It is not trusted.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// What is on this machine cannot be read.
    #[error("{0}")]
    Store(String),
}
