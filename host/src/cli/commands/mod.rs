//! One file for each verb.

pub(crate) mod debug;
pub(crate) mod plan;
pub(crate) mod plugin;
