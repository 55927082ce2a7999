//! The algorithms of a signature, and whether the target kernel was built with them.
//!
//! RSA and SHA-256 are in every kernel that verifies modules. A key of another kind has to be built in: the kernel reads its
//! certificates before it can load a module, and leaves out those whose keys it cannot use (seen on Debian's 6.1:
//! `Problem loading X.509 certificate -2`). A hash may be a module, which the kernel loads when it meets the signature.

use super::kernel::Kernel;
use crate::kmod::facts::Pkcs7Signature;
use crate::kmod::load::SignaturePolicy;
use crate::kmod::signature::{Certificate, KeyKind, SignatureCheck, is_ecdsa};

/// The first kernel that reads certificates with keys of P-521 (`crypto/asymmetric_keys/x509_cert_parser.c`).
const P521_SINCE: (u32, u32) = (6, 10);

/// Why the target kernel cannot verify a signature whoever made it, if it is known that it cannot.
pub(super) fn obstacle(signature: &Pkcs7Signature, policy: &SignaturePolicy, kernel: &Kernel<'_>) -> Option<String> {
    ecdsa(signature, kernel)
        .or_else(|| p521(signature, policy, kernel))
        .or_else(|| hash(signature, kernel))
}

fn ecdsa(signature: &Pkcs7Signature, kernel: &Kernel<'_>) -> Option<String> {
    let lacks = kernel.option("CRYPTO_ECDSA") == Some(false) && is_ecdsa(signature);
    lacks.then(|| {
        format!(
            "{} verifies no ECDSA, since CONFIG_CRYPTO_ECDSA is not built in",
            kernel.release
        )
    })
}

fn p521(signature: &Pkcs7Signature, policy: &SignaturePolicy, kernel: &Kernel<'_>) -> Option<String> {
    let signed = |certificate: &Certificate| {
        certificate.key_kind() == KeyKind::P521 && certificate.signed(signature) == SignatureCheck::Good
    };
    let (major, minor) = P521_SINCE;
    let lacks = !kernel.at_least(major, minor) && policy.trusted.iter().any(signed);
    lacks.then(|| {
        format!(
            "{} takes no keys of P-521, as Linux {major}.{minor} was the first to do",
            kernel.release
        )
    })
}

fn hash(signature: &Pkcs7Signature, kernel: &Kernel<'_>) -> Option<String> {
    let option = match signature.digest_algorithm.as_str() {
        "sha1" => "CRYPTO_SHA1",
        "sha384" | "sha512" => "CRYPTO_SHA512",
        "sha3-256" | "sha3-384" | "sha3-512" => "CRYPTO_SHA3",
        _ => return None,
    };
    let lacks = kernel.config()?.value(option).is_none();
    lacks.then(|| {
        format!(
            "{} has no {}, since CONFIG_{option} is not set",
            kernel.release, signature.digest_algorithm
        )
    })
}
