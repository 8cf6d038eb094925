//! Registries that send wrong data, hang, flood, or redirect to forbidden places.

use serde_json::json;
use trocar_test_support::registry::{After, Asked, Reply, nothing_listens, says_nothing};

use super::*;

/// A registry with the plugin `team/java:1` that gives this answer to requests whose path has this part.
fn answering(part: &'static str, reply: Reply) -> FakeRegistry {
    let registry = FakeRegistry::with_hook(digest, move |asked: &Asked| {
        (asked.method == "GET" && asked.path.contains(part)).then(|| reply.clone())
    });
    with_plugin(&registry);
    registry
}

fn java(registry: &FakeRegistry) -> String {
    format!("{}/team/java:1", registry.host())
}

#[test]
fn bytes_with_another_digest_are_refused() {
    let lies = answering("/blobs/", Reply::new(200, "evil"));
    let error = pull(&client(), &java(&lies)).unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
    let lies = answering(
        "/manifests/",
        Reply::new(200, json!({"schemaVersion": 2}).to_string()),
    );
    let pinned = format!("{}/team/java@{}", lies.host(), digest(b"another"));
    let error = pull(&client(), &pinned).unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
}

#[test]
fn a_blob_that_is_shorter_or_longer_than_announced_is_not_taken() {
    let short = answering("/blobs/", Reply::new(200, "co"));
    let error = pull(&client(), &java(&short)).unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Size {
                wanted: 4,
                found: 2,
                ..
            }
        ),
        "{error}"
    );
    let cut = answering("/blobs/", Reply::new(200, "co").announcing(Some(4)));
    let error = pull(&client(), &java(&cut)).unwrap_err();
    assert!(matches!(error, RegistryError::Broken { .. }), "{error}");
    let long = answering("/blobs/", Reply::new(200, "code and more").announcing(None));
    let error = pull(&client(), &java(&long)).unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
}

#[test]
fn ten_gigabytes_are_refused_before_any_of_them_is_read() {
    let announced = 10_u64 << 30;
    let registry = FakeRegistry::start(digest);
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"mediaType": "x", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": digest(b"code"), "size": announced}],
    });
    registry.put_manifest(
        "huge",
        "1",
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    );
    let error = pull(&client(), &format!("{}/huge:1", registry.host())).unwrap_err();
    let RegistryError::TooLarge {
        announced: found,
        allowed,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((found, allowed), (Some(announced), ALLOWED));
    assert_eq!(registry.asked().len(), 1, "the blob was not asked for");
    for part in ["/blobs/", "/manifests/"] {
        let lies = answering(
            part,
            Reply::new(200, "x")
                .announcing(Some(announced))
                .then(After::Endless),
        );
        let error = pull(&client(), &java(&lies)).unwrap_err();
        assert!(
            matches!(
                error,
                RegistryError::TooLarge {
                    announced: Some(_),
                    ..
                }
            ),
            "{part}: {error}"
        );
    }
}

#[test]
fn endless_answers_are_read_up_to_a_limit() {
    for part in ["/blobs/", "/manifests/", "/tags/"] {
        let endless = answering(part, Reply::new(200, "").announcing(None).then(After::Endless));
        let error = match part {
            "/tags/" => wait(client().tags(&reference(&java(&endless)))).unwrap_err(),
            _ => pull(&client(), &java(&endless)).unwrap_err(),
        };
        assert!(matches!(error, RegistryError::TooLarge { .. }), "{part}: {error}");
    }
    let endless = answering(
        "/manifests/",
        Reply::new(500, "").announcing(None).then(After::Endless),
    );
    let error = pull(&client(), &java(&endless)).unwrap_err();
    assert!(
        matches!(error, RegistryError::Refused { status: 500, .. }),
        "{error}"
    );
}

#[test]
fn silent_registries_time_out() {
    for part in ["/blobs/", "/manifests/"] {
        let hangs = answering(part, Reply::new(200, "co").announcing(Some(4)).then(After::Hang));
        let error = pull(&impatient(), &java(&hangs)).unwrap_err();
        assert!(matches!(error, RegistryError::TimedOut { .. }), "{part}: {error}");
    }
    let (silent, _kept) = says_nothing();
    let error = pull(&impatient(), &format!("{silent}/team/java:1")).unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");
    let error = pull(&client(), &format!("{}/team/java:1", nothing_listens())).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[test]
fn an_html_page_is_not_a_registry() {
    let page =
        |status| Reply::new(status, "<html>Log in</html>").header("content-type", "text/html; charset=utf-8");
    for status in [200, 404] {
        let web = answering("/manifests/", page(status));
        let error = pull(&client(), &java(&web)).unwrap_err();
        assert!(matches!(error, RegistryError::NotARegistry { .. }), "{error}");
    }
    let web = answering("/manifests/", Reply::new(200, "<html>"));
    let error = pull(&client(), &java(&web)).unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
}

#[test]
fn messages_of_registries_are_one_harmless_line() {
    let error = json!({"errors": [{"code": "X", "message": "\u{1b}[2Jgone\nhint: run rm", "detail": "y".repeat(9000)}]});
    let rude = answering("/manifests/", Reply::new(418, error.to_string()));
    let told = refusal(&client(), &java(&rude));
    assert!(
        told.contains("\\u{1b}[2Jgone\\u{a}hint") && !told.contains('\n') && told.len() < 600,
        "{told}"
    );
}

#[test]
fn images_without_a_component_and_indexes_are_refused() {
    let registry = FakeRegistry::start(digest);
    let image = json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(b"x"), "size": 1}],
    });
    let index = json!({"schemaVersion": 2, "manifests": []});
    for (name, document, why) in [
        ("image", image, "tar+gzip, not a component"),
        ("index", index, "an image per platform"),
    ] {
        registry.put_manifest(
            name,
            "1",
            "application/vnd.oci.image.index.v1+json",
            document.to_string().as_bytes(),
        );
        let told = refusal(&client(), &format!("{}/{name}:1", registry.host()));
        assert!(told.contains(why), "{told}");
    }
}

/// A registry that redirects blobs to another place.
fn sends_on(to: String) -> FakeRegistry {
    answering("/blobs/", Reply::new(307, "").header("location", to))
}

#[test]
fn a_redirect_is_followed_without_credentials() {
    let storage = FakeRegistry::with_hook(digest, |asked| {
        (asked.path == "/bucket/code").then(|| Reply::new(200, "code"))
    });
    let registry = FakeRegistry::with_hook(digest, {
        let to = format!("http://{}/bucket/code", storage.host());
        let code = digest(b"code");
        move |asked| match asked.path.as_str() {
            _ if asked.header("authorization").is_empty() => {
                Some(Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""))
            }
            path if asked.method == "GET" && path.ends_with(&code) => {
                Some(Reply::new(307, "").header("location", &to))
            }
            _ => None,
        }
    });
    let client = super::tokens::with_password(registry.host());
    wait(client.push(&reference(&java(&registry)), &upload(b"code"))).unwrap();
    assert_eq!(&pull(&client, &java(&registry)).unwrap().component[..], b"code");
    let asked = storage.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), "");
}

#[test]
fn at_most_three_redirects_are_followed_and_none_away_from_tls() {
    for (to, why) in [
        ("http://storage.example/x", "does not use TLS"),
        ("https://user:secret@storage.example/x", "without credentials"),
        ("ftp://storage.example/x", "not an HTTP URL"),
        ("//storage.example/x", "not an HTTP URL"),
        ("", "not a URL"),
    ] {
        let told = refusal(&client(), &java(&sends_on(to.to_owned())));
        assert!(
            told.contains("not followed") && told.contains(why),
            "{to}: {told}"
        );
    }
    let circle = answering(
        "/blobs/",
        Reply::new(302, "").header("location", "/v2/team/java/blobs/again"),
    );
    let told = refusal(&client(), &java(&circle));
    assert!(told.contains("fourth redirect"), "{told}");
    let blobs = circle
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("GET") && line.contains("/blobs/"))
        .count();
    assert_eq!(blobs, 4, "one, and three redirects");
}

#[test]
fn an_upload_elsewhere_goes_without_credentials() {
    let storage = FakeRegistry::with_hook(digest, |_| Some(Reply::new(201, "")));
    let registry = FakeRegistry::with_hook(digest, {
        let to = format!("http://{}/upload", storage.host());
        move |asked| match asked.method.as_str() {
            _ if asked.header("authorization").is_empty() => {
                Some(Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""))
            }
            "POST" => Some(Reply::new(202, "").header("location", &to)),
            _ => None,
        }
    });
    let client = super::tokens::with_password(registry.host());
    wait(client.push(&reference(&java(&registry)), &upload(b"code"))).unwrap();
    let asked = storage.asked();
    assert_eq!(asked.len(), 2, "the component and its configuration");
    assert!(asked.iter().all(|asked| asked.header("authorization").is_empty()));
}
