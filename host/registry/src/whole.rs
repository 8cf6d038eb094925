//! Files that others see whole or not at all.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Writes a file so that a reader sees the old one or all of the new one, whenever this is killed. `mode` holds whatever the
/// mask of the process is; without one the mask decides.
///
/// # Errors
/// Fails when the file cannot be written; what was there is still there then.
pub fn write_whole(path: &Path, mode: Option<u32>, bytes: &[u8]) -> io::Result<()> {
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|_| io::Error::other("no randomness"))?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{:016x}.tmp", u64::from_ne_bytes(unique)));
    let unfinished = Path::new(&unfinished);
    let written = write_new(unfinished, mode, bytes).and_then(|()| fs::rename(unfinished, path));
    if written.is_err() {
        // What is left of a failed write is of no use; that it may stay is not a second error.
        drop(fs::remove_file(unfinished));
    }
    written
}

fn write_new(path: &Path, mode: Option<u32>, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    if let Some(mode) = mode {
        options.mode(mode);
    }
    let mut file = options.open(path)?;
    if let Some(mode) = mode {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}
