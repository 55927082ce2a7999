//! Signed modules: by the kernel's own `sign-file`, and by openssl in forms that `sign-file` does not write.
//!
//! Some signatures are made with a random number or the time. They are kept, so that a case stays the same case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kernel::Kernel;
use super::keys;
use super::ko::{Ko, SIGNATURE_MARK};
use super::layout::hex;
use crate::firmware::Firmware;
use crate::process::run;

/// `PKEY_ID_PKCS7` (`include/linux/module_signature.h`).
const PKCS7: u8 = 2;

impl Kernel {
    /// Makes the keys that are missing.
    pub(crate) fn make_keys(&self) -> anyhow::Result<()> {
        keys::make(&self.keys())
    }

    fn keys(&self) -> PathBuf {
        self.cache.join("truth/keys")
    }

    fn key(&self, name: &str) -> PathBuf {
        self.keys().join(name)
    }

    /// The certificates that cases call trusted.
    pub(crate) fn certificates(&self) -> Vec<PathBuf> {
        let certificate = |name: &&str| self.key(name).with_extension("crt");
        keys::TRUSTED.iter().map(certificate).collect()
    }

    /// Firmware from which the kernel learns of these certificates, and trusts them. It is there for one architecture.
    pub(crate) fn firmware(&self, work: &Path) -> anyhow::Result<Firmware> {
        Firmware::trusting(&self.certificates(), &self.cache.join("kernels"), work)
    }

    /// Signed by the kernel's own `sign-file`.
    pub(crate) fn signed(&self, ko: Ko, key: &str, digest: &str) -> anyhow::Result<Ko> {
        self.kept(ko, key, &["sign-file", digest], |file, _| {
            let mut sign_file = Command::new(self.sign_file());
            sign_file
                .arg(digest)
                .arg(self.key(key).with_extension("pem"))
                .arg(self.key(key).with_extension("crt"))
                .arg(file);
            run(&mut sign_file)?;
            Ok(fs::read(file)?)
        })
    }

    /// Signed by openssl with these options.
    pub(crate) fn signed_by_openssl(&self, ko: Ko, key: &str, options: &[&str]) -> anyhow::Result<Ko> {
        self.kept(ko, key, options, |file, message| {
            let mut cms = Command::new("openssl");
            cms.args([
                "cms",
                "-sign",
                "-binary",
                "-nosmimecap",
                "-outform",
                "DER",
                "-md",
                "sha256",
            ])
            .args(options)
            .arg("-inkey")
            .arg(self.key(key).with_extension("pem"))
            .arg("-signer")
            .arg(self.key(key).with_extension("crt"))
            .arg("-in")
            .arg(file)
            .arg("-out")
            .arg(message);
            run(&mut cms)?;
            Ok([fs::read(file)?, trailer(&fs::read(message)?)].concat())
        })
    }

    fn kept(
        &self,
        mut ko: Ko,
        key: &str,
        how: &[&str],
        sign: impl FnOnce(&Path, &Path) -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<Ko> {
        let certificate = fs::read(self.key(key).with_extension("crt"))?;
        let decided_by = [ko.bytes.as_slice(), &certificate, how.join(" ").as_bytes()].concat();
        let shelf = self.cache.join("truth/signed");
        let place = shelf.join(hex(&decided_by));
        if !place.exists() {
            fs::create_dir_all(&shelf)?;
            let work = tempfile::tempdir_in(&shelf)?;
            let file = work.path().join("file");
            fs::write(&file, &ko.bytes)?;
            let signed = sign(&file, &work.path().join("message"))?;
            fs::write(&file, signed)?;
            fs::rename(file, &place)?;
        }
        ko.bytes = fs::read(place)?;
        Ok(ko)
    }
}

impl Ko {
    /// With a PKCS#7 message behind it, whatever that signs.
    pub(crate) fn with_message(self, message: &[u8]) -> Self {
        self.with_bytes(|bytes| bytes.extend(trailer(message)))
    }
}

/// A message with `struct module_signature` and the mark.
fn trailer(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [message, &[0, 0, PKCS7, 0, 0, 0, 0, 0], &length, SIGNATURE_MARK].concat()
}
