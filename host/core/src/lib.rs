//! The pure part of trocar: documents, plans, guard rails, policies and configuration. No I/O.

pub mod amend;
pub mod bounded;
#[cfg(test)]
mod seeds;
pub mod structural;
