//! Push, pull and list with a conforming registry.

use serde_json::Value;
use trocar_test_support::registry::Reply;

use super::*;

#[test]
fn pushed_plugins_can_be_pulled_by_tag_and_by_digest() {
    let registry = FakeRegistry::start(digest);
    let manifest = with_plugin(&registry);
    for typed in [
        "team/java:1".to_owned(),
        format!("team/java@{manifest}"),
        format!("team/java:2@{manifest}"),
    ] {
        let pulled = pull(&client(), &format!("{}/{typed}", registry.host())).unwrap();
        assert_eq!(pulled.digest, manifest);
        assert_eq!(&pulled.component[..], b"code");
        assert_eq!(pulled.component_digest, digest(b"code"));
    }
}

#[test]
fn a_pushed_component_has_the_layout_of_the_cncf() {
    let registry = FakeRegistry::start(digest);
    with_plugin(&registry);
    let manifest: Value = serde_json::from_slice(&registry.manifest("team/java", "1").unwrap()).unwrap();
    assert_eq!(
        manifest["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(
        manifest["layers"][0]["annotations"]["org.opencontainers.image.title"],
        "java.wasm"
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.version"],
        "1.2.0"
    );
}

#[test]
fn the_same_component_is_pushed_as_the_same_digest_and_its_blobs_only_once() {
    let (one, other) = (FakeRegistry::start(digest), FakeRegistry::start(digest));
    assert_eq!(with_plugin(&one), with_plugin(&other));
    with_plugin(&one);
    let uploads = one
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("POST"))
        .count();
    assert_eq!(uploads, 2, "a component and its configuration");
}

#[test]
fn tags_are_listed_without_those_of_signatures() {
    let registry = FakeRegistry::start(digest);
    let manifest = with_plugin(&registry);
    let hex = manifest.strip_prefix("sha256:").unwrap();
    // More of them than tags that are listed, as in a repository in which each nightly build is signed.
    for number in 0..10_001 {
        let tag = format!("sha256-{number:05}{}.sig", &hex[5..]);
        registry.put_manifest("team/java", &tag, "application/json", b"{}");
    }
    let tags = wait(client().tags(&reference(&format!("{}/team/java", registry.host())))).unwrap();
    assert_eq!(tags, ["1"]);
    let error = wait(client().tags(&reference(&format!("{}/team/none", registry.host())))).unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[test]
fn the_signature_of_cosign_2_is_found_beside_very_many_others() {
    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let registry = FakeRegistry::start(digest);
    let manifest = with_plugin(&registry);
    let hex = manifest.strip_prefix("sha256:").unwrap();
    let config = registry.put_blob("team/java", b"{}");
    let signature = |media_type: &str, texts: &[String]| {
        let layers: Vec<_> = texts
            .iter()
            .map(|text| {
                let digest = registry.put_blob("team/java", text.as_bytes());
                serde_json::json!({"mediaType": media_type, "digest": digest, "size": text.len()})
            })
            .collect();
        let config = serde_json::json!({"mediaType": "application/json", "digest": config, "size": 2});
        serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string()
    };
    let listed: Vec<_> = (0..3)
        .map(|one| {
            let texts: Vec<String> = (0..50).map(|layer| format!("{one} {layer}")).collect();
            let text = signature(BUNDLE, &texts);
            let digest = registry.put_manifest("team/java", &format!("s{one}"), MANIFEST, text.as_bytes());
            serde_json::json!({"mediaType": MANIFEST, "digest": digest, "size": text.len(), "artifactType": BUNDLE})
        })
        .collect();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": listed}).to_string();
    let kind = "application/vnd.oci.image.index.v1+json";
    registry.put_manifest("team/java", &format!("sha256-{hex}"), kind, index.as_bytes());
    let legacy = "application/vnd.dev.cosign.simplesigning.v1+json";
    let of_cosign_2 = signature(legacy, &["payload".to_owned()]);
    registry.put_manifest(
        "team/java",
        &format!("sha256-{hex}.sig"),
        MANIFEST,
        of_cosign_2.as_bytes(),
    );
    let at = reference(&format!("{}/team/java:1", registry.host()));
    let found = wait(client().signatures(&at, &manifest)).unwrap();
    assert_eq!(found.len(), 3, "two of the many, and that of cosign 2");
    assert_eq!(&found[2].manifest[..], of_cosign_2.as_bytes());
}

#[test]
fn a_component_in_the_older_layout_is_pulled() {
    let registry = FakeRegistry::start(digest);
    let blob = registry.put_blob("old", b"code");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.wasm.config.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.wasm.content.layer.v1+wasm", "digest": blob, "size": 4}],
    });
    registry.put_manifest(
        "old",
        "1",
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    );
    let pulled = pull(&client(), &format!("{}/old:1", registry.host())).unwrap();
    assert_eq!(&pulled.component[..], b"code");
}

#[test]
fn a_mirror_is_asked_first_and_the_registry_itself_when_it_has_not_got_it() {
    let (registry, mirror) = (FakeRegistry::start(digest), FakeRegistry::start(digest));
    let config = ClientConfig {
        hosts: vec![HostConfig {
            host: registry.host().to_owned(),
            mirrors: vec![format!("{}/mirrored", mirror.host())],
            ..HostConfig::default()
        }],
        ..ClientConfig::default()
    };
    let typed = format!("{}/team/java:1", registry.host());
    let manifest = with_plugin(&registry);
    assert_eq!(
        pull(&client_with(config.clone()), &typed).unwrap().digest,
        manifest
    );
    let to = reference(&format!("{}/mirrored/team/java:1", mirror.host()));
    wait(client().push(&to, &upload(b"code"))).unwrap();
    let before = registry.asked().len();
    let pulled = pull(&client_with(config), &typed).unwrap();
    assert_eq!((pulled.digest, registry.asked().len()), (manifest, before));
    assert_eq!(pulled.from.host(), mirror.host());
}

#[test]
fn a_registry_that_refuses_the_configurations_type_has_its_own_error() {
    let registry = FakeRegistry::with_hook(digest, |asked| {
        let body = String::from_utf8_lossy(&asked.body);
        let is_refused =
            asked.method == "PUT" && asked.path.contains("/manifests/") && body.contains("vnd.wasm.config");
        let error = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"unknown media type: application/vnd.wasm.config.v0+json"}]}"#;
        is_refused.then(|| Reply::new(400, error))
    });
    let to = reference(&format!("{}/team/java:1", registry.host()));
    let error = wait(client().push(&to, &upload(b"code"))).unwrap_err();
    assert!(matches!(error, RegistryError::ConfigType { .. }), "{error}");
    let other = Upload {
        config_type: Some("application/vnd.oci.image.config.v1+json".into()),
        ..upload(b"code")
    };
    wait(client().push(&to, &other)).unwrap();
    assert_eq!(&pull(&client(), &to.to_string()).unwrap().component[..], b"code");
}

#[test]
fn a_push_needs_a_tag_and_a_pull_a_tag_or_a_digest() {
    let registry = FakeRegistry::start(digest);
    let bare = reference(&format!("{}/team/java", registry.host()));
    let error = wait(client().push(&bare, &upload(b"code"))).unwrap_err();
    assert!(matches!(error, RegistryError::NoTag { .. }), "{error}");
    let error = wait(client().pull(&bare, ALLOWED)).unwrap_err();
    assert!(matches!(error, RegistryError::NoTag { .. }), "{error}");
    assert!(registry.asked().is_empty());
}

#[test]
fn an_untrusted_certificate_fails_unless_its_authority_is_configured() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let registry = FakeRegistry::with_tls(digest, tls.into());
    let with_authority = |pem: String| {
        client_with(ClientConfig {
            hosts: vec![HostConfig {
                host: registry.host().to_owned(),
                authorities: Some(pem.into_bytes()),
                ..HostConfig::default()
            }],
            ..ClientConfig::default()
        })
    };
    let to = reference(&format!("{}/team/java:1", registry.host()));
    let right = with_authority(made.cert.pem());
    wait(right.push(&to, &upload(b"code"))).unwrap();
    assert_eq!(&pull(&right, &to.to_string()).unwrap().component[..], b"code");
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let error = pull(&with_authority(other.cert.pem()), &to.to_string()).unwrap_err();
    assert!(matches!(error, RegistryError::Tls { .. }), "{error}");
    let error = pull(&with_authority("nothing".into()), &to.to_string()).unwrap_err();
    assert!(error.to_string().contains("has no certificate"), "{error}");
}

/// Requires `TROCAR_TEST_REGISTRY`: a registry on this machine that accepts pushes without a login. Skipped without it.
#[test]
#[expect(clippy::print_stderr, reason = "what is not tested must be said")]
fn a_real_registry_takes_and_gives_plugins() {
    let Ok(host) = std::env::var("TROCAR_TEST_REGISTRY") else {
        eprintln!("skipped: TROCAR_TEST_REGISTRY is not set");
        return;
    };
    let to = reference(&format!("{host}/trocar/layout-{}:1", std::process::id()));
    let pushed = wait(client().push(&to, &upload(b"code"))).unwrap();
    let pulled = pull(&client(), &to.to_string()).unwrap();
    assert_eq!(
        (&pulled.digest, &pulled.component[..]),
        (&pushed.digest, &b"code"[..])
    );
    assert_eq!(
        pull(&client(), &to.pinned(&pushed.digest).to_string())
            .unwrap()
            .digest,
        pushed.digest
    );
    assert_eq!(wait(client().tags(&to)).unwrap(), ["1"]);
    assert!(wait(client().signatures(&to, &pushed.digest)).unwrap().is_empty());
    let told = refusal(&client(), &format!("{host}/trocar/none:1"));
    assert!(told.contains("does not exist"), "{told}");
}
