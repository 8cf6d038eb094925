//! Plugins from registries: a client that pulls and pushes, content-addressed stores, signatures, and bundles.
//!
//! Registries are untrusted: every answer is bounded in bytes and in time, and what comes is verified by its digest. Credentials
//! are never sent to a host that only the registry named. Internal to trocar, without stability: programs use the crate
//! `trocar`.

mod address;
mod archive;
mod auth;
mod carried;
mod client;
mod connection;
mod credentials;
mod digest;
mod discover;
mod error;
mod layout;
mod pull;
mod push;
mod signature;
mod store;
mod tags;
mod whole;

pub use carried::{CarriedPlugin, read_bundle, write_bundle};
pub use client::{Client, ClientConfig, HostConfig, ProxyError, ProxyFor, Timeouts};
pub use credentials::CredentialFiles;
pub use digest::digest;
pub use discover::{FoundSignature, signature_beside};
pub use error::RegistryError;
pub use layout::{Descriptor, Manifest, WASM_CONFIG};
pub use pull::Pulled;
pub use push::{Pushed, Upload};
pub use signature::{KeyError, PublicKey, Signature};
pub use store::{MAX_SIGNATURES, Pruned, Store, StoredPlugin};
pub use whole::write_whole;
