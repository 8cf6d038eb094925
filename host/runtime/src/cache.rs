//! Caches of compiled components on disk. Each file ends with what it was compiled from and how, and a checksum over all of it,
//! so that a corrupt file, or one under the name of another, is not used.
//!
//! The code in these folders is run unverified. A user's cache is accessible to that user only, and not protected against its
//! owner; the system's is writable by root only.

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::protection::{Protection, Unprotected};

/// The most bytes of compiled code in a cache. The oldest files are removed first.
const MAX_CACHE: u64 = 512 << 20;

/// The largest record that is read, in bytes. A manifest has at most a quarter of it.
const MAX_RECORD: u64 = 1 << 20;

/// What a compiled file is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompiledFrom<'a> {
    /// The digest of the component.
    pub(crate) component: &'a str,
    /// A hash of the compiler's version and settings.
    pub(crate) compiler: u64,
}

impl CompiledFrom<'_> {
    /// The beginning of the names of its files.
    pub(crate) fn stem(&self) -> String {
        let digest = self.component.trim_start_matches("sha256:");
        format!("{digest}-{:016x}", self.compiler)
    }

    /// The trailer between code and checksum.
    pub(crate) fn mark(&self) -> String {
        format!("{} {:016x}", self.component, self.compiler)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// The mode of new files.
    mode: u32,
    /// How each file must be protected; none in a folder that other users cannot enter.
    protection: Option<Protection>,
}

impl Cache {
    /// Opens a user's cache, and creates the folder if it is missing.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        if !folder.exists() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder)?;
        }
        // Not through a link, which may lead to a folder of another user.
        let found = fs::symlink_metadata(folder)?;
        let me = rustix::process::geteuid().as_raw();
        // The code is run unverified: a user who can write here can run any code as this one.
        if !found.is_dir() || found.uid() != me || found.mode() & 0o077 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it must be a folder that you own and that no other user can enter (mode 0700)",
            ));
        }
        Ok(Self {
            folder: folder.to_owned(),
            mode: 0o600,
            protection: None,
        })
    }

    /// Opens the system's cache, which all users can read and only its owner can change.
    pub(crate) fn open_system(folder: &Path, protection: &Protection) -> Result<Self, Unprotected> {
        Ok(Self {
            folder: protection.resolve(folder)?,
            mode: 0o644,
            protection: Some(protection.clone()),
        })
    }

    /// Opens the system's cache, and creates the folder if it is missing, regardless of the umask.
    pub(crate) fn create_system(folder: &Path, protection: &Protection) -> Result<Self, Unprotected> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|part| !part.exists()).collect();
        for part in missing.into_iter().rev() {
            fs::create_dir(part)?;
            fs::set_permissions(part, fs::Permissions::from_mode(0o755))?;
        }
        Self::open_system(folder, protection)
    }

    /// Finds the compiled code of a component; none if it is missing or corrupt.
    pub(crate) fn find(&self, wanted: CompiledFrom<'_>) -> Option<PathBuf> {
        let path = self.protected(&self.path(wanted))?;
        let mut file = fs::File::open(&path).ok()?;
        is_whole(&mut file, wanted).unwrap_or(false).then_some(path)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a component's compiled code, which may not exist.
    pub(crate) fn path(&self, from: CompiledFrom<'_>) -> PathBuf {
        self.folder.join(format!("{}.cwasm", from.stem()))
    }

    /// Resolves the links of a file in this folder; none if users other than its owner can change it.
    pub(crate) fn protected(&self, path: &Path) -> Option<PathBuf> {
        match &self.protection {
            Some(protection) => protection.resolve(path).ok(),
            None => Some(path.to_owned()),
        }
    }

    /// Stores compiled code atomically.
    pub(crate) fn store(&self, from: CompiledFrom<'_>, compiled: &[u8]) -> io::Result<()> {
        self.keep(&format!("{}.cwasm", from.stem()), &from.mark(), compiled)
    }

    /// Atomically writes a file with a trailer (`mark`) and a checksum over both.
    pub(crate) fn keep(&self, name: &str, mark: &str, bytes: &[u8]) -> io::Result<()> {
        let mut unique = [0; 8];
        getrandom::fill(&mut unique)
            .map_err(|_| io::Error::other("cannot get random bytes for a temporary name"))?;
        let path = self.folder.join(name);
        let temporary = path.with_extension(format!("{:016x}.tmp", u64::from_ne_bytes(unique)));
        let written = self
            .write(&temporary, bytes, mark)
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // Best effort: the error to report is that of the write.
            drop(fs::remove_file(&temporary));
        }
        written.map(|()| self.remove_oldest())
    }

    /// A small file of the cache without its mark, where it is whole and bound to what is wanted.
    pub(crate) fn read_kept(&self, name: &str, mark: &str) -> Option<Vec<u8>> {
        let path = self.protected(&self.folder.join(name))?;
        let mut kept = Vec::new();
        fs::File::open(path)
            .ok()?
            .take(MAX_RECORD)
            .read_to_end(&mut kept)
            .ok()?;
        let (marked, checksum) = kept
            .split_last_chunk::<CHECKSUM>()
            .map(|(kept, sum)| (kept.len(), *sum))?;
        kept.truncate(marked);
        let is_whole = crc32fast::hash(&kept).to_le_bytes() == checksum && kept.ends_with(mark.as_bytes());
        kept.truncate(marked.checked_sub(mark.len())?);
        is_whole.then_some(kept)
    }

    fn write(&self, path: &Path, bytes: &[u8], mark: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(self.mode)
            .open(path)?;
        // Regardless of the umask.
        file.set_permissions(fs::Permissions::from_mode(self.mode))?;
        // Detects damage, not attacks: against other users the mode of the folder protects.
        let mut checksum = crc32fast::Hasher::new();
        for part in [bytes, mark.as_bytes()] {
            checksum.update(part);
            file.write_all(part)?;
        }
        file.write_all(&checksum.finalize().to_le_bytes())?;
        file.sync_all()
    }

    fn remove_oldest(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let found = entry.metadata().ok()?;
                Some((found.modified().ok()?, found.len(), entry.path()))
            })
            .collect();
        // Temporary files of killed processes are among them, so that they are removed at some time as well.
        files.sort();
        let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, length, path) in files {
            if size <= MAX_CACHE {
                return;
            }
            if fs::remove_file(path).is_ok() {
                size -= length;
            }
        }
    }
}

/// Checks that a folder can be a user's cache. Creates it if it is missing.
///
/// # Errors
/// Fails when it cannot be created, and when other users can enter it.
pub fn check(folder: &Path) -> io::Result<()> {
    Cache::open(folder).map(drop)
}

/// The length of a checksum, in bytes.
const CHECKSUM: usize = 4;

/// Returns whether a file has the wanted trailer and a correct checksum.
fn is_whole(file: &mut fs::File, wanted: CompiledFrom<'_>) -> io::Result<bool> {
    let mark = wanted.mark();
    let found = file.metadata()?;
    let end = found.len().checked_sub((mark.len() + CHECKSUM) as u64);
    let Some(end) = end.filter(|_| found.is_file()) else {
        return Ok(false);
    };
    let mut found_mark = vec![0; mark.len()];
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut found_mark)?;
    // A file that was copied over another's would run as a plugin with the other's digest.
    if found_mark != mark.as_bytes() {
        return Ok(false);
    }
    let mut stored = [0; CHECKSUM];
    file.read_exact(&mut stored)?;
    file.seek(SeekFrom::Start(0))?;
    let mut code = file.take(end);
    let (mut checksum, mut part) = (crc32fast::Hasher::new(), vec![0; 64 << 10]);
    loop {
        match code.read(&mut part)? {
            0 => break,
            read => checksum.update(&part[..read]),
        }
    }
    checksum.update(&found_mark);
    Ok(checksum.finalize().to_le_bytes() == stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: CompiledFrom<'_> = CompiledFrom {
        component: "sha256:1111",
        compiler: 7,
    };

    /// The path of a folder that does not exist, and the guard of its parent.
    fn folder(name: &str) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(name);
        (home, folder)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn protection(below: &Path) -> Protection {
        Protection {
            owner: rustix::process::geteuid().as_raw(),
            below: below.to_owned(),
        }
    }

    #[test]
    fn stored_code_is_private_and_complete() {
        let (_home, folder) = folder("store");
        let cache = Cache::open(&folder).unwrap();
        cache.store(ONE, b"code").unwrap();
        let path = cache.find(ONE).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(b"code"));
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "a temporary file was left"
        );
    }

    #[test]
    fn corrupt_files_are_not_used() {
        let (_home, folder) = folder("change");
        let cache = Cache::open(&folder).unwrap();
        assert_eq!(cache.find(ONE), None, "nothing is there");
        let code: Vec<u8> = (0..150_001_u32).map(|number| (number * 7) as u8).collect();
        cache.store(ONE, &code).unwrap();
        let path = cache.find(ONE).unwrap();
        let stored = fs::read(&path).unwrap();
        let end = stored.len();
        for place in [0, 1, 65_535, 65_536, 150_000, 150_001, end - 5, end - 4, end - 1] {
            let mut changed = stored.clone();
            changed[place] ^= 0x10;
            fs::write(&path, changed).unwrap();
            assert_eq!(cache.find(ONE), None, "byte {place} changed");
        }
        for length in [0, 7, 8, 100, end - 1] {
            fs::write(&path, &stored[..length]).unwrap();
            assert_eq!(cache.find(ONE), None, "cut to {length} bytes");
        }
        fs::write(&path, [stored.as_slice(), b"\0"].concat()).unwrap();
        assert_eq!(cache.find(ONE), None, "one byte more");
        fs::write(&path, &stored).unwrap();
        assert!(cache.find(ONE).is_some());
    }

    #[test]
    fn a_file_in_the_place_of_another_is_not_taken() {
        let (_home, folder) = folder("mixed-up");
        let cache = Cache::open(&folder).unwrap();
        cache.store(ONE, b"code").unwrap();
        let one = cache.find(ONE).unwrap();
        for other in [
            CompiledFrom {
                component: "sha256:2222",
                ..ONE
            },
            CompiledFrom { compiler: 8, ..ONE },
        ] {
            fs::copy(&one, cache.path(other)).unwrap();
            assert_eq!(cache.find(other), None, "{other:?}");
            cache.store(other, b"other").unwrap();
            assert!(cache.find(other).is_some());
        }
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let (_home, folder) = folder("shared");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Cache::open(&folder).unwrap_err();
        assert!(error.to_string().contains("0700"), "{error}");
    }

    #[test]
    fn the_systems_folder_is_for_all_to_read() {
        let (home, folder) = folder("var/cache/trocar");
        let protection = protection(home.path());
        assert!(
            Cache::open_system(&folder, &protection).is_err(),
            "it is not made by reading"
        );
        let cache = Cache::create_system(&folder, &protection).unwrap();
        cache.store(ONE, b"code").unwrap();
        assert_eq!(mode(&cache.find(ONE).unwrap()), 0o644);
        for part in folder.ancestors().take(3) {
            assert_eq!(mode(part), 0o755, "{}", part.display());
        }
        assert!(
            Cache::open_system(&folder, &protection)
                .unwrap()
                .find(ONE)
                .is_some()
        );
    }

    #[test]
    fn a_systems_folder_that_others_can_write_to_is_not_used() {
        let (home, folder) = folder("open");
        let protection = protection(home.path());
        Cache::create_system(&folder, &protection).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            Cache::open_system(&folder, &protection),
            Err(Unprotected::Writable(_))
        ));
    }
}
