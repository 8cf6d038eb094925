//! Certificates and keys as a kubeconfig names them: files or base64, PEM of every kind that client-go takes. What cannot be
//! used is told with the name of its file or field, and never shown.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use base64::Engine as _;
use kube::config::{AuthInfo, Cluster};
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
        pem::{PemObject, SectionKind},
    },
    sign::{CertifiedKey, SigningKey},
};
use secrecy::ExposeSecret as _;

use super::der::{Certificate, public_key_bits};

/// A client certificate that can be used, and the texts that it was read from.
pub(crate) struct ClientCertificate {
    pub(super) certified: Arc<CertifiedKey>,
    /// The certificates, in PEM.
    pub(super) chain: Vec<u8>,
    /// The key, in PEM.
    pub(super) key: Vec<u8>,
}

/// Nothing of it is ever shown.
impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ClientCertificate")
    }
}

/// The largest file of certificates or tokens that is read, in bytes.
// The path may be that of a device without an end.
const MAX_FILE: u64 = 4 << 20;

/// The field that names the authorities of a cluster.
const CERTIFICATE_AUTHORITY: &str = "certificate-authority";

/// The object identifier of the curve P-521, as it stands in a key.
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

/// A client certificate and its key, or none where the user has none.
pub(super) fn identity(user: &AuthInfo) -> Result<Option<Arc<ClientCertificate>>, String> {
    let certificate = Pem::load(
        "client-certificate",
        user.client_certificate.as_deref(),
        user.client_certificate_data.as_deref(),
    )?;
    let key = Pem::load(
        "client-key",
        user.client_key.as_deref(),
        user.client_key_data.as_ref().map(|data| data.expose_secret()),
    )?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Arc::new(certificate.with_key(&key)?))),
        (Some(certificate), None) => Err(format!("the key of {} is missing", certificate.name)),
        (None, _) => Ok(None),
    }
}

/// The certificates of a cluster's authorities, or none where the system's are used.
pub(super) fn authorities(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let Some(pem) = authority(cluster)? else {
        return Ok(None);
    };
    let mut usable = pem.certificates()?;
    // Of a bundle those that can be read are used, as in client-go.
    usable.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    if usable.is_empty() {
        return Err(format!(
            "no certificate in {} can be read as one of an authority",
            pem.name
        ));
    }
    Ok(Some(
        usable
            .into_iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
    ))
}

/// The same as they stand in the kubeconfig, for a credential plugin.
pub(super) fn authority_pem(cluster: &Cluster) -> Result<Option<Vec<u8>>, String> {
    Ok(authority(cluster)?.map(|pem| pem.text))
}

/// What the authorities are called, where the kubeconfig or a flag names some.
pub(super) fn authority_name(cluster: &Cluster) -> Option<String> {
    let (file, data) = (
        &cluster.certificate_authority,
        &cluster.certificate_authority_data,
    );
    match (file, data.as_deref().unwrap_or_default()) {
        (Some(file), "") if !file.is_empty() => Some(named(CERTIFICATE_AUTHORITY, file)),
        (_, "") => None,
        _ => Some(named_data(CERTIFICATE_AUTHORITY)),
    }
}

fn authority(cluster: &Cluster) -> Result<Option<Pem>, String> {
    Pem::load(
        CERTIFICATE_AUTHORITY,
        cluster.certificate_authority.as_deref(),
        cluster.certificate_authority_data.as_deref(),
    )
}

/// Reads a file of a bounded size, which may be a pipe.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |reason: &dyn std::fmt::Display| format!("cannot read {}: {reason}", path.display());
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed(&"it is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// What a file of a field is called.
fn named(field: &str, file: &str) -> String {
    format!("{file} ({field})")
}

/// What the data of a field are called.
fn named_data(field: &str) -> String {
    format!("{field}-data of the kubeconfig")
}

/// A text in PEM and what it is called.
pub(super) struct Pem {
    name: String,
    text: Vec<u8>,
}

impl Pem {
    /// Takes a text that stands nowhere in a kubeconfig.
    pub(super) fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// Reads a field of a kubeconfig: its data, else its file.
    fn load(field: &str, file: Option<&str>, data: Option<&str>) -> Result<Option<Self>, String> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let name = named_data(field);
            // Line ends within it are ignored, as Go does.
            let data: String = data
                .chars()
                .filter(|letter| !matches!(letter, '\r' | '\n'))
                .collect();
            let decoded = base64::engine::general_purpose::STANDARD.decode(data);
            let text = decoded.map_err(|_| format!("{name} is not base64"))?;
            return Ok(Some(Self { name, text }));
        }
        let Some(file) = file.filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        let text = read(Path::new(file)).map_err(|error| format!("{field}: {error}"))?;
        Ok(Some(Self {
            name: named(field, file),
            text,
        }))
    }

    /// All sections that are known; others are left out, such as the parameters of a curve.
    fn sections(&self) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
        let sections: Result<Vec<_>, _> = PemObject::pem_slice_iter(&self.text).collect();
        sections.map_err(|_| match self.is_encrypted() {
            true => self.encrypted(),
            false => format!("{} is not valid PEM", self.name),
        })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let sections = self.sections()?;
        let has_key = sections.iter().any(|(kind, _)| is_key(*kind));
        let found: Vec<_> = sections
            .into_iter()
            .filter(|(kind, _)| *kind == SectionKind::Certificate)
            .map(|(_, der)| CertificateDer::from(der))
            .collect();
        match found.first() {
            Some(_) => Ok(found),
            None if has_key => Err(format!("{} holds a private key, not a certificate", self.name)),
            None => Err(format!("{} holds no certificate in PEM", self.name)),
        }
    }

    /// The first key. What its label says of its encoding is not relied on, as in Go.
    fn key(&self) -> Result<Arc<dyn SigningKey>, String> {
        let sections = self.sections()?;
        let found = sections.iter().find(|(kind, _)| is_key(*kind));
        let Some((_, der)) = found else {
            return Err(match sections.first() {
                _ if self.is_encrypted() => self.encrypted(),
                Some((SectionKind::Certificate, _)) => {
                    format!("{} holds a certificate, not a private key", self.name)
                }
                _ => format!("{} holds no private key in PEM", self.name),
            });
        };
        let encodings: [PrivateKeyDer<'_>; 3] = [
            PrivatePkcs8KeyDer::from(der.as_slice()).into(),
            PrivatePkcs1KeyDer::from(der.as_slice()).into(),
            PrivateSec1KeyDer::from(der.as_slice()).into(),
        ];
        let mut usable = encodings
            .iter()
            .filter_map(|key| rustls::crypto::ring::sign::any_supported_type(key).ok());
        usable.next().ok_or_else(|| {
            let what = if der.windows(P521.len()).any(|part| part == P521) {
                "is of the curve P-521, which is not supported"
            } else {
                "cannot be used"
            };
            format!(
                "the private key in {} {what}: keys are RSA of 2048 to 4096 bits, ECDSA P-256 or P-384, or Ed25519",
                self.name
            )
        })
    }

    /// The certificates with their key, which must be of the first of them. Versions are not looked at: the server decides.
    pub(super) fn with_key(&self, key: &Self) -> Result<ClientCertificate, String> {
        let (chain, signing) = (self.certificates()?, key.key()?);
        // Compared here: rustls reads certificates of version 3 only, and would refuse the others before it compares.
        let Some(read) = Certificate::read(&chain[0]) else {
            return Err(format!("the certificate in {} cannot be read", self.name));
        };
        let public = signing.public_key();
        let bits = public.as_ref().and_then(|info| public_key_bits(info));
        if bits.is_some_and(|bits| bits != read.public_key) {
            return Err(format!(
                "the private key in {} is not the key of the certificate in {}",
                key.name, self.name
            ));
        }
        Ok(ClientCertificate {
            certified: Arc::new(CertifiedKey::new(chain, signing)),
            chain: self.text.clone(),
            key: key.text.clone(),
        })
    }

    fn is_encrypted(&self) -> bool {
        let mark = b"ENCRYPTED";
        self.text.windows(mark.len()).any(|part| part == mark)
    }

    fn encrypted(&self) -> String {
        format!(
            "the private key in {} is encrypted with a passphrase, which is not supported",
            self.name
        )
    }
}

fn is_key(kind: SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
    )
}

#[cfg(test)]
mod tests {
    use kube::config::AuthInfo;

    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            Pem::new($name, include_str!(concat!("fixtures/", $name)))
        };
    }

    #[test]
    fn certificates_of_every_version_and_keys_of_every_encoding_are_taken() {
        for (certificate, key) in [
            (fixture!("rsa-v1.crt"), fixture!("rsa.pkcs1.key")),
            (fixture!("rsa-v1.crt"), fixture!("rsa.pkcs8.key")),
            (fixture!("leaf.crt"), fixture!("p256.sec1.key")),
            (fixture!("leaf.crt"), fixture!("p256.pkcs8.key")),
            (fixture!("p384.crt"), fixture!("p384.sec1.key")),
            (fixture!("ed25519.crt"), fixture!("ed25519.pkcs8.key")),
        ] {
            let taken = certificate.with_key(&key);
            assert!(
                taken.is_ok(),
                "{} {}: {:?}",
                certificate.name,
                key.name,
                taken.err()
            );
        }
    }

    #[test]
    fn a_key_whose_label_is_of_another_encoding_is_taken() {
        let text = include_str!("fixtures/rsa.pkcs8.key").replace("PRIVATE KEY", "RSA PRIVATE KEY");
        assert!(fixture!("rsa-v1.crt").with_key(&Pem::new("key", text)).is_ok());
    }

    #[test]
    fn certificate_and_key_may_stand_in_one_file_with_text_between() {
        let text = format!(
            "Bag Attributes\n  friendlyName: me\n{}\r\n{}",
            include_str!("fixtures/p256.pkcs8.key"),
            include_str!("fixtures/leaf.crt").replace('\n', "\r\n")
        );
        let both = Pem::new("me.pem", text);
        assert!(both.with_key(&both).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_name_and_never_shown() {
        let certificate = || fixture!("leaf.crt");
        let nothing = || Pem::new("x", "SECRET");
        let broken = Pem::new(
            "x",
            "-----BEGIN PRIVATE KEY-----\nSECRET!\n-----END PRIVATE KEY-----\n",
        );
        for (certificate, key, wanted) in [
            (
                fixture!("rsa-v1.crt"),
                fixture!("p256.sec1.key"),
                "the private key in p256.sec1.key is not the key of the certificate in rsa-v1.crt",
            ),
            (
                certificate(),
                fixture!("encrypted.pkcs8.key"),
                "the private key in encrypted.pkcs8.key is encrypted with a passphrase, which is not supported",
            ),
            (
                certificate(),
                fixture!("encrypted.sec1.key"),
                "the private key in encrypted.sec1.key is encrypted with a passphrase, which is not supported",
            ),
            (
                fixture!("p521.crt"),
                fixture!("p521.sec1.key"),
                "the private key in p521.sec1.key is of the curve P-521, which is not supported: keys are RSA of 2048 to 4096 bits, ECDSA P-256 or P-384, or Ed25519",
            ),
            (
                certificate(),
                fixture!("leaf.crt"),
                "leaf.crt holds a certificate, not a private key",
            ),
            (certificate(), nothing(), "x holds no private key in PEM"),
            (certificate(), broken, "x is not valid PEM"),
            (
                fixture!("p256.sec1.key"),
                certificate(),
                "p256.sec1.key holds a private key, not a certificate",
            ),
            (nothing(), certificate(), "x holds no certificate in PEM"),
        ] {
            assert_eq!(certificate.with_key(&key).unwrap_err(), wanted);
        }
    }

    #[test]
    fn data_wins_over_a_file_and_its_line_ends_do_not_matter() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(include_str!("fixtures/ca.crt"));
        let (first, second) = encoded.split_at(76);
        let cluster = Cluster {
            certificate_authority: Some("/nowhere".into()),
            certificate_authority_data: Some(format!("{first}\n{second}\r\n")),
            ..Cluster::default()
        };
        assert_eq!(authorities(&cluster).unwrap().unwrap().len(), 1);
    }

    #[test]
    fn the_file_or_field_at_fault_is_named() {
        let of = |file: Option<&str>, data: Option<&str>| Cluster {
            certificate_authority: file.map(str::to_owned),
            certificate_authority_data: data.map(str::to_owned),
            ..Cluster::default()
        };
        for (cluster, wanted) in [
            (
                of(Some("/nowhere/ca.crt"), None),
                "certificate-authority: cannot read /nowhere/ca.crt: No such file or directory (os error 2)",
            ),
            (
                of(Some("/dev/zero"), None),
                "certificate-authority: cannot read /dev/zero: it is larger than 4 MiB",
            ),
            (
                of(None, Some("SECRET!")),
                "certificate-authority-data of the kubeconfig is not base64",
            ),
            (
                of(None, Some("QQ==")),
                "certificate-authority-data of the kubeconfig holds no certificate in PEM",
            ),
        ] {
            assert_eq!(authorities(&cluster).unwrap_err(), wanted);
        }
        assert_eq!(authorities(&Cluster::default()).unwrap(), None);
        let user = AuthInfo {
            client_certificate_data: Some("QQ==".into()),
            ..AuthInfo::default()
        };
        assert_eq!(
            identity(&user).unwrap_err(),
            "the key of client-certificate-data of the kubeconfig is missing"
        );
    }
}
