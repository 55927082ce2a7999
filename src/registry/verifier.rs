//! Whose certificates a registry may show: those that the system and the CA files vouch for, and those that stand in a CA file
//! themselves.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier as PlatformVerifier;

/// What the TLS library calls a certificate that is made for an authority and shown by a server.
const AN_AUTHORITY: &str = "CaUsedAsEndEntity";

/// The TLS of a client that trusts the system's certificates and these besides.
///
/// # Errors
///
/// Neither the system has any certificate nor is there another one.
pub(super) fn configuration(certificates: &[CertificateDer<'static>]) -> Result<ClientConfig, Error> {
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let verifier = Verifier {
        platform: PlatformVerifier::new_with_extra_roots(certificates.iter().cloned(), Arc::clone(&provider))?,
        certificates: certificates.to_vec(),
    };
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(configuration)
}

/// Whether a certificate is refused only because it is made for an authority (CA:TRUE), and a server shows it as its own.
pub(super) fn is_of_an_authority(why: &CertificateError) -> bool {
    matches!(why, CertificateError::Other(other) if other.to_string() == AN_AUTHORITY)
}

/// The system's verifier, and one thing more. `openssl req -x509` makes certificates that are their own authority, and many a
/// registry shows such a one. Container runtimes take it where it stands in their CA files, and so nodes pull; the system's
/// verifier refuses it even there. Here it is taken where it is byte for byte one of a CA file, and has the server's name. Whether
/// it is valid by now has been looked at before it is refused as an authority's.
struct Verifier {
    platform: PlatformVerifier,
    certificates: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("certificates", &self.certificates.len())
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self
            .platform
            .verify_server_cert(shown, intermediates, name, ocsp_response, now);
        match verdict {
            Err(Error::InvalidCertificate(why)) if is_of_an_authority(&why) && self.certificates.contains(shown) => {
                verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls12_signature(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls13_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}
