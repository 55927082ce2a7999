//! Certificates that sign kernel modules.

use std::ops::RangeInclusive;

use aws_lc_rs::signature::{self as keys, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cms::cert::IssuerAndSerialNumber;
use cms::signed_data::{SignerIdentifier, SignerInfo};
use der::asn1::ObjectIdentifier;
use der::{Decode, DecodePem, Encode, SliceReader};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::{Time, Validity};

use super::digest::DigestAlgorithm;
use super::key_kind::KeyKind;
use super::pkcs7;
use crate::kmod::facts::Pkcs7Signature;

/// The largest file that is read as a certificate; real ones have one or two KiB.
const MAX_CERTIFICATE: usize = 1 << 20;

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const PEM_END: &[u8] = b"-----END CERTIFICATE-----";

/// A certificate that signs kernel modules; in JSON, its DER form in base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    issuer: Name,
    serial: SerialNumber,
    key_id: Option<SubjectKeyIdentifier>,
    key: PublicKey,
    valid: RangeInclusive<Timestamp>,
}

#[derive(Clone, Debug)]
struct PublicKey {
    kind: KeyKind,
    bytes: Vec<u8>,
}

/// Why bytes are not a certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// Too large to be one.
    #[error("it has {0} bytes, and a certificate has no more than {MAX_CERTIFICATE}")]
    TooLarge(usize),
    /// Neither DER nor PEM.
    #[error("it is neither a DER certificate nor a PEM file with a CERTIFICATE block")]
    NotACertificate,
    /// It begins like a certificate, but cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable(#[source] der::Error),
}

impl TryFrom<String> for Certificate {
    type Error = CertificateError;

    fn try_from(text: String) -> Result<Self, CertificateError> {
        let der = STANDARD.decode(text);
        Self::from_pem_or_der(&der.map_err(|_not_base64| CertificateError::NotACertificate)?)
    }
}

impl From<Certificate> for String {
    fn from(certificate: Certificate) -> Self {
        STANDARD.encode(certificate.der)
    }
}

/// What a certificate has to say about a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureCheck {
    /// The signature is by this certificate's key, over this file.
    Good,
    /// The signature is by another certificate's key.
    OtherSigner,
    /// It names this certificate, but does not verify: the file was altered, or the certificate is another one of
    /// the same name. Why, in one sentence.
    Mismatch(String),
    /// It names this certificate, but with algorithms that cannot be verified here.
    UnsupportedAlgorithm(String),
}

impl Certificate {
    /// Reads a certificate, as `sign-file` would: DER, or the first `CERTIFICATE` block of a PEM file.
    pub fn from_pem_or_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge(bytes.len()));
        }
        let certificate = match pem_block(bytes) {
            Some(block) => x509_cert::Certificate::from_pem(block),
            None if bytes.first() == Some(&0x30) => {
                SliceReader::new(bytes).and_then(|mut reader| x509_cert::Certificate::decode(&mut reader))
            }
            None => return Err(CertificateError::NotACertificate),
        };
        Self::of(&certificate.map_err(CertificateError::Unreadable)?).map_err(CertificateError::Unreadable)
    }

    fn of(certificate: &x509_cert::Certificate) -> Result<Self, der::Error> {
        let body = certificate.tbs_certificate();
        Ok(Self {
            der: certificate.to_der()?,
            subject: pkcs7::shown(&body.subject().to_string()),
            issuer: body.issuer().clone(),
            serial: body.serial_number().clone(),
            key_id: body.get_extension::<SubjectKeyIdentifier>()?.map(|(_, key_id)| key_id),
            key: PublicKey::of(body.subject_public_key_info()),
            valid: validity(body.validity()),
        })
    }

    /// Its DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its subject, in words.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The kind of its key.
    pub(in crate::kmod) fn key_kind(&self) -> KeyKind {
        self.key.kind
    }

    /// Its public key: `RSAPublicKey` in DER, or a point of its curve.
    pub(in crate::kmod) fn public_key(&self) -> &[u8] {
        &self.key.bytes
    }

    /// How signatures name it: issuer and serial number.
    pub(in crate::kmod) fn identity(&self) -> IssuerAndSerialNumber {
        IssuerAndSerialNumber {
            issuer: self.issuer.clone(),
            serial_number: self.serial.clone(),
        }
    }

    /// From when until when it is valid. No kernel looks at that.
    pub(in crate::kmod) fn valid(&self) -> &RangeInclusive<Timestamp> {
        &self.valid
    }

    /// Whether a signature is by this certificate's key. One that is by the key of another certificate, which this
    /// one only issued, counts as another signer's.
    pub fn signed(&self, signature: &Pkcs7Signature) -> SignatureCheck {
        let Ok(message) = pkcs7::parse(&signature.der) else {
            return SignatureCheck::Mismatch("its PKCS#7 message cannot be read".to_owned());
        };
        let mut answer = SignatureCheck::OtherSigner;
        for signer in message.signer_infos.0.iter().filter(|signer| self.is(&signer.sid)) {
            answer = self.verify(signer, signature);
            if answer == SignatureCheck::Good {
                break;
            }
        }
        answer
    }

    fn is(&self, signer: &SignerIdentifier) -> bool {
        match signer {
            SignerIdentifier::IssuerAndSerialNumber(id) => id.issuer == self.issuer && id.serial_number == self.serial,
            SignerIdentifier::SubjectKeyIdentifier(id) => Some(id) == self.key_id.as_ref(),
        }
    }

    fn verify(&self, signer: &SignerInfo, signature: &Pkcs7Signature) -> SignatureCheck {
        let digest = DigestAlgorithm::by_oid(signer.digest_alg.oid);
        let digest = digest.filter(|digest| digest.name == signature.digest_algorithm);
        let algorithm = digest.and_then(|digest| self.key.kind.algorithm(digest.name));
        let content = digest.and_then(|digest| digest.import(&signature.content_digest));
        let (Some(algorithm), Some(content)) = (algorithm, content) else {
            let (key, digest) = (self.key.kind.name(), &signature.digest_algorithm);
            return SignatureCheck::UnsupportedAlgorithm(format!(
                "{key} with {digest} is not verified by this program"
            ));
        };
        let key = UnparsedPublicKey::new(algorithm, &self.key.bytes);
        match key.verify_digest(&content, signer.signature.as_bytes()) {
            Ok(()) => SignatureCheck::Good,
            Err(_unspecified) => SignatureCheck::Mismatch(format!(
                "the signature does not verify against the key of {}: the file was altered after it was signed, \
                 or was signed by another key of the same name",
                self.subject
            )),
        }
    }
}

/// Times that the calendar here has no room for are as good as none.
fn validity(validity: &Validity) -> RangeInclusive<Timestamp> {
    let time = |time: Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
        Timestamp::from_second(seconds).ok()
    };
    time(validity.not_before).unwrap_or(Timestamp::MIN)..=time(validity.not_after).unwrap_or(Timestamp::MAX)
}

impl PublicKey {
    fn of(info: &SubjectPublicKeyInfoOwned) -> Self {
        let parameters = info.algorithm.parameters.as_ref();
        let curve = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        Self {
            kind: KeyKind::of(info.algorithm.oid, curve),
            bytes: info.subject_public_key.raw_bytes().to_vec(),
        }
    }
}

impl KeyKind {
    /// How signatures by such a key over such a digest are verified. The kernel has no lower bound for RSA keys.
    fn algorithm(self, digest: &str) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self, digest) {
            (Self::Rsa, "sha1") => &keys::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (Self::Rsa, "sha256") => &keys::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            (Self::Rsa, "sha384") => &keys::RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa, "sha512") => &keys::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            (Self::P256, "sha1") => &keys::ECDSA_P256_SHA1_ASN1,
            (Self::P256, "sha256") => &keys::ECDSA_P256_SHA256_ASN1,
            (Self::P256, "sha384") => &keys::ECDSA_P256_SHA384_ASN1,
            (Self::P256, "sha512") => &keys::ECDSA_P256_SHA512_ASN1,
            (Self::P384, "sha256") => &keys::ECDSA_P384_SHA256_ASN1,
            (Self::P384, "sha384") => &keys::ECDSA_P384_SHA384_ASN1,
            (Self::P384, "sha512") => &keys::ECDSA_P384_SHA512_ASN1,
            (Self::P384, "sha3-384") => &keys::ECDSA_P384_SHA3_384_ASN1,
            (Self::P521, "sha1") => &keys::ECDSA_P521_SHA1_ASN1,
            (Self::P521, "sha224") => &keys::ECDSA_P521_SHA224_ASN1,
            (Self::P521, "sha256") => &keys::ECDSA_P521_SHA256_ASN1,
            (Self::P521, "sha384") => &keys::ECDSA_P521_SHA384_ASN1,
            (Self::P521, "sha512") => &keys::ECDSA_P521_SHA512_ASN1,
            (Self::P521, "sha3-512") => &keys::ECDSA_P521_SHA3_512_ASN1,
            _ => return None,
        })
    }
}

/// The first `CERTIFICATE` block of a PEM file; what stands around it (a key, the text of `openssl x509 -text`) is
/// passed over.
fn pem_block(bytes: &[u8]) -> Option<&[u8]> {
    let from_begin = bytes.get(find(bytes, PEM_BEGIN)?..)?;
    from_begin.get(..find(from_begin, PEM_END)? + PEM_END.len())
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
