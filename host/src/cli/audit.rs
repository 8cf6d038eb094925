//! Writing down what was decided and how it ended, where the configuration says so.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _};

use trocar::{
    Actor, DebugPlan,
    audit::{self, AuditEvent},
    config::{AuditSink, Config},
};

use super::{error::CliError, ui};

/// The places where lines go. Opened before anything is written to a cluster.
pub(crate) struct AuditLog {
    sinks: Vec<Sink>,
    session: String,
}

struct Sink {
    /// None for standard error.
    file: Option<(String, fs::File)>,
    required: bool,
}

impl AuditLog {
    /// Opens all places. One that is required and cannot be had is an error; of others people are told.
    pub(crate) fn open(config: &Config, session: &str) -> Result<Self, CliError> {
        let mut sinks = Vec::new();
        for entry in &config.audit {
            let audit = &entry.value;
            let file = match (audit.sink, &audit.file) {
                (AuditSink::File, Some(path)) => {
                    let name = path.display().to_string();
                    let opened = fs::OpenOptions::new()
                        .append(true)
                        .create(true)
                        .mode(0o600)
                        .open(path);
                    match opened {
                        Ok(file) => Some((name, file)),
                        Err(error) => {
                            failed(audit.required, &name, &error)?;
                            continue;
                        }
                    }
                }
                _ => None,
            };
            sinks.push(Sink {
                file,
                required: audit.required,
            });
        }
        Ok(Self {
            sinks,
            session: session.to_owned(),
        })
    }

    /// Writes one line to all places.
    ///
    /// # Errors
    /// Fails when a place that is required does not take it.
    pub(crate) fn write(
        &mut self,
        event: AuditEvent,
        actor: &Actor,
        plan: &DebugPlan,
    ) -> Result<(), CliError> {
        if self.sinks.is_empty() {
            return Ok(());
        }
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let line = audit::line(event, &time, &self.session, actor, plan);
        for sink in &mut self.sinks {
            match &mut sink.file {
                None => ui::error_line(&line),
                Some((name, file)) => {
                    // In one piece, so that lines of several programs do not mix.
                    if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
                        failed(sink.required, name, &error)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn failed(is_required: bool, name: &str, error: &std::io::Error) -> Result<(), CliError> {
    let message = format!("the audit file {name} cannot be written: {error}");
    if is_required {
        return Err(
            CliError::new(message).hint("the configuration requires it, so nothing is debugged without it")
        );
    }
    ui::warning(&message);
    Ok(())
}
