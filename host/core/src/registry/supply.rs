//! Plugins from registries before and after they are found in a store, and why one cannot be used.

use std::path::PathBuf;

use super::{LockError, ReferenceError, Untrusted};

/// A plugin from a registry that was not looked up in a store yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistrySource {
    /// The reference, as written.
    pub reference: String,
    /// Its name and the configuration file that names it; none for a reference on the command line.
    pub configured: Option<(String, PathBuf)>,
    /// The digest that the configuration requires of its component.
    pub component: Option<String>,
    /// It is named by the system's configuration, so it must be in the system's store.
    pub is_systems: bool,
}

/// A plugin on this machine with a known digest, whose trust rules were checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredSource {
    /// How messages call it: its reference or its path.
    pub name: String,
    /// The file with its component.
    pub path: PathBuf,
    /// The digest of its component.
    pub digest: String,
    /// It is named by the system's configuration, so it must be in the system's store.
    pub is_systems: bool,
    /// The signers that trust rules asked for and found.
    pub signers: Vec<String>,
}

/// Why a plugin from a registry, or one that trust rules apply to, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupplyError {
    /// The reference is malformed.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No digest is known for it, or its configuration requires a lock that does not have it.
    #[error("{}", lock.as_ref().map_or_else(|| "its reference has no digest".into(), |lock| format!("{} does not lock it", lock.display())))]
    NotPinned {
        /// The lock of the configuration file that names it.
        lock: Option<PathBuf>,
    },
    /// The lock cannot be read.
    #[error("{}: {error}", file.display())]
    Lock {
        /// The lock.
        file: PathBuf,
        /// What is wrong with it.
        error: LockError,
    },
    /// The lock and the configuration disagree, or the lock and the store.
    #[error("{} has the {what} {found}, not {wanted}", file.display())]
    LockDiffers {
        /// The lock.
        file: PathBuf,
        /// The field that differs.
        what: &'static str,
        /// Its value in the lock.
        found: String,
        /// The value that it should have.
        wanted: String,
    },
    /// It was not pulled.
    #[error("{digest} is not on this machine")]
    NotPulled {
        /// The digest of its manifest.
        digest: String,
        /// It has to be pulled into the system's store.
        is_systems: bool,
    },
    /// Its component has another digest than the configuration requires.
    #[error("its component has digest {found} instead of {wanted}")]
    Component {
        /// The digest in the configuration.
        wanted: String,
        /// The component's digest.
        found: String,
    },
    /// The trust rules refuse it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The store cannot be read.
    #[error("{0}")]
    Store(String),
}
