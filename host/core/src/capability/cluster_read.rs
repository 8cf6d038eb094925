//! The capability `cluster-read`, as the engine sees it. Who really reads is the cluster's side.

use std::time::Duration;

use serde_json::Value;

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// For example `v1`.
    pub api_version: String,
    /// For example `Node`.
    pub kind: String,
    /// None for an object that belongs to the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Names many objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// For example `v1`.
    pub api_version: String,
    /// For example `Pod`.
    pub kind: String,
    /// None for all namespaces.
    pub namespace: Option<String>,
    /// As after `kubectl get -l`.
    pub label_selector: Option<String>,
    /// How many at the most.
    pub limit: u32,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such object.
    #[error("not found")]
    NotFound,
    /// The user may not read it.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// There is no cluster, or it does not answer.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// Reads objects for a plugin, with the user's own rights.
///
/// Called from within a guest's call. May block, and gives up after `within`: what is left of the guest's time.
pub trait ClusterReader: Send + Sync {
    /// Reads one object.
    ///
    /// # Errors
    /// Fails when there is no such object or no way to read it.
    fn get(&self, object: &ObjectRef, within: Duration) -> Result<Value, ReadError>;

    /// Reads the objects that match.
    ///
    /// # Errors
    /// Fails when there is no way to read them.
    fn list(&self, query: &Query, within: Duration) -> Result<Vec<Value>, ReadError>;
}
