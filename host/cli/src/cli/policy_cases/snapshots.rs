//! The file beside a file with cases that keeps what came out of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use trocar::documents;

use super::{EXTENSION, read::one_document};
use crate::cli::error::CliError;

/// The end of the name of the file with what came out of them.
const SNAPSHOT_EXTENSION: &str = ".snapshots.yaml";

/// The snapshots of a file's cases, by their names.
pub(crate) fn snapshots(file: &Path) -> Result<BTreeMap<String, Value>, CliError> {
    let place = snapshot_file(file);
    if !place.exists() {
        return Ok(BTreeMap::new());
    }
    let Value::Object(snapshots) = one_document(&place)? else {
        return Err(CliError::new(format!(
            "{}: these are no snapshots",
            place.display()
        )));
    };
    Ok(snapshots.into_iter().collect())
}

/// Keeps what came out of a file's cases.
pub(crate) fn keep(file: &Path, outcomes: &BTreeMap<String, Value>) -> Result<(), CliError> {
    let place = snapshot_file(file);
    let text = documents::to_yaml(&[json!(outcomes)]);
    fs::write(&place, text)
        .map_err(|error| CliError::new(format!("cannot write {}: {error}", place.display())))
}

fn snapshot_file(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(EXTENSION).unwrap_or(&name);
    file.with_file_name(format!("{stem}{SNAPSHOT_EXTENSION}"))
}
