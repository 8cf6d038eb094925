//! The programs that make components of other languages: each at one version, installed once for a user.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{how_it_ended, shown};
use crate::cli::{error::CliError, resolve, ui};

/// A program that makes components, at the version that was tried.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Where it comes from, for people.
    pub(super) registry: &'static str,
    /// What it takes on the disk, for people.
    pub(super) size: &'static str,
    /// A file that is there once it is installed.
    pub(super) proof: &'static str,
    /// The program that installs it, and what to do when it is not there.
    pub(super) installer: (&'static str, &'static str),
    /// The arguments with which the installer puts it into a folder.
    pub(super) arguments: fn(&Self, &Path) -> Vec<String>,
}

impl Tool {
    /// The folder in which the tool is; installed first, where that is wanted.
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
            let missing =
                format!("{name} {version} is not installed, which makes components of this language");
            return Err(CliError::new(missing).hint(format!(
                "trocar plugin build --install-tool installs it once, from {registry} ({size}), in {}",
                shown(&all)
            )));
        }
        self.install(&all, &folder)?;
        Ok(folder)
    }

    /// Installs into a folder of its own, which gets its name when all is there: two that install at once do not meet, and
    /// what was cut off is not used.
    fn install(&self, all: &Path, folder: &Path) -> Result<(), CliError> {
        let unwritten = |error: io::Error| CliError::new(format!("cannot write {}: {error}", shown(all)));
        let partial = all.join(format!(".{}-{}.{}", self.name, self.version, std::process::id()));
        fs::create_dir_all(&partial).map_err(unwritten)?;
        let (installer, otherwise) = self.installer;
        ui::error_line(&format!(
            "installing {} {} from {}",
            self.name, self.version, self.registry
        ));
        let mut command = Command::new(installer);
        command
            .args((self.arguments)(self, &partial))
            .stdin(Stdio::null());
        // What it tells is not the result of this program.
        let status = command.stdout(Stdio::null()).status();
        let done =
            status.map_err(|error| CliError::new(format!("cannot run {installer}: {error}")).hint(otherwise));
        let done = done.and_then(|status| match partial.join(self.proof).is_file() {
            true if status.success() => Ok(()),
            _ => Err(CliError::new(format!(
                "{installer} could not install {} {}: {}",
                self.name,
                self.version,
                how_it_ended(status)
            ))
            .hint(otherwise)),
        });
        let named = done.and_then(|()| match fs::rename(&partial, folder) {
            Err(_) if folder.join(self.proof).is_file() => Ok(()),
            renamed => renamed.map_err(unwritten),
        });
        if partial.exists() {
            // Of no use any more, and in nobody's way.
            drop(fs::remove_dir_all(&partial));
        }
        named
    }
}

/// Where tools are, beside what was compiled.
fn tools_folder() -> Result<PathBuf, CliError> {
    resolve::cache("tools")
        .ok_or_else(|| CliError::new("there is no home folder, so there is no place for tools"))
}
