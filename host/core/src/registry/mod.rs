//! Plugins in registries, as far as nothing has to be touched for it: how one is named, what a lock says, who is trusted.

pub mod lock;
pub mod reference;
pub mod supply;
pub mod trust;

pub use lock::{Lock, LockError, LockedPlugin, amount, listed};
pub use reference::{ReferenceError, RegistryReference, SCHEME, is_digest};
pub use supply::{RegistrySource, StoredSource, SupplyError};
pub use trust::{Accepted, Evidence, TrustEntry, Untrusted};
