//! What a plugin may ask of the host besides the log, and what was granted.

mod cluster_read;
mod written_down;

pub use cluster_read::{ClusterReader, ObjectRef, Query, ReadError};
pub use written_down::WrittenDown;

/// The capability to read objects of the cluster.
pub const CLUSTER_READ: &str = "cluster-read";

/// A capability that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown capability {0:?}; there is {CLUSTER_READ:?}")]
pub struct UnknownCapability(pub String);

/// What the user granted to a plugin. Nothing, unless they said so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants {
    /// [`CLUSTER_READ`].
    pub cluster_read: bool,
}

impl Grants {
    /// Every capability. For runs without a cluster, or with given objects.
    #[must_use]
    pub const fn all() -> Self {
        Self { cluster_read: true }
    }

    /// Adds a capability by its name.
    ///
    /// # Errors
    /// Fails with the names that are known.
    pub fn add(&mut self, name: &str) -> Result<(), UnknownCapability> {
        if name != CLUSTER_READ {
            return Err(UnknownCapability(name.to_owned()));
        }
        self.cluster_read = true;
        Ok(())
    }

    /// Reads the names of capabilities.
    ///
    /// # Errors
    /// Fails with the names that are known.
    pub fn parse(names: &[String]) -> Result<Self, UnknownCapability> {
        let mut grants = Self::default();
        names.iter().try_for_each(|name| grants.add(name))?;
        Ok(grants)
    }

    /// Adds what others grant.
    pub fn add_all(&mut self, others: &Self) {
        self.cluster_read |= others.cluster_read;
    }
}
