//! Digests of what is read, taken on the way.

use aws_lc_rs::digest::{Context, SHA256, SHA512};

use crate::image::{Digest, DigestAlgorithm};

/// A digest in the making.
pub(super) struct Hashing {
    algorithm: DigestAlgorithm,
    context: Context,
}

impl Hashing {
    /// Begins a digest of this kind.
    pub(super) fn new(algorithm: DigestAlgorithm) -> Self {
        let context = Context::new(match algorithm {
            DigestAlgorithm::Sha256 => &SHA256,
            DigestAlgorithm::Sha512 => &SHA512,
        });
        Self { algorithm, context }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of all that was read.
    pub(super) fn finish(self) -> Digest {
        let hash = self.context.finish();
        Digest::from_bytes(self.algorithm, hash.as_ref()).expect("invariant: a hash has its algorithm's length")
    }
}

/// The digest of these bytes.
pub(super) fn digest_of(algorithm: DigestAlgorithm, bytes: &[u8]) -> Digest {
    let mut hashing = Hashing::new(algorithm);
    hashing.update(bytes);
    hashing.finish()
}
