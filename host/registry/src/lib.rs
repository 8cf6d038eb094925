//! Plugins in registries: they are pulled and pushed here, and kept by their digests.
//!
//! Everything that a registry says is bounded in bytes and in time, and believed only as far as a digest proves it. No
//! credential leaves for a place that the registry alone named. Internal to trocar, without stability: programs use the crate
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
