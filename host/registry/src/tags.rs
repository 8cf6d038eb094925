//! The tags of a repository.

use http::{StatusCode, header};
use serde::Deserialize;
use trocar_core::registry::RegistryReference;

use crate::{
    client::{Action, ApiRequest, Client, MAX_DOCUMENT},
    error::RegistryError,
};

/// The most tags that are listed.
const MAX_TAGS: usize = 10_000;
/// The most pages of tags that are requested.
const MAX_PAGES: usize = 100;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    // Registries written in Go send `null` for an empty list.
    tags: Option<Vec<String>>,
}

impl Client {
    /// Lists the tags of a repository, without those that hold signatures.
    ///
    /// # Errors
    /// Fails when the repository does not exist, and when it has more than 10,000 tags of plugins.
    pub async fn tags(&self, repository: &RegistryReference) -> Result<Vec<String>, RegistryError> {
        self.in_time(repository, self.tags_unbounded(repository)).await
    }

    async fn tags_unbounded(&self, repository: &RegistryReference) -> Result<Vec<String>, RegistryError> {
        let mut session = self.session(repository, Action::Pull)?;
        let what = format!("the tags of {}", repository.name());
        let mut url = session.url("tags/list?n=1000");
        let mut tags = Vec::new();
        for _ in 0..MAX_PAGES {
            let request = ApiRequest::get(url.clone());
            let answer = session.ask(&request).await?;
            if answer.status != StatusCode::OK {
                return Err(session.failure(answer, &request, &repository.name()).await);
            }
            let next = answer.header(header::LINK).and_then(next_path).map(str::to_owned);
            let body = answer.bytes(&what, MAX_DOCUMENT).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|_| RegistryError::NotARegistry {
                host: session.origin.authority(),
                found: "its list of tags is not valid JSON".into(),
            })?;
            let listed = page.tags.unwrap_or_default();
            tags.extend(listed.into_iter().filter(|tag| is_plugin_tag(tag)));
            if tags.len() > MAX_TAGS {
                break;
            }
            match next {
                Some(path) => url = format!("{}{path}", session.origin.url()),
                None => return Ok(tags),
            }
        }
        Err(RegistryError::TooLarge {
            what,
            allowed: MAX_TAGS as u64,
            announced: None,
        })
    }
}

/// The path in a `Link` header, `</v2/…>; rel="next"`. Only paths are accepted, so that a registry cannot send requests elsewhere.
fn next_path(link: &str) -> Option<&str> {
    let (path, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = rest.contains("rel=\"next\"") || rest.contains("rel=next");
    (is_next && path.starts_with("/v2/")).then_some(path)
}

/// Returns false for `sha256-…` and `sha256-….sig`: the tags at which cosign and older registries keep signatures.
fn is_plugin_tag(tag: &str) -> bool {
    let is_of_digest = tag
        .strip_prefix("sha256-")
        .is_some_and(|rest| rest.len() >= 64 && rest.as_bytes()[..64].iter().all(u8::is_ascii_hexdigit));
    !is_of_digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_the_same_registry_is_followed() {
        assert_eq!(
            next_path(r#"</v2/a/tags/list?last=x&n=2>; rel="next""#),
            Some("/v2/a/tags/list?last=x&n=2")
        );
        for link in [
            r#"<https://evil.example/v2/>; rel="next""#,
            "</v2/x>; rel=\"prev\"",
            "</other>; rel=next",
            "",
        ] {
            assert_eq!(next_path(link), None, "{link}");
        }
    }

    #[test]
    fn tags_of_signatures_are_left_out() {
        let hex = "8e780db2475711d57cdbd66ea83c6908d9263a962d9ab532dae5236c2ce07102";
        assert!(!is_plugin_tag(&format!("sha256-{hex}")) && !is_plugin_tag(&format!("sha256-{hex}.sig")));
        assert!(is_plugin_tag("1.0") && is_plugin_tag("sha256-short"));
    }
}
