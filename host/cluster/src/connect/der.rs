//! The few fields of an X.509 certificate that are needed of any version of it: rustls reads those of version 3 only.
//!
//! Bounded by the input: no recursion, each byte is looked at once.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// `extendedKeyUsage`, and the two usages of a server's certificate.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
const SERVER_USAGE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// What is needed of a certificate.
pub(super) struct Certificate<'a> {
    /// From when it is valid.
    pub(super) begins: Timestamp,
    /// Until when.
    pub(super) ends: Timestamp,
    pub(super) public_key: &'a [u8],
    /// Whether a server may use it.
    pub(super) is_for_servers: bool,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; none where it is not one.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let (certificate, _) = take(der, SEQUENCE)?;
        let (mut rest, _) = take(certificate, SEQUENCE)?;
        // Version 1 leaves its number out.
        if let Some((_, after)) = take(rest, VERSION) {
            rest = after;
        }
        // RFC 5280, 4.1: serial number, algorithm, issuer, validity, subject, key.
        let (_, rest) = take(rest, INTEGER)?;
        let (_, rest) = take(rest, SEQUENCE)?;
        let (_, rest) = take(rest, SEQUENCE)?;
        let (validity, rest) = take(rest, SEQUENCE)?;
        let (_, rest) = take(rest, SEQUENCE)?;
        let (key, mut rest) = take(rest, SEQUENCE)?;
        let (begins, ends) = time(validity)?;
        let (ends, _) = time(ends)?;
        let mut is_for_servers = true;
        while let Some((tag, contents, after)) = element(rest) {
            if tag == EXTENSIONS {
                is_for_servers = is_server_usage(take(contents, SEQUENCE)?.0)?;
            }
            rest = after;
        }
        Some(Self {
            begins,
            ends,
            public_key: key_bits(key)?,
            is_for_servers,
        })
    }
}

/// The bits of a public key, from a whole `SubjectPublicKeyInfo`.
pub(super) fn public_key_bits(info: &[u8]) -> Option<&[u8]> {
    key_bits(take(info, SEQUENCE)?.0)
}

fn key_bits(info: &[u8]) -> Option<&[u8]> {
    let (_, rest) = take(info, SEQUENCE)?;
    Some(take(rest, BIT_STRING)?.0)
}

/// Returns true if the extensions do not limit the usages of the key, or to those of servers.
fn is_server_usage(mut extensions: &[u8]) -> Option<bool> {
    while let Some((extension, after)) = take(extensions, SEQUENCE) {
        extensions = after;
        let (id, rest) = take(extension, OBJECT_ID)?;
        if id != KEY_USAGE {
            continue;
        }
        // `critical` may come first.
        let (tag, mut value, after) = element(rest)?;
        if tag != OCTET_STRING {
            value = take(after, OCTET_STRING)?.0;
        }
        let (mut usages, _) = take(value, SEQUENCE)?;
        while let Some((usage, after)) = take(usages, OBJECT_ID) {
            if usage == ANY_USAGE || usage == SERVER_USAGE {
                return Some(true);
            }
            usages = after;
        }
        return Some(false);
    }
    Some(true)
}

/// The contents of an element with this tag, and what follows it.
fn take(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, contents, rest) = element(der)?;
    (tag == wanted).then_some((contents, rest))
}

/// The first element: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Four bytes of length are 4 GiB: more is not a certificate.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, contents, rest) = element(der)?;
    let text = std::str::from_utf8(contents).ok()?;
    let text = match tag {
        // Years before 1950 are of this century.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    Some((time.to_zoned(TimeZone::UTC).ok()?.timestamp(), rest))
}

/// The end of a certificate's validity. None where it is not a certificate.
pub fn certificate_end(der: &[u8]) -> Option<Timestamp> {
    Certificate::read(der).map(|certificate| certificate.ends)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    use super::*;

    fn der(pem: &str) -> Vec<u8> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    }

    #[test]
    fn certificates_of_versions_1_and_3_are_read() {
        for (pem, is_for_servers, key) in [
            (include_str!("fixtures/rsa-v1.crt"), true, 271),
            (include_str!("fixtures/leaf.crt"), true, 66),
            (include_str!("fixtures/self-ca.crt"), true, 66),
            (include_str!("fixtures/leaf-clients-only.crt"), false, 66),
        ] {
            let der = der(pem);
            let read = Certificate::read(&der).unwrap();
            assert_eq!(
                (read.is_for_servers, read.public_key.len()),
                (is_for_servers, key)
            );
            let years = read.begins.until((jiff::Unit::Hour, read.ends)).unwrap();
            assert_eq!(years.get_hours(), 36500 * 24);
        }
    }

    #[test]
    fn a_text_that_is_not_a_time_is_not_one() {
        let read =
            |tag: u8, text: &str| time(&[&[tag, text.len() as u8], text.as_bytes()].concat()).is_some();
        assert!(read(UTC_TIME, "310101000000Z") && read(GENERALIZED_TIME, "20311201000000Z"));
        assert!(!read(UTC_TIME, "é10101000000Z"));
        assert!(!read(GENERALIZED_TIME, "20311301000000Z"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0usize..400, cut in 0usize..400) {
            Certificate::read(&bytes);
            let mut changed = der(include_str!("fixtures/leaf.crt"));
            let at = at.min(changed.len() - 1);
            changed.splice(at..at, bytes.into_iter().take(4));
            Certificate::read(&changed);
            changed.truncate(cut);
            Certificate::read(&changed);
        }
    }
}
