//! Signatures: absent, foreign, broken, doubled; enforced and not (`kernel/module/signing.c: module_sig_check`).

use super::{Case, Kernel};
use crate::truth::case::Boot;
use crate::truth::ko::{Ko, SIGNATURE_MARK};

/// What Debian has signed, by a key that its kernel was built with.
const BY_DEBIAN: &str = "by-debian";

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    let debians = kernel.in_tree("dummy")?;
    for boot in [Boot::Plain, Boot::Enforcing, Boot::LockedDown] {
        for (name, ko) in signed(kernel)? {
            cases.push(case(kernel, boot, name).ko(ko));
        }
        cases.extend(debians.iter().map(|ko| case(kernel, boot, BY_DEBIAN).ko(ko.clone())));
    }
    for boot in [Boot::Enforcing, Boot::LockedDown] {
        let dependency = case(kernel, boot, "unsigned-dependency");
        cases.push(dependency.ko(kernel.ko("importer")?).ko(kernel.ko("exporter")?));
        let forced = case(kernel, boot, "unsigned-forced");
        cases.push(forced.ko(kernel.ko("plain")?).args(&["-f"]));
    }
    Ok(cases)
}

/// A case on a kernel that is booted so, which its name says.
pub(super) fn case(kernel: &Kernel, boot: Boot, name: &str) -> Case {
    kernel
        .case(format!("{}-{name}", boot.name().replace('_', "-")))
        .boot(boot)
}

/// A module, signed in every way by a key that the kernel does not trust.
fn signed(kernel: &Kernel) -> anyhow::Result<Vec<(&'static str, Ko)>> {
    let plain = kernel.ko("plain")?;
    let other = kernel.signed(plain.clone(), "other", "sha256")?;
    let with = |extra: &[u8]| plain.clone().with_bytes(|bytes| bytes.extend_from_slice(extra));
    let lying: Vec<u8> = [&[0, 0, 2, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], SIGNATURE_MARK].concat();
    let mut all = vec![
        ("unsigned", plain.clone()),
        ("by-a-foreign-key", other.clone()),
        (
            "by-a-foreign-key-sha512",
            kernel.signed(plain.clone(), "other", "sha512")?,
        ),
        ("twice", kernel.signed(other.clone(), "other", "sha256")?),
        ("altered-after", other.clone().altered_after_signing()),
        ("mark-alone", with(SIGNATURE_MARK)),
        ("mark-in-a-longer-file", with(&[SIGNATURE_MARK, b"x"].concat())),
        ("longer-than-the-file", with(&lying)),
        (
            "of-length-0",
            with(&[&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0], SIGNATURE_MARK].concat()),
        ),
    ];
    all.extend(broken(&plain, &other));
    all.extend(forms(kernel, &plain, "other")?);
    Ok(all)
}

/// What is left of a signature that was damaged.
pub(super) fn broken(plain: &Ko, signed: &Ko) -> Vec<(&'static str, Ko)> {
    let length = signed.bytes.len();
    let trailer = length - SIGNATURE_MARK.len() - 12;
    let mut all = vec![
        ("mark-cut-off", signed.clone().cut(length - SIGNATURE_MARK.len())),
        ("mark-cut-by-one", signed.clone().cut(length - 1)),
        ("der-damaged", signed.clone().patched(trailer - 40, &[0; 8])),
        (
            "der-damaged-at-its-beginning",
            signed.clone().patched(plain.bytes.len(), &[0xff; 4]),
        ),
    ];
    for (name, at, value) in [
        ("algo-set", 0, 1),
        ("hash-set", 1, 1),
        ("type-pgp", 2, 0),
        ("type-x509", 2, 1),
        ("type-unknown", 2, 9),
        ("signer-length-set", 3, 1),
        ("key-id-length-set", 4, 1),
        ("padding-set", 5, 1),
        ("one-byte-shorter", 11, signed.bytes[trailer + 11].wrapping_sub(1)),
    ] {
        all.push((name, signed.clone().patched(trailer + at, &[value])));
    }
    all
}

/// Messages that openssl writes, of forms that the kernel takes or not (`crypto/asymmetric_keys/pkcs7_verify.c:
/// pkcs7_verify`, `pkcs7_supply_detached_data`).
pub(super) fn forms(kernel: &Kernel, plain: &Ko, key: &str) -> anyhow::Result<Vec<(&'static str, Ko)>> {
    let by = |options: &[&str]| kernel.signed_by_openssl(plain.clone(), key, options);
    Ok(vec![
        ("as-sign-file-does", by(&["-noattr", "-nocerts"])?),
        ("with-its-certificate", by(&["-noattr"])?),
        ("with-attributes", by(&["-nocerts"])?),
        ("with-content", by(&["-noattr", "-nocerts", "-nodetach"])?),
        ("of-no-message", plain.clone().with_message(b"")),
        ("of-text", plain.clone().with_message(b"signed by hand")),
        ("by-key-id", by(&["-noattr", "-nocerts", "-keyid"])?),
    ])
}
