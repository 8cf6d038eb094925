//! The audit: writes decisions and how they ended to the places in the configuration.
//!
//! Records are lines of JSON, each written atomically.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;
use trocar_core::{
    audit::{AuditEvent, AuditOutcome, AuditRecord},
    config::{AuditSink, Config},
    plan::DebugPlan,
    planning::StoredOtherwise,
};
use trocar_sdk::Actor;

/// How often, and at which interval, the lock of a file is tried while another process holds it.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// An audit record could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the audit file {file} cannot be written: {source}")]
pub struct AuditError {
    /// The file.
    pub file: String,
    /// The configuration requires the record, so the debug fails.
    pub is_required: bool,
    /// The cause.
    pub source: io::Error,
}

type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// The open audit files. Opened before anything is written to a cluster.
#[derive(Default)]
pub struct AuditLog {
    sinks: Vec<Sink>,
    /// Where records for standard error go.
    lines: Option<LineSink>,
    /// Where warnings about files that are not required go.
    warnings: Option<LineSink>,
}

struct Sink {
    /// None for standard error.
    file: Option<(String, Mutex<File>)>,
    is_required: bool,
}

impl AuditLog {
    /// Opens the audit files of a configuration. `lines` prints records for standard error; `warnings` is called for files that are
    /// not required and cannot be opened or written.
    ///
    /// # Errors
    /// Fails when a required file cannot be opened.
    pub fn open(
        config: &Config,
        lines: impl Fn(&str) + Send + Sync + 'static,
        warnings: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, AuditError> {
        let mut log = Self {
            sinks: Vec::new(),
            lines: Some(Arc::new(lines)),
            warnings: Some(Arc::new(warnings)),
        };
        for entry in &config.audit {
            let audit = &entry.value;
            let file = match (audit.sink, &audit.file) {
                (AuditSink::File, Some(path)) => match open(path, IfMissing::Create) {
                    Ok(file) => Some((path.display().to_string(), Mutex::new(file))),
                    Err(source) => {
                        log.failed(audit.required, &path.display().to_string(), source)?;
                        continue;
                    }
                },
                _ => None,
            };
            log.sinks.push(Sink {
                file,
                is_required: audit.required,
            });
        }
        Ok(log)
    }

    /// Returns true if nothing is audited.
    pub fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Writes a record to all files.
    ///
    /// # Errors
    /// Fails when a required file cannot be written.
    pub fn record(&self, record: &AuditRecord<'_>) -> Result<(), AuditError> {
        self.write(&record.line())
    }

    /// Writes one line to all files.
    fn write(&self, line: &str) -> Result<(), AuditError> {
        for sink in &self.sinks {
            match &sink.file {
                None => {
                    if let Some(lines) = &self.lines {
                        lines(line);
                    }
                }
                Some((name, file)) => {
                    let mut file = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    if let Err(error) = append(&mut file, line) {
                        self.failed(sink.is_required, name, error)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn failed(&self, is_required: bool, file: &str, source: io::Error) -> Result<(), AuditError> {
        let error = AuditError {
            file: file.to_owned(),
            is_required,
            source,
        };
        if is_required {
            return Err(error);
        }
        self.warn(&error);
        Ok(())
    }

    fn warn(&self, error: &AuditError) {
        if let Some(warnings) = &self.warnings {
            warnings(&error.to_string());
        }
    }
}

/// Checks that records could be written to a file, without writing one or creating the file.
///
/// # Errors
/// Fails when it is neither a regular file nor a character device, or may not be written; for a missing file, when its folder may
/// not be written.
pub fn check_audit_file(path: &Path) -> io::Result<()> {
    match open(path, IfMissing::Fail) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
            Ok(rustix::fs::access(folder, wanted)?)
        }
        opened => opened.map(drop),
    }
}

/// What to do about a missing file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    Create,
    Fail,
}

/// Opens an audit file.
fn open(path: &Path, if_missing: IfMissing) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    // Opening a FIFO without a reader would hang; a non-blocking open fails at once.
    options
        .append(true)
        .create(if_missing == IfMissing::Create)
        // Records hold the names of users and their reasons.
        .mode(0o600)
        .custom_flags(O_NONBLOCK);
    let readable = options.clone().read(true).open(path);
    // Read access is only for completing a torn line, so write access alone is enough.
    let file = readable.or_else(|_| options.open(path))?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_char_device() {
        return Ok(file);
    }
    Err(io::Error::other(
        "it is neither a regular file nor a character device",
    ))
}

const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// Appends one line atomically. An incomplete last line of another program is ended first.
pub(crate) fn append(file: &mut File, line: &str) -> io::Result<()> {
    // A device has neither a length nor a torn line.
    if !file.metadata()?.is_file() {
        return file.write_all(format!("{line}\n").as_bytes());
    }
    lock(file)?;
    let appended = append_locked(file, line);
    let unlocked = file.unlock();
    appended.and(unlocked)
}

fn append_locked(file: &mut File, line: &str) -> io::Result<()> {
    let length = file.metadata()?.len();
    // Under the lock: another process may append between the look and the write.
    let start = if ends_within_line(file, length) { "\n" } else { "" };
    let written = file.write_all(format!("{start}{line}\n").as_bytes());
    if written.is_err() {
        // On a full disk: remove the part that was written.
        file.set_len(length)?;
    }
    written
}

fn ends_within_line(file: &mut File, length: u64) -> bool {
    let mut last = [b'\n'];
    let read =
        length > 0 && file.seek(SeekFrom::Start(length - 1)).is_ok() && file.read_exact(&mut last).is_ok();
    read && last != [b'\n']
}

fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("another program holds its lock"))
}

/// What all audit records of one debugger share.
pub(crate) struct Auditor {
    pub(crate) log: Arc<AuditLog>,
    pub(crate) session: String,
    pub(crate) actor: Actor,
    pub(crate) impersonator: Option<String>,
}

impl Auditor {
    pub(crate) fn write(
        &self,
        event: AuditEvent,
        plan: &DebugPlan,
        pod: &Value,
        stored: Option<&StoredOtherwise>,
    ) -> Result<(), AuditError> {
        if self.log.is_empty() {
            return Ok(());
        }
        let record = AuditRecord {
            event,
            time: &jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            session: &self.session,
            actor: &self.actor,
            impersonator: self.impersonator.as_deref(),
            plan,
            pod,
            stored,
        };
        self.log.write(&record.line())
    }
}

/// The final audit record of a debug. Written on drop, so that no error path can omit it.
pub(crate) struct LastRecord {
    auditor: Arc<Auditor>,
    pub(crate) plan: DebugPlan,
    pub(crate) pod: Value,
    pub(crate) outcome: AuditOutcome,
}

impl LastRecord {
    /// Audits that a plan is allowed. From here on its end is audited on drop.
    pub(crate) fn begin(auditor: &Arc<Auditor>, plan: &DebugPlan) -> Result<Self, AuditError> {
        auditor.write(AuditEvent::Allowed, plan, &Value::Null, None)?;
        Ok(Self {
            auditor: auditor.clone(),
            plan: plan.clone(),
            pod: Value::Null,
            outcome: AuditOutcome::NotBegun,
        })
    }

    pub(crate) fn auditor(&self) -> &Arc<Auditor> {
        &self.auditor
    }
}

impl Drop for LastRecord {
    fn drop(&mut self) {
        let event = AuditEvent::Ended(self.outcome);
        // The debug has happened, so a failure can only be a warning.
        if let Err(error) = self.auditor.write(event, &self.plan, &self.pod, None) {
            self.auditor.log.warn(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_after_a_torn_line_is_on_its_own_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        fs::write(&path, "{\"whole\":1}\n{\"torn\":").unwrap();
        append(&mut open(&path, IfMissing::Create).unwrap(), "{\"next\":2}").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"whole\":1}\n{\"torn\":\n{\"next\":2}\n");
    }

    #[test]
    fn checking_creates_no_file_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        check_audit_file(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "{\"torn\":").unwrap();
        check_audit_file(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"torn\":");
        let error = check_audit_file(&folder.path().join("gone/audit.log")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(check_audit_file(folder.path()).is_err());
    }

    #[test]
    fn opening_a_pipe_without_a_reader_does_not_hang() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let message = open(&path, IfMissing::Create).unwrap_err().to_string();
        assert!(
            message.contains("neither a regular file nor a character device"),
            "{message}"
        );
        assert!(open(folder.path(), IfMissing::Create).is_err());
        assert!(check_audit_file(&path).is_err());
    }
}
