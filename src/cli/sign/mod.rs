//! `sign`: signs kernel modules with a key that is read here, and never shown.

mod file;
mod image;
mod testifier;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum, ValueHint};
use zeroize::Zeroizing;

use super::{Ending, answer, environment, output};
use crate::kmod::signing::{HashKind, MAX_KEY, Signer, SigningKey};
use image::SignImageArgs;
use testifier::Testifier;

const EXAMPLES: &str = "\
EXAMPLES
  A module, in place:
    kmm-preflight sign --key signing_key.pem --cert signing_key.der nic.ko nic.ko

  A packed module: it is signed inside, and packed again as it was:
    kmm-preflight sign --key key.pem --cert cert.pem nic.ko.xz signed/nic.ko.xz

  An image from a registry, into another tag of it:
    kmm-preflight sign --key key.pem --cert cert.pem --file '/opt/lib/modules/*/nic.ko' \\
      registry.example.com/nic:unsigned registry.example.com/nic:signed

  The same on disk, as `buildah push IMAGE oci:DIR:NAME` writes it:
    kmm-preflight sign --key key.pem --cert cert.pem --file /opt/lib/modules/6.1.0-18-amd64/nic.ko \\
      oci:built:nic oci:signed:nic

  A key that kernels take, and its certificate:
    openssl req -x509 -newkey rsa:4096 -nodes -sha256 -days 3650 -batch -subj '/CN=Our modules' \\
      -addext keyUsage=digitalSignature -keyout key.pem -out cert.pem

KEYS
  RSA of 2048, 3072 or 4096 bits; ECDSA over P-256, P-384 (Linux 5.13) or P-521 (Linux 6.10), where
  the kernel has CONFIG_CRYPTO_ECDSA built in. The key is in PEM and not encrypted; it may stand in
  one file with the certificate, which is then given twice.

A file that is signed already is signed again as a whole: the kernel reads the last signature.

IMAGES
  The result is the image with one more layer: the signed files, with the owners and modes that they
  had. All else is taken over byte for byte. The tag, or the name in the layout, is set at the end:
  it never stands for half an image. A --file that matches nothing is an error; docs/signing.md
  tells the rules.

EXIT CODES
  0  signed
  1  the image could not be read, signed or written
  2  the arguments, a module file, the key or the certificate cannot be used
  3  a registry did not answer, or a disk is full: another time it may work";

/// Where the key is not.
const KEY_ADVICE: &str = "--key names the private key, a PEM file that is not encrypted: `kmm-preflight sign --help` shows how a key \
                          and its certificate are made, and in a cluster they stand in the Module's keySecret (`key`) and \
                          certSecret (`cert`)";
/// Where the certificate is not.
const CERTIFICATE_ADVICE: &str = "--cert names the certificate of that key, in PEM or DER: `openssl req -x509 -key KEY -sha256 \
                                  -days 3650 -batch -subj '/CN=Our modules' -addext keyUsage=digitalSignature -out CERT` makes one";

/// Sign kernel modules, as the kernel's own sign-file does
///
/// The signature is what KMM's sign step would append: PKCS#7, detached, for RSA keys byte for byte the one of
/// `sign-file`. The key is read from a file, and not kept.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct SignArgs {
    /// The private key, in PEM (PKCS#8, PKCS#1 or SEC 1)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: PathBuf,

    /// The certificate of that key, in PEM or DER, which the nodes' kernels trust
    #[arg(long = "cert", value_name = "FILE", value_hint = ValueHint::FilePath)]
    certificate: PathBuf,

    /// The hash that is signed; KMM takes sha256 for every key
    #[arg(long, value_name = "HASH", value_enum, default_value_t = Hash::Sha256)]
    hash: Hash,

    /// What is signed: a module file, also a packed one (.ko.gz, .ko.xz, .ko.zst); or an image: oci:DIR, oci:DIR:NAME
    /// or, with a --file, a reference
    #[arg(value_name = "IN", value_hint = ValueHint::AnyPath)]
    from: String,

    /// Where it goes; the same as IN to sign in place. It is written as a whole or not at all
    #[arg(value_name = "OUT", value_hint = ValueHint::AnyPath)]
    to: String,

    #[command(flatten)]
    image: SignImageArgs,
}

/// A hash.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl From<Hash> for HashKind {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Sha256 => Self::Sha256,
            Hash::Sha384 => Self::Sha384,
            Hash::Sha512 => Self::Sha512,
        }
    }
}

/// Signs what the arguments say.
pub(super) fn run(args: &SignArgs) -> anyhow::Result<Ending> {
    let mut testifier = Testifier::new(args.image.testimony.clone());
    args.sign(&mut testifier).or_else(|error| {
        let passing = lacks_room(&error);
        // Where even that cannot be said, the error itself is printed.
        let _ = testifier.failed(&format!("{error:#}"), passing);
        if !passing {
            return Err(error);
        }
        output::complain(&format!("error: {error:#}"));
        Ok(Ending::NoAnswer)
    })
}

/// Whether a disk is full: with room there, the same works another time.
fn lacks_room(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

impl SignArgs {
    fn sign(&self, testifier: &mut Testifier) -> anyhow::Result<Ending> {
        let signer = self.signer()?;
        if self.image.is_meant(&self.from, &self.to) {
            return self.image.sign(signer, &self.from, &self.to, testifier);
        }
        for warning in signer.warnings(environment::now()) {
            output::complain(&format!("warning: {warning}"));
        }
        file::sign(&signer, Path::new(&self.from), Path::new(&self.to))
    }

    fn signer(&self) -> anyhow::Result<Signer> {
        let key = self.key.display();
        let bytes = Zeroizing::new(advised(read(&self.key, MAX_KEY), KEY_ADVICE)?);
        let signing_key = SigningKey::from_pem(&bytes).with_context(|| format!("{key} is no key to sign with"))?;
        let certificate = advised(answer::certificate(&self.certificate), CERTIFICATE_ADVICE)?;
        Signer::new(signing_key, certificate, self.hash.into())
            .with_context(|| format!("{key} and {} do not belong together", self.certificate.display()))
    }
}

/// What went wrong, and what to do about it.
fn advised<T>(outcome: anyhow::Result<T>, advice: &str) -> anyhow::Result<T> {
    outcome.map_err(|error| anyhow::anyhow!("{error:#}; {advice}"))
}

/// A file, up to one byte beyond a limit: who takes it says that it is too large.
fn read(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(usize::try_from(size).map_or(limit, |size| size.min(limit)) + 1);
    let read = file.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}
