//! What trocar decides, without touching anything: documents, targets, plans, guard rails, policies, configuration.
//!
//! Pure: no file, clock, socket or terminal, and no cluster and no guest is known here. Internal to trocar, without
//! stability: programs use the crate `trocar`.

pub mod audit;
pub mod bounded;
pub mod capability;
pub mod config;
pub mod documents;
pub mod kubernetes;
pub mod manifest;
#[cfg(test)]
mod merged;
pub mod percent;
pub mod plan;
pub mod planning;
pub mod policy;
pub mod reference;
pub mod registry;
pub mod request;
#[cfg(test)]
mod seeds;
pub mod sessions;
pub mod settings;
pub mod stamp;
pub mod strict;
pub mod structural;
pub mod target;
pub mod text;
