//! Plugins from registries, without I/O: references, locks and trust rules.

pub mod lock;
pub mod reference;
pub mod supply;
pub mod trust;

pub use lock::{Lock, LockError, LockedPlugin, amount, listed};
pub use reference::{ReferenceError, RegistryReference, SCHEME, is_digest};
pub use supply::{RegistrySource, StoredSource, SupplyError};
pub use trust::{Accepted, Evidence, TrustEntry, Untrusted};
