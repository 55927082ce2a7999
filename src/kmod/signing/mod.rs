//! Signing kernel modules, as the kernel's own `scripts/sign-file` does.
//!
//! A signature is a PKCS#7 message over the whole file, detached, without certificates and without signed
//! attributes, that names its signer by issuer and serial number; behind it stand `struct module_signature` and a
//! marker. It is appended. A file that is signed already is signed again as a whole: the kernel reads the last
//! signature, and takes the first one for a part of the file. For RSA, the bytes are those of `sign-file`.

mod error;
mod hash;
mod key;
mod message;
mod packed;
mod pem;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use error::SigningError;
pub use hash::HashKind;
pub use key::{MAX_KEY, SigningKey};

use super::facts::Packing;
use super::signature::{Certificate, MARKER, PKCS7};
use super::unpack::unpack_whole;

pub use super::unpack::MAX_UNPACKED as MAX_MODULE;

/// A key, its certificate and a hash: all it takes to sign.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    certificate: Certificate,
    hash: HashKind,
}

impl Signer {
    /// A key with its certificate. Refused if the certificate is of another key.
    pub fn new(key: SigningKey, certificate: Certificate, hash: HashKind) -> Result<Self, SigningError> {
        if key.kind() != certificate.key_kind() || key.public_key() != certificate.public_key() {
            return Err(SigningError::WrongCertificate {
                key: key.kind().name(),
                certificate: certificate.key_kind().name(),
                subject: certificate.subject().to_owned(),
            });
        }
        Ok(Self { key, certificate, hash })
    }

    /// The certificate that a kernel has to trust.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What its owner should know, a sentence each: no kernel looks at the dates of a certificate, but some firmware
    /// and most people do.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let (valid, subject) = (self.certificate.valid(), self.certificate.subject());
        let warning = if now < *valid.start() {
            format!("the certificate of {subject} is not valid before {}", valid.start())
        } else if now > *valid.end() {
            format!("the certificate of {subject} has expired on {}", valid.end())
        } else {
            return Vec::new();
        };
        vec![format!(
            "{warning}; kernels do not look at that, and take its signatures all the same"
        )]
    }

    /// What has to be appended to a file, so that a kernel takes it as signed: the bytes are signed as they are, as
    /// `sign-file` does, also where they are packed. See [`Signer::signed`].
    pub fn sign(&self, file: &[u8]) -> Result<Vec<u8>, SigningError> {
        let mut trailer = message::detached(&self.key, &self.certificate, self.hash, file)?;
        let length = u32::try_from(trailer.len()).map_err(|_too_long| SigningError::Failed)?;
        // struct module_signature: algo, hash, id_type, signer_len, key_id_len, three bytes of padding, sig_len.
        trailer.extend([0, 0, PKCS7, 0, 0, 0, 0, 0]);
        trailer.extend(length.to_be_bytes());
        trailer.extend(MARKER);
        Ok(trailer)
    }

    /// The signed form of a module file. One that is packed is signed inside and packed again the same way: whatever
    /// unpacks it finds a signed module. (`sign-file` would append to the packed file, which no kernel sees.)
    pub fn signed(&self, file: &[u8]) -> Result<Vec<u8>, SigningError> {
        let packing = Packing::of(file);
        let module = unpack_whole(packing, file).map_err(SigningError::Unpackable)?;
        let signed = [&*module, &self.sign(&module)?].concat();
        packed::pack(packing, signed)
    }
}
