//! Who may be talked to: TLS everywhere but on this machine, and no address of this machine or its neighbourhood because a
//! registry says so.

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
    /// The origin of a URL; none where it is not one of HTTP, or holds a user.
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

    /// Host and port as a URL has them.
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

    /// Scheme, host and port.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// It is on this machine, by its name.
    pub(crate) fn is_loopback(&self) -> bool {
        is_this_machine(&self.host)
    }
}

/// Returns true for addresses that only this machine and its neighbourhood give a meaning to, such as that of a cloud's
/// metadata.
pub(crate) fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_link_local()
                || address.octets()[0] == 0
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
                // The metadata of one cloud, in the range of what is unique locally.
                || address.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254]
        }
    }
}

/// A registry that is not on this machine, or in its neighbourhood, leads to nothing there but itself.
pub(crate) fn refuses_local(registry: &Origin, to: &Origin) -> bool {
    let is_there = registry.is_loopback() || registry.host.parse().is_ok_and(is_local);
    to.host != registry.host && !is_there
}

/// Where a registry leads to with a `Location`; why it is not followed where it is not.
pub(crate) fn next_place(registry: &Origin, at: &Uri, location: &str) -> Result<Uri, &'static str> {
    let base = Origin::of(at).map(|origin| origin.url()).unwrap_or_default();
    let absolute = match location {
        relative if relative.starts_with('/') && !relative.starts_with("//") => format!("{base}{relative}"),
        absolute => absolute.to_owned(),
    };
    let to: Uri = absolute.parse().map_err(|_| "it is not a URL")?;
    let origin = Origin::of(&to).ok_or("it is not a URL of HTTP without a user")?;
    let may_be_plain = !registry.is_tls && (origin.host == registry.host || origin.is_loopback());
    if !origin.is_tls && !may_be_plain {
        return Err("it is without TLS");
    }
    let is_here = origin.is_loopback() || origin.host.parse().is_ok_and(is_local);
    if is_here && refuses_local(registry, &origin) {
        return Err("it is on this machine or in its neighbourhood");
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_user_and_is_of_http() {
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
    fn addresses_of_this_machine_and_its_neighbourhood_are_known_in_every_form() {
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
    fn a_registry_elsewhere_leads_to_nothing_on_this_machine_and_to_nothing_without_tls() {
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
