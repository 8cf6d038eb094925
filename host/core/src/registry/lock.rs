//! Locks: files beside configuration files that pin the digests which their references resolved to.
//!
//! A lock proves nothing, since it can be edited like the configuration. Digests and signatures are verified against the bytes.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trocar_sdk::options::API_VERSION;

use super::{RegistryReference, is_digest};
use crate::{
    documents,
    strict::{self, StrictError},
};

/// A lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The plugins, by name.
    pub plugins: Vec<LockedPlugin>,
}

/// A plugin as it was when it was locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockedPlugin {
    /// Its name in the configuration.
    pub name: String,
    /// Its source in the configuration.
    pub source: String,
    /// The digest of its manifest.
    pub manifest: String,
    /// The digest of its component.
    pub component: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The size of its component in bytes.
    pub size: u64,
    /// The initial size of its memory in bytes, of which the limit `memory` is the maximum. Absent in older locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The capabilities that it requests, each with its scope: `cluster-read of v1 Pod`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// The signers that trust rules asked for and found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
}

/// Why a lock cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LockError(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockFile {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(default)]
    plugins: Vec<LockedPlugin>,
}

impl Lock {
    /// The path of a configuration file's lock: `config.lock` beside `config.yaml`.
    pub fn path(config: &Path) -> PathBuf {
        config.with_extension("lock")
    }

    /// Parses a lock.
    ///
    /// # Errors
    /// Fails when the text is not a lock of this version, and when two plugins have the same name.
    pub fn read(text: &[u8]) -> Result<Self, LockError> {
        let malformed = |why: String| LockError(format!("not a lock: {why}"));
        let documents = documents::read(text).map_err(|error| malformed(error.to_string()))?;
        let [document] = <[Value; 1]>::try_from(documents)
            .map_err(|found| malformed(format!("it has {} documents instead of one", found.len())))?;
        let word = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (word("apiVersion"), word("kind"));
        if (version.as_str(), kind.as_str()) != (API_VERSION, "Lock") {
            return Err(LockError(format!(
                "it has apiVersion {version:?} and kind {kind:?} instead of {API_VERSION:?} and \"Lock\""
            )));
        }
        let read = strict::from_value::<LockFile>(&document)
            .map_err(|error: StrictError| malformed(error.to_string()))?;
        let mut names = HashSet::new();
        for plugin in &read.plugins {
            if !names.insert(plugin.name.as_str()) {
                return Err(malformed(format!("plugin {:?} is locked twice", plugin.name)));
            }
            if !is_digest(&plugin.manifest) || !is_digest(&plugin.component) {
                return Err(malformed(format!(
                    "plugin {:?} has an invalid digest",
                    plugin.name
                )));
            }
            RegistryReference::parse(&plugin.source).map_err(|error| malformed(error.to_string()))?;
        }
        Ok(Self {
            plugins: read.plugins,
        })
    }

    /// Finds a plugin by its name in the configuration.
    pub fn find(&self, name: &str) -> Option<&LockedPlugin> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// The lock as a document, sorted by name, so that diffs of the file are small.
    pub fn document(&self) -> Value {
        let mut plugins = self.plugins.clone();
        plugins.sort_by(|one, other| one.name.cmp(&other.name));
        json!({"apiVersion": API_VERSION, "kind": "Lock", "plugins": plugins})
    }
}

/// Formats a list for users: `none` for an empty one.
pub fn listed(items: &[String]) -> String {
    match items {
        [] => "none".to_owned(),
        items => items.join(", "),
    }
}

/// Formats a number of bytes for users: `unknown` for none.
pub fn amount(known: Option<u64>) -> String {
    known.map_or_else(|| "unknown".to_owned(), bytes)
}

fn bytes(count: u64) -> String {
    const KIB: u64 = 1 << 10;
    match count {
        _ if count > 0 && count.is_multiple_of(KIB * KIB) => format!("{} MiB", count / (KIB * KIB)),
        _ if count > 0 && count.is_multiple_of(KIB) => format!("{} KiB", count / KIB),
        _ => format!("{count} B"),
    }
}

impl LockedPlugin {
    /// The differences to a newer lock of the same plugin, one line each.
    pub fn changes(&self, new: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut compare = |what: &str, old: String, new: String| {
            if old != new {
                changes.push(format!("{what}: {old} → {new}"));
            }
        };
        compare("source", self.source.clone(), new.source.clone());
        compare("version", self.version.clone(), new.version.clone());
        compare("manifest", self.manifest.clone(), new.manifest.clone());
        compare("component", self.component.clone(), new.component.clone());
        compare("size", self.size.to_string(), new.size.to_string());
        compare("memory", amount(self.memory), amount(new.memory));
        compare(
            "capabilities",
            listed(&self.capabilities),
            listed(&new.capabilities),
        );
        compare("signers", listed(&self.signers), listed(&new.signers));
        changes
    }

    /// What a newer version gains: capabilities, memory, or code that a former signer did not sign. Each needs consent.
    pub fn gains(&self, new: &Self) -> Vec<String> {
        let more = new
            .capabilities
            .iter()
            .filter(|capability| !self.capabilities.contains(capability));
        let gained = more.map(|capability| format!("the capability {capability}"));
        // A new version without a former signature may be another author's, under the same name.
        let lost = self.signers.iter().filter(|signer| !new.signers.contains(signer));
        let lost = lost.map(|signer| format!("code that {signer} did not sign"));
        let grown = self.memory.zip(new.memory).filter(|(old, new)| new > old);
        let grown = grown.map(|(old, new)| format!("{} of memory instead of {}", bytes(new), bytes(old)));
        gained.chain(grown).chain(lost).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn plugin(name: &str) -> LockedPlugin {
        LockedPlugin {
            name: name.into(),
            source: format!("oci://ghcr.io/acme/{name}:1"),
            manifest: digest('a'),
            component: digest('b'),
            version: "1.0.0".into(),
            size: 10,
            memory: Some(1 << 20),
            capabilities: Vec::new(),
            signers: vec!["platform".into()],
        }
    }

    #[test]
    fn a_lock_is_written_sorted_and_read_back() {
        let lock = Lock {
            plugins: vec![plugin("b"), plugin("a")],
        };
        let text = documents::to_yaml(&[lock.document()]);
        let read = Lock::read(text.as_bytes()).unwrap();
        assert_eq!(read.plugins, [plugin("a"), plugin("b")]);
        assert_eq!(
            Lock::path(Path::new("/etc/trocar/config.yaml")),
            Path::new("/etc/trocar/config.lock")
        );
    }

    #[test]
    fn files_that_are_not_locks_of_this_version_are_refused() {
        let head = "apiVersion: trocar.dev/v1alpha1\nkind: Lock\n";
        let entry = documents::to_yaml(&[json!({"plugins": [plugin("a"), plugin("a")]})]);
        for (text, why) in [
            (
                "apiVersion: trocar.dev/v1\nkind: Lock\n".to_owned(),
                "apiVersion \"trocar.dev/v1\" and kind \"Lock\"",
            ),
            (
                "apiVersion: trocar.dev/v1alpha1\nkind: Config\n".to_owned(),
                "\"Config\"",
            ),
            (String::new(), "0 documents"),
            (format!("{head}plugin: []\n"), "unknown field"),
            (format!("{head}{entry}"), "locked twice"),
            (
                format!(
                    "{head}plugins: [{{name: a, source: 'oci://a.b/c:1', manifest: one, component: two, size: 1}}]\n"
                ),
                "digest",
            ),
            (head.replace("kind", "kind: Lock\nkind"), "uplicate"),
        ] {
            let error = Lock::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn gains_of_a_new_version_are_found() {
        let old = plugin("a");
        let same = LockedPlugin {
            component: digest('c'),
            ..old.clone()
        };
        assert_eq!(old.gains(&same), Vec::<String>::new());
        assert_eq!(old.changes(&same).len(), 1);
        let more = LockedPlugin {
            memory: Some((1 << 20) + (64 << 10)),
            capabilities: vec!["cluster-read of v1 Pod".into()],
            signers: Vec::new(),
            ..old.clone()
        };
        assert_eq!(
            old.gains(&more),
            [
                "the capability cluster-read of v1 Pod",
                "1088 KiB of memory instead of 1 MiB",
                "code that platform did not sign"
            ]
        );
        assert!(
            old.changes(&more)
                .contains(&"memory: 1 MiB → 1088 KiB".to_owned())
        );
        assert_eq!(
            more.gains(&old),
            Vec::<String>::new(),
            "losing something is not a gain"
        );
        let wider = LockedPlugin {
            capabilities: vec![
                "cluster-read of v1 Pod".into(),
                "cluster-read of v1 ConfigMap".into(),
            ],
            ..more.clone()
        };
        assert_eq!(
            more.gains(&wider),
            ["the capability cluster-read of v1 ConfigMap"]
        );
        let unknown = LockedPlugin {
            memory: None,
            ..old.clone()
        };
        assert_eq!(
            unknown.gains(&old),
            Vec::<String>::new(),
            "older locks do not have the memory"
        );
    }
}
