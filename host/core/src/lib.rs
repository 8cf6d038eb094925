//! What trocar decides, without touching anything.

pub mod kubernetes;
