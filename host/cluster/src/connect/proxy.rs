//! The proxy between us and a server: from the kubeconfig, a flag or the environment. Pure.
//!
//! Source: `httpproxy` of Go's `net/http`, as kubectl uses it: what a kubeconfig or a flag names is always used; what the
//! environment names is never used for loopback, nor for what `NO_PROXY` lists.

use std::net::IpAddr;

use http::{Uri, uri::Authority};
use trocar_core::percent::decoded;

/// What the environment says of proxies: pairs of its variables in upper and lower case, of which the first wins.
#[derive(Clone, Debug, Default)]
pub struct ProxyEnvironment {
    https: String,
    http: String,
    no_proxy: String,
}

/// Why it is not known which proxy to use: one sentence, without the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProxyError(String);

impl ProxyEnvironment {
    /// Reads the variables.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |upper: &str, lower: &str| {
            let found = [upper, lower].into_iter().filter_map(&variable);
            found
                .into_iter()
                .find(|value| !value.is_empty())
                .unwrap_or_default()
        };
        Self {
            https: either("HTTPS_PROXY", "https_proxy"),
            http: either("HTTP_PROXY", "http_proxy"),
            no_proxy: either("NO_PROXY", "no_proxy"),
        }
    }

    /// The proxy for a server by its URL, if one is to be used.
    ///
    /// # Errors
    /// Fails when a variable does not hold the address of a proxy; the message does not show it.
    pub fn proxy_of(&self, server: &str) -> Result<Option<String>, ProxyError> {
        let server = server.parse();
        let server = server.map_err(|_| ProxyError("the address of the server is not a URL".into()))?;
        let proxy = self.proxy_for(&server).map_err(ProxyError)?;
        Ok(proxy.map(|proxy| proxy.to_string()))
    }

    /// The proxy for a server, if one is to be used.
    pub(super) fn proxy_for(&self, server: &Uri) -> Result<Option<Uri>, String> {
        let (name, value) = match server.scheme_str() {
            Some("https") => ("HTTPS_PROXY", &self.https),
            _ => ("HTTP_PROXY", &self.http),
        };
        let Some(host) = server.host() else {
            return Ok(None);
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        let ip: Option<IpAddr> = host.parse().ok();
        let is_loopback = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        // kind and k3d serve on loopback, which a proxy cannot reach.
        if value.is_empty() || is_loopback {
            return Ok(None);
        }
        let default = if server.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = server.port_u16().unwrap_or(default);
        if self
            .no_proxy
            .split(',')
            .any(|entry| is_exempt(entry, &host, ip, port))
        {
            return Ok(None);
        }
        // An address without a scheme is one of an HTTP proxy.
        let proxy = proxy(value).or_else(|_| proxy(&format!("http://{value}")));
        proxy.map(Some).map_err(|problem| format!("{name}: {problem}"))
    }
}

/// Reads the address of a proxy, and adds the port where it has none. The error does not show it: it may hold a password.
pub(super) fn proxy(address: &str) -> Result<Uri, String> {
    let uri: Uri = address
        .parse()
        .map_err(|_| "the address of the proxy is not a URL".to_owned())?;
    let port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        Some("socks5" | "socks5h") => 1080,
        _ => {
            return Err("the address of the proxy does not begin with http://, https:// or socks5://".into());
        }
    };
    let mut parts = uri.into_parts();
    if let Some(authority) = parts.authority.take_if(|authority| authority.port().is_none()) {
        parts.authority = format!("{authority}:{port}").parse().ok();
    }
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    Uri::from_parts(parts).map_err(|_| "the address of the proxy is not a URL".to_owned())
}

/// Returns true if an entry of `NO_PROXY` stands for a host: `*`, a CIDR, an address or a domain, the last two perhaps with a
/// port. A domain stands for its subdomains as well, one with a leading dot for these alone.
fn is_exempt(entry: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    let entry = entry.trim().to_lowercase();
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let network = network.parse::<IpAddr>().ok().zip(bits.parse::<u32>().ok());
        return network
            .zip(ip)
            .is_some_and(|((network, bits), ip)| is_within(ip, network, bits));
    }
    let is_address = entry.parse::<IpAddr>().is_ok();
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, wanted)) if !is_address && wanted.parse::<u16>().is_ok() => (name, wanted.parse().ok()),
        _ => (entry.as_str(), None),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() || wanted.is_some_and(|wanted: u16| wanted != port) {
        return false;
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        return ip == Some(address);
    }
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        // Only after a dot: `example.com` must not exempt `notexample.com`.
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn is_within(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (ip, network, width) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (u128::from(ip.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    bits <= width && (ip ^ network).checked_shr(width - bits).unwrap_or(0) == 0
}

/// A user and password that an address holds, decoded.
pub(super) fn user_of(uri: &Uri) -> Option<(String, String)> {
    let (user, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    Some((decoded(name), decoded(password)))
}

/// The same address without them.
pub(crate) fn without_user(uri: &Uri) -> Uri {
    let mut parts = uri.clone().into_parts();
    let stripped = parts.authority.as_ref().and_then(|authority| {
        let (_, host) = authority.as_str().rsplit_once('@')?;
        host.parse::<Authority>().ok()
    });
    parts.authority = stripped.or(parts.authority);
    Uri::from_parts(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(variables: &[(&str, &str)], server: &str) -> Option<String> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let found = ProxyEnvironment::read(find)
            .proxy_for(&server.parse().unwrap())
            .unwrap();
        found.map(|uri| uri.to_string())
    }

    #[test]
    fn the_environments_proxy_is_never_used_for_loopback() {
        let proxy = [("HTTPS_PROXY", "http://proxy:3128")];
        for server in [
            "https://127.0.0.1:6443",
            "https://127.9.9.9",
            "https://localhost:1",
            "https://[::1]:6443",
        ] {
            assert_eq!(used(&proxy, server), None, "{server}");
        }
        assert_eq!(
            used(&proxy, "https://10.0.0.1:6443").as_deref(),
            Some("http://proxy:3128/")
        );
    }

    #[test]
    fn each_scheme_has_its_variable_and_upper_case_wins() {
        let both = [
            ("HTTPS_PROXY", "http://a:1"),
            ("https_proxy", "http://b:1"),
            ("http_proxy", "c:2"),
        ];
        assert_eq!(used(&both, "https://x").as_deref(), Some("http://a:1/"));
        assert_eq!(used(&both, "http://x").as_deref(), Some("http://c:2/"));
        assert_eq!(
            used(&[("https_proxy", "http://b")], "https://x").as_deref(),
            Some("http://b:80/")
        );
        assert_eq!(
            used(&[("HTTPS_PROXY", "socks5://s")], "https://x").as_deref(),
            Some("socks5://s:1080/")
        );
        assert_eq!(used(&[("HTTPS_PROXY", "")], "https://x"), None);
    }

    #[test]
    fn no_proxy_lists_addresses_networks_and_domains() {
        for (list, server, is_exempt) in [
            ("*", "https://x", true),
            ("10.0.0.0/8", "https://10.9.8.7", true),
            ("10.0.0.0/8", "https://11.9.8.7", false),
            ("0.0.0.0/0", "https://11.9.8.7", true),
            ("10.0.0.0/99", "https://10.0.0.1", false),
            ("fd00::/8", "https://[fd12::1]:6443", true),
            ("fd12::1", "https://[fd12::1]:6443", true),
            ("[fd12::1]:1", "https://[fd12::1]:6443", false),
            ("10.0.0.1:6443", "https://10.0.0.1:6443", true),
            ("10.0.0.1:6443", "https://10.0.0.1", false),
            ("example.com", "https://api.example.com", true),
            ("example.com", "https://example.com", true),
            ("example.com", "https://badexample.com", false),
            (".example.com", "https://example.com", false),
            (".example.com", "https://api.example.com", true),
            ("*.example.com", "https://api.example.com", true),
            ("Example.com:443", "https://API.example.com", true),
            (" , other , api", "https://api", true),
            ("", "https://api", false),
        ] {
            let found = used(&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", list)], server);
            assert_eq!(found.is_none(), is_exempt, "{list} {server}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password_and_used_with_it() {
        let uri: Uri = "https://jane:p%40s%zzs@host:1/path".parse().unwrap();
        assert_eq!(without_user(&uri).to_string(), "https://host:1/path");
        assert_eq!(user_of(&uri), Some(("jane".into(), "p@s%zzs".into())));
        let plain: Uri = "https://host:1".parse().unwrap();
        assert_eq!(without_user(&plain), plain);
        assert_eq!(user_of(&plain), None);
        for bad in ["ftp://jane:secret@x", "jane:secret@x y", ""] {
            assert!(!proxy(bad).unwrap_err().contains("secret"));
        }
    }
}
