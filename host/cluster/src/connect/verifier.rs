//! Trust in a server's certificate: as Go's verifier, which also takes a certificate that is itself in the list of
//! authorities, whatever it is and by whichever authority.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::der::Certificate;

#[derive(Debug)]
pub(super) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
}

impl Authorities {
    pub(super) fn new(certificates: &[Vec<u8>]) -> Result<Self, String> {
        let certificates: Vec<_> = certificates.iter().cloned().map(CertificateDer::from).collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signed = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
        Ok(Self {
            certificates,
            signed: signed.map_err(|error| format!("the certificate authority cannot be used: {error}"))?,
        })
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.signed
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(_) if self.certificates.contains(end_entity) => listed(end_entity, server_name, now),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

/// Verifies a certificate that is in the list itself: its name, its time and its usage. That the server has its key, the
/// handshake's signature shows.
fn listed(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let now = i64::try_from(now.as_secs())
        .ok()
        .and_then(|now| Timestamp::from_second(now).ok());
    let (Some(read), Some(now)) = (Certificate::read(certificate), now) else {
        return Err(CertificateError::BadEncoding.into());
    };
    if now > read.ends {
        return Err(CertificateError::Expired.into());
    }
    if now < read.begins {
        return Err(CertificateError::NotValidYet.into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    if !read.is_for_servers {
        return Err(CertificateError::InvalidPurpose.into());
    }
    Ok(ServerCertVerified::assertion())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    /// Some time within the hundred years of the certificates.
    const NOW: u64 = 1_900_000_000;

    fn certificate(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// Verifies a server's certificate by these authorities.
    fn verified(server: &str, authorities: &[&str], name: &str, now: u64) -> Result<(), Error> {
        let authorities: Vec<_> = authorities.iter().map(|pem| certificate(pem).to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let authorities = Authorities::new(&authorities).unwrap();
        authorities
            .verify_server_cert(&certificate(server), &[], &name, &[], now)
            .map(|_| ())
    }

    const CA: &str = include_str!("fixtures/ca.crt");
    const LEAF: &str = include_str!("fixtures/leaf.crt");
    const CLIENTS_ONLY: &str = include_str!("fixtures/leaf-clients-only.crt");
    const SELF_CA: &str = include_str!("fixtures/self-ca.crt");

    #[test]
    fn a_servers_own_certificate_may_be_the_authority() {
        for server in [LEAF, SELF_CA] {
            for name in ["127.0.0.1", "api.example"] {
                assert_eq!(verified(server, &[server], name, NOW), Ok(()));
            }
        }
        assert_eq!(verified(LEAF, &[CA], "127.0.0.1", NOW), Ok(()));
        assert_eq!(verified(LEAF, &[CA, LEAF], "127.0.0.1", NOW), Ok(()));
    }

    #[test]
    fn its_name_time_and_usage_are_still_verified() {
        for server in [LEAF, SELF_CA] {
            for (name, now) in [
                ("127.0.0.2", NOW),
                ("other.example", NOW),
                ("127.0.0.1", 0),
                ("127.0.0.1", 9_000_000_000),
            ] {
                let refused = verified(server, &[server], name, now);
                assert!(
                    matches!(refused, Err(Error::InvalidCertificate(_))),
                    "{name} {now}: {refused:?}"
                );
            }
        }
        assert_eq!(
            verified(CLIENTS_ONLY, &[CLIENTS_ONLY], "127.0.0.1", NOW),
            Err(CertificateError::InvalidPurpose.into())
        );
    }

    #[test]
    fn a_certificate_that_is_not_listed_needs_an_authority() {
        for (server, authority) in [(LEAF, SELF_CA), (SELF_CA, CA), (SELF_CA, LEAF)] {
            assert!(verified(server, &[authority], "127.0.0.1", NOW).is_err());
        }
    }

    #[test]
    fn an_authority_of_version_1_signs_as_well() {
        let version_1 = certificate(include_str!("fixtures/rsa-v1.crt")).to_vec();
        assert!(Authorities::new(&[version_1]).is_ok());
        assert!(Authorities::new(&[b"nothing".to_vec()]).is_err());
    }
}
