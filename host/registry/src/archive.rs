//! The subset of the `ustar` format that an OCI layout needs: regular files with names of up to 100 bytes.
//!
//! Not a general tar crate, because nothing may be unpacked to disk: files are read in place, by name and with a size limit.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write},
};

/// The size of a tar block, in bytes.
const BLOCK: usize = 512;
/// The most entries of an archive.
pub(crate) const MAX_ENTRIES: usize = 10_000;

pub(crate) fn append(out: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    if name.len() > 100 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a file name is longer than 100 bytes",
        ));
    }
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", bytes.len()));
    // The modification time is 0, so that the same plugins give the same archive.
    put(136, "00000000000");
    // By the format, the checksum is computed with spaces in its own field.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(&header)?;
    out.write_all(bytes)?;
    out.write_all(&vec![0; bytes.len().next_multiple_of(BLOCK) - bytes.len()])
}

/// Writes the end of an archive: two empty blocks.
pub(crate) fn finish(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()
}

/// An archive, with an index of its files.
pub(crate) struct Archive {
    file: File,
    /// Offset and size in bytes, by name.
    places: HashMap<String, (u64, u64)>,
}

impl Archive {
    /// Indexes an archive. Links, folders and devices are skipped: a layout does not need them.
    pub(crate) fn open(mut file: File) -> io::Result<Self> {
        let end = file.metadata()?.len();
        let malformed = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let mut places = HashMap::new();
        let mut at = 0_u64;
        for _ in 0..=MAX_ENTRIES {
            let mut header = [0; BLOCK];
            if at + BLOCK as u64 > end {
                return Err(malformed("the archive is truncated"));
            }
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut header)?;
            // Two empty blocks end an archive. One is enough here: nothing behind it is read.
            if header.iter().all(|byte| *byte == 0) {
                return Ok(Self { file, places });
            }
            if !has_checksum(&header) {
                return Err(malformed("it is not a tar archive"));
            }
            let size = octal(&header[124..136]).ok_or_else(|| malformed("a file has an invalid size"))?;
            at += BLOCK as u64;
            // Before ustar, a zero byte was the type of a regular file.
            if matches!(header[156], b'0' | 0) {
                let name = text(&header[..100]);
                // `tar -c .` puts `./` before each name.
                places.insert(name.trim_start_matches("./").to_owned(), (at, size));
            }
            // Checked, since the size is untrusted: near 2^64 the sum would wrap around to an earlier header.
            let blocks = size.checked_next_multiple_of(BLOCK as u64);
            at = blocks
                .and_then(|size| at.checked_add(size))
                .ok_or_else(|| malformed("the archive is truncated"))?;
        }
        Err(malformed("the archive has more than 10,000 entries"))
    }

    /// Reads a file of at most `allowed` bytes. Returns none for a missing, a larger or a truncated one.
    pub(crate) fn read(&mut self, name: &str, allowed: u64) -> io::Result<Option<Vec<u8>>> {
        let Some((at, size)) = self
            .places
            .get(name)
            .copied()
            .filter(|(_, size)| *size <= allowed)
        else {
            return Ok(None);
        };
        self.file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        (&self.file).take(size).read_to_end(&mut bytes)?;
        Ok(Some(bytes).filter(|bytes| bytes.len() as u64 == size))
    }
}

fn has_checksum(header: &[u8; BLOCK]) -> bool {
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
        .sum();
    octal(&header[148..156]) == Some(sum)
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> io::Result<Archive> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Archive::open(file)
    }

    fn archive() -> Vec<u8> {
        let mut bytes = Vec::new();
        append(&mut bytes, "oci-layout", b"{}").unwrap();
        append(&mut bytes, "blobs/sha256/x", &[7; 1000]).unwrap();
        finish(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn appended_files_are_read() {
        let mut archive = opened(&archive()).unwrap();
        assert_eq!(archive.read("oci-layout", 100).unwrap().unwrap(), b"{}");
        assert_eq!(archive.read("blobs/sha256/x", 1000).unwrap().unwrap(), [7; 1000]);
        assert_eq!(
            archive.read("blobs/sha256/x", 999).unwrap(),
            None,
            "it is too large"
        );
        assert_eq!(archive.read("other", 10).unwrap(), None);
        assert!(append(&mut Vec::new(), &"x".repeat(101), b"").is_err());
    }

    #[test]
    fn truncated_and_malformed_archives_are_refused() {
        let whole = archive();
        for cut in [0, 100, 512, 1024, 2000] {
            assert!(opened(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(opened(&[b'x'; 2048]).is_err());
        let mut corrupt = whole.clone();
        corrupt[124..135].copy_from_slice(b"77777777777");
        assert!(opened(&corrupt).is_err(), "the checksum is wrong");
        let mut endless = Vec::new();
        for _ in 0..=MAX_ENTRIES {
            append(&mut endless, "x", b"").unwrap();
        }
        finish(&mut endless).unwrap();
        assert!(opened(&endless).is_err());
    }
}
