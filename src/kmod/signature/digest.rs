//! The digest algorithms of module signatures, under the kernel's names.

use aws_lc_rs::digest::{self, Algorithm, Digest};
use der::asn1::ObjectIdentifier;

/// A digest algorithm that the kernel's PKCS#7 parser knows (`crypto/asymmetric_keys/pkcs7_parser.c:
/// pkcs7_sig_note_digest_algo`). MD4 and MD5, which kernels before 5.19 knew too, are left out.
pub(in crate::kmod) struct DigestAlgorithm {
    pub(in crate::kmod) oid: ObjectIdentifier,
    /// The kernel's name.
    pub(in crate::kmod) name: &'static str,
    /// How it is computed here, where it can be.
    algorithm: Option<&'static Algorithm>,
}

const fn known(oid: &str, name: &'static str, algorithm: Option<&'static Algorithm>) -> DigestAlgorithm {
    DigestAlgorithm {
        oid: ObjectIdentifier::new_unwrap(oid),
        name,
        algorithm,
    }
}

static ALGORITHMS: [DigestAlgorithm; 11] = [
    known("1.3.14.3.2.26", "sha1", Some(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
    known("2.16.840.1.101.3.4.2.4", "sha224", Some(&digest::SHA224)),
    known("2.16.840.1.101.3.4.2.1", "sha256", Some(&digest::SHA256)),
    known("2.16.840.1.101.3.4.2.2", "sha384", Some(&digest::SHA384)),
    known("2.16.840.1.101.3.4.2.3", "sha512", Some(&digest::SHA512)),
    known("2.16.840.1.101.3.4.2.8", "sha3-256", Some(&digest::SHA3_256)),
    known("2.16.840.1.101.3.4.2.9", "sha3-384", Some(&digest::SHA3_384)),
    known("2.16.840.1.101.3.4.2.10", "sha3-512", Some(&digest::SHA3_512)),
    known("1.2.156.10197.1.401", "sm3", None),
    known("1.2.643.7.1.1.2.2", "streebog256", None),
    known("1.2.643.7.1.1.2.3", "streebog512", None),
];

impl DigestAlgorithm {
    pub(super) fn by_oid(oid: ObjectIdentifier) -> Option<&'static Self> {
        ALGORITHMS.iter().find(|algorithm| algorithm.oid == oid)
    }

    /// The algorithm of that name.
    pub(in crate::kmod) fn by_name(name: &str) -> Option<&'static Self> {
        ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
    }

    /// The digest of some bytes; empty where it cannot be computed.
    pub(in crate::kmod) fn of(&self, bytes: &[u8]) -> Vec<u8> {
        self.algorithm
            .map(|algorithm| digest::digest(algorithm, bytes).as_ref().to_vec())
            .unwrap_or_default()
    }

    /// A digest that was computed earlier.
    pub(in crate::kmod) fn import(&self, bytes: &[u8]) -> Option<Digest> {
        Digest::import_less_safe(bytes, self.algorithm?).ok()
    }
}
