//! How a cluster is reached: which one, by which kubeconfig and flags, with which credentials, certificates and proxy.
//!
//! `kubeconfig.rs`, `selection.rs` and `proxy.rs` are pure: client-go's rules on texts that the caller has read. The others
//! read the files that a kubeconfig names, and run the credential plugin.

mod certificates;
mod config;
pub(crate) mod credentials;
mod der;
mod handover;
mod http;
mod kubeconfig;
mod plugin;
mod proxy;
#[cfg(test)]
mod rules;
mod selection;
mod verifier;

pub use self::der::certificate_end;
pub use self::{
    config::ClusterConfig,
    handover::Handover,
    kubeconfig::{Kubeconfig, KubeconfigError},
    plugin::PluginPolicy,
    proxy::{ProxyEnvironment, ProxyError},
    selection::{Overrides, Secret, Selection},
};
pub(crate) use self::{http::client, proxy::without_user};
