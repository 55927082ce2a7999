//! Real modules, real indexes of depmod, real signatures, judged from their bytes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use super::sketch::{Scene, a_scene, each};
use crate::kmod::config::KernelConfig;
use crate::kmod::facts::ModuleFile;
use crate::kmod::load::Enforcement;
use crate::kmod::signature::Certificate;
use crate::kmod::staged::Entry;
use crate::kmod::symvers::Symvers;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/kmod/", $name)).as_slice()
    };
}

const KERNEL: &str = "6.1.0-50-cloud-amd64";
const RING: &[u8] = fixture!("kmmp_ring.ko");
const PUMP: &[u8] = fixture!("kmmp_pump.ko");
const LONE: &[u8] = fixture!("kmmp_lone.ko");
const SIGNED: &[u8] = fixture!("kmmp_lone.signed.ko");

const OPTIONS: &str = "CONFIG_X86_64=y\nCONFIG_SMP=y\nCONFIG_PREEMPT_BUILD=y\nCONFIG_MODULE_UNLOAD=y\n\
                       CONFIG_MODVERSIONS=y\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_FORCE_LOAD=y\n";

fn module(bytes: &[u8]) -> Entry {
    Entry::Module(Arc::new(ModuleFile::read(bytes)))
}

/// The kernel's exports, as the modules were built against them; what `kmmp_ring` exports is not the kernel's.
fn symvers() -> Symvers {
    let mut crcs = BTreeMap::new();
    for bytes in [RING, PUMP, LONE] {
        let content = ModuleFile::read(bytes).content.expect("unpacked");
        crcs.extend(content.elf.expect("a module").versions.basic.expect("versions").0);
    }
    let kernels = crcs.iter().filter(|(name, _)| !name.starts_with("kmmp_"));
    let lines: Vec<String> = kernels
        .map(|(name, crc)| format!("{crc:#010x}\t{name}\tvmlinux\tEXPORT_SYMBOL"))
        .collect();
    Symvers::read(lines.join("\n").as_bytes()).expect("a table")
}

/// The fixtures as an image, for the kernel that they were built for.
fn scene(name: &str) -> Scene {
    let mut scene = a_scene()
        .without_file("extra/drv.ko")
        .module(name)
        .kernel(KERNEL)
        .toolkit(|toolkit| {
            toolkit.symvers = Some(Arc::new(symvers()));
            toolkit.config = Some(Arc::new(KernelConfig::parse(OPTIONS)));
            toolkit.vermagic = None;
            let ring = ModuleFile::read(RING).content.expect("unpacked").elf.expect("a module");
            toolkit.this_module = Some(ring.this_module);
        });
    scene.entries.extend([
        ("extra/kmmp_ring.ko".to_owned(), module(RING)),
        ("extra/kmmp_pump.ko".to_owned(), module(PUMP)),
        ("extra/kmmp_lone.ko".to_owned(), module(LONE)),
        (
            "modules.dep.bin".to_owned(),
            Entry::Index(Arc::new(fixture!("modules.dep.bin").to_vec())),
        ),
        (
            "modules.alias.bin".to_owned(),
            Entry::Index(Arc::new(fixture!("modules.alias.bin").to_vec())),
        ),
    ]);
    scene
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn with(mut scene: Scene, name: &str, bytes: &[u8]) -> Scene {
    scene.entries.insert(format!("extra/{name}.ko"), module(bytes));
    scene
}

#[test]
fn real_modules_load_where_they_belong() {
    each(vec![
        ("one that needs nothing", scene("kmmp-lone"), ""),
        ("one with its dependency", scene("kmmp_pump"), ""),
        ("by its alias", scene("kmmp:type-7"), ""),
        (
            "with parameters",
            scene("kmmp_pump").parameters(&["level=3", "quiet", "label=deep water", "lanes=1,2"]),
            "",
        ),
        (
            "with wrong ones",
            scene("kmmp_pump").parameters(&["lanes=1,65536", "depth=1"]),
            "parameter-malformed! parameter-unknown?",
        ),
        (
            "without its dependency",
            scene("kmmp_pump").without_file("extra/kmmp_ring.ko"),
            "dependency-missing! symbol-missing! symbol-missing!",
        ),
        (
            "forced, where that is allowed",
            scene("kmmp_lone").args("-f"),
            "versions-missing? vermagic-missing?",
        ),
        (
            "on another release of the same ABI",
            scene("kmmp_pump").kernel("6.1.0-51-cloud-amd64"),
            "",
        ),
        (
            "cut off",
            with(
                scene("kmmp_lone"),
                "kmmp_lone",
                LONE.get(..LONE.len() - 100).expect("long enough"),
            ),
            "elf-truncated!",
        ),
    ]);
}

#[test]
fn real_signatures_are_judged() {
    let rsa = || Certificate::from_pem_or_der(fixture!("signer-rsa.pem")).expect("a certificate");
    let p384 = || Certificate::from_pem_or_der(fixture!("signer-p384.pem")).expect("a certificate");
    let signed = || with(scene("kmmp_lone"), "kmmp_lone", SIGNED);
    let mut altered = SIGNED.to_vec();
    // A byte of the name in `struct module`: the ELF image stays good.
    let name = altered
        .windows(9)
        .rposition(|window| window == b"kmmp_lone")
        .expect("its name");
    altered[name] = b'K';
    let altered = || with(scene("kmmp_lone"), "kmmp_lone", &altered);
    let mut broken = SIGNED.to_vec();
    let trailer = broken.len() - 28 - 12;
    broken[trailer] = 1;
    let broken = || with(scene("kmmp_lone"), "kmmp_lone", &broken);
    let sign = Enforcement::SignSection;
    each(vec![
        (
            "unsigned",
            scene("kmmp_lone").enforced(sign).trusting(rsa()),
            "signature-missing!",
        ),
        ("signed, and nobody asks", signed(), ""),
        (
            "signed, and no certificate to compare with",
            signed().enforced(sign),
            "signature-present",
        ),
        (
            "signed by the trusted key",
            signed().enforced(sign).trusting(p384()).trusting(rsa()),
            "signature-good",
        ),
        (
            "signed by another, and enforced",
            signed().enforced(sign).trusting(p384()),
            "signature-untrusted!",
        ),
        ("signed by another, and not enforced", signed().trusting(p384()), ""),
        (
            "altered after signing, and not enforced",
            altered().trusting(rsa()),
            "signature-mismatch!",
        ),
        (
            "altered, by a signer that the kernel does not know",
            altered().trusting(p384()),
            "",
        ),
        ("broken, and not enforced", broken(), "signature-malformed!"),
    ]);
}

#[test]
fn real_signatures_of_forced_modules_are_judged() {
    let rsa = || Certificate::from_pem_or_der(fixture!("signer-rsa.pem")).expect("a certificate");
    let p384 = || Certificate::from_pem_or_der(fixture!("signer-p384.pem")).expect("a certificate");
    let plain = || with(scene("kmmp_lone"), "kmmp_lone", SIGNED);
    let packed = || with(scene("kmmp_lone"), "kmmp_lone", &gzip(SIGNED));
    let sign = Enforcement::SignSection;
    each(vec![
        (
            "forced and packed, by a trusted signer", // truth: trusted/by-us-forced-xz
            packed().trusting(rsa()).args("--force-vermagic"),
            "signature-mismatch! vermagic-missing?",
        ),
        (
            "forced and packed, by another",
            packed().trusting(p384()).args("--force-vermagic"),
            "vermagic-missing?",
        ),
        (
            "forced and packed, by another, and enforced",
            packed().trusting(p384()).enforced(sign).args("--force-vermagic"),
            "signature-mismatch! vermagic-missing?",
        ),
        (
            "forced, and enforced",
            plain().enforced(sign).trusting(rsa()).args("--force-vermagic"),
            "signature-missing! vermagic-missing?",
        ),
    ]);
}

#[test]
fn a_signature_that_the_kernel_cannot_verify_is_as_good_as_none() {
    let p384 = || Certificate::from_pem_or_der(fixture!("signer-p384.pem")).expect("a certificate");
    let rsa = || Certificate::from_pem_or_der(fixture!("signer-rsa.pem")).expect("a certificate");
    let signed = |message: &[u8]| {
        let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
        let trailer = [
            &[0, 0, 2, 0, 0, 0, 0, 0],
            length.as_slice(),
            b"~Module signature appended~\n",
        ]
        .concat();
        with(scene("kmmp_lone"), "kmmp_lone", &[LONE, message, &trailer].concat())
            .trusting(p384())
            .trusting(rsa())
    };
    let by_curve = || signed(fixture!("p384-sha256.p7s"));
    let with_sha512 = || signed(fixture!("rsa-sha512.p7s"));
    let md5 = || signed(fixture!("rsa-md5.p7s"));
    let having = |option: &str, scene: Scene| {
        let config = KernelConfig::parse(&format!("{OPTIONS}{option}\n"));
        scene
            .toolkit(|toolkit| toolkit.config = Some(Arc::new(config)))
            .enforced(Enforcement::Asked)
    };
    each(vec![
        (
            "ECDSA, built in",
            having("CONFIG_CRYPTO_ECDSA=y", by_curve()),
            "signature-good",
        ),
        (
            "ECDSA, a module",
            having("CONFIG_CRYPTO_ECDSA=m", by_curve()),
            "signature-unsupported!",
        ),
        ("ECDSA, not there", having("", by_curve()), "signature-unsupported!"),
        ("ECDSA, not there, and nobody asks", by_curve(), ""),
        (
            "SHA-512, built in",
            having("CONFIG_CRYPTO_SHA512=y", with_sha512()),
            "signature-good",
        ),
        (
            "SHA-512, a module",
            having("CONFIG_CRYPTO_SHA512=m", with_sha512()),
            "signature-good",
        ),
        (
            "SHA-512, not there",
            having("", with_sha512()),
            "signature-unsupported!",
        ),
        (
            "MD5, which no kernel takes any more",
            having("", md5()),
            "signature-unsupported!",
        ),
    ]);
}
