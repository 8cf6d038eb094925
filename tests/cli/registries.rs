//! Plugins from registries: push, lock, pull, trust, bundle and use, and attempts to bypass the rules.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::KeyPair;
use rustls::{SignatureScheme, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use trocar::registry::digest;
use trocar_test_support::{CommandOutput, TestEnv, registry::FakeRegistry};

use crate::{POD_YAML, allow, config_file, configure, guest, offline, schemas::Schema};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The strategy `lists` in a version, without capabilities.
fn plugin(version: &str) -> Vec<u8> {
    let mut manifest: Value = serde_json::from_str(&guest::manifest("modest_memory")).unwrap();
    manifest["name"] = "lists".into();
    manifest["version"] = version.into();
    guest::plugin_with("modest_memory", &manifest.to_string())
}

/// The same in a version that reads the cluster.
fn reading_plugin(version: &str) -> Vec<u8> {
    let mut manifest: Value = serde_json::from_str(&guest::manifest("lists")).unwrap();
    manifest["version"] = version.into();
    manifest["capabilities"] = json!([{
        "name": "cluster-read", "reason": "to look", "scope": [{"apiVersion": "v1", "kind": "Pod"}],
    }]);
    guest::plugin_with("lists", &manifest.to_string())
}

/// A registry with the strategy `lists`, and an environment in which it was pushed.
struct Scene {
    env: TestEnv,
    registry: FakeRegistry,
    /// The digest of the manifest.
    manifest: String,
}

impl Scene {
    fn new() -> Self {
        Self::at(FakeRegistry::start(digest))
    }

    fn at(registry: FakeRegistry) -> Self {
        let env = offline();
        env.write_bytes("lists.wasm", &plugin("1.0.0"));
        let pushed = env.run(&format!(
            "plugin push lists.wasm oci://{}/team/lists:1",
            registry.host()
        ));
        let (name, manifest) = pushed
            .stdout
            .trim_end()
            .split_once('@')
            .unwrap_or_else(|| panic!("{pushed}"));
        assert_eq!(name, format!("{}/team/lists", registry.host()));
        let manifest = manifest.to_owned();
        Self {
            env,
            registry,
            manifest,
        }
    }

    fn name(&self) -> String {
        format!("oci://{}/team/lists", self.registry.host())
    }

    fn pinned(&self) -> String {
        format!("{}@{}", self.name(), self.manifest)
    }

    fn run(&self, arguments: &str) -> CommandOutput {
        self.env.run(arguments)
    }

    /// A plan by a strategy.
    fn plan(&self, strategy: &str) -> CommandOutput {
        self.env.write("pod.yaml", POD_YAML);
        self.run(&format!(
            "plan -f pod.yaml --image=busybox:1 --strategy={strategy} -o json"
        ))
    }

    /// Pushes another component to the same tag. Returns the digest of its manifest.
    fn move_tag(&self, component: &[u8]) -> String {
        self.env.write_bytes("newer.wasm", component);
        let pushed = self.run(&format!("plugin push newer.wasm {}:1", self.name()));
        let (_, digest) = pushed
            .stdout
            .trim_end()
            .split_once('@')
            .unwrap_or_else(|| panic!("{pushed}"));
        digest.to_owned()
    }

    fn lock(&self) -> PathBuf {
        self.env.folder().join(".config/trocar/config.lock")
    }
}

/// Signs with a P-256 key.
fn signature(key: &KeyPair, message: &[u8]) -> String {
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_ecdsa_type(&der).unwrap();
    let signer = key
        .choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])
        .unwrap();
    STANDARD.encode(signer.sign(message).unwrap())
}

/// A bundle as cosign 3 makes it.
fn bundle(key: &KeyPair, manifest: &str, annotations: &Value) -> String {
    const TYPE: &str = "application/vnd.in-toto+json";
    let hex = manifest.trim_start_matches("sha256:");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": hex}, "annotations": annotations}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
    });
    let statement = statement.to_string();
    let message = format!("DSSEv1 {} {TYPE} {} {statement}", TYPE.len(), statement.len());
    json!({
        "mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(&statement), "payloadType": TYPE,
            "signatures": [{"sig": signature(key, message.as_bytes())}],
        },
    })
    .to_string()
}

/// Adds a signature to the registry as a referrer of the plugin, and at the fallback tag.
fn attach(scene: &Scene, bundles: &[String]) {
    let (registry, repository) = (&scene.registry, "team/lists");
    let mut listed = Vec::new();
    for bundle in bundles {
        registry.put_blob(repository, b"{}");
        let blob = registry.put_blob(repository, bundle.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
            "layers": [{"mediaType": BUNDLE, "digest": blob, "size": bundle.len()}],
            "subject": {"mediaType": MANIFEST, "digest": scene.manifest, "size": 1},
        });
        let bytes = manifest.to_string();
        let found = registry.put_manifest(repository, &digest(bytes.as_bytes()), MANIFEST, bytes.as_bytes());
        listed.push(json!({"mediaType": MANIFEST, "digest": found, "size": bytes.len()}));
    }
    let index = json!({"schemaVersion": 2, "manifests": listed}).to_string();
    let tag = scene.manifest.replace(':', "-");
    registry.put_manifest(
        repository,
        &tag,
        "application/vnd.oci.image.index.v1+json",
        index.as_bytes(),
    );
}

/// A signature as cosign 2 keeps it.
fn attach_legacy(scene: &Scene, key: &KeyPair) {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": "anything"}, "image": {"docker-manifest-digest": scene.manifest},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = payload.to_string();
    let blob = scene.registry.put_blob("team/lists", payload.as_bytes());
    scene.registry.put_blob("team/lists", b"{}");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": blob, "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature(key, payload.as_bytes())},
        }],
    });
    let tag = format!("{}.sig", scene.manifest.replace(':', "-"));
    scene
        .registry
        .put_manifest("team/lists", &tag, MANIFEST, manifest.to_string().as_bytes());
}

/// Trust rules that require the signature of a key for a source.
fn rules(source: &str, key: &KeyPair) -> String {
    let signer = json!({"kind": "pubKey", "owner": "platform", "key": key.public_key_pem()});
    let trust = json!({"rules": [{"sources": [source], "allOf": [signer]}]});
    format!("trust: {trust}\n")
}

#[track_caller]
fn refused(output: &CommandOutput, wanted: &str, hint: &str) {
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output}");
    for part in [wanted, hint] {
        assert!(output.stderr.contains(part), "{part:?} is not in {output}");
    }
}

#[test]
fn a_plugin_is_pushed_listed_pulled_and_used_by_its_digest() {
    let scene = Scene::new();
    let again = scene.run(&format!("plugin push lists.wasm {}:2", scene.name()));
    assert!(
        again.stdout.trim_end().ends_with(&scene.manifest),
        "the same component has the same digest: {again}"
    );
    let listed = scene.run(&format!("plugin list --available {} -o name", scene.name()));
    assert_eq!(listed.stdout, format!("{0}:1\n{0}:2\n", scene.name()));
    refused(
        &scene.plan(&scene.pinned()),
        "is not on this machine",
        &format!("trocar plugin pull {}", scene.pinned()),
    );
    let pulled = scene.run(&format!("plugin pull {}:1", scene.name()));
    assert_eq!(
        (pulled.code, pulled.stdout),
        (0, format!("{}:1@{}\n", scene.name(), scene.manifest))
    );
    drop(scene.registry);
    let env = scene.env;
    let plan = env.run(&format!(
        "plan -f pod.yaml --image=busybox:1 --strategy=oci://127.0.0.1:1/team/lists@{} -o json",
        scene.manifest
    ));
    assert_eq!(plan.code, 0, "a digest is the same wherever it is from: {plan}");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["strategy"]["digest"], digest(&plugin("1.0.0")));
}

#[test]
fn a_tag_alone_is_not_used() {
    let scene = Scene::new();
    scene.run(&format!("plugin pull {}:1", scene.name()));
    let typed = format!("{}:1", scene.name());
    refused(
        &scene.plan(&typed),
        "its reference has no digest",
        &format!("trocar plugin pull {typed}"),
    );
    configure(
        &scene.env,
        &format!("plugins: [{{name: lists, source: '{typed}'}}]\n"),
    );
    refused(
        &scene.plan("lists"),
        "config.lock does not lock it",
        "hint: write down which one it is: trocar plugin lock",
    );
    assert!(!scene.lock().exists(), "a plan writes no lock");
}

#[test]
fn a_lock_keeps_a_plugin_as_it_was_until_it_is_updated() {
    let scene = Scene::new();
    configure(
        &scene.env,
        &format!("plugins: [{{name: lists, source: '{}:1'}}]\n", scene.name()),
    );
    let locked = scene.run("plugin lock");
    assert_eq!(locked.code, 0, "{locked}");
    let text = fs::read_to_string(scene.lock()).unwrap();
    let lock = &trocar::documents::read(text.as_bytes()).unwrap()[0];
    Schema::read("lock").assert_fits(lock);
    assert_eq!(lock["plugins"][0]["manifest"], scene.manifest.as_str());
    assert_eq!(
        scene.run("plugin lock").stdout,
        "$HOME/.config/trocar/config.lock is up to date\n"
    );
    let moved = scene.move_tag(&plugin("2.0.0"));
    assert_ne!(moved, scene.manifest);
    assert_eq!(
        scene.run("plugin lock").stdout,
        "$HOME/.config/trocar/config.lock is up to date\n"
    );
    let version = |scene: &Scene| {
        let plan = scene.plan("lists");
        let plan: Value = serde_json::from_str(&plan.stdout).unwrap_or_else(|_| panic!("{plan}"));
        plan["strategy"]["version"].clone()
    };
    assert_eq!(version(&scene), "1.0.0", "the tag was moved after the lock");
    let updated = scene.run("plugin update");
    assert!(
        updated.stdout.contains("version: 1.0.0 → 2.0.0") && updated.stdout.contains(&moved),
        "{updated}"
    );
    assert_eq!(version(&scene), "2.0.0");
}

#[test]
fn a_plugin_that_wants_more_than_it_had_is_asked_about() {
    let scene = Scene::new();
    configure(
        &scene.env,
        &format!("plugins: [{{name: lists, source: '{}:1'}}]\n", scene.name()),
    );
    scene.run("plugin lock");
    let before = fs::read_to_string(scene.lock()).unwrap();
    scene.move_tag(&reading_plugin("2.0.0"));
    let asked = scene.run("plugin update lists");
    assert_eq!(asked.code, 1, "{asked}");
    assert!(
        asked
            .stdout
            .contains("capabilities: none → cluster-read of v1 Pod"),
        "{asked}"
    );
    assert!(
        asked.stderr.contains(
            "a plugin would get the capability cluster-read of v1 Pod (lists)\nhint: check the changes"
        ),
        "{asked}"
    );
    assert_eq!(fs::read_to_string(scene.lock()).unwrap(), before);
    assert_eq!(scene.run("plugin update lists --yes").code, 0);
    assert!(fs::read_to_string(scene.lock()).unwrap().contains("cluster-read"));
}

#[test]
fn an_edited_lock_is_refused() {
    let scene = Scene::new();
    configure(
        &scene.env,
        &format!("plugins: [{{name: lists, source: '{}:1'}}]\n", scene.name()),
    );
    scene.run("plugin lock");
    let text = fs::read_to_string(scene.lock()).unwrap();
    let component = digest(&plugin("1.0.0"));
    let other = digest(b"other");
    fs::write(scene.lock(), text.replace(&component, &other)).unwrap();
    refused(
        &scene.plan("lists"),
        "config.lock has the component",
        "who changed the lock",
    );
    fs::write(scene.lock(), text.replace("team/lists:1", "team/other:1")).unwrap();
    refused(
        &scene.plan("lists"),
        "config.lock has the source",
        "trocar plugin lock",
    );
    fs::write(scene.lock(), text.replace(&scene.manifest, &other)).unwrap();
    refused(
        &scene.plan("lists"),
        "is not on this machine",
        "trocar plugin pull",
    );
    fs::write(scene.lock(), text.replace("v1alpha1", "v7")).unwrap();
    refused(
        &scene.plan("lists"),
        "trocar.dev/v7",
        "a newer trocar may have written it",
    );
}

#[test]
fn a_lock_can_be_asked_for_where_there_is_a_digest() {
    let scene = Scene::new();
    let plugins = format!("plugins: [{{name: lists, source: '{}'}}]\n", scene.pinned());
    configure(&scene.env, &plugins);
    assert_eq!(scene.run("plugin pull").code, 0);
    assert_eq!(scene.plan("lists").code, 0);
    configure(&scene.env, &format!("{plugins}lock: required\n"));
    refused(
        &scene.plan("lists"),
        "config.lock does not lock it",
        "trocar plugin lock",
    );
    scene.run("plugin lock");
    assert_eq!(scene.plan("lists").code, 0);
}

#[test]
fn signatures_of_both_forms_are_found_and_shown_wherever_a_plugin_is() {
    let key = KeyPair::generate().unwrap();
    for has_referrers in [false, true] {
        for is_legacy in [false, true] {
            let registry = match has_referrers {
                true => FakeRegistry::with_referrers(digest),
                false => FakeRegistry::start(digest),
            };
            let scene = Scene::at(registry);
            match is_legacy {
                true => attach_legacy(&scene, &key),
                false => attach(&scene, &[bundle(&key, &scene.manifest, &json!({}))]),
            }
            let source = format!("{}/team", scene.registry.host());
            let plugins = format!("plugins: [{{name: lists, source: '{}'}}]\n", scene.pinned());
            configure(&scene.env, &format!("{plugins}{}", rules(&source, &key)));
            let pulled = scene.run("plugin pull");
            assert!(
                pulled.stderr.contains("signed by platform (key "),
                "{has_referrers} {is_legacy}: {pulled}"
            );
            let plan = scene.plan("lists");
            let plan: Value = serde_json::from_str(&plan.stdout).unwrap_or_else(|_| panic!("{plan}"));
            Schema::read("debug-plan").assert_fits(&plan);
            assert!(
                plan["strategy"]["signers"][0]
                    .as_str()
                    .unwrap()
                    .starts_with("platform (key ")
            );
            let verified = scene.run("plugin verify lists");
            assert!(verified.stdout.contains("signed by platform"), "{verified}");
            assert!(
                scene
                    .run("plugin inspect lists")
                    .stdout
                    .contains("platform (key ")
            );
        }
    }
}

#[test]
fn another_key_another_digest_and_a_changed_payload_are_refused_before_anything_is_compiled() {
    let (key, stranger) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let scene = Scene::new();
    let good = bundle(&key, &scene.manifest, &json!({}));
    let mut tampered: Value = serde_json::from_str(&good).unwrap();
    tampered["dsseEnvelope"]["payload"] = STANDARD.encode(b"{}").into();
    let plugins = format!("plugins: [{{name: lists, source: '{}'}}]\n", scene.pinned());
    let source = scene.registry.host().to_owned();
    configure(&scene.env, &format!("{plugins}{}", rules(&source, &key)));
    for bundles in [
        vec![],
        vec![bundle(&stranger, &scene.manifest, &json!({}))],
        vec![bundle(&key, &digest(b"other"), &json!({}))],
        vec![tampered.to_string()],
        vec!["not a bundle".to_owned()],
    ] {
        attach(&scene, &bundles);
        refused(
            &scene.run("plugin pull"),
            "requires a signature of platform",
            "trocar plugin pull",
        );
        refused(
            &scene.plan("lists"),
            "requires a signature of platform",
            "trocar plugin pull",
        );
    }
    assert!(
        !scene.env.folder().join(".cache/trocar/components").exists()
            || fs::read_dir(scene.env.folder().join(".cache/trocar/components"))
                .unwrap()
                .count()
                == 0
    );
    attach(&scene, &[bundle(&stranger, &scene.manifest, &json!({})), good]);
    assert_eq!(scene.run("plugin pull").code, 0, "one of two signers is known");
    assert_eq!(scene.plan("lists").code, 0);
}

#[test]
fn trust_rules_of_the_system_cannot_be_weakened() {
    let key = KeyPair::generate().unwrap();
    let mut scene = Scene::new();
    let host = scene.registry.host().to_owned();
    let system = scene
        .env
        .write("system.yaml", &config_file(&rules(&format!("{host}/team"), &key)));
    scene
        .env
        .set("__TROCAR_SYSTEM_CONFIG", &system.display().to_string());
    configure(
        &scene.env,
        &format!("trust: {{default: allow, rules: [{{sources: ['{host}/team/lists']}}]}}\n"),
    );
    refused(
        &scene.run(&format!("plugin pull {}:1", scene.name())),
        "system.yaml",
        "signed",
    );
    refused(
        &scene.plan(&scene.pinned()),
        "requires a signature of platform",
        "signed",
    );
    let other = scene.run(&format!("plugin push lists.wasm oci://{host}/team-evil/lists:1"));
    assert_eq!(other.code, 0);
    let pulled = scene.run(&format!("plugin pull oci://{host}/team-evil/lists:1"));
    assert_eq!(
        pulled.code, 0,
        "the rule is about team, and what no rule names is allowed: {pulled}"
    );
}

#[test]
fn default_deny_also_refuses_the_same_bytes_as_a_file() {
    let key = KeyPair::generate().unwrap();
    let mut scene = Scene::new();
    attach(&scene, &[bundle(&key, &scene.manifest, &json!({}))]);
    let host = scene.registry.host().to_owned();
    let signer = json!({"kind": "pubKey", "owner": "platform", "key": key.public_key_pem()});
    let folder = scene.env.folder().canonicalize().unwrap().join("signed");
    let trust = json!({"default": "deny", "rules": [{"sources": [host, folder], "allOf": [signer]}]});
    let system = scene
        .env
        .write("system.yaml", &config_file(&format!("trust: {trust}\n")));
    scene
        .env
        .set("__TROCAR_SYSTEM_CONFIG", &system.display().to_string());
    assert_eq!(scene.run(&format!("plugin pull {}:1", scene.name())).code, 0);
    assert_eq!(scene.plan(&scene.pinned()).code, 0);
    refused(
        &scene.plan("./lists.wasm"),
        "no trust rule of",
        "which sources are trusted",
    );
    assert_eq!(
        scene.plan("ephemeral").code,
        0,
        "what is part of the program needs no rule"
    );
    fs::create_dir(&folder).unwrap();
    fs::copy(scene.env.folder().join("lists.wasm"), folder.join("lists.wasm")).unwrap();
    refused(
        &scene.plan("signed/lists.wasm"),
        "requires a signature of platform",
        "signed",
    );
    let message = fs::read(folder.join("lists.wasm")).unwrap();
    let beside = json!({"mediaType": BUNDLE, "messageSignature": {"signature": signature(&key, &message)}});
    fs::write(folder.join("lists.wasm.sigstore.json"), beside.to_string()).unwrap();
    assert_eq!(scene.plan("signed/lists.wasm").code, 0);
    let trust = json!({"deny": [digest(&message)]});
    configure(&scene.env, &format!("trust: {trust}\n"));
    for strategy in [scene.pinned(), "signed/lists.wasm".to_owned()] {
        refused(&scene.plan(&strategy), "is revoked by", "trocar plugin update");
    }
}

#[test]
fn a_warning_rule_warns_and_a_key_can_be_verified_directly() {
    let (key, stranger) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let scene = Scene::new();
    let prod = json!({"env": "prod"});
    attach(&scene, &[bundle(&key, &scene.manifest, &prod)]);
    let signer = json!({"kind": "pubKey", "key": stranger.public_key_pem()});
    let trust =
        json!({"rules": [{"sources": [scene.registry.host()], "require": "warn", "allOf": [signer]}]});
    configure(&scene.env, &format!("trust: {trust}\n"));
    scene.run(&format!("plugin pull {}:1", scene.name()));
    let plan = scene.plan(&scene.pinned());
    assert_eq!(plan.code, 0);
    let told = plan
        .stderr
        .matches("requires a signature of a key of the configuration");
    assert_eq!(told.count(), 1, "{plan}");
    scene.env.write("good.pub", &key.public_key_pem());
    scene.env.write("other.pub", &stranger.public_key_pem());
    assert_eq!(
        scene
            .run(&format!("plugin verify {} --key good.pub", scene.pinned()))
            .code,
        0
    );
    refused(
        &scene.run(&format!("plugin verify {} --key other.pub", scene.pinned())),
        "is not signed by other.pub",
        "trocar plugin pull",
    );
    let mut signer = json!({"kind": "pubKey", "key": key.public_key_pem(), "annotations": prod});
    let with = |signer: &Value| {
        format!(
            "trust: {}\n",
            json!({"rules": [{"sources": [scene.registry.host()], "allOf": [signer]}]})
        )
    };
    configure(&scene.env, &with(&signer));
    assert_eq!(scene.plan(&scene.pinned()).code, 0);
    signer["annotations"]["env"] = "dev".into();
    configure(&scene.env, &with(&signer));
    assert_eq!(scene.plan(&scene.pinned()).code, 1);
}

#[test]
fn plugins_are_carried_into_a_closed_network_with_their_signatures() {
    let key = KeyPair::generate().unwrap();
    let scene = Scene::new();
    attach(&scene, &[bundle(&key, &scene.manifest, &json!({}))]);
    attach_legacy(&scene, &key);
    let config = format!(
        "plugins: [{{name: lists, source: '{}'}}]\n{}",
        scene.pinned(),
        rules(scene.registry.host(), &key)
    );
    configure(&scene.env, &config);
    refused(
        &scene.run("plugin bundle --output all.tar"),
        "is not on this machine",
        "trocar plugin pull",
    );
    assert!(!scene.env.folder().join("all.tar").exists());
    scene.run("plugin pull");
    let packed = scene.run("plugin bundle --output all.tar");
    assert_eq!(
        (packed.code, packed.stdout.trim_end()),
        (0, scene.pinned().as_str()),
        "{packed}"
    );
    let inside = offline();
    fs::copy(
        scene.env.folder().join("all.tar"),
        inside.folder().join("all.tar"),
    )
    .unwrap();
    configure(&inside, &config);
    inside.write("pod.yaml", POD_YAML);
    let before = scene.registry.asked().len();
    let read = inside.run("plugin bundle --input all.tar");
    assert_eq!(read.code, 0, "{read}");
    let plan = inside.run("plan -f pod.yaml --image=busybox:1 --strategy=lists -o json");
    assert_eq!(plan.code, 0, "{plan}");
    assert_eq!(scene.registry.asked().len(), before, "the registry is not asked");
    let strict = offline();
    fs::copy(
        scene.env.folder().join("all.tar"),
        strict.folder().join("all.tar"),
    )
    .unwrap();
    configure(
        &strict,
        &rules(scene.registry.host(), &KeyPair::generate().unwrap()),
    );
    refused(
        &strict.run("plugin bundle --input all.tar"),
        "requires a signature of platform",
        "signed",
    );
    strict.write("x.tar", "not a tar");
    refused(
        &strict.run("plugin bundle --input x.tar"),
        "x.tar cannot be read",
        "",
    );
}

#[test]
fn a_bundle_with_a_swapped_blob_is_refused() {
    let scene = Scene::new();
    configure(
        &scene.env,
        &format!("plugins: [{{name: lists, source: '{}'}}]\n", scene.pinned()),
    );
    scene.run("plugin pull");
    scene.run("plugin bundle --output all.tar");
    let path = scene.env.folder().join("all.tar");
    let mut bytes = fs::read(&path).unwrap();
    let component = plugin("1.0.0");
    let at = bytes
        .windows(64)
        .position(|window| window == &component[..64])
        .unwrap();
    bytes[at + 40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let inside = offline();
    let read = inside.run(&format!("plugin bundle --input {}", path.display()));
    refused(&read, "has digest", "thrown away");
    inside.write("pod.yaml", POD_YAML);
    let plan = inside.run(&format!(
        "plan -f pod.yaml --image=busybox:1 --strategy={}",
        scene.pinned()
    ));
    refused(&plan, "is not on this machine", "trocar plugin pull");
}

#[test]
fn plugins_that_no_configuration_names_are_pruned() {
    let scene = Scene::new();
    configure(
        &scene.env,
        &format!("plugins: [{{name: lists, source: '{}'}}]\n", scene.pinned()),
    );
    scene.run("plugin pull");
    let moved = scene.move_tag(&plugin("2.0.0"));
    scene.run(&format!("plugin pull {}:1", scene.name()));
    let other = format!("{}@{moved}", scene.name());
    let inspect = format!("plugin inspect {other}");
    assert_eq!(scene.run(&inspect).code, 0);
    let pruned = scene.run("plugin prune");
    assert!(
        pruned.stdout.starts_with("removed 3 files"),
        "a manifest, a component, a configuration: {pruned}"
    );
    refused(
        &scene.run(&inspect),
        "is not on this machine",
        "trocar plugin pull",
    );
    assert_eq!(scene.plan("lists").code, 0);
}

#[test]
fn the_systems_plugins_come_from_the_systems_store_alone() {
    let mut scene = Scene::new();
    let folder = scene.env.folder().join("system");
    fs::create_dir(&folder).unwrap();
    allow(&folder, 0o755);
    let text = config_file(&format!(
        "plugins: [{{name: lists, source: '{}'}}]\n",
        scene.pinned()
    ));
    let config = scene.env.write("system/config.yaml", &text);
    scene
        .env
        .set("__TROCAR_SYSTEM_CONFIG", &config.display().to_string());
    scene
        .env
        .set("__TROCAR_SYSTEM_ROOT", &folder.display().to_string());
    scene.run(&format!("plugin pull {}:1", scene.name()));
    refused(
        &scene.plan("lists"),
        "is not on this machine",
        "as root: trocar plugin pull --system",
    );
    let pulled = scene.run("plugin pull --system");
    assert_eq!(pulled.code, 0, "{pulled}");
    let plan = scene.plan("lists");
    assert_eq!(
        (plan.code, plan.stderr.as_str()),
        (
            0,
            "Warning: the strategy \"lists\" ignores --image: its plan is the same without\n"
        ),
        "it was compiled when it was pulled: {plan}"
    );
    let blobs = folder.join("plugins/blobs/sha256");
    allow(&blobs, 0o777);
    refused(
        &scene.plan("lists"),
        "users other than root can write to",
        "chmod go-w",
    );
}

#[test]
fn invalid_pushes_and_references_are_refused() {
    let scene = Scene::new();
    scene.env.write("text.wasm", "not WebAssembly");
    let host = scene.registry.host();
    let push = |arguments: &str| scene.run(&format!("plugin push {arguments}"));
    refused(&push(&format!("text.wasm oci://{host}/x:1")), "text.wasm", "");
    refused(
        &push(&format!("lists.wasm oci://{host}/x")),
        "has neither a tag nor a digest",
        "oci://HOST/REPOSITORY:TAG",
    );
    assert_eq!(push("lists.wasm x:1").code, 2);
    refused(
        &scene.run("plugin pull lists"),
        "names no plugin \"lists\" from a registry",
        "oci://HOST/REPOSITORY:TAG",
    );
    refused(
        &scene.run(&format!("plugin pull oci://{host}/team/none:1")),
        "does not exist (MANIFEST_UNKNOWN: manifest unknown)",
        "--available",
    );
    let evil = format!("oci://{host}/team/lists@{}", digest(b"evil"));
    refused(&scene.plan(&evil), "is not on this machine", "trocar plugin pull");
}
