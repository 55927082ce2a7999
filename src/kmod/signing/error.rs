//! Why something cannot be signed.

use thiserror::Error;

use super::key::MAX_KEY;
use crate::kmod::facts::Unpackable;

/// Why something cannot be signed, and what to do.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SigningError {
    /// Too large to be a key.
    #[error("the key has {0} bytes, and a key has no more than {MAX_KEY}; is it another file?")]
    TooLarge(usize),
    /// No key.
    #[error("there is no private key in it: a PEM file with a `PRIVATE KEY` block is wanted")]
    NotAKey,
    /// Something else in PEM.
    #[error("there is no private key in it, but a {0}; a PEM file with a `PRIVATE KEY` block is wanted")]
    SomethingElse(String),
    /// DER, which `sign-file` does not take either.
    #[error(
        "the key is in DER, and KMM's sign-file takes PEM alone; convert it: openssl pkey -inform DER -in KEY -out KEY.pem"
    )]
    Der,
    /// Encrypted.
    #[error(
        "the key is encrypted, and nobody is there to type its passphrase; decrypt it: openssl pkey -in KEY -out KEY.pem"
    )]
    Encrypted,
    /// In OpenSSH's own form.
    #[error("the key is in OpenSSH's own form; convert it: ssh-keygen -p -m PKCS8 -N '' -f KEY")]
    OpenSsh,
    /// It begins like a key, but is none.
    #[error("the key cannot be read ({0}); was it cut short? `openssl pkey -in KEY -check -noout` tells")]
    Unreadable(String),
    /// Of a kind that kernels do not take.
    #[error(
        "it is {0}, and kernels take no module signatures by such keys; \
         take RSA of 2048, 3072 or 4096 bits, or ECDSA over P-256, P-384 or P-521"
    )]
    UnknownKind(String),
    /// An RSA key of a size that kernels do not take, or nobody should.
    #[error("it is an RSA key of {0} bits; kernels verify with 2048, 3072 and 4096 bits (smaller ones are unsafe)")]
    RsaSize(usize),
    /// The certificate is of another key.
    #[error(
        "the certificate of {subject} is not of this key (the key: {key}; the certificate's: {certificate}); \
         no kernel would take the signature"
    )]
    WrongCertificate {
        /// The kind of the key.
        key: String,
        /// The kind of the certificate's key.
        certificate: String,
        /// Whose certificate it is.
        subject: String,
    },
    /// The packed module cannot be unpacked.
    #[error("{}", unpackable(.0))]
    Unpackable(Unpackable),
    /// The signed module cannot be packed again.
    #[error("the signed module cannot be packed again: {0}")]
    Unpacked(String),
    /// The cryptographic library failed, which should not happen.
    #[error("the signature could not be computed")]
    Failed,
}

fn unpackable(why: &Unpackable) -> String {
    match why {
        Unpackable::Damaged(how) => format!("the packed module is damaged ({how})"),
        Unpackable::TooLarge(limit) => {
            format!("the module is larger, unpacked, than this program reads ({limit} bytes)")
        }
    }
}
