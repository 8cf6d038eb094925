//! Compiled components on disk, found by what they were compiled from. The folder holds code that is run as it is, so it
//! must belong to the user alone; a folder that does not is not used. A checksum at the end of each file tells one that a
//! broken disk or a hand has changed; it keeps nobody out.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How many bytes of compiled code are kept; the least recently compiled go first.
const LARGEST: u64 = 512 << 20;

/// A private folder of compiled components.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Uses a folder, which is made when it is missing.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        if !folder.exists() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder)?;
        }
        let found = fs::symlink_metadata(folder)?;
        let me = rustix::process::geteuid().as_raw();
        if !found.is_dir() || found.uid() != me || found.mode() & 0o077 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it must be a folder that belongs to you and that nobody else may enter (mode 0700)",
            ));
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Where the compiled form of a component stands, or would.
    pub(crate) fn path(&self, digest: &str, compiler: u64) -> PathBuf {
        let digest = digest.trim_start_matches("sha256:");
        self.folder.join(format!("{digest}-{compiler:016x}.cwasm"))
    }

    /// Says whether a file is there and as it was written.
    pub(crate) fn is_whole(&self, path: &Path) -> bool {
        fs::File::open(path).is_ok_and(|file| ends_with_checksum(&file).unwrap_or(false))
    }

    /// Writes a compiled component so that a reader sees all of it or nothing, whenever this is killed.
    pub(crate) fn store(&self, path: &Path, compiled: &[u8]) -> io::Result<()> {
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).map_err(|_| io::Error::other("no randomness"))?;
        let unfinished = path.with_extension(format!("{:016x}.tmp", u64::from_ne_bytes(unique)));
        let written = write_private(&unfinished, compiled).and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            // What is left of a failed write is of no use to anyone; that it may stay is no second error.
            drop(fs::remove_file(&unfinished));
        }
        written.map(|()| self.forget_oldest())
    }

    fn forget_oldest(&self) {
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
        files.sort();
        let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, length, path) in files {
            if size <= LARGEST {
                return;
            }
            if fs::remove_file(path).is_ok() {
                size -= length;
            }
        }
    }
}

/// Says whether a folder can keep compiled components; makes it when it is missing.
///
/// # Errors
/// Fails when it cannot be made, or when anyone but the user may enter it.
pub fn check(folder: &Path) -> io::Result<()> {
    Cache::open(folder).map(drop)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.write_all(&crc32fast::hash(bytes).to_le_bytes())?;
    file.sync_all()
}

/// The length of a checksum, in bytes.
const CHECKSUM: usize = 4;

fn ends_with_checksum(file: &fs::File) -> io::Result<bool> {
    let found = file.metadata()?;
    let Some(length) = found
        .len()
        .checked_sub(CHECKSUM as u64)
        .filter(|_| found.is_file())
    else {
        return Ok(false);
    };
    let mut code = file.take(length);
    let (mut checksum, mut part) = (crc32fast::Hasher::new(), vec![0; 64 << 10]);
    loop {
        match code.read(&mut part)? {
            0 => break,
            read => checksum.update(&part[..read]),
        }
    }
    let mut wanted = [0; CHECKSUM];
    let mut file = file;
    file.read_exact(&mut wanted)?;
    Ok(checksum.finalize().to_le_bytes() == wanted)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A place in which nothing is yet, and what removes it at the end.
    fn folder(name: &str) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(name);
        (home, folder)
    }

    #[test]
    fn what_is_stored_is_private_and_whole() {
        let (_home, folder) = folder("store");
        let cache = Cache::open(&folder).unwrap();
        let path = cache.path("sha256:abc", 7);
        cache.store(&path, b"code").unwrap();
        assert!(fs::read(&path).unwrap().starts_with(b"code"));
        assert!(cache.is_whole(&path));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "an unfinished file was left"
        );
    }

    #[test]
    fn any_change_to_what_is_stored_is_noticed() {
        let (_home, folder) = folder("change");
        let cache = Cache::open(&folder).unwrap();
        let path = cache.path("sha256:abc", 7);
        assert!(!cache.is_whole(&path), "nothing is there");
        let code: Vec<u8> = (0..150_001_u32).map(|number| (number * 7) as u8).collect();
        cache.store(&path, &code).unwrap();
        let stored = fs::read(&path).unwrap();
        assert!(cache.is_whole(&path));
        for place in [0, 1, 65_535, 65_536, 149_999, 150_000, stored.len() - 1] {
            let mut changed = stored.clone();
            changed[place] ^= 0x10;
            fs::write(&path, changed).unwrap();
            assert!(!cache.is_whole(&path), "byte {place} changed");
        }
        for length in [0, 7, 8, 100, stored.len() - 1] {
            fs::write(&path, &stored[..length]).unwrap();
            assert!(!cache.is_whole(&path), "cut to {length} bytes");
        }
        fs::write(&path, [stored.as_slice(), b"\0"].concat()).unwrap();
        assert!(!cache.is_whole(&path), "one byte more");
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let (_home, folder) = folder("shared");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Cache::open(&folder).unwrap_err();
        assert!(error.to_string().contains("0700"), "{error}");
    }
}
