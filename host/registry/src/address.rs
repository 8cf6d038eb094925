//! Which servers may be contacted: only over TLS, except on this machine; and never a loopback or link-local address because a
//! remote registry redirects there (SSRF).

use std::net::IpAddr;

use http::Uri;
use trocar_core::registry::reference::is_this_machine;

/// Scheme, host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// The origin of a URL; none unless the scheme is `http` or `https` and there is no user in it.
    pub(crate) fn of(url: &Uri) -> Option<Self> {
        let is_tls = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = url.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let default = if is_tls { 443 } else { 80 };
        Some(Self {
            is_tls,
            host: host.to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(default),
        })
    }

    /// Host and port as in a URL; default ports are left out.
    pub(crate) fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Scheme, host and port as in a URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Returns true if the host's name or address is of this machine. Names are not resolved.
    pub(crate) fn is_loopback(&self) -> bool {
        is_this_machine(&self.host)
    }
}

/// Returns true for loopback, link-local, multicast and unspecified addresses, such as those of cloud metadata services.
pub(crate) fn is_local(address: IpAddr) -> bool {
    // `::ffff:127.0.0.1` is 127.0.0.1 in another form.
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                // 169.254.169.254 is the metadata service of most clouds, which serves credentials.
                || address.is_link_local()
                // On Linux, a connection to 0.0.0.0 reaches this machine.
                || address.octets()[0] == 0
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
                // The metadata service of AWS: fd00:ec2::254, a unique local address.
                || address.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254]
        }
    }
}

/// Returns whether local addresses are refused for `to`: they are where a registry with a remote address redirects to another host.
pub(crate) fn refuses_local(registry: &Origin, to: &Origin) -> bool {
    let is_there = registry.is_loopback() || registry.host.parse().is_ok_and(is_local);
    to.host != registry.host && !is_there
}

/// Resolves a `Location` header of a registry. Returns why it must not be followed, if so.
pub(crate) fn next_place(registry: &Origin, at: &Uri, location: &str) -> Result<Uri, &'static str> {
    let base = Origin::of(at).map(|origin| origin.url()).unwrap_or_default();
    let absolute = match location {
        // `//host/path` is relative too, but names another host.
        relative if relative.starts_with('/') && !relative.starts_with("//") => format!("{base}{relative}"),
        absolute => absolute.to_owned(),
    };
    let to: Uri = absolute.parse().map_err(|_| "it is not a URL")?;
    let origin = Origin::of(&to).ok_or("it is not an HTTP URL without credentials")?;
    let may_be_plain = !registry.is_tls && (origin.host == registry.host || origin.is_loopback());
    if !origin.is_tls && !may_be_plain {
        return Err("it does not use TLS");
    }
    // Literal addresses only. A name may resolve to such an address as well, so `connection` checks again after the lookup.
    let is_local_target = origin.is_loopback() || origin.host.parse().is_ok_and(is_local);
    if is_local_target && refuses_local(registry, &origin) {
        return Err("it is a loopback or link-local address");
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_of_http_urls_without_a_user() {
        let of = |url: &str| Origin::of(&url.parse().unwrap());
        assert_eq!(of("https://GHCR.io/v2/").unwrap().url(), "https://ghcr.io");
        assert_eq!(of("http://[::1]:5000/v2/").unwrap().url(), "http://[::1]:5000");
        assert_eq!(
            of("https://a.example:8443/").unwrap().authority(),
            "a.example:8443"
        );
        for refused in [
            "https://user@ghcr.io/",
            "https://a:b@ghcr.io/",
            "ftp://ghcr.io/",
            "/v2/",
        ] {
            assert_eq!(of(refused), None, "{refused}");
        }
    }

    #[test]
    fn local_addresses_are_recognized_in_every_form() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
        ] {
            assert!(is_local(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "192.168.1.1", "1.1.1.1", "2606:4700::1", "fd12::1"] {
            assert!(!is_local(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_remote_registry_redirects_neither_to_this_machine_nor_to_plain_http() {
        let registry = Origin::of(&"https://r.example/".parse().unwrap()).unwrap();
        let at: Uri = "https://r.example/v2/a/blobs/x".parse().unwrap();
        let next = |location: &str| next_place(&registry, &at, location).map(|to| to.to_string());
        assert_eq!(next("/v2/other").unwrap(), "https://r.example/v2/other");
        assert_eq!(
            next("https://cdn.example/x?sig=1").unwrap(),
            "https://cdn.example/x?sig=1"
        );
        for location in [
            "https://127.0.0.1/x",
            "https://localhost:8443/x",
            "https://[::1]/x",
            "https://169.254.169.254/x",
            "https://[::ffff:169.254.169.254]/x",
            "https://[fe80::1]/x",
            "http://cdn.example/x",
            "http://r.example/x",
            "",
            "https://a@cdn.example/x",
            "//cdn.example/x",
            "file:///etc/passwd",
        ] {
            assert!(next(location).is_err(), "{location}");
        }
    }
}
