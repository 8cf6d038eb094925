//! The journal's file: one line per write, in the user's state folder, readable by that user only.
//!
//! It decides which sessions are the user's own. It is not protected against the user: a forged line makes a session look like
//! one's own, which grants no rights in the cluster.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use trocar_core::sessions::journal::{Entry, Journal, line};

use crate::audit::append;

/// The size in bytes above which the file is compacted.
const MAX_SIZE: u64 = 1 << 20;

/// The size after compaction, in bytes: far less than [`MAX_SIZE`], or each line would compact again.
const MAX_KEPT: usize = 512 << 10;

/// The most bytes that are read, in case another program wrote to the file. The end is read, since the newest lines are there.
const MAX_READ: u64 = 16 << 20;

/// A user's journal.
#[derive(Clone, Debug)]
pub struct JournalFile {
    path: PathBuf,
}

impl JournalFile {
    /// Uses the journal in a file. The file and its folder are created at the first write.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the journal. A missing file is an empty journal.
    ///
    /// # Errors
    /// Fails when the file cannot be read. Malformed lines are counted, not errors.
    pub fn read(&self) -> io::Result<Journal> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Journal::default()),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        let start = file.metadata()?.len().saturating_sub(MAX_READ);
        file.seek(SeekFrom::Start(start))?;
        file.take(MAX_READ).read_to_end(&mut bytes)?;
        Ok(Journal::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Appends a line atomically.
    ///
    /// # Errors
    /// Fails when the file or its folder cannot be written.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        append(&mut file, line(entry).trim_end())?;
        if file.metadata()?.len() > MAX_SIZE {
            self.compact()?;
        }
        Ok(())
    }

    /// Rewrites the file without removed pods and old lines. A line that another process appends meanwhile is lost: its session is
    /// then listed as claimed rather than one's own.
    fn compact(&self) -> io::Result<()> {
        let kept = self.read()?.compacted(MAX_KEPT);
        let beside = self.path.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        let written = file
            .write_all(kept.as_bytes())
            .and_then(|()| fs::rename(&beside, &self.path));
        if written.is_err() {
            // Best effort: the error to report is that of the write.
            drop(fs::remove_file(&beside));
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use trocar_core::sessions::SessionKind;

    use super::*;

    fn entry(uid: usize) -> Entry {
        Entry {
            time: "2026-01-01T00:00:00Z".into(),
            server: "https://one".into(),
            namespace: "shop".into(),
            pod: "web-0".into(),
            uid: Some(format!("u-{uid}")),
            container: Some("debugger".into()),
            kind: SessionKind::PodCopy,
            plan: "sha256:1".into(),
            reason: Some("x".repeat(600)),
            image: None,
            recipe: None,
            replaces_target: false,
            removed_at_end: false,
            removed: false,
        }
    }

    #[test]
    fn the_journal_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let journal = JournalFile::new(folder.path().join("state/trocar/sessions.jsonl"));
        assert!(journal.read().unwrap().pod("u-1").is_none());
        journal.append(&entry(1)).unwrap();
        assert!(journal.read().unwrap().pod("u-1").is_some());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(journal.path()), 0o600);
        assert_eq!(mode(journal.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn compaction_keeps_the_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let journal = JournalFile::new(folder.path().join("sessions.jsonl"));
        for uid in 0..3_000 {
            journal.append(&entry(uid)).unwrap();
        }
        let size = fs::metadata(journal.path()).unwrap().len();
        assert!(size < MAX_SIZE + 1024, "{size}");
        let read = journal.read().unwrap();
        assert!(read.pod("u-2999").is_some());
        assert!(read.pod("u-2500").is_some());
    }
}
