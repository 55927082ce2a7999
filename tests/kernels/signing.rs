//! Signatures beside those of the kernel's own `sign-file`, over real modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kmm_preflight::kmod::facts::{ModuleFile, Signature};
use kmm_preflight::kmod::signature::{Certificate, SignatureCheck};
use kmm_preflight::kmod::signing::{HashKind, Signer, SigningKey};
use tempfile::TempDir;

use crate::kernels_support::cache::{Cache, cache};

const HASHES: [HashKind; 3] = [HashKind::Sha256, HashKind::Sha384, HashKind::Sha512];

/// Bytes of `struct module_signature` and the marker.
const TRAILER: usize = 12 + 28;

/// A key and its certificate, as files that exist as long as this.
struct Identity {
    folder: TempDir,
}

impl Identity {
    /// Made by openssl, with these options of `openssl req`.
    fn new(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut openssl = Command::new("openssl");
        openssl
            .current_dir(folder.path())
            .args([
                "req",
                "-x509",
                "-nodes",
                "-sha256",
                "-days",
                "2",
                "-batch",
                "-subj",
                "/O=Example/CN=Our modules",
            ])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .args(options);
        succeeds(&mut openssl);
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signer(&self, hash: HashKind) -> Signer {
        let key = SigningKey::from_pem(&fs::read(self.file("key.pem")).expect("a key")).expect("a key");
        let certificate = Certificate::from_pem_or_der(&fs::read(self.file("cert.pem")).expect("a certificate"));
        Signer::new(key, certificate.expect("a certificate"), hash).expect("a signer")
    }

    /// What sign-file makes of a module.
    fn theirs(&self, sign_file: &Path, hash: HashKind, module: &Path) -> Vec<u8> {
        let out = self.file("theirs.ko");
        let mut command = Command::new(sign_file);
        command
            .arg(hash.name())
            .args([self.file("key.pem"), self.file("cert.pem")])
            .arg(module)
            .arg(&out);
        succeeds(&mut command);
        fs::read(out).expect("a signed module")
    }

    /// `openssl cms -verify` over a module and the message behind it.
    fn verified_by_openssl(&self, module: &Path, signed: &[u8]) -> bool {
        let content = fs::read(module).expect("a module");
        let message = &signed[content.len()..signed.len() - TRAILER];
        fs::write(self.file("message.der"), message).expect("a file");
        let mut openssl = Command::new("openssl");
        openssl
            .args([
                "cms",
                "-verify",
                "-inform",
                "DER",
                "-binary",
                "-noverify",
                "-nointern",
                "-out",
                "/dev/null",
            ])
            .arg("-in")
            .arg(self.file("message.der"))
            .arg("-content")
            .arg(module)
            .arg("-certfile")
            .arg(self.file("cert.pem"));
        openssl.output().expect("openssl").status.success()
    }
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// The oldest kernel's own sign-file.
fn sign_file(cache: &Cache) -> PathBuf {
    let programs = fs::read_dir(cache.root.join("debian/usr/lib")).expect("Debian's kbuild");
    let mut found: Vec<_> = programs
        .map(|entry| entry.expect("an entry").path().join("scripts/sign-file"))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.into_iter().next().expect("sign-file, of Debian's linux-kbuild")
}

/// Every file of the cache that is not packed, whatever it is.
fn modules(cache: &Cache) -> impl Iterator<Item = PathBuf> {
    let all = cache.modules.iter().map(|module| cache.root.join(&module.record.file));
    all.filter(|path| path.extension().is_some_and(|ending| ending == "ko"))
}

#[test]
fn with_rsa_every_byte_is_that_of_sign_file() {
    let Some(cache) = cache() else { return };
    let sign_file = sign_file(cache);
    for size in ["rsa:2048", "rsa:3072", "rsa:4096"] {
        let identity = Identity::new(&["-newkey", size]);
        for hash in HASHES {
            let signer = identity.signer(hash);
            let every = if hash == HashKind::Sha256 { 1 } else { 20 };
            for module in modules(cache).step_by(every) {
                let ours = signer
                    .signed(&fs::read(&module).expect("a module"))
                    .expect("a signed module");
                let same = ours == identity.theirs(&sign_file, hash, &module);
                assert!(same, "{} with {size} and {}", module.display(), hash.name());
            }
        }
    }
}

#[test]
fn with_ecdsa_the_message_is_built_as_by_sign_file_and_openssl_verifies_it() {
    let Some(cache) = cache() else { return };
    let sign_file = sign_file(cache);
    for curve in ["P-256", "P-384", "P-521"] {
        let identity = Identity::new(&["-newkey", "ec", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")]);
        for hash in HASHES {
            let signer = identity.signer(hash);
            for module in modules(cache).filter(|module| module.ends_with("plain.ko")) {
                let ours = signer
                    .signed(&fs::read(&module).expect("a module"))
                    .expect("a signed module");
                let theirs = identity.theirs(&sign_file, hash, &module);
                let subject = format!("{} with {curve} and {}", module.display(), hash.name());
                assert!(identity.verified_by_openssl(&module, &ours), "{subject}");
                assert_eq!(shape(&module, &ours), shape(&module, &theirs), "{subject}");
                assert_eq!(verdict(&signer, &ours), verdict(&signer, &theirs), "{subject}");
                assert_eq!(verdict(&signer, &ours), Some(SignatureCheck::Good), "{subject}");
            }
        }
    }
}

fn verdict(signer: &Signer, file: &[u8]) -> Option<SignatureCheck> {
    match ModuleFile::read(file).content.expect("unpacked").signature {
        Signature::Pkcs7(signature) => Some(signer.certificate().signed(&signature)),
        _ => None,
    }
}

/// The message without the value of its signature, which is its last part, and without the lengths around it.
fn shape(module: &Path, signed: &[u8]) -> Vec<String> {
    let message = tempfile::NamedTempFile::new().expect("a file");
    let content = usize::try_from(fs::metadata(module).expect("a module").len()).expect("a length");
    fs::write(message.path(), &signed[content..signed.len() - TRAILER]).expect("a message");
    let output = succeeds(
        Command::new("openssl")
            .args(["asn1parse", "-inform", "DER", "-in"])
            .arg(message.path()),
    );
    let text = String::from_utf8(output.stdout).expect("text");
    // Like `  12:d=2  hl=2 l=   9 prim: OBJECT            :pkcs7-data`.
    let what = |line: &str| {
        let depth = line
            .split([':', ' '])
            .find(|word| word.starts_with("d="))
            .expect("a depth");
        let (_lengths, what) = line
            .split_once("l=")
            .and_then(|(_, rest)| rest.split_once("l="))
            .expect("lengths");
        let what = what.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
        format!("{depth} {what}")
    };
    let mut lines: Vec<String> = text.lines().map(what).collect();
    let signature = lines.pop().expect("a signature");
    assert!(signature.contains("OCTET STRING"), "{signature}");
    lines
}
