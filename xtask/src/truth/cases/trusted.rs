//! Signatures by keys that the kernel trusts, which its firmware has told it of: `db` of UEFI, as mokutil or a machine's
//! owner fills it (`kernel/module/signing.c: mod_verify_sig`, `certs/system_keyring.c`).

use super::signatures::{broken, case, forms};
use super::{Case, Kernel};
use crate::truth::case::Boot;
use crate::truth::kernel::Architecture;
use crate::truth::ko::{Ko, Packing};

/// Hashes, and the options that build them into the kernel. One that is a module is loaded by the kernel, where a node has
/// it: these here have few modules.
const HASHES: [(&str, &str); 5] = [
    ("sha1", "CRYPTO_SHA1"),
    ("sha224", "CRYPTO_SHA256"),
    ("sha384", "CRYPTO_SHA512"),
    ("sha512", "CRYPTO_SHA512"),
    ("sha3-256", "CRYPTO_SHA3"),
];

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    if kernel.architecture != Architecture::Amd64 {
        return Ok(cases);
    }
    for boot in Boot::TRUSTING {
        let one = |(name, ko): (&str, Ko)| case(kernel, boot, name).ko(ko);
        cases.extend(signed(kernel)?.into_iter().map(one));
        cases.extend(packed(kernel)?.into_iter().map(one));
        cases.extend(together(kernel, boot)?);
    }
    cases.extend(by_our_signer(kernel)?);
    Ok(cases)
}

/// What `kmm-preflight sign` makes of modules, where the kernel takes signed ones only.
fn by_our_signer(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str, ko: Ko| case(kernel, Boot::TrustingSigner, name).ko(ko).in_every_core();
    let plain = || kernel.ko("plain");
    let rsa = |ko: Ko| kernel.signed_by_our_signer(ko, "signer-rsa-2048", "sha256");
    let curve = |key: &str| kernel.signed_once_by_our_signer(&plain()?, key, "sha256");
    let foreign = kernel.signed(plain()?, "other", "sha256")?;
    let mut cases = vec![
        one("unsigned", plain()?),
        one("by-our-signer-rsa-2048", rsa(plain()?)?),
        one(
            "by-our-signer-rsa-4096",
            kernel.signed_by_our_signer(plain()?, "signer-rsa-4096", "sha256")?,
        ),
        one("by-our-signer-p-256", curve("signer-p-256")?),
        one("by-our-signer-p-384", curve("signer-p-384")?),
        one("by-our-signer-altered-after", rsa(plain()?)?.altered_after_signing()),
        one("by-our-signer-after-a-foreign-key", rsa(foreign.clone())?),
        one(
            "by-a-foreign-key-after-our-signer",
            kernel.signed(rsa(plain()?)?, "other", "sha256")?,
        ),
        one("by-a-foreign-key", foreign),
        one("xz-by-our-signer", rsa(plain()?.packed(Packing::Xz)?)?),
        one("zstd-by-our-signer", rsa(plain()?.packed(Packing::Zstd)?)?),
    ];
    for hash in ["sha384", "sha512"] {
        if kernel.has("CRYPTO_SHA512")? {
            let signed = kernel.signed_by_our_signer(plain()?, "signer-rsa-2048", hash)?;
            cases.push(one(&format!("by-our-signer-{hash}"), signed));
        }
    }
    Ok(cases)
}

/// A module, signed by keys that the kernel trusts, and by others.
fn signed(kernel: &Kernel) -> anyhow::Result<Vec<(&'static str, Ko)>> {
    let plain = kernel.ko("plain")?;
    let by = |key: &str, ko: &Ko| kernel.signed(ko.clone(), key, "sha256");
    let (ours, foreign) = (by("trusted", &plain)?, by("other", &plain)?);
    let mut all = vec![
        ("unsigned", plain.clone()),
        ("by-us", ours.clone()),
        ("by-a-foreign-key", foreign.clone()),
        ("by-an-elliptic-key", by("elliptic", &plain)?),
        ("by-an-expired-certificate", by("expired", &plain)?),
        ("by-us-twice", by("trusted", &ours)?),
        ("by-us-after-a-foreign-key", by("trusted", &foreign)?),
        ("by-us-before-a-foreign-key", by("other", &ours)?),
        ("by-us-altered-after", ours.clone().altered_after_signing()),
        (
            "by-a-foreign-key-altered-after",
            foreign.clone().altered_after_signing(),
        ),
        ("by-us-and-a-byte-more", ours.clone().with_bytes(|bytes| bytes.push(0))),
        ("by-us-of-another-file", of_another_file(kernel, &plain)?),
        (
            "by-us-wrong-crc",
            by("trusted", &plain.clone().with_crc("module_layout", |crc| crc ^ 1))?,
        ),
        (
            "by-us-no-vermagic",
            by("trusted", &plain.clone().without_modinfo("vermagic"))?,
        ),
        (
            "by-us-damaged-before",
            by("trusted", &plain.clone().cut(plain.bytes.len() / 2))?,
        ),
    ];
    for (hash, option) in HASHES {
        if kernel.has(option)? {
            all.push((hash, kernel.signed(plain.clone(), "trusted", hash)?));
        }
    }
    all.extend(broken(&plain, &ours));
    all.extend(forms(kernel, &plain, "trusted")?);
    Ok(all)
}

/// The signature of one module behind another.
fn of_another_file(kernel: &Kernel, plain: &Ko) -> anyhow::Result<Ko> {
    let other = kernel.ko("params_none")?;
    let length = other.bytes.len();
    let signed = kernel.signed(other, "trusted", "sha256")?;
    let signature = signed.bytes.get(length..).unwrap_or_default().to_vec();
    Ok(plain.clone().with_bytes(|bytes| bytes.extend(signature)))
}

/// modprobe unpacks before the kernel looks at signatures.
fn packed(kernel: &Kernel) -> anyhow::Result<Vec<(&'static str, Ko)>> {
    let plain = kernel.ko("plain")?;
    let ours = |ko: Ko| kernel.signed(ko, "trusted", "sha256");
    Ok(vec![
        ("xz-of-signed", ours(plain.clone())?.packed(Packing::Xz)?),
        ("zstd-of-signed", ours(plain.clone())?.packed(Packing::Zstd)?),
        ("signed-xz", ours(plain.clone().packed(Packing::Xz)?)?),
        ("signed-zstd", ours(plain.clone().packed(Packing::Zstd)?)?),
        ("xz-of-unsigned", plain.clone().packed(Packing::Xz)?),
        (
            "xz-of-altered",
            ours(plain)?.altered_after_signing().packed(Packing::Xz)?,
        ),
    ])
}

/// Signed modules with others, and with arguments.
fn together(kernel: &Kernel, boot: Boot) -> anyhow::Result<Vec<Case>> {
    let one = |name: &str| case(kernel, boot, name);
    let ours = |name: &str| kernel.signed(kernel.ko(name)?, "trusted", "sha256");
    let foreign = |name: &str| kernel.signed(kernel.ko(name)?, "other", "sha256");
    Ok(vec![
        one("pair-by-us").ko(ours("importer")?).ko(ours("exporter")?),
        one("dependency-unsigned")
            .ko(ours("importer")?)
            .ko(kernel.ko("exporter")?),
        one("dependency-by-a-foreign-key")
            .ko(ours("importer")?)
            .ko(foreign("exporter")?),
        one("dependency-altered")
            .ko(ours("importer")?)
            .ko(ours("exporter")?.with_elf(|elf| elf.replace_everywhere(b"description=exp", b"description=EXP"))),
        one("only-the-dependency-signed")
            .ko(kernel.ko("importer")?)
            .ko(ours("exporter")?),
        one("in-tree-by-host-link").ko(ours("needs_lru")?).host_link(),
        one("soft-dependency-unsigned")
            .ko(ours("softdeps")?)
            .ko(kernel.ko("plain")?),
        one("order-with-one-unsigned")
            .ko(ours("plain")?)
            .ko(kernel.ko("aliases")?)
            .order(&["plain", "aliases"]),
        one("by-us-forced").ko(ours("plain")?).args(&["-f"]),
        one("by-us-force-vermagic")
            .ko(ours("plain")?)
            .args(&["--force-vermagic"]),
        one("by-us-force-modversion")
            .ko(ours("plain")?)
            .args(&["--force-modversion"]),
        one("unsigned-forced").ko(kernel.ko("plain")?).args(&["-f"]),
        one("by-us-with-parameters")
            .ko(ours("params")?)
            .parameters(&["p_int=1"]),
        one("by-us-malformed-parameter")
            .ko(ours("params")?)
            .parameters(&["p_int=x"]),
        one("by-us-asked-by-alias")
            .ko(ours("aliases")?)
            .loads("another-name")
            .expecting("aliases"),
        one("by-us-replaced-in-a-later-layer")
            .ko(ours("plain")?)
            .next_layer()
            .file("extra/plain.ko", kernel.ko("plain")?.bytes),
        one("by-us-forced-xz")
            .ko(ours("plain")?.packed(Packing::Xz)?)
            .args(&["-f"]),
    ])
}
