//! Signed modules: by the kernel's own `sign-file`, by openssl in forms that `sign-file` does not write, and by
//! `kmm-preflight sign`.
//!
//! Some signatures are made with a random number or the time. They are kept, so that a case stays the same case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::built_in;
use super::case::Boot;
use super::kernel::Kernel;
use super::keys;
use super::ko::{Ko, SIGNATURE_MARK};
use super::layout::hex;
use super::predict;
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

    /// The certificates that cases call trusted on a kernel that is booted so.
    pub(crate) fn certificates(&self, boot: Boot) -> Vec<PathBuf> {
        let names: &[&str] = match boot {
            Boot::TrustingSigner => &keys::SIGNERS,
            _ => &keys::TRUSTED,
        };
        let certificate = |name: &&str| self.key(name).with_extension("crt");
        names.iter().map(certificate).collect()
    }

    /// The certificates that it was built with, those of its own modules.
    pub(crate) fn built_in_certificates(&self) -> anyhow::Result<Vec<PathBuf>> {
        built_in::certificates(&self.vmlinuz(), &self.place("built-in-certificates"))
    }

    /// Firmware from which the kernel learns of these certificates, and trusts them. It is there for one architecture.
    pub(crate) fn firmware(&self, boot: Boot, work: &Path) -> anyhow::Result<Firmware> {
        let folder = work.join(format!("firmware-{}", boot.name()));
        fs::create_dir_all(&folder)?;
        Firmware::trusting(&self.certificates(boot), &self.cache.join("kernels"), &folder)
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

    /// Signed by `kmm-preflight sign`.
    pub(crate) fn signed_by_our_signer(&self, mut ko: Ko, key: &str, hash: &str) -> anyhow::Result<Ko> {
        let work = tempfile::tempdir()?;
        let (from, to) = (work.path().join(ko.file_name()), work.path().join("signed"));
        fs::create_dir(&to)?;
        let to = to.join(ko.file_name());
        fs::write(&from, &ko.bytes)?;
        let mut sign = Command::new(predict::program()?);
        sign.arg("sign").args(["--hash", hash]).arg("--key");
        sign.arg(self.key(key).with_extension("pem")).arg("--cert");
        run(sign.arg(self.key(key).with_extension("crt")).args([&from, &to]))?;
        ko.bytes = fs::read(to)?;
        Ok(ko)
    }

    /// The same by a key whose signatures differ each time: the first one is kept until the signer makes another message
    /// of an RSA key, whose signatures do not differ.
    pub(crate) fn signed_once_by_our_signer(&self, ko: &Ko, key: &str, hash: &str) -> anyhow::Result<Ko> {
        let alike = self.signed_by_our_signer(ko.clone(), keys::SIGNERS[0], hash)?;
        let how = ["kmm-preflight sign", hash, &hex(&alike.bytes)];
        let signed = || self.signed_by_our_signer(ko.clone(), key, hash);
        self.kept(ko.clone(), key, &how, |_, _| Ok(signed()?.bytes))
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
