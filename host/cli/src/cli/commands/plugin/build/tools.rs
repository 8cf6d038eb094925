//! The componentizers of other languages than Rust: each at one pinned version, installed once per user.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{exit_description, shown};
use crate::cli::{error::CliError, resolve, ui};

/// A componentizer, at the version that was tested.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Where it is installed from, for messages.
    pub(super) registry: &'static str,
    /// Its size on disk, for messages.
    pub(super) size: &'static str,
    /// A file that exists once the tool is installed, relative to its folder.
    pub(super) proof: &'static str,
    /// The program that installs it, and the hint for when that program is missing or fails.
    pub(super) installer: (&'static str, &'static str),
    /// The installer's arguments, for a folder to install into.
    pub(super) arguments: fn(&Self, &Path) -> Vec<String>,
}

impl Tool {
    /// The tool's folder. Installs the tool first if it is missing and `may_install`.
    pub(super) fn folder(&self, may_install: bool) -> Result<PathBuf, CliError> {
        let all = tools_folder()?;
        let folder = all.join(format!("{}-{}", self.name, self.version));
        if folder.join(self.proof).is_file() {
            return Ok(folder);
        }
        if !may_install {
            let Self {
                name,
                version,
                registry,
                size,
                ..
            } = self;
            let missing = format!("{name} {version} is not installed; plugins in this language need it");
            return Err(CliError::new(missing).hint(format!(
                "trocar plugin build --install-tool installs it from {registry} ({size}) into {}",
                shown(&all)
            )));
        }
        self.install(&all, &folder)?;
        Ok(folder)
    }

    /// Installs into a temporary folder that is renamed when complete: concurrent installations do not collide, and an
    /// interrupted one is never used.
    fn install(&self, all: &Path, folder: &Path) -> Result<(), CliError> {
        let unwritten = |error: io::Error| CliError::new(format!("cannot write {}: {error}", shown(all)));
        let partial = all.join(format!(".{}-{}.{}", self.name, self.version, std::process::id()));
        fs::create_dir_all(&partial).map_err(unwritten)?;
        let (installer, hint) = self.installer;
        ui::error_line(&format!(
            "installing {} {} from {}",
            self.name, self.version, self.registry
        ));
        let mut command = Command::new(installer);
        command
            .args((self.arguments)(self, &partial))
            .stdin(Stdio::null());
        // The installer's output does not belong on our standard output.
        let status = command.stdout(Stdio::null()).status();
        let done =
            status.map_err(|error| CliError::new(format!("cannot run {installer}: {error}")).hint(hint));
        let done = done.and_then(|status| match partial.join(self.proof).is_file() {
            true if status.success() => Ok(()),
            _ => Err(CliError::new(format!(
                "{installer} could not install {} {}: {}",
                self.name,
                self.version,
                exit_description(status)
            ))
            .hint(hint)),
        });
        let named = done.and_then(|()| match fs::rename(&partial, folder) {
            Err(_) if folder.join(self.proof).is_file() => Ok(()),
            renamed => renamed.map_err(unwritten),
        });
        if partial.exists() {
            // Best effort: a left-over folder is never used.
            drop(fs::remove_dir_all(&partial));
        }
        named
    }
}

/// The folder of all tools, beside the cache of compiled components.
fn tools_folder() -> Result<PathBuf, CliError> {
    resolve::cache("tools").ok_or_else(|| CliError::new("there is no home folder to install tools into"))
}
