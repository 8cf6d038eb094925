//! Reading the cluster: the capability `cluster-read`, which a manifest declares and a user grants.

use serde_json::Value;

use super::strategy::bindings::trocar::plugin::cluster as abi;

/// A reference to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// For example `v1` or `apps/v1`.
    pub api_version: String,
    /// For example `Node`.
    pub kind: String,
    /// None for a cluster-scoped object.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A query for objects of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// For example `v1`.
    pub api_version: String,
    /// For example `Pod`.
    pub kind: String,
    /// None for all namespaces.
    pub namespace: Option<String>,
    /// A label selector, as for `kubectl get -l`.
    pub label_selector: Option<String>,
    /// The maximum number of objects; the host has its own limit, too.
    pub limit: Option<u32>,
    /// JSON Pointers to the wanted parts; empty for whole objects.
    pub fields: Vec<String>,
}

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The kind is not in the scope that the manifest declares; the text names the scope.
    OutOfScope(String),
    /// The object does not exist.
    NotFound,
    /// The user may not read it; the text is the server's message.
    Forbidden(String),
    /// There is no cluster (`trocar plan`, a native test), or it does not answer: the object is unknown, not missing.
    Unavailable(String),
    /// The answer is larger than the limit, which is the number, in bytes.
    TooLarge(u64),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfScope(scope) => write!(out, "not in the declared scope ({scope})"),
            Self::NotFound => out.write_str("not found"),
            Self::Forbidden(text) => write!(out, "forbidden: {text}"),
            Self::Unavailable(text) => write!(out, "unavailable: {text}"),
            Self::TooLarge(limit) => write!(out, "larger than {limit} bytes"),
        }
    }
}

impl std::error::Error for ReadError {}

/// Reads an object, or only its parts at these JSON Pointers.
///
/// # Errors
/// Fails when the object does not exist or cannot be read.
pub fn get(object: &ObjectRef, fields: &[&str]) -> Result<Value, ReadError> {
    if !cfg!(target_family = "wasm") {
        return Err(no_host());
    }
    let object = abi::ObjectRef {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    };
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    parse(&abi::get(&object, &fields).map_err(read_error)?)
}

/// Reads the objects that match.
///
/// # Errors
/// Fails when the objects cannot be read.
pub fn list(query: &Query) -> Result<Vec<Value>, ReadError> {
    if !cfg!(target_family = "wasm") {
        return Err(no_host());
    }
    let found = abi::list(&abi::Query {
        api_version: query.api_version.clone(),
        kind: query.kind.clone(),
        namespace: query.namespace.clone(),
        label_selector: query.label_selector.clone(),
        limit: query.limit,
        fields: query.fields.clone(),
    });
    found
        .map_err(read_error)?
        .iter()
        .map(|text| parse(text))
        .collect()
}

fn parse(text: &str) -> Result<Value, ReadError> {
    serde_json::from_str(text)
        .map_err(|error| ReadError::Unavailable(format!("the answer is not JSON: {error}")))
}

fn no_host() -> ReadError {
    ReadError::Unavailable("a native test has no host".into())
}

fn read_error(error: abi::ReadError) -> ReadError {
    match error {
        abi::ReadError::OutOfScope(scope) => ReadError::OutOfScope(scope),
        abi::ReadError::NotFound => ReadError::NotFound,
        abi::ReadError::Forbidden(text) => ReadError::Forbidden(text),
        abi::ReadError::Unavailable(text) => ReadError::Unavailable(text),
        abi::ReadError::TooLarge(limit) => ReadError::TooLarge(limit),
    }
}
