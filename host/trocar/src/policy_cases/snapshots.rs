//! The file beside a file with cases that keeps what came out of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use trocar_core::documents;

use super::{CaseError, EXTENSION, read::one_document};

/// The end of the name of the file with what came out of them.
const SNAPSHOT_EXTENSION: &str = ".snapshots.yaml";

/// The snapshots of a file's cases, by their names. None where no file with them is there.
///
/// # Errors
/// Fails when the file with them cannot be read or is malformed.
pub fn snapshots(file: &Path) -> Result<BTreeMap<String, Value>, CaseError> {
    let place = snapshot_file(file);
    if !place.exists() {
        return Ok(BTreeMap::new());
    }
    let Value::Object(snapshots) = one_document(&place)? else {
        return Err(CaseError::Shape {
            file: place,
            problem: "these are no snapshots".into(),
        });
    };
    Ok(snapshots.into_iter().collect())
}

/// Keeps what came out of a file's cases, in a file beside it.
///
/// # Errors
/// Fails when that file cannot be written.
pub fn keep(file: &Path, outcomes: &BTreeMap<String, Value>) -> Result<(), CaseError> {
    let place = snapshot_file(file);
    let text = documents::to_yaml(&[json!(outcomes)]);
    fs::write(&place, text).map_err(|error| CaseError::Write { file: place, error })
}

fn snapshot_file(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(EXTENSION).unwrap_or(&name);
    file.with_file_name(format!("{stem}{SNAPSHOT_EXTENSION}"))
}
