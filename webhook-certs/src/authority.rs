//! Certificate authorities with their keys: made new, read back, and signing serving certificates.

use crate::certificate::{Certificate, certify, present};
use crate::error::{Flaw, IssueError};
use crate::policy::{Names, Policy, backdated, later};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::time::Duration;

/// A private key as PEM. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyPem(pub(crate) Vec<u8>);

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(redacted)")
    }
}

/// A certificate and its key, as they are written into the Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPem,
}

impl Issued {
    /// A new authority.
    pub(crate) fn authority(now: Timestamp, policy: &Policy) -> Result<Self, IssueError> {
        let key = new_key()?;
        let life = Life {
            from: backdated(now),
            to: later(now, policy.ca_lifetime),
        };
        let mut params = params(&format!("webhook-ca@{}", now.as_second()), life);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params
            .self_signed(&key)
            .map_err(failed("signing the CA with its own key"))?;
        Self::of(&certificate, &key)
    }

    /// Reads an authority back: `key`, and the certificate among `candidates` that it belongs to.
    pub(crate) fn read(candidates: &[Certificate], key: Option<&[u8]>) -> Result<Self, Flaw> {
        let pem = present(key)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_unreadable| Flaw::Damaged)?;
        let mut flaw = Flaw::Missing;
        for candidate in candidates {
            match certify(vec![candidate.der.clone()], &key) {
                Ok(_pair) if candidate.is_authority() => {
                    return Ok(Self {
                        certificate: candidate.clone(),
                        key: KeyPem(pem.to_vec()),
                    });
                }
                Ok(_pair) => flaw = Flaw::NotAnAuthority,
                Err(other) => flaw = other,
            }
        }
        Err(flaw)
    }

    /// A new serving certificate, which ends with this authority at the latest.
    pub(crate) fn sign(&self, names: &Names, now: Timestamp, policy: &Policy) -> Result<Self, IssueError> {
        let authority = self.issuer()?;
        let key = new_key()?;
        let common_name = names
            .iter()
            .find(|name| name.len() <= MAX_COMMON_NAME)
            .unwrap_or("webhook");
        let mut params = params(common_name, self.life_of_leaf(now, policy));
        params.subject_alt_names = CertificateParams::new(names.iter().map(str::to_owned).collect::<Vec<_>>())
            .map_err(failed("its DNS names"))?
            .subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&key, &authority)
            .map_err(failed("signing it with the CA's key"))?;
        Self::of(&certificate, &key)
    }

    /// How long a serving certificate issued now would live.
    pub(crate) fn life_of_leaf(&self, now: Timestamp, policy: &Policy) -> Life {
        Life {
            from: (backdated(now)).max(self.certificate.not_before),
            to: later(now, policy.leaf_lifetime).min(self.certificate.not_after),
        }
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, IssueError> {
        let pem = String::from_utf8_lossy(&self.key.0);
        let key = KeyPair::from_pem(&pem).map_err(failed("reading the CA's key"))?;
        Issuer::from_ca_cert_der(&self.certificate.der, key).map_err(failed("reading the CA"))
    }

    fn of(certificate: &rcgen::Certificate, key: &KeyPair) -> Result<Self, IssueError> {
        let unreadable = |_flaw| IssueError {
            what: "reading it back",
            source: rcgen::Error::CouldNotParseCertificate,
        };
        Ok(Self {
            certificate: Certificate::read(certificate.der()).map_err(unreadable)?,
            key: KeyPem(key.serialize_pem().into_bytes()),
        })
    }
}

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Life {
    pub(crate) fn length(self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

/// X.520 allows a common name this many characters; clients look at the alternative names anyway.
const MAX_COMMON_NAME: usize = 64;

fn params(common_name: &str, life: Life) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let epoch = date_time_ymd(1970, 1, 1);
    let since_epoch = |moment: Timestamp| Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or_default());
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = epoch + since_epoch(life.from);
    params.not_after = epoch + since_epoch(life.to);
    params
}

fn new_key() -> Result<KeyPair, IssueError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed("making a key"))
}

fn failed(what: &'static str) -> impl Fn(rcgen::Error) -> IssueError {
    move |source| IssueError { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::BACKDATE;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn names() -> Names {
        Names::of_service("hook", "default").unwrap()
    }

    #[test]
    fn a_serving_certificate_is_for_its_names_and_signed_by_its_authority_alone() {
        let policy = Policy::default();
        let (authority, other) = (
            Issued::authority(now(), &policy).unwrap(),
            Issued::authority(now(), &policy).unwrap(),
        );
        let leaf = authority.sign(&names(), now(), &policy).unwrap().certificate;
        assert!(leaf.is_signed_by(&authority.certificate, &[]));
        assert!(!leaf.is_signed_by(&other.certificate, &[]));
        assert_eq!(leaf.covers(&names()), Ok(()));
        assert_eq!(leaf.names, ["hook.default.svc", "hook.default.svc.cluster.local"]);
        assert!(authority.certificate.is_authority() && !leaf.is_authority());
    }

    #[test]
    fn certificates_are_dated_back_for_clocks_that_are_behind() {
        let policy = Policy::default();
        let authority = Issued::authority(now(), &policy).unwrap();
        assert_eq!(authority.certificate.not_before, now() - BACKDATE);
        assert_eq!(authority.certificate.not_after, now() + policy.ca_lifetime);
    }

    #[test]
    fn no_clock_is_too_wrong_to_issue_by() {
        for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let authority = Issued::authority(now, &Policy::default());
            let _certificate_or_refusal = authority.and_then(|ca| ca.sign(&names(), now, &Policy::default()));
        }
    }

    #[test]
    fn a_serving_certificate_never_outlives_its_authority() {
        let policy = Policy::default();
        let authority = Issued::authority(now(), &policy).unwrap();
        let late = now() + policy.ca_lifetime - SignedDuration::from_hours(1);
        let leaf = authority.sign(&names(), late, &policy).unwrap().certificate;
        assert_eq!(leaf.not_after, authority.certificate.not_after);
    }

    #[test]
    fn an_authority_is_found_again_by_its_key() {
        let policy = Policy::default();
        let (one, two) = (
            Issued::authority(now(), &policy).unwrap(),
            Issued::authority(now(), &policy).unwrap(),
        );
        let leaf = one.sign(&names(), now(), &policy).unwrap();
        let candidates = [two.certificate.clone(), one.certificate.clone()];
        assert_eq!(Issued::read(&candidates, Some(&one.key.0)), Ok(one.clone()));
        assert_eq!(Issued::read(&candidates[..1], Some(&one.key.0)), Err(Flaw::KeyMismatch));
        assert_eq!(Issued::read(&candidates, Some(b" \n")), Err(Flaw::Missing));
        assert_eq!(Issued::read(&candidates, Some(b"nonsense")), Err(Flaw::Damaged));
        assert_eq!(
            Issued::read(std::slice::from_ref(&leaf.certificate), Some(&leaf.key.0)),
            Err(Flaw::NotAnAuthority)
        );
    }

    #[test]
    fn debug_shows_no_private_key() {
        let authority = Issued::authority(now(), &Policy::default()).unwrap();
        let shown = format!("{authority:?}");
        assert!(
            shown.contains("KeyPem(redacted)") && !shown.contains("PRIVATE KEY"),
            "{shown}"
        );
    }
}
