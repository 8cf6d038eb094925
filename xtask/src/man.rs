//! Writing the man pages: a test of the command line makes them, so that the program holds nothing for them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::guests::cargo;

pub(crate) fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let made = Command::new(cargo())
        .current_dir(super::root())
        .args([
            "test",
            "--quiet",
            // With the features of a whole build, whose dependencies are there already.
            "--workspace",
            "--bin",
            "trocar",
            "--",
            "args::man",
        ])
        .env("TROCAR_MAN_FOLDER", &folder)
        .status()
        .context("cannot run cargo")?;
    if !made.success() {
        bail!("the pages could not be made");
    }
    println!("the man pages are in {}", folder.display());
    Ok(())
}
