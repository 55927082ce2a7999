//! The hashes that signatures are made over.

use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};
use der::asn1::ObjectIdentifier;

use crate::kmod::signature::DigestAlgorithm;

/// The hash over a module that is signed. SHA-1 and SHA-224, which `sign-file` takes as well, are left out: the first is
/// broken, nobody uses the second, and every kernel that verifies modules has SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-256, which KMM takes for every key.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashKind {
    /// The kernel's name of it, which is also `sign-file`'s.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    pub(super) fn algorithm(self) -> &'static DigestAlgorithm {
        DigestAlgorithm::by_name(self.name()).expect("invariant: the names are those of the kernel")
    }

    /// How RSA keys sign it.
    pub(super) fn rsa(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Sha256 => &RSA_PKCS1_SHA256,
            Self::Sha384 => &RSA_PKCS1_SHA384,
            Self::Sha512 => &RSA_PKCS1_SHA512,
        }
    }

    /// `ecdsa-with-SHA256`, `ecdsa-with-SHA384`, `ecdsa-with-SHA512` (RFC 5758).
    pub(super) fn ecdsa(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::Sha256 => "1.2.840.10045.4.3.2",
            Self::Sha384 => "1.2.840.10045.4.3.3",
            Self::Sha512 => "1.2.840.10045.4.3.4",
        })
    }
}
