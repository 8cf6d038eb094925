//! Snapshot files: the outcomes of cases, in a file beside the cases.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use trocar_core::documents;

use super::{CaseError, EXTENSION, read::one_document};

/// The suffix of snapshot files.
const SNAPSHOT_EXTENSION: &str = ".snapshots.yaml";

/// Reads the snapshots of a file's cases, by the cases' names. Empty if there is no snapshot file.
///
/// # Errors
/// Fails when the snapshot file cannot be read or is malformed.
pub fn snapshots(file: &Path) -> Result<BTreeMap<String, Value>, CaseError> {
    let path = snapshot_file(file);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let Value::Object(snapshots) = one_document(&path)? else {
        return Err(CaseError::Shape {
            file: path,
            problem: "this is not a file of snapshots".into(),
        });
    };
    Ok(snapshots.into_iter().collect())
}

/// Writes the outcomes of a file's cases to its snapshot file.
///
/// # Errors
/// Fails when the snapshot file cannot be written.
pub fn keep(file: &Path, outcomes: &BTreeMap<String, Value>) -> Result<(), CaseError> {
    let path = snapshot_file(file);
    let text = documents::to_yaml(&[json!(outcomes)]);
    fs::write(&path, text).map_err(|error| CaseError::Write { file: path, error })
}

fn snapshot_file(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(EXTENSION).unwrap_or(&name);
    file.with_file_name(format!("{stem}{SNAPSHOT_EXTENSION}"))
}
