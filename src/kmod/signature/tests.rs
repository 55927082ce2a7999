//! Signatures by the kernel's own `sign-file` and by openssl (`tests/fixtures/kmod/sign.sh`).

use super::*;
use crate::kmod::facts::Pkcs7Signature;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/kmod/", $name)).as_slice()
    };
}

const LONE: &[u8] = fixture!("kmmp_lone.ko");
const SIGNED: &[u8] = fixture!("kmmp_lone.signed.ko");
const RSA: &[u8] = fixture!("signer-rsa.pem");
const RSA_DER: &[u8] = fixture!("signer-rsa.der");
const P384: &[u8] = fixture!("signer-p384.pem");

fn certificate(bytes: &[u8]) -> Certificate {
    Certificate::from_pem_or_der(bytes).unwrap()
}

/// The module with a signature of our own behind it, as `sign-file` puts it there.
fn append(content: &[u8], p7s: &[u8]) -> Vec<u8> {
    let length = u32::try_from(p7s.len()).unwrap().to_be_bytes();
    [content, p7s, &[0, 0, PKCS7, 0, 0, 0, 0, 0], &length, MARKER].concat()
}

fn pkcs7(file: &[u8]) -> Pkcs7Signature {
    match split(file).1 {
        Signature::Pkcs7(signature) => *signature,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_signed_by_the_kernels_own_tool_verifies() {
    let (content, _) = split(SIGNED);
    assert_eq!(content, LONE);
    let signature = pkcs7(SIGNED);
    assert_eq!(signature.digest_algorithm, "sha256");
    assert!(signature.signer.contains("Module signing key"), "{}", signature.signer);
    for (name, bytes) in [("PEM", RSA), ("DER", RSA_DER)] {
        assert_eq!(certificate(bytes).signed(&signature), SignatureCheck::Good, "{name}");
    }
    assert_eq!(certificate(P384).signed(&signature), SignatureCheck::OtherSigner);
}

#[test]
fn signatures_of_every_kind_are_judged() {
    let cases: [(&str, &[u8], &[u8], &str); 11] = [
        ("SHA-1", fixture!("rsa-sha1.p7s"), RSA, "Good"),
        ("SHA-224", fixture!("rsa-sha224.p7s"), RSA, "UnsupportedAlgorithm"),
        ("SHA-256", fixture!("rsa-sha256.p7s"), RSA, "Good"),
        ("SHA-384", fixture!("rsa-sha384.p7s"), RSA, "Good"),
        ("SHA-512", fixture!("rsa-sha512.p7s"), RSA, "Good"),
        ("SHA3-256", fixture!("rsa-sha3-256.p7s"), RSA, "UnsupportedAlgorithm"),
        ("ECDSA P-384 with SHA-256", fixture!("p384-sha256.p7s"), P384, "Good"),
        ("ECDSA P-384 with SHA-512", fixture!("p384-sha512.p7s"), P384, "Good"),
        ("by key identifier", fixture!("keyid.p7s"), RSA, "Good"),
        (
            "by key identifier, of another key",
            fixture!("keyid.p7s"),
            P384,
            "OtherSigner",
        ),
        (
            "with its certificate inside",
            fixture!("with-certificate.p7s"),
            RSA,
            "Good",
        ),
    ];
    for (name, p7s, signer, expected) in cases {
        let check = certificate(signer).signed(&pkcs7(&append(LONE, p7s)));
        assert!(format!("{check:?}").starts_with(expected), "{name}: {check:?}");
    }
}

#[test]
fn any_of_several_signers_will_do() {
    let signature = pkcs7(&append(LONE, fixture!("two-signers.p7s")));
    for signer in [RSA, P384] {
        assert_eq!(certificate(signer).signed(&signature), SignatureCheck::Good);
    }
}

#[test]
fn a_file_that_was_altered_does_not_verify() {
    let mut altered = SIGNED.to_vec();
    altered[LONE.len() / 2] ^= 1;
    let check = certificate(RSA).signed(&pkcs7(&altered));
    assert!(
        matches!(&check, SignatureCheck::Mismatch(why) if why.contains("altered")),
        "{check:?}"
    );
}

#[test]
fn what_the_kernel_refuses_is_malformed() {
    let cases: [(&str, &[u8], &str); 7] = [
        ("signed attributes", fixture!("attributes.p7s"), "signed attributes"),
        ("content of its own", fixture!("with-content.p7s"), "content of its own"),
        ("no message at all", b"", "cannot be read"),
        ("text", b"not a message", "cannot be read"),
        (
            "a message cut short",
            &fixture!("rsa-sha256.p7s")[..100],
            "cannot be read",
        ),
        // contentType pkcs7-data, with an OCTET STRING
        (
            "plain data",
            b"\x30\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x02\x04\x00",
            "not signed data",
        ),
        // SignedData version 1 over pkcs7-data, without digests and signers
        (
            "no signer",
            b"\x30\x23\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x16\x30\x14\x02\x01\x01\x31\x00\
              \x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x31\x00",
            "names no signer",
        ),
    ];
    for (name, p7s, part) in cases {
        let (content, signature) = split_owned(&append(LONE, p7s));
        assert_eq!(content, LONE, "{name}");
        assert!(
            matches!(&signature, Signature::Malformed(why) if why.contains(part)),
            "{name}: {signature:?}"
        );
    }
}

fn split_owned(file: &[u8]) -> (Vec<u8>, Signature) {
    let (content, signature) = split(file);
    (content.to_vec(), signature)
}

#[test]
fn algorithms_that_the_kernel_does_not_know_are_not_damage() {
    let mut no_rsa = fixture!("rsa-sha256.p7s").to_vec();
    let oid = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let at = no_rsa.windows(oid.len()).rposition(|window| window == oid).unwrap();
    no_rsa[at + oid.len() - 1] = 10; // rsaEncryption becomes RSASSA-PSS
    for (name, p7s) in [("digest", fixture!("rsa-md5.p7s")), ("signature", no_rsa.as_slice())] {
        let (_, signature) = split_owned(&append(LONE, p7s));
        assert!(
            matches!(&signature, Signature::Unsupported(why) if why.contains(name)),
            "{name}: {signature:?}"
        );
    }
}

#[test]
fn the_trailer_is_checked_as_the_kernel_checks_it() {
    let trailer_at = SIGNED.len() - MARKER.len() - TRAILER_SIZE;
    let with = |at: usize, value: u8| {
        let mut file = SIGNED.to_vec();
        file[trailer_at + at] = value;
        file
    };
    let cases = [
        ("no marker", LONE.to_vec(), "Absent"),
        ("an empty file", Vec::new(), "Absent"),
        ("a marker alone", MARKER.to_vec(), "Absent"),
        ("a newline after the marker", [SIGNED, b"\n"].concat(), "Absent"),
        (
            "a marker and too little before it",
            [b"short", MARKER].concat(),
            "Malformed(\"nothing stands",
        ),
        (
            "a trailer and nothing before it",
            append(b"", b""),
            "Malformed(\"it says that the signature has 0 bytes",
        ),
        (
            "a signature as long as the file",
            with(8, 0x7f),
            "Malformed(\"it says that",
        ),
        (
            "another kind of signature",
            with(2, 1),
            "Unsupported(\"it is not a PKCS#7 signature (type 1)",
        ),
        ("an algorithm", with(0, 1), "Malformed(\"its signature trailer"),
        ("a hash", with(1, 4), "Malformed(\"its signature trailer"),
        ("a signer's length", with(3, 1), "Malformed(\"its signature trailer"),
        ("a key's length", with(4, 1), "Malformed(\"its signature trailer"),
        ("padding", with(7, 1), "Malformed(\"its signature trailer"),
    ];
    for (name, file, expected) in cases {
        let signature = format!("{:?}", split(&file).1);
        assert!(signature.starts_with(expected), "{name}: {signature}");
    }
}

#[test]
fn of_two_signatures_the_last_counts_and_covers_the_first() {
    let twice = append(SIGNED, fixture!("p384-sha512.p7s"));
    let (content, _) = split(&twice);
    assert_eq!(content, SIGNED);
    let check = certificate(P384).signed(&pkcs7(&twice));
    assert!(
        matches!(check, SignatureCheck::Mismatch(_)),
        "it was made over the unsigned file: {check:?}"
    );
}

#[test]
fn certificates_are_read_from_der_and_pem_whatever_stands_around() {
    let commented = [b"Certificate:\n    Data:\n", RSA, b"\nanything\n"].concat();
    let crlf = String::from_utf8(RSA.to_vec())
        .unwrap()
        .replace('\n', "\r\n")
        .into_bytes();
    for (name, bytes) in [
        ("PEM", RSA.to_vec()),
        ("DER", RSA_DER.to_vec()),
        ("PEM with text", commented),
        ("PEM from Windows", crlf),
        ("DER with a newline", [RSA_DER, b"\n"].concat()),
    ] {
        assert_eq!(
            certificate(&bytes).subject(),
            "CN=Module signing key,O=Example Pumps",
            "{name}"
        );
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let large = vec![0x30; (1 << 20) + 1];
    let cases: [(&str, &[u8], &str); 6] = [
        ("nothing", b"", "neither a DER"),
        ("text", b"certificate", "neither a DER"),
        ("a PEM block without an end", &RSA[..200], "neither a DER"),
        ("DER cut short", &RSA_DER[..200], "cannot be read"),
        ("another DER message", fixture!("rsa-sha256.p7s"), "cannot be read"),
        ("a large file", &large, "no more than"),
    ];
    for (name, bytes, part) in cases {
        let error = Certificate::from_pem_or_der(bytes).expect_err(name).to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
}
