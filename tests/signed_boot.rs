//! Truth before opinion, once more: real kernels that enforce signatures are asked whether they take ours.
//!
//! `tests/signed_boot/run` fetches what this needs, and runs it: Debian's kernels boot in QEMU, with firmware whose `db`
//! holds our certificates and with `module.sig_enforce=1`. What they say of each module has to be what the judge says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a skipped or counted comparison is worth telling"
)]

#[expect(dead_code, reason = "tests/kernels.rs uses the rest of it")]
mod kernels_support;

mod signed_boot {
    pub(crate) mod initrd;
    pub(crate) mod machine;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kmm_preflight::kmod::load::{Enforcement, SignaturePolicy};
use kmm_preflight::kmod::signature::Certificate;
use kmm_preflight::kmod::signing::{HashKind, Signer, SigningKey};
use tempfile::TempDir;

use kernels_support::cache::{Cache, Kernel, cache};
use kernels_support::ledger::{Ledger, Question, Truth};
use kernels_support::shelf;
use signed_boot::initrd::{Case, Initrd, Loader};
use signed_boot::machine;
use xtask::firmware::Firmware;

/// What a kernel says that refuses a signature (`EKEYREJECTED`).
const REFUSAL: &str = "Key was rejected by service";

/// The keys whose certificates the firmware's `db` holds: a name, and options of `openssl req`.
const TRUSTED: [(&str, &[&str]); 6] = [
    ("rsa-2048", &["-newkey", "rsa:2048"]),
    ("rsa-3072", &["-newkey", "rsa:3072"]),
    ("rsa-4096", &["-newkey", "rsa:4096"]),
    ("p-256", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p-384", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("p-521", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"]),
];

/// What a kernel is expected to do with modules by keys of elliptic curves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Curves {
    Taken,
    NotBuiltIn,
}

#[test]
#[ignore = "boots a kernel: tests/signed_boot/run"]
fn debians_6_1_takes_rsa_and_no_ecdsa() {
    ask("6.1.", Curves::NotBuiltIn);
}

#[test]
#[ignore = "boots a kernel: tests/signed_boot/run"]
fn debians_6_12_takes_rsa_and_ecdsa() {
    ask("6.12.", Curves::Taken);
}

/// Boots the newest kernel of a line, and compares what it says with what was expected, and with the judge.
fn ask(line: &str, curves: Curves) {
    let cache = cache().expect("kernels; see tests/signed_boot/run");
    let kernel = newest(cache, line);
    let desk = Desk::new(cache, kernel);
    let cases = desk.cases(curves);
    let firmware = Firmware::trusting(&desk.certificates(), &cache.root, desk.folder.path()).expect("firmware");
    let initrd = Initrd::new(&cache.root, &kernel.release)
        .with_cases(&cases)
        .pack(desk.folder.path());
    let said = machine::boot(&cache.root, &kernel.release, &firmware, &initrd);
    let mut ledger = Ledger::default();
    for case in &cases {
        let (loaded, words) = said.outcome(&case.name);
        assert_eq!(loaded, case.loads, "{}: {words}\n{}", case.name, said.console);
        assert!(loaded || words.contains(REFUSAL), "{}: {words}", case.name);
        let truth = if loaded { Truth::Loads } else { Truth::Refuses };
        ledger.compare(&case.name, truth, desk.question(case));
    }
    ledger.close();
}

fn newest<'a>(cache: &'a Cache, line: &str) -> &'a Kernel {
    let mut of_line = cache.kernels.iter().filter(|kernel| kernel.release.starts_with(line));
    of_line
        .next_back()
        .unwrap_or_else(|| panic!("no kernel {line}* in {}", cache.root.display()))
}

/// Where modules are signed for a kernel.
struct Desk<'a> {
    folder: TempDir,
    kernel: &'a Kernel,
    /// A module that every kernel takes.
    plain: Vec<u8>,
}

impl<'a> Desk<'a> {
    fn new(cache: &Cache, kernel: &'a Kernel) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plain = fs::read(cache.root.join(&kernel.release).join("modules/plain.ko")).expect("a module");
        fs::write(folder.path().join("plain.ko"), &plain).expect("a module");
        let stranger = ("stranger", ["-newkey", "rsa:2048"].as_slice());
        for (name, options) in TRUSTED.into_iter().chain([stranger]) {
            identity(folder.path(), name, options);
        }
        Self { folder, kernel, plain }
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{ending}"))
    }

    fn certificates(&self) -> Vec<PathBuf> {
        TRUSTED.iter().map(|(name, _)| self.file(name, "crt")).collect()
    }

    fn signer(&self, key: &str, hash: HashKind) -> Signer {
        let certificate = Certificate::from_pem_or_der(&fs::read(self.file(key, "crt")).unwrap()).unwrap();
        let key = SigningKey::from_pem(&fs::read(self.file(key, "key")).unwrap()).unwrap();
        Signer::new(key, certificate, hash).unwrap()
    }

    /// A module as it is, signed with a key.
    fn signed(&self, key: &str, module: &[u8]) -> Vec<u8> {
        self.signer(key, HashKind::Sha256).signed(module).unwrap()
    }

    fn cases(&self, curves: Curves) -> Vec<Case> {
        let mut cases = self.by_key(curves);
        cases.extend(self.by_hash());
        cases.extend(self.by_history());
        cases.extend(self.packed());
        if curves == Curves::Taken {
            // Debian's 6.12 unpacks xz itself, its 6.1 nothing (CONFIG_MODULE_DECOMPRESS).
            let xz = self.signed("p-256", &packed_by("xz --check=crc32 --lzma2=dict=1MiB", &self.plain));
            cases.push(Case::new("xz-in-kernel.ko.xz", xz, true).loaded_by(Loader::Kernel));
        }
        cases
    }

    fn by_key(&self, curves: Curves) -> Vec<Case> {
        let case = |(name, _): (&str, _)| {
            let taken = name.starts_with("rsa") || curves == Curves::Taken;
            Case::new(&format!("{name}.ko"), self.signed(name, &self.plain), taken)
        };
        TRUSTED.into_iter().map(case).collect()
    }

    /// SHA-512 is a module of Debian's 6.1, which the kernel loads by itself.
    fn by_hash(&self) -> Vec<Case> {
        let case = |hash: HashKind| {
            let signed = self.signer("rsa-2048", hash).signed(&self.plain).unwrap();
            Case::new(&format!("rsa-2048-{}.ko", hash.name()), signed, true)
        };
        [HashKind::Sha384, HashKind::Sha512].map(case).into()
    }

    fn by_history(&self) -> Vec<Case> {
        let ours = self.signed("rsa-2048", &self.plain);
        let theirs = self.signed("stranger", &self.plain);
        let mut altered = ours.clone();
        let name = altered.windows(17).position(|window| window == b"description=plain");
        altered[name.expect("a description") + 12] = b'P';
        vec![
            Case::new("unsigned.ko", self.plain.clone(), false),
            Case::new("altered.ko", altered, false),
            Case::new("by-a-stranger.ko", theirs.clone(), false),
            Case::new("by-a-stranger-then-us.ko", self.signed("rsa-4096", &theirs), true),
            Case::new("by-us-then-a-stranger.ko", self.signed("stranger", &ours), false),
        ]
    }

    /// What is appended to a packed module is not seen by whoever unpacks it.
    fn packed(&self) -> Vec<Case> {
        let gzip = packed_by("gzip", &self.plain);
        let trailer = self.signer("rsa-2048", HashKind::Sha256).sign(&gzip).unwrap();
        let appended = [gzip.as_slice(), &trailer].concat();
        let zstd = self.signed("rsa-2048", &packed_by("zstd -q", &self.plain));
        let xz = self.signed("rsa-2048", &packed_by("xz", &self.plain));
        vec![
            Case::new("packed.ko.gz", self.signed("rsa-2048", &gzip), true).loaded_by(Loader::Busybox),
            Case::new("packed-then-signed.ko.gz", appended, false).loaded_by(Loader::Busybox),
            Case::new("packed-zstd.ko.zst", zstd, true),
            Case::new("packed-xz.ko.xz", xz, true),
        ]
    }

    /// What the judge is asked: the same module on the same kernel, which trusts the same certificates.
    fn question<'q>(&'q self, case: &'q Case) -> Question<'q> {
        let path = self.folder.path().join(&case.name);
        fs::write(&path, &case.file).expect("a file");
        let folder = Arc::new(shelf::indexed(&path, &[], &self.kernel.release));
        let (name, _) = case.name.split_once(".ko").expect("a module file");
        let mut question = Question::new(name, &folder, self.kernel);
        let trusted = self.certificates().into_iter();
        question.signatures = SignaturePolicy {
            enforced: Some(Enforcement::Asked),
            trusted: trusted
                .map(|file| Certificate::from_pem_or_der(&fs::read(file).unwrap()).unwrap())
                .collect(),
        };
        question
    }
}

/// NAME.key and NAME.crt.
fn identity(folder: &Path, name: &str, options: &[&str]) {
    let subject = format!("/CN=kmm-preflight {name}");
    let output = Command::new("openssl")
        .current_dir(folder)
        .args([
            "req", "-x509", "-nodes", "-sha256", "-days", "2", "-batch", "-subj", &subject,
        ])
        .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")])
        .args(options)
        .output()
        .expect("openssl");
    assert!(output.status.success(), "{output:?}");
}

/// What a packing program, reading from its standard input, makes of some bytes.
fn packed_by(program: &str, bytes: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("a file");
    let mut words = program.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).arg("-c").arg(file.path());
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    output.stdout
}
