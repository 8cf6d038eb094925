//! Image references: validity and parts.
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
    /// Parses a reference; none if it is invalid.
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

    /// The registry that a container runtime pulls from, in lower case: the first part of the reference if it looks like a
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

    /// The reference with all defaults filled in: registry, repository, tag and digest. The tag is `latest` if there is
    /// neither tag nor digest.
    ///
    /// It names the same image as the reference itself. Host names are in lower case, except where lower case would no
    /// longer read as a host: `Mirror/tools` is `MIRROR/tools:latest`, for `mirror/tools` would be on Docker Hub.
    ///
    /// ```
    /// use trocar_sdk::image::ImageReference;
    /// let normalized = |reference| ImageReference::parse(reference).unwrap().normalized();
    /// assert_eq!(normalized("busybox"), "docker.io/library/busybox:latest");
    /// assert_eq!(normalized("Registry.example:5000/tools:v1"), "registry.example:5000/tools:v1");
    /// ```
    pub fn normalized(&self) -> String {
        let registry = self.registry();
        let is_complete = self.tag.is_some() || self.digest.is_some();
        let whole = Self {
            domain: Some(match is_host(&registry) {
                true => registry,
                false => registry.to_ascii_uppercase(),
            }),
            path: self.repository(),
            tag: match is_complete {
                true => self.tag.clone(),
                false => Some("latest".to_owned()),
            },
            digest: self.digest.clone(),
        };
        whole.to_string()
    }

    /// The same image on a mirror: the repository below a prefix (which may be empty), tag and digest kept.
    ///
    /// None when the registry does not read as a host (it has no dot, port or upper-case letter and is not `localhost`),
    /// or the prefix is not a valid part of a repository.
    ///
    /// ```
    /// use trocar_sdk::image::ImageReference;
    /// let image = ImageReference::parse("busybox:1.36").unwrap();
    /// let mirrored = image.with_registry("mirror.example:5000", "hub").unwrap();
    /// assert_eq!(mirrored.to_string(), "mirror.example:5000/hub/library/busybox:1.36");
    /// ```
    #[must_use]
    pub fn with_registry(&self, registry: &str, prefix: &str) -> Option<Self> {
        let is_registry = is_domain(registry) && is_host(registry);
        let is_prefix = prefix.is_empty() || prefix.split('/').all(is_component);
        let repository = self.repository();
        (is_registry && is_prefix).then(|| Self {
            domain: Some(registry.to_owned()),
            path: match prefix {
                "" => repository,
                prefix => format!("{prefix}/{repository}"),
            },
            tag: self.tag.clone(),
            digest: self.digest.clone(),
        })
    }

    /// The first part, if it names a host.
    fn host(&self) -> Option<&str> {
        self.domain.as_deref().filter(|domain| is_host(domain))
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

/// Returns whether the first part of a reference names a host: it has a dot or a port, is `localhost`, or is not in lower
/// case. All else is the first part of a repository on Docker Hub.
fn is_host(domain: &str) -> bool {
    domain.contains(['.', ':'])
        || domain == "localhost"
        || domain.contains(|letter: char| letter.is_uppercase())
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

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// References as users write them, and their normalized forms.
    fn normal_forms() -> Vec<(String, String)> {
        let digest = |text: &str| text.replace("DIGEST", DIGEST);
        [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("busybox@DIGEST", "docker.io/library/busybox@DIGEST"),
            ("busybox:1.36@DIGEST", "docker.io/library/busybox:1.36@DIGEST"),
            ("team/tool", "docker.io/team/tool:latest"),
            ("registry/tool", "docker.io/registry/tool:latest"),
            ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
            ("Docker.IO/library/busybox", "docker.io/library/busybox:latest"),
            ("localhost/tool", "localhost/tool:latest"),
            ("registry.example/tool", "registry.example/tool:latest"),
            ("registry.example:5000/a/b:v1", "registry.example:5000/a/b:v1"),
            (
                "registry.example:5000/a/b:v1@DIGEST",
                "registry.example:5000/a/b:v1@DIGEST",
            ),
            ("REGISTRY.Example:5000/tool:V1", "registry.example:5000/tool:V1"),
            ("Mirror/tool", "MIRROR/tool:latest"),
            ("LocalHost/tool", "localhost/tool:latest"),
            ("host:80/tool", "host:80/tool:latest"),
            ("[FE80::1]:5000/tool", "[fe80::1]:5000/tool:latest"),
        ]
        .map(|(written, normal)| (digest(written), digest(normal)))
        .to_vec()
    }

    #[test]
    fn the_normal_form_leaves_nothing_to_be_guessed() {
        for (written, normal) in normal_forms() {
            assert_eq!(
                ImageReference::parse(&written).unwrap().normalized(),
                normal,
                "{written}"
            );
        }
    }

    #[test]
    fn the_normal_form_names_the_same_image() {
        for (written, normal) in normal_forms() {
            let image = ImageReference::parse(&written).unwrap();
            let again = ImageReference::parse(&normal).unwrap();
            assert_eq!(again.normalized(), normal);
            assert_eq!(
                (again.registry(), again.repository()),
                (image.registry(), image.repository())
            );
            assert_eq!(again.digest, image.digest);
        }
    }

    #[test]
    fn a_mirror_gets_the_whole_repository_tag_and_digest() {
        for (written, prefix, mirrored) in [
            ("busybox", "", "mirror.example:5000/library/busybox"),
            (
                "busybox:1.36",
                "hub",
                "mirror.example:5000/hub/library/busybox:1.36",
            ),
            (
                "busybox:1.36@DIGEST",
                "hub",
                "mirror.example:5000/hub/library/busybox:1.36@DIGEST",
            ),
            (
                "Registry.example:443/a/b@DIGEST",
                "cache/quay.io",
                "mirror.example:5000/cache/quay.io/a/b@DIGEST",
            ),
            ("team/tool:v1", "", "mirror.example:5000/team/tool:v1"),
        ] {
            let image = ImageReference::parse(&written.replace("DIGEST", DIGEST)).unwrap();
            let moved = image.with_registry("mirror.example:5000", prefix).unwrap();
            assert_eq!(moved.to_string(), mirrored.replace("DIGEST", DIGEST), "{written}");
            assert_eq!(moved.registry(), "mirror.example:5000");
            assert_eq!(ImageReference::parse(&moved.to_string()), Some(moved));
        }
    }

    #[test]
    fn a_mirror_that_would_be_read_as_something_else_is_refused() {
        let image = ImageReference::parse("busybox").unwrap();
        for (registry, prefix) in [
            ("", "hub"),
            ("mirror", "hub"),
            ("https://mirror.example", "hub"),
            ("mirror.example/hub", ""),
            ("mirror.example:port", ""),
            ("mirror.exämple", ""),
            ("mirror.example", "Hub"),
            ("mirror.example", "/hub"),
            ("mirror.example", "hub/"),
            ("mirror.example", "a//b"),
            ("mirror.example", "hub:v1"),
            ("mirror.example", ".."),
            ("mirror.example", "hüb"),
        ] {
            assert_eq!(image.with_registry(registry, prefix), None, "{registry} {prefix}");
        }
        for registry in ["mirror.example", "localhost", "mirror:80", "Mirror", "[::1]:5000"] {
            assert!(image.with_registry(registry, "").is_some(), "{registry}");
        }
    }

    #[test]
    fn letters_that_only_look_like_ascii_are_refused() {
        for reference in [
            "busyb\u{43e}x",
            "docker.i\u{43e}/library/busybox",
            "busybox:\u{ff11}.36",
            "busybox\u{200b}",
            "\u{feff}busybox",
            "registry\u{ff0e}example/tool",
            "busybox:1.36\u{202e}",
            "bus\u{212a}box",
        ] {
            assert_eq!(ImageReference::parse(reference), None, "{reference:?}");
        }
    }
}
