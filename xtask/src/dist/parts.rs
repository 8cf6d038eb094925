//! The parts of a release that are the same for every target: the chart of the admission webhook, and the SDKs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    Release,
    archive::{self, Entry},
};
use crate::tidy;

/// The chart as helm packages it, the SDK for JavaScript as npm does, and the one for Python as an archive of source.
pub(super) fn chart_and_sdks(root: &Path, release: &Release) -> Result<Vec<(String, Vec<u8>)>> {
    let version = &release.version;
    let pack = |folder: &str, entries: Vec<Entry>| archive::tar_gz(folder, &entries, release.time);
    let chart = below(root, "host/admission/chart", |place| !place.starts_with("tests"))?;
    let javascript = below(root, "guest-sdk/javascript", |place| !place.starts_with("test"))?;
    let mut python = below(root, "guest-sdk/python", |_| true)?;
    python.push(Entry::file("PKG-INFO", package_information(version).into_bytes()));
    let source = format!("trocar_sdk-{version}");
    Ok(vec![
        (
            format!("trocar-admission-{version}.tgz"),
            pack("trocar-admission", chart)?,
        ),
        (format!("trocar-sdk-{version}.tgz"), pack("package", javascript)?),
        (format!("{source}.tar.gz"), pack(&source, python)?),
    ])
}

/// What the index of Python packages reads of an archive of source.
fn package_information(version: &str) -> String {
    format!("Metadata-Version: 2.1\nName: trocar-sdk\nVersion: {version}\nRequires-Python: >=3.10\n")
}

/// The committed files below a folder that are wanted, by their places in it.
fn below(root: &Path, folder: &str, is_wanted: fn(&Path) -> bool) -> Result<Vec<Entry>> {
    let mut files: Vec<PathBuf> = tidy::files(root)?
        .into_iter()
        .filter_map(|file| file.strip_prefix(folder).ok().map(Path::to_owned))
        .filter(|place| is_wanted(place))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|place| {
            let bytes = fs::read(root.join(folder).join(&place))?;
            Ok(Entry::file(&place.display().to_string(), bytes))
        })
        .collect()
}
