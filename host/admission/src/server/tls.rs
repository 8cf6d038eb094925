//! The certificate and key of the server, and the authorities of its clients: read from files, and again when they change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use trocar::cluster::certificate_end;

/// The largest file of certificates that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Where certificates are. All of them are often one mounted Secret.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate and those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// The authorities that clients must have a certificate of, in PEM; none to take any client.
    pub client_authorities: Option<PathBuf>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {problem}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong; never a part of the file.
        problem: &'static str,
    },
    /// Certificate and key do not belong together, or cannot be used.
    #[error("{} with {}: {error}", certificate.display(), key.display())]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
}

/// Certificates as they were read.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since 1970.
    pub(super) ends: i64,
    /// The files as they were read.
    contents: Contents,
}

#[derive(Clone, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

impl TlsFiles {
    fn read(&self) -> Result<Contents, TlsError> {
        let authorities = self.client_authorities.as_deref();
        Ok(Contents {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_authorities: authorities.map(read).transpose()?,
        })
    }

    pub(super) fn load(&self) -> Result<Loaded, TlsError> {
        self.use_contents(self.read()?)
    }

    /// Loads them again where they are others than before.
    pub(super) fn load_again(&self, before: &Loaded) -> Result<Option<Loaded>, TlsError> {
        let contents = self.read()?;
        if contents == before.contents {
            return Ok(None);
        }
        self.use_contents(contents).map(Some)
    }

    fn use_contents(&self, contents: Contents) -> Result<Loaded, TlsError> {
        let wrong = |file: &Path, problem: &'static str| TlsError::Content {
            file: file.to_owned(),
            problem,
        };
        let chain = certificates(&contents.certificate)
            .ok_or_else(|| wrong(&self.certificate, "it has no certificate in PEM"))?;
        let ends = chain.first().and_then(|first| end(first));
        let ends = ends.ok_or_else(|| wrong(&self.certificate, "its first certificate is malformed"))?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| wrong(&self.key, "it has no private key in PEM"))?;
        // Named here, since `ServerConfig::builder` panics if the process has no default provider.
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions");
        let builder = match (&self.client_authorities, &contents.client_authorities) {
            (Some(file), Some(text)) => {
                let verifier = verifier(text, provider)
                    .ok_or_else(|| wrong(file, "it has no certificate of an authority in PEM"))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::Pair {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                error,
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Loaded {
            config: Arc::new(config),
            ends,
            contents,
        })
    }
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}

fn verifier(
    pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Option<Arc<dyn rustls::server::danger::ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        // All or nothing: an authority that was left out would lock clients out without a message.
        roots.add(certificate).ok()?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().ok()
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    use io::Read as _;
    let mut contents = Vec::new();
    let opened = fs::File::open(file).and_then(|file| file.take(MAX_FILE).read_to_end(&mut contents));
    match opened {
        Ok(_) => Ok(contents),
        Err(error) => Err(TlsError::Read {
            file: file.to_owned(),
            error,
        }),
    }
}

/// The end of a certificate's validity, in seconds since 1970. None where it is not a certificate.
fn end(der: &[u8]) -> Option<i64> {
    certificate_end(der).map(|end| end.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, wanted) in [(2031, 1_924_992_000), (2055, 2_682_374_400)] {
            let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            assert_eq!(end(certificate.der()), Some(wanted));
        }
    }

    #[test]
    fn what_is_cut_or_something_else_has_no_end() {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = key.cert.der();
        for length in 0..der.len() {
            assert_eq!(end(&der[..length]), None, "{length}");
        }
    }
}
