//! Private keys, in the forms that `sign-file` takes: PEM with PKCS#8, PKCS#1 (RSA) or SEC 1 (elliptic curves).

use std::fmt;

use aws_lc_rs::digest::{Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair, RsaKeyPair,
};
use der::asn1::{ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Header, SliceReader, Tag, TagNumber};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::pem::{Block, blocks};
use super::{HashKind, SigningError};
use crate::kmod::signature::KeyKind;

/// The largest file that is read as a key; real ones have four KiB at most, or some more with a certificate.
pub const MAX_KEY: usize = 1 << 20;

/// The sizes of RSA keys that kernels verify with (`crypto/rsa.c: rsa_check_key_length`), in bits; smaller ones, which
/// some take too, are left out. The kernel counts in words of 64 bits.
const RSA_SIZES: [usize; 3] = [2048, 3072, 4096];
const RSA_WORD: usize = 64;

/// A private key. The library that keeps it clears its memory when it is dropped.
pub struct SigningKey(Pair);

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(KeyKind, EcdsaKeyPair),
}

/// Tells nothing but the kind.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kind().name())
    }
}

impl SigningKey {
    /// The first private key of a PEM file, as `sign-file` reads it; certificates and whatever else stands in the file
    /// are passed over. What the caller read the file into is for the caller to clear.
    pub fn from_pem(bytes: &[u8]) -> Result<Self, SigningError> {
        if bytes.len() > MAX_KEY {
            return Err(SigningError::TooLarge(bytes.len()));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) if bytes.first() == Some(&0x30) => return Err(SigningError::Der),
            Err(_) => return Err(SigningError::NotAKey),
        };
        let key = blocks(text).find(|block| block.label.ends_with("PRIVATE KEY"));
        Self::from_block(key.ok_or_else(|| no_key(text))?)
    }

    fn from_block(block: Block<'_>) -> Result<Self, SigningError> {
        if block.is_encrypted() {
            return Err(SigningError::Encrypted);
        }
        let read = match block.label {
            "PRIVATE KEY" => Self::from_pkcs8,
            "RSA PRIVATE KEY" => Self::from_pkcs1,
            "EC PRIVATE KEY" => Self::from_sec1,
            "OPENSSH PRIVATE KEY" => return Err(SigningError::OpenSsh),
            other => return Err(SigningError::UnknownKind(format!("a {other}"))),
        };
        let not_base64 = || SigningError::Unreadable("it is not base64".to_owned());
        read(&block.decode().ok_or_else(not_base64)?)
    }

    /// `PrivateKeyInfo` (RFC 5208).
    fn from_pkcs8(der: &[u8]) -> Result<Self, SigningError> {
        let mut reader = inside(der)?;
        let algorithm = AlgorithmIdentifierRef::decode(&mut reader).map_err(unreadable)?;
        let curve = algorithm.parameters.and_then(|any| any.decode_as().ok());
        match KeyKind::of(algorithm.oid, curve) {
            KeyKind::Rsa => {
                let key = <&OctetStringRef>::decode(&mut reader).map_err(unreadable)?;
                Self::from_pkcs1(key.as_bytes())
            }
            kind => Self::from_curve(kind, der),
        }
    }

    /// `RSAPrivateKey` (RFC 8017).
    fn from_pkcs1(der: &[u8]) -> Result<Self, SigningError> {
        let modulus = UintRef::decode(&mut inside(der)?).map_err(unreadable)?;
        let bits = bits(modulus.as_bytes());
        if !RSA_SIZES.contains(&bits.next_multiple_of(RSA_WORD)) {
            return Err(SigningError::RsaSize(bits));
        }
        let pair = RsaKeyPair::from_der(der).map_err(rejected)?;
        Ok(Self(Pair::Rsa(Box::new(pair))))
    }

    /// `ECPrivateKey` (RFC 5915), which names its curve.
    fn from_sec1(der: &[u8]) -> Result<Self, SigningError> {
        let mut reader = inside(der)?;
        <&OctetStringRef>::decode(&mut reader).map_err(unreadable)?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(&mut reader, TagNumber(0));
        let curve = curve.ok().flatten().ok_or_else(|| {
            SigningError::UnknownKind("a key of an elliptic curve that is not told by its name".to_owned())
        })?;
        Self::from_curve(KeyKind::of_curve(curve.value), der)
    }

    fn from_curve(kind: KeyKind, der: &[u8]) -> Result<Self, SigningError> {
        let algorithm = native(kind).ok_or_else(|| SigningError::UnknownKind(kind.name()))?;
        let pair = EcdsaKeyPair::from_private_key_der(algorithm, der).map_err(rejected)?;
        Ok(Self(Pair::Ec(kind, pair)))
    }

    /// What kind of key it is.
    pub(super) fn kind(&self) -> KeyKind {
        match &self.0 {
            Pair::Rsa(_) => KeyKind::Rsa,
            Pair::Ec(kind, _) => *kind,
        }
    }

    /// Its public half, as certificates have it.
    pub(super) fn public_key(&self) -> &[u8] {
        match &self.0 {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ec(_, pair) => pair.public_key().as_ref(),
        }
    }

    /// The signature over a digest.
    pub(super) fn sign(&self, hash: HashKind, digest: &[u8]) -> Result<Vec<u8>, SigningError> {
        let signed = match &self.0 {
            Pair::Rsa(pair) => hash.algorithm().import(digest).and_then(|digest| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(hash.rsa(), &digest, &mut signature).ok()?;
                Some(signature)
            }),
            Pair::Ec(kind, pair) => fitted(*kind, digest)
                .and_then(|digest| pair.sign_digest(&digest).ok())
                .map(|signature| signature.as_ref().to_vec()),
        };
        signed.ok_or(SigningError::Failed)
    }
}

fn no_key(text: &str) -> SigningError {
    match blocks(text).next() {
        Some(other) => SigningError::SomethingElse(other.label.to_owned()),
        None => SigningError::NotAKey,
    }
}

/// A reader inside of the sequence that every form is, behind its version.
fn inside(der: &[u8]) -> Result<SliceReader<'_>, SigningError> {
    let mut reader = SliceReader::new(der).map_err(unreadable)?;
    let header = Header::decode(&mut reader).map_err(unreadable)?;
    header.tag().assert_eq(Tag::Sequence).map_err(unreadable)?;
    u8::decode(&mut reader).map_err(unreadable)?;
    Ok(reader)
}

fn unreadable(error: der::Error) -> SigningError {
    SigningError::Unreadable(error.to_string())
}

fn rejected(error: KeyRejected) -> SigningError {
    SigningError::Unreadable(error.description_().to_owned())
}

/// How many bits a number has, which has no zeros before it.
fn bits(number: &[u8]) -> usize {
    let first = number.first().map_or(0, |first| first.leading_zeros() as usize);
    number.len() * 8 - first
}

/// The library signs over each curve with one hash.
fn native(kind: KeyKind) -> Option<&'static EcdsaSigningAlgorithm> {
    match kind {
        KeyKind::P256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyKind::P384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyKind::P521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyKind::Rsa | KeyKind::Other(_) => None,
    }
}

/// A digest in the length that the library wants for a curve. What ECDSA signs is a number: the leftmost bits of the
/// digest, as many as the curve's order has (FIPS 186-5, 6.4.1). Bits beyond that may be cut off, and zeros before a shorter
/// one do not change it.
fn fitted(kind: KeyKind, digest: &[u8]) -> Option<Digest> {
    let (algorithm, length) = match kind {
        KeyKind::P256 => (&SHA256, 32),
        KeyKind::P384 => (&SHA384, 48),
        KeyKind::P521 => (&SHA512, 64),
        KeyKind::Rsa | KeyKind::Other(_) => return None,
    };
    let kept = digest.get(..length).unwrap_or(digest);
    let mut fitted = vec![0; length - kept.len()];
    fitted.extend(kept);
    Digest::import_less_safe(&fitted, algorithm).ok()
}
