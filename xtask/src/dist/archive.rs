//! Archives whose bytes depend on what is in them alone.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) place: String,
    pub(super) bytes: Vec<u8>,
    pub(super) is_program: bool,
}

impl Entry {
    pub(super) fn file(place: &str, bytes: Vec<u8>) -> Self {
        Self {
            place: place.into(),
            bytes,
            is_program: false,
        }
    }

    pub(super) fn program(place: &str, bytes: Vec<u8>) -> Self {
        Self {
            is_program: true,
            ..Self::file(place, bytes)
        }
    }

    pub(super) fn mode(&self) -> u32 {
        if self.is_program { 0o755 } else { 0o644 }
    }
}

/// Packs files below one folder, and compresses them.
pub(super) fn tar_gz(folder: &str, entries: &[Entry], time: u64) -> Result<Vec<u8>> {
    let below: Vec<Entry> = entries
        .iter()
        .map(|entry| Entry {
            place: format!("{folder}/{}", entry.place),
            ..entry.clone()
        })
        .collect();
    gz(&tar(&below, time)?)
}

/// Packs files. Folders have no entries of their own: what unpacks makes them.
pub(super) fn tar(entries: &[Entry], time: u64) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(entry.mode());
        // Times and owners of this machine would be a part of the bytes.
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, &entry.place, &entry.bytes[..])?;
    }
    Ok(tar.into_inner()?)
}

pub(super) fn gz(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = gzip();
    out.write_all(bytes)?;
    Ok(out.finish()?)
}

/// Without a name and a time in its header.
fn gzip() -> flate2::write::GzEncoder<Vec<u8>> {
    GzBuilder::new().write(Vec::new(), Compression::best())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_bytes() {
        let entries = [
            Entry::program("trocar", vec![7; 100_000]),
            Entry::file("LICENSE", b"free".to_vec()),
        ];
        let first = tar_gz("trocar-1", &entries, 1_700_000_000).expect("memory can be written to");
        assert_eq!(
            first,
            tar_gz("trocar-1", &entries, 1_700_000_000).expect("memory can be written to")
        );
        assert_ne!(
            first,
            tar_gz("trocar-1", &entries, 1_700_000_001).expect("memory can be written to")
        );
    }
}
