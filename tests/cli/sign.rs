//! `sign`, with keys in every form that openssl writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use kmm_preflight::kmod::facts::{ModuleFile, Signature};
use kmm_preflight::kmod::signature::{Certificate, SignatureCheck};

use crate::cli::support::{Run, Said, kmm_preflight};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kmod/kmmp_lone.ko");
const SIGNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kmod/kmmp_lone.signed.ko");

/// openssl's commands that make a certificate of key.pem, which is made before.
const CERTIFICATE: &str = "openssl req -x509 -key key.pem -sha256 -days 2 -batch -subj /CN=us -out cert.pem";
const RSA: &str = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem";
const P256: &str = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem";

/// `sign nic.ko`, in a folder in which these commands have run.
fn sign(commands: &[&str], words: &str) -> Run {
    let run = kmm_preflight(&format!("sign {words}"));
    for command in commands {
        shell(run.folder(), command);
    }
    fs::copy(MODULE, run.folder().join("nic.ko")).expect("a module");
    run
}

fn shell(folder: &Path, command: &str) {
    let output = Command::new("sh").args(["-euc", command]).current_dir(folder).output();
    let output = output.expect("a shell");
    assert!(output.status.success(), "{command}: {output:?}");
}

/// What the certificate has to say of the signature of a file, if it has one.
fn verdict(said: &Said, file: &str, certificate: &str) -> Option<SignatureCheck> {
    let certificate = Certificate::from_pem_or_der(&said.file(certificate)).expect("a certificate");
    match ModuleFile::read(&said.file(file)).content.expect("unpacked").signature {
        Signature::Pkcs7(signature) => Some(certificate.signed(&signature)),
        _ => None,
    }
}

#[test]
fn keys_are_taken_in_every_form_in_which_sign_file_takes_them() {
    const TABLE: [(&str, &[&str]); 11] = [
        ("RSA, PKCS#8", &[RSA, CERTIFICATE]),
        (
            "RSA, PKCS#1",
            &[RSA, CERTIFICATE, "openssl rsa -in key.pem -traditional -out key.pem"],
        ),
        ("RSA-3072", &["openssl genrsa -out key.pem 3072", CERTIFICATE]),
        ("RSA-4096", &["openssl genrsa -out key.pem 4096", CERTIFICATE]),
        ("P-256, PKCS#8", &[P256, CERTIFICATE]),
        (
            "P-384, SEC 1 behind its parameters",
            &["openssl ecparam -name secp384r1 -genkey -out key.pem", CERTIFICATE],
        ),
        (
            "P-256, SEC 1 without the public key",
            &[P256, CERTIFICATE, "openssl ec -in key.pem -no_public -out key.pem"],
        ),
        (
            "P-521, SEC 1",
            &[
                "openssl ecparam -name secp521r1 -noout -genkey -out key.pem",
                CERTIFICATE,
            ],
        ),
        (
            "key and certificate in one file",
            &[P256, CERTIFICATE, "cat cert.pem >> key.pem; cp key.pem cert.pem"],
        ),
        (
            "a certificate in DER",
            &[
                P256,
                CERTIFICATE,
                "openssl x509 -in cert.pem -outform DER -out cert.pem",
            ],
        ),
        (
            "with text around",
            &[
                P256,
                CERTIFICATE,
                "openssl pkey -in key.pem -text -out text; cp text key.pem",
            ],
        ),
    ];
    for (name, commands) in TABLE {
        let said = sign(commands, "--key key.pem --cert cert.pem nic.ko out.ko").ends_with(0);
        assert_eq!(
            verdict(&said, "out.ko", "cert.pem"),
            Some(SignatureCheck::Good),
            "{name}"
        );
        assert_eq!(
            (said.out.as_str(), said.err.as_str()),
            ("out.ko: signed by CN=us\n", ""),
            "{name}"
        );
    }
}

#[test]
fn what_is_no_regular_file_is_never_replaced() {
    let places = [
        ("mkfifo out", "it is no regular file"),
        ("ln -s /proc/self/fd/1 out", "it is no regular file"),
        ("mkdir out", "it is a folder; name the file in it"),
    ];
    for (command, words) in places {
        let said = sign(
            &[P256, CERTIFICATE, command],
            "--key key.pem --cert cert.pem nic.ko out",
        )
        .ends_with(2);
        assert!(
            said.err.contains("cannot write out: ") && said.err.contains(words),
            "{command}: {}",
            said.err
        );
        let kept = fs::symlink_metadata(said.folder().join("out")).expect("what was there");
        assert!(!kept.is_file(), "{command}");
    }
}

/// What is made, and what is said of it.
const REFUSED: [(&[&str], &str); 14] = [
    (&[RSA, CERTIFICATE, "rm key.pem"], "cannot open key.pem: No such file"),
    (
        &[RSA, CERTIFICATE, "rm key.pem"],
        "`kmm-preflight sign --help` shows how a key and its certificate are made",
    ),
    (&[RSA, CERTIFICATE, "rm cert.pem"], "`openssl req -x509 -key KEY"),
    (&[RSA, CERTIFICATE, "rm cert.pem"], "cannot read cert.pem: No such file"),
    (&[RSA, CERTIFICATE, "cp key.pem cert.pem"], "cert.pem is no certificate"),
    (
        &[RSA, CERTIFICATE, "cp cert.pem key.pem"],
        "there is no private key in it, but a CERTIFICATE",
    ),
    (
        &[
            RSA,
            CERTIFICATE,
            "cp key.pem plain; openssl pkey -in plain -aes256 -passout pass:x -out key.pem",
        ],
        "the key is encrypted, and nobody is there to type its passphrase; decrypt it: openssl pkey",
    ),
    (
        &[
            RSA,
            CERTIFICATE,
            "openssl rsa -in key.pem -aes256 -passout pass:x -traditional -out key.pem",
        ],
        "the key is encrypted",
    ),
    (
        &[
            RSA,
            CERTIFICATE,
            "cp key.pem pem; openssl pkey -in pem -outform DER -out key.pem",
        ],
        "the key is in DER, and KMM's sign-file takes PEM alone",
    ),
    (
        &[RSA, CERTIFICATE, P256],
        "the certificate of CN=us is not of this key (the key: ECDSA P-256; the cert",
    ),
    (
        &["openssl genpkey -algorithm ED25519 -out key.pem", CERTIFICATE],
        "it is a key of type id-Ed25519",
    ),
    (
        &[
            "openssl ecparam -name secp256k1 -genkey -noout -out key.pem",
            CERTIFICATE,
        ],
        "and kernels take no module signatures by such keys",
    ),
    (
        &["openssl genrsa -out key.pem 1024", CERTIFICATE],
        "it is an RSA key of 1024 bits",
    ),
    (
        &[
            P256,
            CERTIFICATE,
            "openssl ecparam -name prime256v1 -param_enc explicit -genkey -noout -out key.pem",
        ],
        "an elliptic curve that is not told by its name",
    ),
];

#[test]
fn what_cannot_sign_is_refused_and_nothing_is_written() {
    for (commands, message) in REFUSED {
        let run = sign(commands, "--key key.pem --cert cert.pem nic.ko nic.ko");
        let module = run.folder().join("nic.ko");
        let kept = tempfile::NamedTempFile::new().expect("a file");
        fs::remove_file(kept.path()).expect("no file");
        fs::hard_link(&module, kept.path()).expect("a link");
        run.fails_with(message);
        assert_eq!(
            fs::read(kept.path()).expect("it"),
            fs::read(MODULE).expect("it"),
            "{message}"
        );
    }
}

#[test]
fn a_module_is_signed_in_place_and_keeps_its_permissions() {
    let run = sign(
        &[P256, CERTIFICATE],
        "--key key.pem --cert cert.pem --hash sha512 nic.ko nic.ko",
    );
    let module = run.folder().join("nic.ko");
    fs::set_permissions(&module, fs::Permissions::from_mode(0o640)).expect("permissions");
    let mode = || fs::metadata(&module).expect("it").permissions().mode() & 0o7777;
    let said = run.ends_with(0);
    assert_eq!(mode(), 0o640);
    assert_eq!(verdict(&said, "nic.ko", "cert.pem"), Some(SignatureCheck::Good));
}

#[test]
fn what_tools_pack_is_unpacked_by_them_again() {
    for (pack, unpack) in [
        ("gzip -k", "gzip -dc nic.ko.gz"),
        ("xz -k", "xz -dc nic.ko.xz"),
        ("zstd -q", "zstd -dcq nic.ko.zst"),
    ] {
        let ending = unpack.rsplit('.').next().expect("an ending");
        let words = format!("--key key.pem --cert cert.pem nic.ko.{ending} nic.ko.{ending}");
        let run = sign(&[P256, CERTIFICATE], &words);
        shell(run.folder(), &format!("{pack} nic.ko"));
        let said = run.ends_with(0);
        assert_eq!(
            verdict(&said, &format!("nic.ko.{ending}"), "cert.pem"),
            Some(SignatureCheck::Good)
        );
        shell(said.folder(), &format!("{unpack} > unpacked"));
        let unpacked = said.file("unpacked");
        assert!(unpacked.starts_with(&said.file("nic.ko")) && unpacked.ends_with(b"~Module signature appended~\n"));
    }
}

#[test]
fn an_owner_is_told_what_is_strange() {
    let expired = "openssl req -new -key key.pem -subj /CN=old -out csr; \
                   openssl x509 -req -in csr -signkey key.pem -days -1 -out cert.pem";
    let said = sign(&[P256, expired], "--key key.pem --cert cert.pem nic.ko out.ko").ends_with(0);
    assert!(
        said.err
            .starts_with("warning: the certificate of CN=old has expired on 20"),
        "{}",
        said.err
    );
    let said = sign(
        &[P256, CERTIFICATE],
        &format!("--key key.pem --cert cert.pem {SIGNED} out.ko"),
    )
    .ends_with(0);
    assert!(
        said.err.contains("it was signed already by CN=Module signing key"),
        "{}",
        said.err
    );
    let said = sign(&[P256, CERTIFICATE], "--key key.pem --cert cert.pem cert.pem out.ko").ends_with(0);
    assert!(
        said.err.contains("no kernel will load it, signed or not"),
        "{}",
        said.err
    );
}

#[test]
fn files_that_cannot_be_signed_or_written_are_named() {
    let sign = |files: &str| sign(&[P256, CERTIFICATE], &format!("--key key.pem --cert cert.pem {files}"));
    sign("nowhere.ko out.ko").fails_with("cannot open nowhere.ko: No such file");
    sign("nowhere.ko out.ko").fails_with("an image is written oci:DIR:NAME or docker://REFERENCE");
    sign("nic.ko oci:out").fails_with("IN is the file nic.ko, and by its --file or its OUT this is about an image");
    sign(". out.ko").fails_with("cannot read .: Is a directory");
    sign("nic.ko nowhere/out.ko").fails_with("cannot write nowhere/out.ko: there is no folder nowhere; make it first");
    let cut = sign("nic.ko.xz out.ko");
    shell(cut.folder(), "xz -c nic.ko | head -c 500 > nic.ko.xz");
    cut.fails_with("cannot sign nic.ko.xz: the packed module is damaged");
}
