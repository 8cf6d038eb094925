//! Image references: what is one, and what its parts are.
//!
//! Source: the grammar of the Distribution project's reference specification, in the unanchored-domain form that
//! `kubectl debug --image` checks; short names are read as the container runtimes of Kubernetes read them.

use std::fmt;

/// An image reference, split into its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// The registry as written, with its port; none when the reference starts with the repository.
    pub domain: Option<String>,
    /// The repository as written, without the registry.
    pub path: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest, if there is one: `sha256:…`.
    pub digest: Option<String>,
}

impl ImageReference {
    /// Splits a reference; none when it is not a valid one.
    ///
    /// ```
    /// use trocar_sdk::image::ImageReference;
    /// let image = ImageReference::parse("registry.example:5000/team/tools:v1").unwrap();
    /// assert_eq!(image.registry(), "registry.example:5000");
    /// assert_eq!(image.repository(), "team/tools");
    /// assert_eq!(image.tag.as_deref(), Some("v1"));
    /// assert!(ImageReference::parse("UPPER/Case").is_none());
    /// ```
    pub fn parse(reference: &str) -> Option<Self> {
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (reference, None),
        };
        let last_component = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last_component..].rfind(':') {
            Some(colon) => (
                &rest[..last_component + colon],
                Some(&rest[last_component + colon + 1..]),
            ),
            None => (rest, None),
        };
        if !digest.is_none_or(is_digest) || !tag.is_none_or(is_tag) {
            return None;
        }
        let (domain, path) = split_name(name)?;
        Some(Self {
            domain: domain.map(str::to_owned),
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The registry that a container runtime asks, in lower case: the first part of the reference when it looks like a
    /// host, else Docker Hub.
    pub fn registry(&self) -> String {
        match self.host() {
            Some(host) if host.eq_ignore_ascii_case("index.docker.io") => DOCKER_HUB.to_owned(),
            Some(host) => host.to_ascii_lowercase(),
            None => DOCKER_HUB.to_owned(),
        }
    }

    /// The repository in that registry: for Docker Hub, images of one part are in `library`.
    pub fn repository(&self) -> String {
        let path = match (&self.domain, self.host()) {
            (Some(first), None) => format!("{first}/{}", self.path),
            _ => self.path.clone(),
        };
        if self.registry() == DOCKER_HUB && !path.contains('/') {
            return format!("library/{path}");
        }
        path
    }

    /// The first part, if it names a host: it has a dot or a port, is `localhost`, or is not in lower case.
    fn host(&self) -> Option<&str> {
        self.domain.as_deref().filter(|domain| {
            domain.contains(['.', ':'])
                || *domain == "localhost"
                || domain.contains(|letter: char| letter.is_uppercase())
        })
    }
}

const DOCKER_HUB: &str = "docker.io";

impl fmt::Display for ImageReference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(domain) = &self.domain {
            write!(out, "{domain}/")?;
        }
        out.write_str(&self.path)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}

fn split_name(name: &str) -> Option<(Option<&str>, &str)> {
    if let Some((first, path)) = name.split_once('/')
        && is_domain(first)
        && path.split('/').all(is_component)
    {
        return Some((Some(first), path));
    }
    name.split('/').all(is_component).then_some((None, name))
}

/// Lower-case letters and digits, with single `.` or `_`, double `__`, or dashes between them.
fn is_component(component: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends_well = bytes.first().copied().is_some_and(letter) && bytes.last().copied().is_some_and(letter);
    let separators = bytes
        .split(|byte| letter(*byte))
        .filter(|between| !between.is_empty());
    ends_well
        && separators
            .into_iter()
            .all(|between| matches!(between, b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-'))
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let valid = !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            if !valid {
                return false;
            }
            (None, rest)
        }
        None => match domain.find(':') {
            Some(colon) => (Some(&domain[..colon]), &domain[colon..]),
            None => (Some(domain), ""),
        },
    };
    let port_is_valid = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    port_is_valid && host.is_none_or(|host| host.split('.').all(is_host_label))
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    let part = |part: &str| {
        part.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(part)
        && hex.len() >= 32
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured on kubectl 1.33.
    #[test]
    fn accepts_what_kubectl_accepts() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for reference in [
            "busybox",
            "Reg.io/foo",
            "reg.io:5000/foo:Tag",
            "foo_bar",
            "foo__bar",
            "foo--bar",
            "foo.bar",
            "foo:_t",
            "[::1]:5000/foo",
            "127.0.0.1:80/x",
            &format!("foo:t@sha256:{hex}"),
            &"a".repeat(300),
            &format!("foo:{}", "t".repeat(128)),
            &format!("foo@sha256:{}", hex.to_uppercase()),
            &format!("foo@md5:{}", &hex[..32]),
        ] {
            let parsed = ImageReference::parse(reference);
            assert_eq!(parsed.map(|image| image.to_string()).as_deref(), Some(reference));
        }
    }

    #[test]
    fn refuses_what_kubectl_refuses() {
        for reference in [
            "",
            "FOO",
            "localhost/Foo",
            "UPPER/Case",
            "foo___bar",
            "foo..bar",
            "-foo",
            "foo.",
            "foo:",
            ":tag",
            "foo/",
            "/foo",
            "foo//bar",
            "foo bar",
            "foo ",
            "*",
            "http://foo",
            "foo:-t",
            "foo:.t",
            "foo:ta/g",
            &format!("foo:{}", "t".repeat(129)),
            "foo@sha256:abc",
            "reg.io:port/foo",
            "image:label@deadbeef",
            "föö",
        ] {
            assert_eq!(ImageReference::parse(reference), None, "{reference:?}");
        }
    }

    #[test]
    fn short_names_are_docker_hub() {
        for (reference, registry, repository) in [
            ("busybox", "docker.io", "library/busybox"),
            ("team/tool:v1", "docker.io", "team/tool"),
            ("docker.io/busybox", "docker.io", "library/busybox"),
            ("index.docker.io/library/busybox", "docker.io", "library/busybox"),
            ("localhost/tool", "localhost", "tool"),
            ("Reg.io:5000/a/b", "reg.io:5000", "a/b"),
            ("registry/tool", "docker.io", "registry/tool"),
        ] {
            let image = ImageReference::parse(reference).unwrap();
            assert_eq!(
                (image.registry().as_str(), image.repository().as_str()),
                (registry, repository),
                "{reference}"
            );
        }
    }
}
