//! Authentication: challenges of registries, and tokens.
//!
//! A registry's challenge names the realm: the URL that issues its tokens. Credentials are sent there only if its host is the
//! registry's, is known to belong to it, or is in the configuration. Otherwise a forged challenge could collect them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;
use trocar_core::percent;

use crate::{
    address::Origin,
    client::{ApiRequest, Session},
    connection::Answer,
    credentials::Credentials,
    error::RegistryError,
};

/// The largest answer with a token, in bytes.
const MAX_TOKEN: u64 = 64 << 10;

/// Registries whose tokens are issued by another host.
const KNOWN_REALMS: [(&str, &str); 3] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("index.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

/// How a registry wants clients to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// Parses a `WWW-Authenticate` header; none for other schemes.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let find = |wanted: &str| {
            let found = parameters
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.clone())
        };
        Some(Self::Bearer {
            realm: find("realm")?,
            service: find("service"),
        })
    }
}

/// Parses `name=value, name="value"`. A quoted value may have commas and backslash escapes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| matches!(letter, ' ' | ',')).is_some() {}
        let mut name = String::new();
        while let Some(letter) = letters.next_if(|letter| !matches!(letter, '=' | ',')) {
            name.push(letter);
        }
        if letters.next_if_eq(&'=').is_none() {
            return parameters;
        }
        let mut value = String::new();
        if letters.next_if_eq(&'"').is_some() {
            while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                let is_escape = letter == '\\';
                value.extend(if is_escape { letters.next() } else { Some(letter) });
            }
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != ',') {
                value.push(letter);
            }
        }
        parameters.push((name.trim().to_owned(), value));
    }
}

/// Checks that credentials may be sent to a realm. Returns why not.
pub(crate) fn check_realm(realm: &str, registry: &Origin, configured: &[String]) -> Result<(), &'static str> {
    let url: Uri = realm.parse().map_err(|_| "it is not a URL")?;
    let origin = Origin::of(&url).ok_or("it is not an HTTP URL without credentials")?;
    if !origin.is_tls && (registry.is_tls || origin.host != registry.host) {
        return Err("it does not use TLS");
    }
    // A forged challenge names a realm of its own. Clients that send credentials to any realm lose them: CVE-2020-15157.
    let is_known = KNOWN_REALMS.contains(&(registry.host.as_str(), origin.host.as_str()));
    let is_configured = configured
        .iter()
        .any(|host| *host == origin.authority() || *host == origin.host);
    if origin.host == registry.host || is_known || is_configured {
        return Ok(());
    }
    Err("it is on another host than the registry, and the configuration does not allow it")
}

/// The request for a token: an OAuth 2 POST with a refresh token, else a GET.
pub(crate) fn token_request(
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credentials: Option<&Credentials>,
) -> ApiRequest {
    let mut fields = vec![("scope", scope)];
    fields.extend(service.map(|service| ("service", service)));
    // The token protocol takes a refresh token by POST only. That also keeps it out of URLs, which servers log.
    if let Some(Credentials::Identity(token)) = credentials {
        fields.extend([
            ("grant_type", "refresh_token"),
            ("client_id", "trocar"),
            ("refresh_token", token.reveal()),
        ]);
        let request = ApiRequest {
            method: Method::POST,
            body: Bytes::from(form_encoded(&fields)),
            ..ApiRequest::get(realm.to_owned())
        };
        return request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    // A realm may have a query already.
    let separator = if realm.contains('?') { '&' } else { '?' };
    let mut request = ApiRequest::get(format!("{realm}{separator}{}", form_encoded(&fields)));
    if let Some(basic) = credentials.and_then(basic) {
        request.headers.push((header::AUTHORIZATION, basic));
    }
    request
}

pub(crate) async fn token(session: &Session, answer: Answer) -> Result<HeaderValue, RegistryError> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
    }
    let host = answer.host.clone();
    let what = format!("the token from {host}");
    if matches!(
        answer.status,
        // OAuth 2 answers 400 to a refused refresh token. A refused password is 401 or 403.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
    ) {
        return Err(session.denied(format!("{host} does not issue a token")));
    }
    if answer.status != StatusCode::OK {
        return Err(RegistryError::Malformed {
            what,
            why: format!("{host} answered {}", answer.status.as_u16()),
        });
    }
    let body = answer.bytes(&what, MAX_TOKEN).await?;
    let malformed = |why: &str| RegistryError::Malformed {
        what: what.clone(),
        why: why.to_owned(),
    };
    // The parser's message is dropped: it may contain a part of the token.
    let token: Token = serde_json::from_slice(&body).map_err(|_| malformed("it is not JSON with a token"))?;
    let token = token
        .token
        // Docker's protocol has `token`, OAuth 2 has `access_token`. A server may send either, or both.
        .or(token.access_token)
        .filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| malformed("the answer has no token"))?;
    secret(&format!("Bearer {token}")).ok_or_else(|| malformed("it has characters that a header cannot have"))
}

/// The `Authorization: Basic …` header; none for tokens.
pub(crate) fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    match credentials {
        Credentials::User { name, password } => secret(&format!(
            "Basic {}",
            base64(&format!("{name}:{}", password.reveal()))
        )),
        Credentials::Identity(_) | Credentials::Token(_) => None,
    }
}

/// The header for a registry token from the user's credentials, which needs no exchange.
pub(crate) fn registry_token(credentials: &Credentials) -> Option<HeaderValue> {
    match credentials {
        Credentials::Token(token) => secret(&format!("Bearer {}", token.reveal())),
        _ => None,
    }
}

fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    // The `Debug` form of a request then hides the value.
    value.set_sensitive(true);
    Some(value)
}

pub(crate) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn form_encoded(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", percent::encoded(value, b"")));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn challenges_are_read_whatever_their_order_and_quotes() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.map(Into::into),
            })
        };
        for (header, wanted) in [
            (
                r#"Bearer realm="https://a.b/t",service="r",scope="repository:x:pull,push""#,
                bearer("https://a.b/t", Some("r")),
            ),
            (
                r#"bearer service=r, REALM=https://a.b/t"#,
                bearer("https://a.b/t", Some("r")),
            ),
            (r#"Bearer realm="a\"b,c""#, bearer("a\"b,c", None)),
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("Bearer service=r", None),
            ("Bearer", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(header), wanted, "{header}");
        }
    }

    #[test]
    fn credentials_go_to_the_registry_and_what_is_known_to_belong_to_it() {
        let check =
            |realm: &str, registry: &str| check_realm(realm, &origin(registry), &["sso.corp:8443".into()]);
        for (realm, registry) in [
            ("https://ghcr.io/token", "https://ghcr.io"),
            ("https://r.example:8443/token", "https://r.example"),
            ("https://auth.docker.io/token", "https://registry-1.docker.io"),
            ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com"),
            ("https://sso.corp:8443/token", "https://r.example"),
            ("http://127.0.0.1:9/token", "http://127.0.0.1:5000"),
        ] {
            assert_eq!(check(realm, registry), Ok(()), "{realm} for {registry}");
        }
        for (realm, registry) in [
            ("https://attacker.example/token", "https://ghcr.io"),
            ("https://ghcr.io.attacker.example/token", "https://ghcr.io"),
            ("https://ghcr.io@attacker.example/token", "https://ghcr.io"),
            ("http://ghcr.io/token", "https://ghcr.io"),
            ("https://auth.docker.io/token", "https://ghcr.io"),
            ("https://sso.corp/token", "https://r.example"),
            ("http://169.254.169.254/token", "http://127.0.0.1:5000"),
            ("/token", "https://ghcr.io"),
        ] {
            assert!(check(realm, registry).is_err(), "{realm} for {registry}");
        }
    }

    #[test]
    fn a_refresh_token_is_never_in_a_url() {
        let credentials = Credentials::Identity("s3cret&x".to_owned().into());
        let request = token_request(
            "https://a/t?x=1",
            Some("r s"),
            "repository:a/b:pull",
            Some(&credentials),
        );
        assert_eq!(
            (request.method, request.url.as_str()),
            (Method::POST, "https://a/t?x=1")
        );
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(
            body.contains("refresh_token=s3cret%26x") && body.contains("service=r%20s"),
            "{body}"
        );
        let request = token_request("https://a/t?x=1", None, "repository:a/b:pull", None);
        assert_eq!(request.url, "https://a/t?x=1&scope=repository%3Aa%2Fb%3Apull");
        assert!(request.headers.is_empty());
    }
}
