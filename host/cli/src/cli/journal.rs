//! Where the user's journal is.

use std::path::PathBuf;

use trocar::{JournalFile, sessions::Journal};

use super::ui;

/// The journal's file. None where the user has no home.
pub(crate) fn file() -> Option<JournalFile> {
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    // The XDG specification has relative paths ignored.
    let base = base.filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))?;
    Some(JournalFile::new(base.join("trocar/sessions.jsonl")))
}

/// Reads the journal. What is wrong with it is told: sessions are then not known to be one's own.
pub(crate) fn read() -> Journal {
    let Some(file) = file() else {
        return Journal::default();
    };
    match file.read() {
        Ok(journal) => {
            if journal.damaged() > 0 {
                ui::warning(&format!(
                    "{} lines of {} are damaged: the sessions recorded there are not recognised as yours",
                    journal.damaged(),
                    file.path().display()
                ));
            }
            journal
        }
        Err(error) => {
            ui::warning(&format!("{} cannot be read: {error}", file.path().display()));
            Journal::default()
        }
    }
}
