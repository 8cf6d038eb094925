//! Authentication: passwords, tokens, and registries with a foreign realm.

use std::fs;

use serde_json::json;
use trocar_test_support::registry::{Asked, Reply};

use super::*;

/// A client that knows the password `pa:ss` of `user` for a host.
pub(crate) fn with_password(host: &str) -> Client {
    // user:pa:ss
    let auths = json!({"auths": {host: {"auth": "dXNlcjpwYTpzcw=="}}});
    with_file(&auths.to_string())
}

fn with_file(text: &str) -> Client {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.json");
    fs::write(&file, text).unwrap();
    // The file is read later, so the folder is not removed by the test.
    let kept = home.keep();
    client_with(ClientConfig {
        credentials: CredentialFiles {
            files: vec![kept.join("none.json"), file],
            ..CredentialFiles::default()
        },
        ..ClientConfig::default()
    })
}

/// A registry that requires a token of a realm, by default at the same address.
fn wants_token(realm: Option<&'static str>) -> FakeRegistry {
    FakeRegistry::with_hook(digest, move |asked: &Asked| {
        let own = format!("http://{}/token", asked.header("host"));
        let realm = realm.unwrap_or(&own);
        if asked.path.starts_with("/token") {
            let is_known = asked.header("authorization") == "Basic dXNlcjpwYTpzcw==";
            let is_refresh = String::from_utf8_lossy(&asked.body).contains("refresh_token=id&")
                || asked.body.ends_with(b"refresh_token=id");
            return Some(match is_known || is_refresh {
                true => Reply::new(200, r#"{"token":"t0ken"}"#),
                false => Reply::new(401, ""),
            });
        }
        (asked.header("authorization") != "Bearer t0ken").then(|| {
            let challenge = format!(r#"Bearer realm="{realm}",service="r",scope="repository:everything:*""#);
            Reply::new(401, "").header("www-authenticate", challenge)
        })
    })
}

#[test]
fn a_token_is_asked_for_with_the_password_and_only_for_the_repository() {
    let registry = wants_token(None);
    let client = with_password(registry.host());
    let to = format!("{}/team/java:1", registry.host());
    wait(client.push(&reference(&to), &upload(b"code"))).unwrap();
    assert_eq!(&pull(&client, &to).unwrap().component[..], b"code");
    let asked = registry.asked();
    let scopes: Vec<&str> = asked
        .iter()
        .filter_map(|asked| asked.path.split_once("scope="))
        .map(|(_, scope)| scope)
        .collect();
    assert_eq!(
        scopes,
        [
            "repository%3Ateam%2Fjava%3Apull%2Cpush&service=r",
            "repository%3Ateam%2Fjava%3Apull&service=r"
        ]
    );
    let with_password = asked
        .iter()
        .filter(|asked| asked.header("authorization").starts_with("Basic"));
    assert!(
        with_password
            .clone()
            .all(|asked| asked.path.starts_with("/token")),
        "the registry itself needs the token only"
    );
    assert_eq!(with_password.count(), 2);
}

#[test]
fn an_identity_token_is_exchanged() {
    let registry = wants_token(None);
    let client = with_file(&json!({"auths": {registry.host(): {"identitytoken": "id"}}}).to_string());
    wait(client.push(&reference(&format!("{}/a:1", registry.host())), &upload(b"code"))).unwrap();
    let token = registry
        .asked()
        .into_iter()
        .find(|asked| asked.path.starts_with("/token"))
        .unwrap();
    assert_eq!((token.method.as_str(), token.path.as_str()), ("POST", "/token"));
}

#[test]
fn a_realm_elsewhere_is_sent_nothing() {
    for realm in [
        "https://attacker.example/token",
        "http://169.254.169.254/latest",
        "https://a@b.example/",
        "nonsense",
    ] {
        let registry = wants_token(Some(realm));
        let error = pull(
            &with_password(registry.host()),
            &format!("{}/a:1", registry.host()),
        )
        .unwrap_err();
        assert!(matches!(error, RegistryError::Realm { .. }), "{realm}: {error}");
        assert!(!error.to_string().contains("pa:ss"));
        assert!(
            registry
                .asked()
                .iter()
                .all(|asked| asked.header("authorization").is_empty())
        );
    }
}

#[test]
fn a_wrong_and_a_missing_password_have_different_errors() {
    let registry = wants_token(None);
    let typed = format!("{}/a:1", registry.host());
    let told = refusal(&client(), &typed);
    assert!(told.contains("a user without credentials pull from a"), "{told}");
    let wrong = with_file(
        &json!({"auths": {registry.host(): {"username": "user", "password": "wr0ng"}}}).to_string(),
    );
    let told = refusal(&wrong, &typed);
    assert!(
        told.contains("this user pull from a") && !told.contains("wr0ng"),
        "{told}"
    );
    let broken = with_file("{\"auths\": secret");
    let told = refusal(&broken, &typed);
    assert!(told.contains("not JSON") && !told.contains("secret"), "{told}");
}

#[test]
fn invalid_tokens_are_not_sent() {
    for (answer, why) in [
        (Reply::new(200, "{\"token\":\"a\\nb\"}"), "a header cannot have"),
        (Reply::new(200, "{}"), "the answer has no token"),
        (Reply::new(200, "<html>"), "not JSON"),
        (
            Reply::new(302, "").header("location", "http://169.254.169.254/"),
            "answered 302",
        ),
        (Reply::new(200, vec![b' '; 70_000]), "larger than 65536"),
    ] {
        let registry = FakeRegistry::with_hook(digest, move |asked| {
            let challenge = format!(r#"Bearer realm="http://{}/token""#, asked.header("host"));
            Some(match asked.path.starts_with("/token") {
                true => answer.clone(),
                false => Reply::new(401, "").header("www-authenticate", challenge),
            })
        });
        let told = refusal(&client(), &format!("{}/a:1", registry.host()));
        assert!(told.contains(why), "{told}");
    }
}
