//! Signatures made by cosign with a key, verified offline.
//!
//! Three forms are supported: cosign 3 bundles with a statement about a manifest, cosign 3 bundles for the bytes of a file, and
//! the "simple signing" of cosign 2. A signature is valid if the key verifies it and the signed payload has the digest. The rest
//! of the payload, such as the name of a registry, is ignored.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, pem::PemObject as _};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::digest::digest;

/// The media type of a bundle.
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The media type of cosign 2's payload.
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation that holds cosign 2's signature.
pub(crate) const SIMPLE_SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The payload type of a bundle's statement.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The predicate type of a statement that cosign made.
const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// The longest PEM text of a key, in bytes.
const MAX_KEY: usize = 16 << 10;
/// The most signatures of one bundle that are verified: each costs time.
const MAX_TRIED: usize = 10;
/// The most subjects of a statement that are compared.
const MAX_SUBJECTS: usize = 100;

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(&'static str);

/// A public key: ECDSA over P-256 or P-384, Ed25519, or RSA of at least 2048 bits.
pub struct PublicKey {
    /// The subject public key, as the algorithms expect it.
    bits: Vec<u8>,
    /// The algorithms for keys of its kind, which differ in the hash: cosign does not record which one it used.
    algorithms: Vec<&'static dyn SignatureVerificationAlgorithm>,
    /// The digest of the DER encoding.
    fingerprint: String,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("PublicKey").field(&self.fingerprint).finish()
    }
}

impl PublicKey {
    /// Parses a public key in PEM.
    ///
    /// # Errors
    /// Fails when the text is not a public key, or the key is of an unsupported kind.
    pub fn read(pem: &str) -> Result<Self, KeyError> {
        if pem.len() > MAX_KEY {
            return Err(KeyError("the key is longer than 16 KiB"));
        }
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| KeyError("it is not a public key in PEM"))?;
        let (algorithm, bits) =
            parts(&info).ok_or(KeyError("the key is not a valid X.509 SubjectPublicKeyInfo"))?;
        let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let of_kind = known
            .all
            .iter()
            .filter(|known| known.public_key_alg_id().as_ref() == algorithm);
        let algorithms: Vec<_> = of_kind.copied().collect();
        if algorithms.is_empty() {
            return Err(KeyError(
                "the key is not of a supported kind: ECDSA P-256 or P-384, Ed25519, RSA",
            ));
        }
        Ok(Self {
            bits: bits.to_vec(),
            algorithms,
            fingerprint: digest(&info),
        })
    }

    /// The digest of the key's DER encoding: `sha256:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let tries = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            algorithm.verify_signature(&self.bits, message, signature).is_ok()
        };
        self.algorithms.iter().any(tries)
    }
}

/// Splits a `SubjectPublicKeyInfo` into algorithm and key bits.
fn parts(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, rest) = element(info, 0x30)?;
    let (algorithm, bits) = element(info, 0x30)?;
    let (bits, after) = element(bits, 0x03)?;
    let (unused, bits) = bits.split_first()?;
    (rest.is_empty() && after.is_empty() && *unused == 0).then_some((algorithm, bits))
}

/// The contents of a DER element, and what follows it. Supports lengths of up to two bytes, enough for [`MAX_KEY`].
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [found, length @ 0..=0x7f, rest @ ..] if *found == tag => (usize::from(*length), rest),
        [found, 0x81, length, rest @ ..] if *found == tag => (usize::from(*length), rest),
        [found, 0x82, high, low, rest @ ..] if *found == tag => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A signature that was parsed, not verified.
#[derive(Clone, Debug)]
pub struct Signature(Form);

#[derive(Clone, Debug)]
enum Form {
    /// An in-toto statement in a DSSE envelope.
    Statement {
        payload: Vec<u8>,
        signatures: Vec<Vec<u8>>,
    },
    /// A signature of a file's bytes.
    Bytes(Vec<u8>),
    /// Cosign 2's simple signing.
    Simple { payload: Vec<u8>, signature: Vec<u8> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

impl Signature {
    /// Parses a bundle; none if it is malformed or of an unsupported version.
    pub fn of_bundle(json: &[u8]) -> Option<Self> {
        let bundle: Bundle = serde_json::from_slice(json).ok()?;
        if bundle.media_type != BUNDLE {
            return None;
        }
        if let Some(envelope) = bundle.dsse_envelope {
            if envelope.payload_type != STATEMENT {
                return None;
            }
            let signatures = envelope.signatures.iter().take(MAX_TRIED);
            return Some(Self(Form::Statement {
                payload: STANDARD.decode(envelope.payload).ok()?,
                signatures: signatures
                    .filter_map(|signature| STANDARD.decode(&signature.sig).ok())
                    .collect(),
            }));
        }
        let signature = STANDARD.decode(bundle.message_signature?.signature).ok()?;
        Some(Self(Form::Bytes(signature)))
    }

    /// Parses a signature of cosign 2: the signed payload, and the signature in base64.
    pub fn of_simple_signing(payload: &[u8], signature: &str) -> Option<Self> {
        Some(Self(Form::Simple {
            payload: payload.to_vec(),
            signature: STANDARD.decode(signature.trim()).ok()?,
        }))
    }

    /// Returns whether a key signed the manifest with this digest, with at least these annotations.
    pub fn is_of_manifest(
        &self,
        key: &PublicKey,
        manifest: &str,
        annotations: &BTreeMap<String, String>,
    ) -> bool {
        match &self.0 {
            Form::Statement { payload, signatures } => {
                // Verified before it is parsed: an unsigned payload never reaches the JSON parser.
                let message = envelope_message(payload);
                signatures
                    .iter()
                    .any(|signature| key.verifies(&message, signature))
                    && is_statement_about(payload, manifest, annotations)
            }
            Form::Simple { payload, signature } => {
                key.verifies(payload, signature) && is_simple_signing_of(payload, manifest, annotations)
            }
            Form::Bytes(_) => false,
        }
    }

    /// Returns whether a key signed these bytes. A signature of a file has no annotations, so it satisfies none.
    pub fn is_of_bytes(&self, key: &PublicKey, bytes: &[u8], annotations: &BTreeMap<String, String>) -> bool {
        match &self.0 {
            Form::Bytes(signature) => annotations.is_empty() && key.verifies(bytes, signature),
            Form::Statement { .. } | Form::Simple { .. } => {
                self.is_of_manifest(key, &digest(bytes), annotations)
            }
        }
    }
}

/// The bytes that an envelope's signature covers: DSSE's "pre-authentication encoding".
fn envelope_message(payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

fn is_statement_about(payload: &[u8], manifest: &str, annotations: &BTreeMap<String, String>) -> bool {
    let Ok(statement) = serde_json::from_slice::<Value>(payload) else {
        return false;
    };
    let kind = statement["_type"].as_str().unwrap_or_default();
    let is_statement = matches!(
        kind,
        "https://in-toto.io/Statement/v1" | "https://in-toto.io/Statement/v0.1"
    );
    let hex = manifest.strip_prefix("sha256:").unwrap_or_default();
    let subjects = statement["subject"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let is_about = subjects.iter().take(MAX_SUBJECTS).any(|subject| {
        let found = subject["digest"]["sha256"].as_str();
        found == Some(hex) && has_annotations(subject["annotations"].as_object(), annotations)
    });
    // Attestations, such as a bill of materials, name the same digest without being a signature of it.
    is_statement && !hex.is_empty() && statement["predicateType"] == COSIGN_SIGN && is_about
}

fn is_simple_signing_of(payload: &[u8], manifest: &str, annotations: &BTreeMap<String, String>) -> bool {
    let Ok(signed) = serde_json::from_slice::<Value>(payload) else {
        return false;
    };
    let critical = &signed["critical"];
    critical["type"] == "cosign container image signature"
        && critical["image"]["docker-manifest-digest"] == manifest
        && has_annotations(signed["optional"].as_object(), annotations)
}

fn has_annotations(found: Option<&Map<String, Value>>, wanted: &BTreeMap<String, String>) -> bool {
    let has = |(name, value): (&String, &String)| {
        let found = found.and_then(|found| found.get(name));
        found.and_then(Value::as_str) == Some(value)
    };
    wanted.iter().all(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manifest that cosign 3.1.3 signed with the bundle below.
    const MANIFEST: &str = "sha256:8e780db2475711d57cdbd66ea83c6908d9263a962d9ab532dae5236c2ce07102";
    const BUNDLE_JSON: &str = include_str!("../../../tests/registry/signatures/bundle.json");
    const BLOB_JSON: &str = include_str!("../../../tests/registry/signatures/blob.bundle.json");
    const KEY: &str = include_str!("../../../tests/registry/signatures/cosign.pub");
    const OTHER_KEY: &str = include_str!("../../../tests/registry/signatures/other.pub");

    fn key() -> PublicKey {
        PublicKey::read(KEY).unwrap()
    }

    fn none() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[test]
    fn a_bundle_made_by_cosign_is_verified() {
        let bundle = Signature::of_bundle(BUNDLE_JSON.as_bytes()).unwrap();
        assert!(bundle.is_of_manifest(&key(), MANIFEST, &none()));
        assert_eq!(
            key().fingerprint(),
            "sha256:e5898e71696e7353a826d8a1f68f48e8b02aba11deb384b18487a455636e733b",
            "the hint in the bundle"
        );
    }

    #[test]
    fn another_key_another_digest_and_missing_annotations_are_refused() {
        let bundle = Signature::of_bundle(BUNDLE_JSON.as_bytes()).unwrap();
        let other = PublicKey::read(OTHER_KEY).unwrap();
        assert!(!bundle.is_of_manifest(&other, MANIFEST, &none()));
        assert!(!bundle.is_of_manifest(&key(), &MANIFEST.replace('8', "9"), &none()));
        assert!(!bundle.is_of_manifest(&key(), "", &none()));
        let wanted = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        assert!(!bundle.is_of_manifest(&key(), MANIFEST, &wanted));
        assert!(!bundle.is_of_bytes(&key(), b"bytes", &none()));
    }

    #[test]
    fn a_changed_payload_is_refused() {
        let bundle: Value = serde_json::from_str(BUNDLE_JSON).unwrap();
        let payload = STANDARD
            .decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap())
            .unwrap();
        for place in 0..payload.len() {
            let mut changed = payload.clone();
            changed[place] ^= 1;
            let mut bundle = bundle.clone();
            bundle["dsseEnvelope"]["payload"] = STANDARD.encode(&changed).into();
            let read = Signature::of_bundle(bundle.to_string().as_bytes()).unwrap();
            assert!(!read.is_of_manifest(&key(), MANIFEST, &none()), "byte {place}");
        }
    }

    #[test]
    fn one_valid_signature_among_several_is_enough() {
        let mut bundle: Value = serde_json::from_str(BUNDLE_JSON).unwrap();
        let good = bundle["dsseEnvelope"]["signatures"][0].clone();
        let stranger = serde_json::json!({"sig": "MEUCIQDFDPoMWC+QiNyfqYbs6BN4I9yC4dR4gVVAa7S2J/Xx2AIgAMg7cvxYotrsfWVfreiMmbD0ufoaLFKbOkCER1NdXUM="});
        bundle["dsseEnvelope"]["signatures"] =
            serde_json::json!([stranger.clone(), {"sig": "?"}, good.clone()]);
        let read = Signature::of_bundle(bundle.to_string().as_bytes()).unwrap();
        assert!(read.is_of_manifest(&key(), MANIFEST, &none()));
        bundle["dsseEnvelope"]["signatures"] =
            std::iter::repeat_n(stranger, MAX_TRIED).chain([good]).collect();
        let read = Signature::of_bundle(bundle.to_string().as_bytes()).unwrap();
        assert!(
            !read.is_of_manifest(&key(), MANIFEST, &none()),
            "only ten are verified"
        );
    }

    #[test]
    fn malformed_keys_and_bundles_are_refused() {
        for (pem, why) in [
            ("", "not a public key"),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                "X.509",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "not a public key",
            ),
        ] {
            let error = PublicKey::read(pem).unwrap_err().to_string();
            assert!(error.contains(why), "{pem}: {error}");
        }
        assert!(PublicKey::read(&"x".repeat(MAX_KEY + 1)).is_err());
        for json in [
            "",
            "{}",
            "[]",
            "{\"mediaType\": \"application/vnd.dev.sigstore.bundle.v0.1+json\"}",
        ] {
            assert!(Signature::of_bundle(json.as_bytes()).is_none(), "{json}");
        }
        let other_type = BUNDLE_JSON.replace("vnd.in-toto", "vnd.other");
        assert!(Signature::of_bundle(other_type.as_bytes()).is_none());
        assert!(Signature::of_bundle(BLOB_JSON.as_bytes()).is_some());
    }
}
