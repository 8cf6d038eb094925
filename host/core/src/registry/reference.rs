//! References of plugins in registries: `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:…]`.
//!
//! The grammar is that of the OCI distribution specification 1.1, except that the host is required.

use std::fmt;

/// The scheme of references.
pub const SCHEME: &str = "oci://";

/// The longest repository name with its host, in bytes: the specification's advice.
const MAX_NAME: usize = 255;
/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

/// A reference of a plugin in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryReference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// The error for a malformed reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{typed:?} is not a reference of a plugin in a registry: {why}")]
pub struct ReferenceError {
    typed: String,
    why: &'static str,
}

impl RegistryReference {
    /// Parses a reference, with or without `oci://`.
    ///
    /// # Errors
    /// Fails when a part is malformed or the host is missing.
    pub fn parse(typed: &str) -> Result<Self, ReferenceError> {
        parts(typed.strip_prefix(SCHEME).unwrap_or(typed)).map_err(|why| ReferenceError {
            // Cut, since it may be the contents of a whole file that was given as a reference.
            typed: typed.chars().take(MAX_NAME).collect(),
            why,
        })
    }

    /// Host and port, as written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository, without its host.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, without its colon.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest: `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Host and repository: `HOST/REPOSITORY`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// This reference pinned to the digest that it resolved to.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> Self {
        Self {
            digest: Some(digest.to_owned()),
            ..self.clone()
        }
    }

    /// The same plugin in another registry.
    #[must_use]
    pub fn moved(&self, host: &str, repository: &str) -> Self {
        Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            ..self.clone()
        }
    }

    /// What identifies the manifest in requests: the digest, else the tag.
    pub fn wanted(&self) -> Option<&str> {
        self.digest().or(self.tag())
    }
}

impl fmt::Display for RegistryReference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{SCHEME}{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        self.digest
            .as_ref()
            .map_or(Ok(()), |digest| write!(out, "@{digest}"))
    }
}

/// Returns true for `sha256:` and 64 hexadecimal digits in lower case.
pub fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    // Lower case only, as the specification wants it: digests are compared as text.
    hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn parts(typed: &str) -> Result<RegistryReference, &'static str> {
    let (rest, digest) = match typed.split_once('@') {
        Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
        Some(_) => return Err("after @ comes sha256: and 64 hexadecimal digits in lower case"),
        None => (typed, None),
    };
    let (host, rest) = rest
        .split_once('/')
        .ok_or("the form is oci://HOST/REPOSITORY:TAG")?;
    if !is_host(host) {
        return Err("it has to begin with a host in lower case that has a dot or a port");
    }
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) if is_tag(tag) => (repository, Some(tag.to_owned())),
        Some(_) => return Err("a tag has at most 128 letters, digits, dots, dashes and underscores"),
        None => (rest, None),
    };
    if !repository.split('/').all(is_component) {
        return Err("a repository has lower-case letters and digits, with single separators between them");
    }
    if host.len() + repository.len() >= MAX_NAME {
        return Err("host and repository are longer than 255 bytes");
    }
    Ok(RegistryReference {
        host: host.to_owned(),
        repository: repository.to_owned(),
        tag,
        digest,
    })
}

/// Returns true for a name with a dot, `localhost`, any name with a port, and an IPv6 address in brackets. Without dot or port,
/// the first part could be a repository.
pub(crate) fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => (address, port.strip_prefix(':').or(Some(""))),
        None => host
            .rsplit_once(':')
            .map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if host.starts_with('[') {
        return is_port && name.parse::<core::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends = label.bytes().next().is_some_and(letter) && label.bytes().next_back().is_some_and(letter);
        ends && label.len() <= 63 && label.bytes().all(|byte| letter(byte) || byte == b'-')
    };
    let is_distinct = name.contains('.') || name == "localhost" || port.is_some();
    is_port && is_distinct && name.split('.').all(is_label)
}

/// Returns true for `localhost` and the addresses of this machine, with or without a port.
pub fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<core::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Letters and digits, with a dot, one or two underscores, or any number of dashes between them.
pub(crate) fn is_component(component: &str) -> bool {
    let mut separator = String::new();
    let mut is_first = true;
    for letter in component.chars() {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            let is_single = matches!(separator.as_str(), "" | "." | "_" | "__");
            let is_separated = is_single || separator.bytes().all(|byte| byte == b'-');
            if !is_separated || is_first && !separator.is_empty() {
                return false;
            }
            separator.clear();
            is_first = false;
        } else if matches!(letter, '.' | '_' | '-') {
            separator.push(letter);
        } else {
            return false;
        }
    }
    !is_first && separator.is_empty()
}

fn is_tag(tag: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_started = tag.bytes().next().is_some_and(letter);
    let all = tag
        .bytes()
        .all(|byte| letter(byte) || matches!(byte, b'.' | b'-'));
    is_started && tag.len() <= MAX_TAG && all
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:8e780db2475711d57cdbd66ea83c6908d9263a962d9ab532dae5236c2ce07102";

    #[test]
    fn references_round_trip() {
        for typed in [
            "oci://ghcr.io/acme/java:1.2".to_owned(),
            "oci://localhost/x".to_owned(),
            "oci://registry:5000/a_b/c__d/e--f.g:v1.0_rc-1".to_owned(),
            format!("oci://127.0.0.1:15000/trocar/test@{DIGEST}"),
            format!("oci://[::1]:5000/x:1@{DIGEST}"),
        ] {
            let read = RegistryReference::parse(&typed).unwrap();
            assert_eq!(read.to_string(), typed);
            assert_eq!(
                RegistryReference::parse(typed.strip_prefix(SCHEME).unwrap()),
                Ok(read)
            );
        }
    }

    #[test]
    fn the_parts_of_a_reference_are_found() {
        let read = RegistryReference::parse(&format!("ghcr.io:443/acme/java:1.2@{DIGEST}")).unwrap();
        assert_eq!(read.name(), "ghcr.io:443/acme/java");
        assert_eq!((read.tag(), read.digest()), (Some("1.2"), Some(DIGEST)));
        assert_eq!(read.wanted(), Some(DIGEST), "the digest wins over the tag");
    }

    #[test]
    fn names_of_this_machine_are_recognized() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:5000",
            "::1",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["localhost.example", "128.0.0.1:5000", "[::2]:5000", "ghcr.io"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn malformed_references_are_refused_with_a_reason() {
        for (typed, why) in [
            ("acme/java:1", "begin with a host"),
            ("java", "oci://HOST/REPOSITORY:TAG"),
            ("ghcr.io/Acme/java", "lower-case"),
            ("ghcr.io/acme//java", "single separators"),
            ("ghcr.io/../java", "single separators"),
            ("ghcr.io/a..b", "single separators"),
            ("ghcr.io/-a", "single separators"),
            ("ghcr.io/a___b", "single separators"),
            ("ghcr.io/a:", "a tag has at most"),
            ("ghcr.io/a:-x", "a tag has at most"),
            ("ghcr.io/a:1:2", "a tag has at most"),
            ("ghcr.io/a@sha256:12", "64 hexadecimal"),
            ("ghcr.io/a@sha512:12", "64 hexadecimal"),
            ("user@ghcr.io/a", "64 hexadecimal"),
            ("ghcr.io:0/a", "begin with a host"),
            ("ghcr.io:99999/a", "begin with a host"),
            ("https://ghcr.io/a", "begin with a host"),
            ("[::1/a", "begin with a host"),
            ("ghcr.io/a b", "single separators"),
            ("ghcr.io/a\n", "single separators"),
        ] {
            let error = RegistryReference::parse(typed).unwrap_err().to_string();
            assert!(error.contains(why), "{typed}: {error}");
        }
        let long = format!("ghcr.io/{}", "a".repeat(300));
        assert!(
            RegistryReference::parse(&long)
                .unwrap_err()
                .to_string()
                .contains("255")
        );
    }
}
