//! The words of this command line about what the library reports: kubectl's sentences, and what to do next, with the flags
//! that do it. Pure; the library's errors carry facts and name no flag.

mod cluster;
mod kubectl;
mod plugin;
mod registry;

pub(crate) use cluster::{after_cluster, after_hopeless, is_news};
pub(crate) use kubectl::{after_custom, deprecation, of_request, targeting};
pub(crate) use plugin::{after_config, after_failed_policy, after_plugin, after_violation, unread};
pub(crate) use registry::after_registry;
