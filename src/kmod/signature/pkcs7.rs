//! The PKCS#7 message of a signed module.
//!
//! What is refused, and in which order, is what the kernel refuses (`crypto/asymmetric_keys/pkcs7_parser.c`,
//! `pkcs7_verify.c`, `certs/system_keyring.c: verify_pkcs7_message_sig`). Two differences: the kernel reads BER, this
//! reads DER, which is what `sign-file` and openssl write; and kernels since 7.0 can be built to take signed
//! attributes beside ML-DSA keys.

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::ObjectIdentifier;
use der::{Decode, SliceReader};

use super::digest::DigestAlgorithm;
use crate::kmod::facts::{Pkcs7Signature, Signature};

pub(in crate::kmod) const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
pub(in crate::kmod) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
pub(in crate::kmod) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The signature algorithms that the kernel's parser takes, beside RSA: ECDSA with SHA-1, SHA-2 and SHA-3.
const ECDSA: [ObjectIdentifier; 8] = [
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.1"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.10"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.11"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.12"),
];

/// The largest message that is read. Real ones have less than one KiB, or a few with certificates inside.
const MAX_MESSAGE: usize = 1 << 20;

/// How much of a signer's name is shown.
const MAX_SIGNER: usize = 256;

/// Reads the message, and computes the digest over the content that it signs.
pub(super) fn read(der: &[u8], content: &[u8]) -> Signature {
    let accepted = parse(der).and_then(|message| accept(&message));
    match accepted {
        Ok((signer, digest)) => Signature::Pkcs7(Box::new(Pkcs7Signature {
            signer,
            digest_algorithm: digest.name.to_owned(),
            content_digest: digest.of(content),
            der: der.to_vec(),
        })),
        Err(refused) => refused,
    }
}

/// The message, as far as its syntax goes. What follows it is ignored, as the kernel does.
pub(super) fn parse(der: &[u8]) -> Result<SignedData, Signature> {
    if der.len() > MAX_MESSAGE {
        return Err(malformed(format!(
            "its PKCS#7 message has {} bytes; {MAX_MESSAGE} are read",
            der.len()
        )));
    }
    let unreadable = |error| malformed(format!("its PKCS#7 message cannot be read: {error}"));
    let mut reader = SliceReader::new(der).map_err(unreadable)?;
    let info = ContentInfo::decode(&mut reader).map_err(unreadable)?;
    if info.content_type != SIGNED_DATA {
        return Err(malformed(format!(
            "its PKCS#7 message is not signed data but {}",
            info.content_type
        )));
    }
    info.content.decode_as::<SignedData>().map_err(unreadable)
}

/// Whether any signer's key is one of an elliptic curve.
pub(in crate::kmod) fn is_ecdsa(signature: &Pkcs7Signature) -> bool {
    let by_curve = |signer: &SignerInfo| ECDSA.contains(&signer.signature_algorithm.oid);
    parse(&signature.der).is_ok_and(|message| message.signer_infos.0.iter().any(by_curve))
}

/// The signers in words and the first one's digest algorithm, or why the kernel would refuse the message.
fn accept(message: &SignedData) -> Result<(String, &'static DigestAlgorithm), Signature> {
    let content = &message.encap_content_info;
    let mut signers = message.signer_infos.0.iter();
    let Some(first) = signers.next() else {
        return Err(malformed("its PKCS#7 message names no signer"));
    };
    let digest = signers.try_fold(acceptable(message, first)?, |digest, signer| {
        acceptable(message, signer).map(|_| digest)
    })?;
    if content.econtent.is_some() {
        return Err(malformed(
            "its PKCS#7 message carries content of its own, not that of the module",
        ));
    }
    if content.econtent_type != DATA {
        return Err(malformed(format!(
            "its PKCS#7 message does not sign plain data but {}",
            content.econtent_type
        )));
    }
    if message
        .signer_infos
        .0
        .iter()
        .any(|signer| signer.signed_attrs.is_some())
    {
        return Err(malformed(
            "its PKCS#7 message has signed attributes, which the kernel does not allow on modules",
        ));
    }
    Ok((in_words(&first.sid), digest))
}

/// Whether the kernel's parser takes a signer, and its digest algorithm.
fn acceptable(message: &SignedData, signer: &SignerInfo) -> Result<&'static DigestAlgorithm, Signature> {
    match (message.version, signer.version) {
        (CmsVersion::V1, CmsVersion::V1) | (CmsVersion::V3, CmsVersion::V3) => {}
        (message, signer) => {
            return Err(malformed(format!(
                "its PKCS#7 message has version {message:?} and its signer {signer:?}"
            )));
        }
    }
    let digest = DigestAlgorithm::by_oid(signer.digest_alg.oid);
    let digest = digest.ok_or_else(|| unsupported("digest", signer.digest_alg.oid))?;
    let algorithm = signer.signature_algorithm.oid;
    if algorithm != RSA_ENCRYPTION && !ECDSA.contains(&algorithm) {
        return Err(unsupported("signature", algorithm));
    }
    Ok(digest)
}

fn in_words(signer: &SignerIdentifier) -> String {
    let words = match signer {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            format!("{} (serial number {})", id.issuer, id.serial_number)
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => format!("the key {}", hex(id.0.as_bytes())),
    };
    shown(&words)
}

/// A name from a file, short and without control characters.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_SIGNER).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

fn malformed(message: impl Into<String>) -> Signature {
    Signature::Malformed(message.into())
}

fn unsupported(what: &str, algorithm: ObjectIdentifier) -> Signature {
    Signature::Unsupported(format!("the kernel does not know its {what} algorithm {algorithm}"))
}
