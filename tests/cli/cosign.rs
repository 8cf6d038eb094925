//! Recorded signatures made by cosign: see tests/registry/signatures/README.md.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use trocar::registry::digest;
use trocar_test_support::{CommandOutput, TestEnv, registry::FakeRegistry};

use crate::{configure, offline};

const REPOSITORY: &str = "team/signed";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/signatures")
}

fn read(name: &str) -> Vec<u8> {
    let path = fixtures().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn blob(digest: &str) -> Vec<u8> {
    read(&format!(
        "cosign/blobs/sha256/{}",
        digest.trim_start_matches("sha256:")
    ))
}

fn key(name: &str) -> String {
    String::from_utf8(read(&format!("{name}.pub"))).unwrap()
}

/// The tags of the repository, each with type and digest.
fn tags() -> Vec<(String, String, String)> {
    let index: Value = serde_json::from_slice(&read("cosign/index.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = index["manifests"].as_array().unwrap().iter();
    let entries = entries.map(|entry| {
        let tag = text(&entry["annotations"]["org.opencontainers.image.ref.name"]);
        (tag, text(&entry["mediaType"]), text(&entry["digest"]))
    });
    entries.collect()
}

/// The digest of the manifest under a tag.
fn tagged(wanted: &str) -> String {
    let mut tags = tags().into_iter();
    tags.find(|(tag, ..)| tag == wanted).unwrap().2
}

/// The tags with signatures that a registry has.
#[derive(Clone, Copy, PartialEq)]
enum Forms {
    Both,
    Bundles,
    Simple,
}

/// A registry with that repository.
fn fill(registry: &FakeRegistry, forms: Forms) {
    for file in fs::read_dir(fixtures().join("cosign/blobs/sha256")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        registry.put_blob(REPOSITORY, &bytes);
        let kind = serde_json::from_slice::<Value>(&bytes).ok();
        let kind = kind.as_ref().and_then(|json| json["mediaType"].as_str());
        if let Some(kind) = kind.filter(|kind| kind.contains("manifest") && forms != Forms::Simple) {
            registry.put_manifest(REPOSITORY, &digest(&bytes), kind, &bytes);
        }
    }
    for (tag, kind, found) in tags() {
        let is_simple = tag.ends_with(".sig");
        let is_left_out = match forms {
            Forms::Both => false,
            Forms::Bundles => is_simple,
            Forms::Simple => tag.starts_with("sha256-") && !is_simple,
        };
        if !is_left_out {
            registry.put_manifest(REPOSITORY, &tag, &kind, &blob(&found));
        }
    }
}

/// The output of pulling a tag if these signers are required.
fn pull(registry: &FakeRegistry, tag: &str, signers: &[Value]) -> CommandOutput {
    let env = offline();
    trust(&env, registry.host(), signers);
    env.run(&format!(
        "plugin pull oci://{}/{REPOSITORY}:{tag}",
        registry.host()
    ))
}

fn trust(env: &TestEnv, source: &str, signers: &[Value]) {
    let trust = json!({"rules": [{"sources": [source], "allOf": signers}]});
    configure(env, &format!("trust: {trust}\n"));
}

fn signer(name: &str, key_name: &str) -> Value {
    json!({"kind": "pubKey", "owner": name, "key": key(key_name)})
}

fn alice() -> Value {
    signer("alice", "cosign/alice")
}

fn bob(environment: &str) -> Value {
    let mut bob = signer("bob", "cosign/bob");
    bob["annotations"] = json!({"env": environment});
    bob
}

#[track_caller]
fn refused(output: &CommandOutput, who: &str) {
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output}");
    let wanted = format!("requires a signature of {who}");
    assert!(output.stderr.contains(&wanted), "{output}");
}

#[test]
fn both_signers_are_found_in_each_form_and_wherever_it_lies() {
    let start: [fn() -> FakeRegistry; 2] = [
        || FakeRegistry::start(digest),
        || FakeRegistry::with_referrers(digest),
    ];
    for start in start {
        for forms in [Forms::Both, Forms::Bundles, Forms::Simple] {
            let registry = start();
            fill(&registry, forms);
            let pulled = pull(&registry, "1", &[bob("prod"), alice()]);
            assert_eq!(pulled.code, 0, "{pulled}");
            for who in ["signed by alice (key ", "signed by bob (key "] {
                assert!(pulled.stderr.contains(who), "{who}: {pulled}");
            }
            refused(&pull(&registry, "1", &[bob("dev")]), "bob");
            refused(
                &pull(&registry, "1", &[alice(), signer("carol", "other")]),
                "carol",
            );
        }
    }
}

#[test]
fn signatures_are_found_in_a_registry_that_lists_them_by_the_type_of_their_configuration() {
    let registry = FakeRegistry::start(digest);
    fill(&registry, Forms::Bundles);
    let tag = tagged("1").replace(':', "-");
    let index = String::from_utf8(blob(&tagged(&tag))).unwrap();
    let listed = index.replace(BUNDLE, "application/vnd.oci.empty.v1+json");
    assert_ne!(listed, index);
    let kind = "application/vnd.oci.image.index.v1+json";
    registry.put_manifest(REPOSITORY, &tag, kind, listed.as_bytes());
    assert_eq!(pull(&registry, "1", &[alice(), bob("prod")]).code, 0);
}

#[test]
fn a_signature_is_of_one_digest() {
    let registry = FakeRegistry::start(digest);
    fill(&registry, Forms::Both);
    refused(&pull(&registry, "2", &[alice()]), "alice");
    // The signatures of the first plugin, at the tags of the second.
    for (of_one, of_other) in [("", ""), (".sig", ".sig")] {
        let tag = |tag: &str, suffix: &str| format!("{}{suffix}", tagged(tag).replace(':', "-"));
        let found = tagged(&tag("1", of_one));
        let kind = tags()
            .into_iter()
            .find(|(_, _, digest)| *digest == found)
            .unwrap()
            .1;
        registry.put_manifest(REPOSITORY, &tag("2", of_other), &kind, &blob(&found));
    }
    refused(&pull(&registry, "2", &[alice()]), "alice");
}

#[test]
fn a_payload_that_was_changed_is_not_signed() {
    let one = tagged("1");
    let other = tagged("2");
    let registry = FakeRegistry::start(digest);
    fill(&registry, Forms::Bundles);
    // The statement is about the other plugin now, and all digests are right again.
    let index: Value = serde_json::from_slice(&blob(&tagged(&one.replace(':', "-")))).unwrap();
    let mut listed = Vec::new();
    for entry in index["manifests"].as_array().unwrap() {
        let mut manifest: Value = serde_json::from_slice(&blob(entry["digest"].as_str().unwrap())).unwrap();
        let mut bundle: Value =
            serde_json::from_slice(&blob(manifest["layers"][0]["digest"].as_str().unwrap())).unwrap();
        let payload = &mut bundle["dsseEnvelope"]["payload"];
        let statement = STANDARD.decode(payload.as_str().unwrap()).unwrap();
        let statement = String::from_utf8(statement).unwrap();
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        assert!(statement.contains(&hex(&one)));
        *payload = STANDARD
            .encode(statement.replace(&hex(&one), &hex(&other)))
            .into();
        let bytes = bundle.to_string();
        let layer = registry.put_blob(REPOSITORY, bytes.as_bytes());
        manifest["layers"][0]["digest"] = layer.into();
        manifest["layers"][0]["size"] = bytes.len().into();
        manifest["subject"]["digest"] = other.clone().into();
        let (kind, bytes) = (manifest["mediaType"].as_str().unwrap(), manifest.to_string());
        let found = registry.put_manifest(REPOSITORY, &digest(bytes.as_bytes()), kind, bytes.as_bytes());
        listed.push(json!({"mediaType": kind, "digest": found, "size": bytes.len(), "artifactType": BUNDLE}));
    }
    assert_eq!(listed.len(), 2);
    let index = json!({"schemaVersion": 2, "manifests": listed}).to_string();
    let kind = "application/vnd.oci.image.index.v1+json";
    registry.put_manifest(REPOSITORY, &other.replace(':', "-"), kind, index.as_bytes());
    refused(&pull(&registry, "2", &[alice()]), "alice");
}

#[test]
fn a_file_is_signed_by_the_bundle_beside_it() {
    let env = offline();
    let manifest: Value = serde_json::from_slice(&blob(&tagged("1"))).unwrap();
    let component = blob(manifest["layers"][0]["digest"].as_str().unwrap());
    let file = env.write_bytes("signed.wasm", &component);
    env.write_bytes(
        "signed.wasm.sigstore.json",
        &read("cosign/1.0.0.wasm.sigstore.json"),
    );
    let folder = fs::canonicalize(env.folder()).unwrap().display().to_string();
    trust(&env, &folder, &[alice()]);
    let verified = env.run("plugin verify ./signed.wasm");
    assert!(
        verified.code == 0 && verified.stdout.contains("signed by alice"),
        "{verified}"
    );
    trust(&env, &folder, &[bob("prod")]);
    refused(&env.run("plugin verify ./signed.wasm"), "bob");
    trust(&env, &folder, &[alice()]);
    let mut changed = component;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    fs::write(file, changed).unwrap();
    refused(&env.run("plugin verify ./signed.wasm"), "alice");
}
