//! The default plugins, compiled by `build.rs`. They have the same rights as a user's plugins.

use trocar_core::manifest::PluginManifest;

use super::{PluginDescription, PluginSource};
use crate::{
    component::{Inspected, Sizes},
    trusted::PageAligned,
};

/// One default plugin.
pub(super) struct Embedded {
    pub(super) name: &'static str,
    /// The digest of its component.
    digest: &'static str,
    /// The size of its component, in bytes.
    size: u64,
    /// Its manifest, as in the component.
    manifest: &'static str,
    imports: &'static [&'static str],
    exports: &'static [&'static str],
    /// Its machine code.
    pub(super) compiled: &'static [u8],
}

/// The default plugins, in alphabetical order.
pub(super) static ALL: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

pub(super) fn describe(plugin: &Embedded) -> PluginDescription {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    PluginDescription {
        inspected: Inspected {
            manifest: PluginManifest::parse(plugin.manifest.as_bytes())
                .expect("a test parses the manifest of every default plugin"),
            imports: owned(plugin.imports),
            exports: owned(plugin.exports),
            // Default plugins are not limited.
            sizes: Sizes::default(),
        },
        digest: plugin.digest.to_owned(),
        size: plugin.size,
        source: PluginSource::Default(plugin.name.to_owned()),
    }
}
