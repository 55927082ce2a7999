//! Keys made here and now, and what the reader in the room beside says of their signatures. (The forms of keys that openssl
//! writes are tried in `tests/cli/sign.rs`, the bytes of `sign-file` in `tests/kernels/signing.rs`.)

use rcgen::{
    CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize, SignatureAlgorithm, date_time_ymd,
};

use super::*;
use crate::kmod::facts::{ModuleFile, Pkcs7Signature, Signature, Unpackable};
use crate::kmod::signature::SignatureCheck;

const LONE: &[u8] = include_bytes!("../../../tests/fixtures/kmod/kmmp_lone.ko");
const SIGNED_BY_SIGN_FILE: &[u8] = include_bytes!("../../../tests/fixtures/kmod/kmmp_lone.signed.ko");

fn ec(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

/// A certificate that is valid in 2020 and 2021.
fn certificate(pair: &KeyPair) -> Certificate {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Example Pumps");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2022, 1, 1);
    let pem = params.self_signed(pair).unwrap().pem();
    Certificate::from_pem_or_der(pem.as_bytes()).unwrap()
}

fn key(pair: &KeyPair) -> SigningKey {
    SigningKey::from_pem(pair.serialize_pem().as_bytes()).unwrap()
}

fn signer(pair: &KeyPair, hash: HashKind) -> Signer {
    Signer::new(key(pair), certificate(pair), hash).unwrap()
}

fn a_signer() -> Signer {
    signer(&ec(&PKCS_ECDSA_P256_SHA256), HashKind::Sha256)
}

/// The signature that the kernel reads.
fn signature(file: &[u8]) -> Pkcs7Signature {
    match ModuleFile::read(file).content.unwrap().signature {
        Signature::Pkcs7(signature) => *signature,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_key_signs_with_every_hash() {
    let pairs = [
        rsa(),
        ec(&PKCS_ECDSA_P256_SHA256),
        ec(&PKCS_ECDSA_P384_SHA384),
        ec(&PKCS_ECDSA_P521_SHA512),
    ];
    for pair in &pairs {
        for hash in [HashKind::Sha256, HashKind::Sha384, HashKind::Sha512] {
            let signer = signer(pair, hash);
            let file = signer.signed(LONE).unwrap();
            assert!(file.starts_with(LONE));
            let signature = signature(&file);
            assert_eq!(signature.digest_algorithm, hash.name());
            let check = signer.certificate().signed(&signature);
            assert_eq!(check, SignatureCheck::Good, "{signer:?}");
        }
    }
}

#[test]
fn an_altered_file_no_longer_fits_its_signature() {
    let signer = a_signer();
    let mut file = signer.signed(LONE).unwrap();
    file[LONE.len() / 2] ^= 1;
    let check = signer.certificate().signed(&signature(&file));
    assert!(matches!(check, SignatureCheck::Mismatch(_)), "{check:?}");
}

#[test]
fn a_signed_file_is_signed_again_as_a_whole_and_the_last_signature_is_the_one_that_is_read() {
    let signer = a_signer();
    let file = signer.signed(SIGNED_BY_SIGN_FILE).unwrap();
    assert!(file.starts_with(SIGNED_BY_SIGN_FILE));
    assert_eq!(signer.certificate().signed(&signature(&file)), SignatureCheck::Good);
}

#[test]
fn a_packed_module_is_signed_inside_and_packed_again() {
    let signer = a_signer();
    for packing in [Packing::Gzip, Packing::Xz, Packing::Zstd] {
        let packed = packed::pack(packing, LONE.to_vec()).unwrap();
        assert_eq!(
            packed,
            packed::pack(packing, LONE.to_vec()).unwrap(),
            "{packing:?}: it is reproducible"
        );
        let file = signer.signed(&packed).unwrap();
        let facts = ModuleFile::read(&file);
        assert_eq!(facts.packing, packing);
        let content = facts.content.unwrap();
        assert_eq!(content.elf.unwrap().name.as_deref(), Some("kmmp_lone"));
        assert_eq!(
            signer.certificate().signed(&signature(&file)),
            SignatureCheck::Good,
            "{packing:?}"
        );
    }
}

#[test]
fn a_packed_module_that_is_cut_off_is_not_signed() {
    for packing in [Packing::Gzip, Packing::Xz, Packing::Zstd] {
        let packed = packed::pack(packing, LONE.to_vec()).unwrap();
        let error = a_signer().signed(&packed[..packed.len() / 2]).unwrap_err();
        assert!(
            matches!(error, SigningError::Unpackable(Unpackable::Damaged(_))),
            "{packing:?}: {error:?}"
        );
    }
}

#[test]
fn what_is_appended_to_a_packed_module_is_nothing_that_a_kernel_sees() {
    let packed = packed::pack(Packing::Gzip, LONE.to_vec()).unwrap();
    let trailer = a_signer().sign(&packed).unwrap();
    let facts = ModuleFile::read(&[packed, trailer].concat());
    assert_eq!(facts.content.unwrap().signature, Signature::Absent);
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let (ours, theirs) = (ec(&PKCS_ECDSA_P256_SHA256), ec(&PKCS_ECDSA_P256_SHA256));
    for other in [theirs, ec(&PKCS_ECDSA_P384_SHA384)] {
        let error = Signer::new(key(&ours), certificate(&other), HashKind::Sha256).unwrap_err();
        assert!(matches!(error, SigningError::WrongCertificate { .. }), "{error:?}");
    }
}

#[test]
fn the_dates_of_a_certificate_are_worth_a_warning_and_nothing_more() {
    let signer = a_signer();
    for (now, expected) in [
        ("2019-12-31T23:59:59Z", Some("is not valid before 2020-01-01T00:00:00Z")),
        ("2020-01-01T00:00:00Z", None),
        ("2022-01-01T00:00:00Z", None),
        ("2022-01-01T00:00:01Z", Some("has expired on 2022-01-01T00:00:00Z")),
    ] {
        let warnings = signer.warnings(now.parse().unwrap());
        let fits = match expected {
            Some(part) => warnings.len() == 1 && warnings[0].contains(part),
            None => warnings.is_empty(),
        };
        assert!(fits, "{now}: {warnings:?}");
    }
}

#[test]
fn a_key_tells_nothing_but_its_kind() {
    let pair = ec(&PKCS_ECDSA_P384_SHA384);
    assert_eq!(format!("{:?}", key(&pair)), "SigningKey(ECDSA P-384)");
    let shown = format!("{:?}", signer(&pair, HashKind::Sha256));
    assert!(shown.contains("SigningKey(ECDSA P-384)"), "{shown}");
}

#[test]
fn what_is_no_key_is_refused_in_words_that_tell_what_to_do() {
    let pem = ec(&PKCS_ECDSA_P256_SHA256).serialize_pem();
    let large = vec![b'-'; MAX_KEY + 1];
    let der = ec(&PKCS_ECDSA_P256_SHA256).serialize_der();
    let not_base64 = pem.replacen("ME", "M#", 1).replacen("MI", "M#", 1);
    let cases: [(&str, &[u8], &str); 10] = [
        (
            "a label that is none",
            b"-----BEGIN PRIVATE KEY\nMEECAQAw-----\n-----END PRIVATE KEY\nMEECAQAw-----\n",
            "there is no private key in it: a PEM file",
        ),
        ("nothing", b"", "there is no private key in it"),
        ("text", b"key", "a PEM file with a `PRIVATE KEY` block is wanted"),
        ("bytes", b"\xff\xfe", "there is no private key in it"),
        ("DER", &der, "openssl pkey -inform DER"),
        ("a large file", &large, "no more than"),
        ("not base64", not_base64.as_bytes(), "it is not base64"),
        ("cut short", &pem.as_bytes()[..60], "there is no private key in it"),
        (
            "an empty block",
            b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
            "the key cannot be read",
        ),
        (
            "a certificate alone",
            include_bytes!("../../../tests/fixtures/kmod/signer-rsa.pem"),
            "but a CERTIFICATE",
        ),
    ];
    for (name, bytes, part) in cases {
        let error = SigningKey::from_pem(bytes).expect_err(name).to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
    let error = SigningKey::from_pem(ec(&PKCS_ED25519).serialize_pem().as_bytes()).unwrap_err();
    assert_eq!(error, SigningError::UnknownKind("a key of type id-Ed25519".to_owned()));
}

#[test]
fn a_key_is_found_among_other_blocks_and_with_any_line_ends() {
    let pair = ec(&PKCS_ECDSA_P256_SHA256);
    let pem = pair.serialize_pem();
    let certificate = include_str!("../../../tests/fixtures/kmod/signer-rsa.pem");
    for text in [
        format!("{certificate}{pem}"),
        format!("Bag Attributes\n    localKeyID: 01\n{pem}{certificate}"),
        pem.replace('\n', "\r\n"),
    ] {
        let found = SigningKey::from_pem(text.as_bytes()).unwrap();
        assert_eq!(found.public_key(), key(&pair).public_key());
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_in_a_block_are_a_key_or_refused(label in "(|RSA |EC )", der in proptest::collection::vec(0_u8.., 0..200)) {
        use base64::Engine;
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN {label}PRIVATE KEY-----\n{body}\n-----END {label}PRIVATE KEY-----\n");
        proptest::prop_assert!(SigningKey::from_pem(pem.as_bytes()).is_err());
    }
}
