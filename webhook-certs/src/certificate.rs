//! Certificates and pairs of certificate and key, read from PEM: their lives, their names, who signed them.

use crate::error::Flaw;
use crate::policy::{Names, Policy};
use jiff::Timestamp;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error as TlsError, InconsistentKeys, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// More certificates than a chain or a bundle ever has: what follows is not read.
const MAX_CERTIFICATES: usize = 32;

/// One certificate and what decisions need of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) names: Vec<String>,
    is_authority: bool,
}

impl Certificate {
    pub(crate) fn read(der: &CertificateDer<'static>) -> Result<Self, Flaw> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|_unreadable| Flaw::Damaged)?;
        let moment = |seconds| Timestamp::from_second(seconds).map_err(|_out_of_range| Flaw::Damaged);
        Ok(Self {
            not_before: moment(parsed.validity().not_before.timestamp())?,
            not_after: moment(parsed.validity().not_after.timestamp())?,
            names: dns_names(&parsed),
            is_authority: parsed.is_ca(),
            der: der.clone(),
        })
    }

    /// All certificates of a PEM text, and whether every part of the text could be read.
    pub(crate) fn read_all(text: &[u8]) -> (Vec<Self>, bool) {
        let parts: Vec<_> = CertificateDer::pem_slice_iter(text).take(MAX_CERTIFICATES).collect();
        let found = parts.len();
        let read: Vec<_> = parts
            .into_iter()
            .flatten()
            .filter_map(|der| Self::read(&der).ok())
            .collect();
        let whole = read.len() == found;
        (read, whole)
    }

    pub(crate) fn pem(&self) -> String {
        pem::encode(&pem::Pem::new("CERTIFICATE", self.der.as_ref()))
    }

    pub(crate) fn is_authority(&self) -> bool {
        self.is_authority
    }

    pub(crate) fn within_life(&self, now: Timestamp) -> Result<(), Flaw> {
        if now < self.not_before {
            return Err(Flaw::NotYetValid {
                not_before: self.not_before,
            });
        }
        if self.is_over(now) {
            return Err(Flaw::Expired {
                not_after: self.not_after,
            });
        }
        Ok(())
    }

    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.not_after
    }

    /// Whether it is time to replace it.
    pub(crate) fn is_due(&self, now: Timestamp, policy: &Policy) -> bool {
        now >= policy.renewal(self.not_before, self.not_after)
    }

    pub(crate) fn covers(&self, names: &Names) -> Result<(), Flaw> {
        let end_entity = ParsedCertificate::try_from(&self.der).map_err(|_unreadable| Flaw::Damaged)?;
        for name in names.iter() {
            let wanted = ServerName::try_from(name).map_err(|_invalid| Flaw::OtherName { name: name.to_owned() })?;
            verify_server_name(&end_entity, &wanted).map_err(|_other| Flaw::OtherName { name: name.to_owned() })?;
        }
        Ok(())
    }

    /// Whether `authority` signed this serving certificate, by the check that a TLS client makes.
    pub(crate) fn is_signed_by(&self, authority: &Self, chain: &[CertificateDer<'_>]) -> bool {
        let mut roots = RootCertStore::empty();
        let Ok(end_entity) = ParsedCertificate::try_from(&self.der) else {
            return false;
        };
        roots.add(authority.der.clone()).is_ok()
            && verify_server_cert_signed_by_trust_anchor(
                &end_entity,
                &roots,
                chain,
                moment_of_life(self),
                aws_lc_rs::default_provider().signature_verification_algorithms.all,
            )
            .is_ok()
    }
}

/// A moment at which the certificate is valid: who signed it does not depend on when one asks.
fn moment_of_life(certificate: &Certificate) -> UnixTime {
    let seconds = u64::try_from(certificate.not_before.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn dns_names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        _ => None,
    });
    dns.collect()
}

/// A certificate, the chain it is sent with, and the private key it was made for.
pub(crate) struct Pair {
    pub(crate) certificate: Certificate,
    pub(crate) certified: Arc<CertifiedKey>,
}

impl Pair {
    /// Reads a pair as `tls.crt` and `tls.key` hold it. Whether it is valid now is another question.
    pub(crate) fn read(chain: Option<&[u8]>, key: Option<&[u8]>) -> Result<Self, Flaw> {
        let (chain, key) = (present(chain)?, present(key)?);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .take(MAX_CERTIFICATES)
            .collect::<Result<_, _>>()
            .map_err(|_unreadable| Flaw::Damaged)?;
        let certificate = Certificate::read(chain.first().ok_or(Flaw::Damaged)?)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_unreadable| Flaw::Damaged)?;
        Ok(Self {
            certificate,
            certified: Arc::new(certify(chain, &key)?),
        })
    }

    /// What is sent beside the certificate itself.
    pub(crate) fn intermediates(&self) -> &[CertificateDer<'static>] {
        self.certified.cert.get(1..).unwrap_or_default()
    }
}

pub(crate) fn present(bytes: Option<&[u8]>) -> Result<&[u8], Flaw> {
    bytes
        .filter(|bytes| !bytes.trim_ascii().is_empty())
        .ok_or(Flaw::Missing)
}

/// Puts a chain and a key together, if the key is that of the chain's first certificate.
pub(crate) fn certify(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<CertifiedKey, Flaw> {
    let key = aws_lc_rs::sign::any_supported_type(key).map_err(|_unsupported| Flaw::UnusableKey)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(Flaw::KeyMismatch),
        Err(TlsError::InvalidCertificate(CertificateError::BadEncoding)) => Err(Flaw::Damaged),
        Err(_unknown) => Err(Flaw::UnusableKey),
    }
}
