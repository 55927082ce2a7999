//! Signatures: absent, foreign, broken, doubled; enforced and not (`kernel/module/signing.c: module_sig_check`).

use super::{Case, Kernel};
use crate::truth::case::Boot;
use crate::truth::ko::{Ko, SIGNATURE_MARK};

pub(super) fn cases(kernel: &Kernel) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for boot in Boot::ALL {
        // What Debian has signed its kernels trust, but nobody tells check of that key.
        for (name, ko) in signed(kernel)?
            .into_iter()
            .filter(|(name, _)| !boot.enforces() || *name != "by-debian")
        {
            cases.push(
                kernel
                    .case(format!("{}-{name}", boot.name().replace('_', "-")))
                    .ko(ko)
                    .boot(boot),
            );
        }
    }
    for boot in [Boot::Enforcing, Boot::LockedDown] {
        let name = boot.name().replace('_', "-");
        let dependency = kernel.case(format!("{name}-unsigned-dependency"));
        cases.push(
            dependency
                .ko(kernel.ko("importer")?)
                .ko(kernel.ko("exporter")?)
                .boot(boot),
        );
        let forced = kernel.case(format!("{name}-unsigned-forced"));
        cases.push(forced.ko(kernel.ko("plain")?).args(&["-f"]).boot(boot));
    }
    Ok(cases)
}

/// A module, signed in every way.
fn signed(kernel: &Kernel) -> anyhow::Result<Vec<(&'static str, Ko)>> {
    let plain = kernel.ko("plain")?;
    let by = |key: &str, digest: &str| plain.clone().signed(&kernel.sign_file(), &kernel.key(key), digest);
    let other = by("other", "sha256")?;
    let trailer = other.bytes.len() - SIGNATURE_MARK.len() - 12;
    let with = |extra: &[u8]| plain.clone().with_bytes(|bytes| bytes.extend_from_slice(extra));
    let lying: Vec<u8> = [&[0, 0, 2, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], SIGNATURE_MARK].concat();
    let mut all = vec![
        ("unsigned", plain.clone()),
        ("by-a-foreign-key", other.clone()),
        ("by-a-foreign-key-sha512", by("other", "sha512")?),
        (
            "twice",
            other
                .clone()
                .signed(&kernel.sign_file(), &kernel.key("other"), "sha256")?,
        ),
        (
            "altered-after",
            other
                .clone()
                .with_elf(|elf| elf.replace_everywhere(b"description=plain", b"description=PLAIN")),
        ),
        ("mark-alone", with(SIGNATURE_MARK)),
        ("mark-in-a-longer-file", with(&[SIGNATURE_MARK, b"x"].concat())),
        ("longer-than-the-file", with(&lying)),
        (
            "of-length-0",
            with(&[&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0], SIGNATURE_MARK].concat()),
        ),
        (
            "mark-cut-off",
            other.clone().cut(other.bytes.len() - SIGNATURE_MARK.len()),
        ),
        ("mark-cut-by-one", other.clone().cut(other.bytes.len() - 1)),
        ("der-damaged", other.clone().patched(trailer - 40, &[0; 8])),
        (
            "der-damaged-at-its-beginning",
            other.clone().patched(plain.bytes.len(), &[0xff; 4]),
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
        ("one-byte-shorter", 11, other.bytes[trailer + 11].wrapping_sub(1)),
    ] {
        all.push((name, other.clone().patched(trailer + at, &[value])));
    }
    if let Some(dummy) = kernel.in_tree("dummy")? {
        all.push(("by-debian", dummy));
    }
    Ok(all)
}
