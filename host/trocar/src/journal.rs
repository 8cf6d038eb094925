//! The journal's file: one line for each write, in the user's state folder, read by nobody else.
//!
//! It is what makes a session one's own. Whoever can write to the file can claim sessions by it, and gains nothing that the
//! cluster does not allow them.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use trocar_core::sessions::journal::{Entry, Journal, line};

use crate::audit::append;

/// The size from which on the file is rewritten, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// How much of it is kept then, in bytes: far less, or it would be rewritten with each line.
const MAX_KEPT: usize = 512 << 10;

/// How much of a file is read, in bytes: what another program made of it must not fill the memory.
const MAX_READ: u64 = 16 << 20;

/// The journal of a user.
#[derive(Clone, Debug)]
pub struct JournalFile {
    path: PathBuf,
}

impl JournalFile {
    /// The journal in a file. It is made when it is first written to, and its folder as well.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it. A file that is not there is an empty journal.
    ///
    /// # Errors
    /// Fails when it cannot be read. A damaged line is no error: the journal counts it.
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

    /// Appends a line, whole or not at all.
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

    /// Rewrites the file without what is gone. Another program's line that comes between is lost at most once: its session
    /// is then listed as one that is claimed.
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
            // What is half written is of no use.
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
    fn only_its_owner_may_read_the_journal() {
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
    fn a_journal_of_years_stays_small_and_keeps_the_newest() {
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
