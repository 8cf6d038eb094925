//! Content-addressed stores of pulled plugins and their signatures.
//!
//! A file's name is its digest, which is verified at each read. So a changed or incomplete file is never used, and several
//! processes may write to a store at once.

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

/// The most signatures of a plugin that are stored and verified.
pub const MAX_SIGNATURES: usize = 50;

/// A store of plugins in a folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// The modes of folders and of files.
    modes: (u32, u32),
}

/// A plugin in a store.
#[derive(Clone, Debug)]
pub struct StoredPlugin {
    /// The digest of its manifest.
    pub manifest: String,
    /// The manifest's descriptor of its component.
    pub component: Descriptor,
    /// The component's file. Its digest was not verified yet.
    pub path: PathBuf,
    /// The digests of its signatures' manifests.
    pub signatures: Vec<String>,
}

/// What was removed from a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The number of files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

/// The file that lists the signatures of one plugin.
#[derive(Default, Serialize, Deserialize)]
struct Signatures {
    manifests: Vec<String>,
}

impl Store {
    /// A user's store, readable by that user only.
    pub fn of_user(folder: PathBuf) -> Self {
        Self {
            folder,
            modes: (0o700, 0o600),
        }
    }

    /// The system's store, readable by all users.
    pub fn of_system(folder: PathBuf) -> Self {
        Self {
            folder,
            modes: (0o755, 0o644),
        }
    }

    /// The store's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the blob with a digest; none for a malformed digest.
    fn path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:").filter(|_| is_digest(digest))?;
        Some(self.folder.join("blobs/sha256").join(hex))
    }

    fn signatures_path(&self, manifest: &str) -> Option<PathBuf> {
        let hex = manifest.strip_prefix("sha256:").filter(|_| is_digest(manifest))?;
        Some(self.folder.join("signatures").join(format!("{hex}.json")))
    }

    /// Reads a blob of at most `allowed` bytes; none if it is missing, larger, or does not have the digest.
    ///
    /// # Errors
    /// Fails when the file exists and cannot be read.
    pub fn read(&self, wanted: &str, allowed: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let Some(path) = self.path(wanted) else {
            return Ok(None);
        };
        let bytes = read(&path, allowed)?;
        Ok(bytes.filter(|bytes| digest(bytes) == wanted))
    }

    /// Stores a blob. Returns its digest.
    ///
    /// # Errors
    /// Fails when a file cannot be written. No incomplete file is left then.
    pub fn write(&self, bytes: &[u8]) -> Result<String, RegistryError> {
        let digest = digest(bytes);
        if let Some(path) = self.path(&digest) {
            self.write_whole(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Stores a pulled plugin. The manifest is written last, so that one in the store is always complete.
    ///
    /// # Errors
    /// Fails when a file cannot be written.
    pub fn keep(&self, pulled: &Pulled) -> Result<(), RegistryError> {
        self.write(&pulled.component)?;
        if let Some(config) = &pulled.config {
            self.write(config)?;
        }
        self.write(&pulled.manifest)?;
        Ok(())
    }

    /// Finds a plugin by the digest of its manifest. The caller has to verify the component's digest when reading it.
    ///
    /// # Errors
    /// Fails when a file exists and cannot be read, or the manifest is malformed.
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

    /// The digests of the manifests of a plugin's signatures.
    ///
    /// # Errors
    /// Fails when the list exists and cannot be read.
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

    /// Adds to the list of a plugin's signatures. The caller has written their manifests and blobs.
    ///
    /// # Errors
    /// Fails when the list cannot be written.
    pub fn add_signatures(&self, manifest: &str, more: &[String]) -> Result<(), RegistryError> {
        let Some(path) = self.signatures_path(manifest) else {
            return Ok(());
        };
        // The newest first, since the list is cut at its end.
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

    /// Removes everything that these plugins do not need, such as temporary files of killed processes. `kept` has the digests of
    /// their manifests.
    ///
    /// # Errors
    /// Fails when a file cannot be read or removed.
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
        self.create_folder(folder).map_err(failed)?;
        write_whole(path, Some(self.modes.1), bytes).map_err(failed)
    }

    /// Creates a folder and its parents with the store's mode, regardless of the umask.
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|part| !part.exists()).collect();
        for part in missing.into_iter().rev() {
            let created = fs::DirBuilder::new().mode(self.modes.0).create(part);
            match created {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                // Another process created it.
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
    // One byte more than is allowed, to tell a larger file from one of exactly that size.
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
    fn a_stored_plugin_is_found_and_private() {
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
    fn files_with_another_digest_are_not_used() {
        let (_home, store) = store();
        let (one, other) = (pulled(b"code"), pulled(b"other"));
        store.keep(&one).unwrap();
        fs::write(store.path(&one.digest).unwrap(), &other.manifest).unwrap();
        assert!(store.find(&one.digest).unwrap().is_none());
        assert!(store.find("sha256:../../../etc/passwd").unwrap().is_none());
    }

    #[test]
    fn incomplete_files_are_not_used_and_are_pruned() {
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
    fn concurrent_pulls_succeed() {
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
    fn pruning_keeps_plugins_with_their_signatures() {
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
    fn a_folder_that_cannot_be_created_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let store = Store::of_user(home.path().join("file/plugins"));
        let error = store.keep(&pulled(b"code")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write"), "{error}");
    }
}
