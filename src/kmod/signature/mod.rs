//! Signatures of kernel modules: reading them, and verifying them against a certificate.
//!
//! A signed module is the ELF image, a PKCS#7 message, `struct module_signature` (12 bytes) and a marker. The checks
//! and their order are the kernel's (`kernel/module/signing.c: module_sig_check`, `kernel/module_signature.c:
//! mod_check_sig`). If a file was signed twice, the last signature is the one that counts, and it covers the first.

mod certificate;
mod digest;
mod key_kind;
mod pkcs7;
#[cfg(test)]
mod tests;

pub use certificate::{Certificate, CertificateError, SignatureCheck};
pub(super) use digest::DigestAlgorithm;
pub(super) use key_kind::KeyKind;
pub(super) use pkcs7::{DATA, RSA_ENCRYPTION, SIGNED_DATA, is_ecdsa};

use super::facts::Signature;

/// `MODULE_SIG_STRING` (`include/linux/module_signature.h`)
pub(super) const MARKER: &[u8] = b"~Module signature appended~\n";

/// `sizeof(struct module_signature)`
const TRAILER_SIZE: usize = 12;

/// `PKEY_ID_PKCS7`, the only kind of signature that kernels since 4.3 take.
pub(super) const PKCS7: u8 = 2;

/// Splits a module file into what the kernel will parse as ELF, and the signature over it.
pub(super) fn split(file: &[u8]) -> (&[u8], Signature) {
    match file.strip_suffix(MARKER) {
        Some(signed) if !signed.is_empty() => appended(signed),
        _ => (file, Signature::Absent),
    }
}

fn appended(signed: &[u8]) -> (&[u8], Signature) {
    match Trailer::read(signed) {
        Ok((content, der)) => (content, pkcs7::read(der, content)),
        Err(signature) => (signed, signature),
    }
}

/// `struct module_signature`
struct Trailer;

impl Trailer {
    /// The content and the PKCS#7 message in front of the trailer (`mod_check_sig`).
    fn read(signed: &[u8]) -> Result<(&[u8], &[u8]), Signature> {
        let short = || Signature::Malformed("nothing stands before its signature marker".to_owned());
        let (body, trailer) = signed.split_last_chunk::<TRAILER_SIZE>().ok_or_else(short)?;
        let [algo, hash, id_type, signer_len, key_id_len, pad @ .., a, b, c, d] = *trailer;
        let length = u32::from_be_bytes([a, b, c, d]);
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| body.len().checked_sub(length));
        let Some(at) = split.filter(|at| *at > 0) else {
            return Err(Signature::Malformed(format!(
                "it says that the signature has {length} bytes, and the file has only {} before it",
                body.len()
            )));
        };
        if id_type != PKCS7 {
            return Err(Signature::Unsupported(format!(
                "it is not a PKCS#7 signature (type {id_type})"
            )));
        }
        if [algo, hash, signer_len, key_id_len] != [0; 4] || pad != [0; 3] {
            return Err(Signature::Malformed(
                "its signature trailer has fields that should be zero".to_owned(),
            ));
        }
        Ok(body.split_at(at))
    }
}
