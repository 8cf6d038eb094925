//! Atomic writes of files.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Replaces a file atomically: a reader sees the old contents or all of the new, even if this process is killed. `mode` is set
/// regardless of the umask; without one the umask decides.
///
/// # Errors
/// Fails when the file cannot be written. The old contents are kept then.
pub fn write_whole(path: &Path, mode: Option<u32>, bytes: &[u8]) -> io::Result<()> {
    // A random name, since several processes may write the same file at once.
    let mut unique = [0; 8];
    getrandom::fill(&mut unique)
        .map_err(|_| io::Error::other("cannot get random bytes for a temporary name"))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{:016x}.tmp", u64::from_ne_bytes(unique)));
    let temporary = Path::new(&temporary);
    let written = write_new(temporary, mode, bytes).and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        // Best effort: the error to report is that of the write.
        drop(fs::remove_file(temporary));
    }
    written
}

fn write_new(path: &Path, mode: Option<u32>, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    // Exclusively: nothing is written through a link that lies at this name.
    options.write(true).create_new(true);
    if let Some(mode) = mode {
        options.mode(mode);
    }
    let mut file = options.open(path)?;
    if let Some(mode) = mode {
        // The mode at `open` is reduced by the umask.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    file.write_all(bytes)?;
    // Before the rename: otherwise a crash could leave the new name with an empty file. A full disk is also reported here.
    file.sync_all()
}
