//! One file for each verb.

pub(crate) mod attach;
pub(crate) mod clean;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod debug;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod sessions;
