//! Plugins on this machine, by their digests: what was pulled, and with it the signatures that were found.
//!
//! Everything lies under the digest of its bytes and is held against it whenever it is read. So what is there may be written by
//! all who could also run the plugin, two programs may write the same at once, and one that is killed leaves nothing that
//! is taken for whole.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use trocar_core::registry::is_digest;

use crate::{
    client::MAX_DOCUMENT,
    digest::digest,
    error::RegistryError,
    layout::{Descriptor, Manifest},
    pull::Pulled,
    whole::write_whole,
};

/// The most signatures of a plugin that are kept and looked at.
pub const MAX_SIGNATURES: usize = 50;

/// A folder of plugins.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// The modes of folders and files.
    modes: (u32, u32),
}

/// A plugin in a store.
#[derive(Clone, Debug)]
pub struct StoredPlugin {
    /// The digest of its manifest.
    pub manifest: String,
    /// Its component, as the manifest describes it.
    pub component: Descriptor,
    /// Where the component lies.
    pub path: PathBuf,
    /// The manifests of its signatures.
    pub signatures: Vec<String>,
}

/// What was removed from a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many files.
    pub files: usize,
    /// How many bytes.
    pub bytes: u64,
}

/// The list of the signatures of one plugin.
#[derive(Default, Serialize, Deserialize)]
struct Signatures {
    manifests: Vec<String>,
}

impl Store {
    /// A user's store, which is for that user alone.
    pub fn of_user(folder: PathBuf) -> Self {
        Self {
            folder,
            modes: (0o700, 0o600),
        }
    }

    /// The system's store, which all users read.
    pub fn of_system(folder: PathBuf) -> Self {
        Self {
            folder,
            modes: (0o755, 0o644),
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where bytes with this digest lie.
    fn path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:").filter(|_| is_digest(digest))?;
        Some(self.folder.join("blobs/sha256").join(hex))
    }

    fn signatures_path(&self, manifest: &str) -> Option<PathBuf> {
        let hex = manifest.strip_prefix("sha256:").filter(|_| is_digest(manifest))?;
        Some(self.folder.join("signatures").join(format!("{hex}.json")))
    }

    /// The bytes with this digest; none where they are not there, or others are in their place.
    ///
    /// # Errors
    /// Fails when there is something that cannot be read.
    pub fn read(&self, wanted: &str, allowed: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let Some(path) = self.path(wanted) else {
            return Ok(None);
        };
        let bytes = read(&path, allowed)?;
        Ok(bytes.filter(|bytes| digest(bytes) == wanted))
    }

    /// Keeps bytes, and gives their digest.
    ///
    /// # Errors
    /// Fails when they cannot be written; nothing is left of them then.
    pub fn write(&self, bytes: &[u8]) -> Result<String, RegistryError> {
        let digest = digest(bytes);
        if let Some(path) = self.path(&digest) {
            self.write_whole(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Keeps a plugin that was pulled. Its manifest comes last: what it names is there then.
    ///
    /// # Errors
    /// Fails when it cannot be written.
    pub fn keep(&self, pulled: &Pulled) -> Result<(), RegistryError> {
        self.write(&pulled.component)?;
        if let Some(config) = &pulled.config {
            self.write(config)?;
        }
        self.write(&pulled.manifest)?;
        Ok(())
    }

    /// Finds a plugin by the digest of its manifest. Its component is held against its digest by who reads it.
    ///
    /// # Errors
    /// Fails when something of it cannot be read.
    pub fn find(&self, manifest: &str) -> Result<Option<StoredPlugin>, RegistryError> {
        let Some(bytes) = self.read(manifest, MAX_DOCUMENT)? else {
            return Ok(None);
        };
        let document = Manifest::read(&bytes, manifest)?;
        let component = document.component(manifest)?.clone();
        let path = self.path(&component.digest).filter(|path| path.exists());
        let Some(path) = path else { return Ok(None) };
        Ok(Some(StoredPlugin {
            manifest: manifest.to_owned(),
            component,
            path,
            signatures: self.signatures(manifest)?,
        }))
    }

    /// The manifests of a plugin's signatures.
    ///
    /// # Errors
    /// Fails when there is a list that cannot be read.
    pub fn signatures(&self, manifest: &str) -> Result<Vec<String>, RegistryError> {
        let Some(path) = self.signatures_path(manifest) else {
            return Ok(Vec::new());
        };
        let Some(bytes) = read(&path, MAX_DOCUMENT)? else {
            return Ok(Vec::new());
        };
        let list: Signatures = serde_json::from_slice(&bytes).map_err(|error| RegistryError::Malformed {
            what: path.display().to_string(),
            why: error.to_string(),
        })?;
        let known = list.manifests.into_iter().filter(|digest| is_digest(digest));
        Ok(known.take(MAX_SIGNATURES).collect())
    }

    /// Adds signatures of a plugin to those that are known. Their manifests and blobs were written before.
    ///
    /// # Errors
    /// Fails when the list cannot be written.
    pub fn add_signatures(&self, manifest: &str, more: &[String]) -> Result<(), RegistryError> {
        let Some(path) = self.signatures_path(manifest) else {
            return Ok(());
        };
        // The newest first, so that they are looked at where there are many.
        let mut manifests = more.to_vec();
        manifests.extend(self.signatures(manifest).unwrap_or_default());
        let mut seen = HashSet::new();
        manifests.retain(|digest| seen.insert(digest.clone()));
        manifests.truncate(MAX_SIGNATURES);
        if manifests.is_empty() {
            return Ok(());
        }
        let list = serde_json::to_vec(&Signatures { manifests }).unwrap_or_default();
        self.write_whole(&path, &list)
    }

    /// Removes what none of these plugins needs, by the digests of their manifests, and what is left of killed programs.
    ///
    /// # Errors
    /// Fails when the folder cannot be read or a file not be removed.
    pub fn prune(&self, kept: &[String]) -> Result<Pruned, RegistryError> {
        let mut needed: HashSet<String> = HashSet::new();
        let mut names = |digest: &str| {
            needed.extend(digest.strip_prefix("sha256:").map(str::to_owned));
        };
        let mut lists = HashSet::new();
        for manifest in kept {
            names(manifest);
            lists.extend(manifest.strip_prefix("sha256:").map(|hex| format!("{hex}.json")));
            for document in self.signatures(manifest)?.iter().chain([manifest]) {
                names(document);
                let bytes = self.read(document, MAX_DOCUMENT)?.unwrap_or_default();
                if let Ok(read) = Manifest::read(&bytes, document) {
                    read.layers
                        .iter()
                        .chain([&read.config])
                        .for_each(|layer| names(&layer.digest));
                }
            }
        }
        let mut pruned = Pruned::default();
        for (folder, needed) in [("blobs/sha256", &needed), ("signatures", &lists)] {
            remove_others(&self.folder.join(folder), needed, &mut pruned)?;
        }
        Ok(pruned)
    }

    fn write_whole(&self, path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
        let failed = |source| RegistryError::File {
            action: "write",
            path: path.to_owned(),
            source,
        };
        let folder = path.parent().unwrap_or(&self.folder);
        self.make(folder).map_err(failed)?;
        write_whole(path, Some(self.modes.1), bytes).map_err(failed)
    }

    /// Makes a folder, whatever the mask of the process.
    fn make(&self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|part| !part.exists()).collect();
        for part in missing.into_iter().rev() {
            let made = fs::DirBuilder::new().mode(self.modes.0).create(part);
            match made {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                // Another program made it.
                Err(_) => {}
                Ok(()) => fs::set_permissions(part, fs::Permissions::from_mode(self.modes.0))?,
            }
        }
        Ok(())
    }
}

fn read(path: &Path, allowed: u64) -> Result<Option<Vec<u8>>, RegistryError> {
    let failed = |source| RegistryError::File {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(allowed.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= allowed))
}

fn remove_others(folder: &Path, needed: &HashSet<String>, pruned: &mut Pruned) -> Result<(), RegistryError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| needed.contains(name))
        {
            continue;
        }
        let size = entry.metadata().map_or(0, |found| found.len());
        fs::remove_file(entry.path()).map_err(|source| RegistryError::File {
            action: "remove",
            path: entry.path(),
            source,
        })?;
        pruned.files += 1;
        pruned.bytes += size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt as _, thread};

    use serde_json::json;
    use trocar_core::registry::RegistryReference;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::of_user(home.path().join("data/plugins"));
        (home, store)
    }

    fn pulled(code: &[u8]) -> Pulled {
        let manifest = json!({
            "schemaVersion": 2,
            "config": Descriptor::of("x", b"{}"),
            "layers": [Descriptor::of("application/wasm", code)],
        });
        let manifest = manifest.to_string().into_bytes();
        Pulled {
            digest: digest(&manifest),
            manifest: manifest.into(),
            component_digest: digest(code),
            component: code.to_vec().into(),
            config: None,
            from: RegistryReference::parse("r.example/a:1").unwrap(),
        }
    }

    fn files(store: &Store) -> usize {
        fs::read_dir(store.folder().join("blobs/sha256")).unwrap().count()
    }

    #[test]
    fn what_is_kept_is_found_by_its_manifest_and_private() {
        let (_home, store) = store();
        let plugin = pulled(b"code");
        assert!(store.find(&plugin.digest).unwrap().is_none());
        store.keep(&plugin).unwrap();
        let found = store.find(&plugin.digest).unwrap().unwrap();
        assert_eq!(fs::read(&found.path).unwrap(), b"code");
        assert_eq!(found.component.digest, digest(b"code"));
        assert_eq!(fs::metadata(&found.path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(store.folder()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_lies_in_the_place_of_a_manifest_is_not_taken_for_it() {
        let (_home, store) = store();
        let (one, other) = (pulled(b"code"), pulled(b"other"));
        store.keep(&one).unwrap();
        fs::write(store.path(&one.digest).unwrap(), &other.manifest).unwrap();
        assert!(store.find(&one.digest).unwrap().is_none());
        assert!(store.find("sha256:../../../etc/passwd").unwrap().is_none());
    }

    #[test]
    fn a_killed_write_leaves_nothing_that_is_used_and_is_swept_away() {
        let (_home, store) = store();
        let plugin = pulled(b"code");
        store.write(&plugin.component).unwrap();
        let half = store.path(&plugin.digest).unwrap().with_extension("00ff.tmp");
        fs::write(&half, &plugin.manifest[..10]).unwrap();
        assert!(store.find(&plugin.digest).unwrap().is_none());
        store.keep(&plugin).unwrap();
        let pruned = store.prune(std::slice::from_ref(&plugin.digest)).unwrap();
        assert_eq!(pruned, Pruned { files: 1, bytes: 10 });
        assert!(store.find(&plugin.digest).unwrap().is_some());
    }

    #[test]
    fn two_pulls_at_once_both_end_well() {
        let (_home, store) = store();
        let plugin = pulled(&vec![7; 300_000]);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        store.keep(&plugin).unwrap();
                        assert!(store.find(&plugin.digest).unwrap().is_some());
                    }
                });
            }
        });
        assert_eq!(files(&store), 2, "an unfinished file was left");
    }

    #[test]
    fn what_no_plugin_needs_is_removed_and_signatures_stay_with_theirs() {
        let (_home, store) = store();
        let (one, other) = (pulled(b"code"), pulled(b"other"));
        store.keep(&one).unwrap();
        store.keep(&other).unwrap();
        let bundle = store.write(b"bundle").unwrap();
        let signature = json!({
            "schemaVersion": 2,
            "config": Descriptor::of("x", b"{}"),
            "layers": [{"mediaType": "x", "digest": bundle, "size": 6}],
        });
        let signature = store.write(signature.to_string().as_bytes()).unwrap();
        store
            .add_signatures(&one.digest, std::slice::from_ref(&signature))
            .unwrap();
        store
            .add_signatures(&one.digest, std::slice::from_ref(&signature))
            .unwrap();
        store
            .add_signatures(&other.digest, std::slice::from_ref(&signature))
            .unwrap();
        store.prune(std::slice::from_ref(&one.digest)).unwrap();
        assert_eq!(store.find(&one.digest).unwrap().unwrap().signatures, [signature]);
        assert!(store.read(&bundle, 100).unwrap().is_some());
        assert!(store.find(&other.digest).unwrap().is_none());
        assert!(store.signatures(&other.digest).unwrap().is_empty());
        assert_eq!(files(&store), 4);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let store = Store::of_user(home.path().join("file/plugins"));
        let error = store.keep(&pulled(b"code")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write"), "{error}");
    }
}
