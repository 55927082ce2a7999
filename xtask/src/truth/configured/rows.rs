//! The rows: configurations, cases, and what the sources say of them.

use super::{Configuration, Expected, Symvers};
use crate::truth::case::{Boot, Case};
use crate::truth::kernel::Kernel;
use crate::truth::ko::{Ko, Packing};

/// What tells Red Hat's kernels from Debian's, which have patches of their own.
const RED_HAT: (&str, &str) = ("CC_VERSION_TEXT", "\"gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5)\"");
const YES: &str = "y";

const RHEL: Configuration = Configuration {
    name: "rhel",
    meaning: "as RHEL 9: symbol versions, signatures not enforced, no CONFIG_MODULE_FORCE_LOAD",
    set: &[RED_HAT, ("LIVEPATCH", YES)],
    unset: &["MODULE_FORCE_LOAD"],
    symvers: Symvers::AsItWas,
    told: true,
};
const FORCE_LOAD: Configuration = Configuration {
    name: "force-load",
    meaning: "as RHEL 9, but with CONFIG_MODULE_FORCE_LOAD",
    set: &[RED_HAT, ("MODULE_FORCE_LOAD", YES)],
    unset: &[],
    ..RHEL
};
const NO_VERSIONS: Configuration = Configuration {
    name: "no-versions",
    meaning: "without CONFIG_MODVERSIONS",
    unset: &["MODULE_FORCE_LOAD", "MODVERSIONS", "ASM_MODVERSIONS"],
    symvers: Symvers::WithoutVersions,
    ..RHEL
};
const SIG_FORCE: Configuration = Configuration {
    name: "sig-force",
    meaning: "with CONFIG_MODULE_SIG_FORCE; check is told of our certificates, but where a row says otherwise",
    set: &[
        RED_HAT,
        ("MODULE_SIG_FORCE", YES),
        ("CRYPTO_ECDSA", YES),
        ("CRYPTO_SHA512", "m"),
    ],
    ..RHEL
};
const FEW_ALGORITHMS: Configuration = Configuration {
    name: "few-algorithms",
    meaning: "with CONFIG_MODULE_SIG_FORCE, without CONFIG_CRYPTO_ECDSA and CONFIG_CRYPTO_SHA512; check is told of our \
              certificates",
    set: &[RED_HAT, ("MODULE_SIG_FORCE", YES)],
    unset: &["MODULE_FORCE_LOAD", "CRYPTO_ECDSA", "CRYPTO_SHA512"],
    ..RHEL
};
const INTEGRITY: Configuration = Configuration {
    name: "integrity",
    meaning: "with CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY; check is told of our certificates, but where a row says otherwise",
    set: &[RED_HAT, ("LOCK_DOWN_KERNEL_FORCE_INTEGRITY", YES)],
    ..RHEL
};
const CONFIDENTIALITY: Configuration = Configuration {
    name: "confidentiality",
    meaning: "with CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY; check is told of our certificates, but where a row says \
              otherwise",
    set: &[RED_HAT, ("LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY", YES)],
    ..RHEL
};
const NO_SIGNATURES: Configuration = Configuration {
    name: "no-signatures",
    meaning: "without CONFIG_MODULE_SIG; check is told of our certificates",
    unset: &["MODULE_FORCE_LOAD", "MODULE_SIG", "MODULE_SIG_ALL", "MODULE_SIG_FORMAT"],
    ..RHEL
};
const LENIENT: Configuration = Configuration {
    name: "lenient-namespaces",
    meaning: "with CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS",
    set: &[RED_HAT, ("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS", YES)],
    ..RHEL
};
const TRIMMED: Configuration = Configuration {
    name: "trimmed",
    meaning: "with CONFIG_TRIM_UNUSED_KSYMS, so that Module.symvers has no crypto_alloc_shash",
    set: &[RED_HAT, ("TRIM_UNUSED_KSYMS", YES)],
    symvers: Symvers::Without("crypto_alloc_shash"),
    ..RHEL
};
const UNPACKING: Configuration = Configuration {
    name: "unpacking",
    meaning: "with CONFIG_MODULE_DECOMPRESS and CONFIG_MODULE_COMPRESS_XZ",
    set: &[
        RED_HAT,
        ("MODULE_COMPRESS", YES),
        ("MODULE_COMPRESS_XZ", YES),
        ("MODULE_DECOMPRESS", YES),
    ],
    ..RHEL
};
const NOT_UNPACKING: Configuration = Configuration {
    name: "not-unpacking",
    meaning: "without CONFIG_MODULE_COMPRESS and CONFIG_MODULE_DECOMPRESS",
    unset: &[
        "MODULE_FORCE_LOAD",
        "MODULE_COMPRESS",
        "MODULE_COMPRESS_XZ",
        "MODULE_DECOMPRESS",
    ],
    ..RHEL
};
const NOT_PREEMPTIBLE: Configuration = Configuration {
    name: "not-preemptible",
    meaning: "without CONFIG_PREEMPT_BUILD",
    unset: &["MODULE_FORCE_LOAD", "PREEMPT_BUILD", "PREEMPT", "PREEMPT_RT"],
    ..RHEL
};
const REAL_TIME: Configuration = Configuration {
    name: "real-time",
    meaning: "with CONFIG_PREEMPT_RT",
    set: &[RED_HAT, ("PREEMPT_RT", YES)],
    unset: &["MODULE_FORCE_LOAD", "PREEMPT_BUILD", "PREEMPT"],
    ..RHEL
};
const NO_UNLOAD: Configuration = Configuration {
    name: "no-unload",
    meaning: "without CONFIG_MODULE_UNLOAD",
    unset: &["MODULE_FORCE_LOAD", "MODULE_UNLOAD"],
    ..RHEL
};
const NO_LIVEPATCH: Configuration = Configuration {
    name: "no-livepatch",
    meaning: "without CONFIG_LIVEPATCH",
    set: &[RED_HAT],
    unset: &["MODULE_FORCE_LOAD", "LIVEPATCH"],
    ..RHEL
};
const UNTOLD: Configuration = Configuration {
    name: "untold",
    meaning: "unknown: Debian's own toolkit without its configuration, of which check assumes what RHEL 9 has",
    told: false,
    ..RHEL
};

const FORCE: &str = "kernel/module/main.c: try_to_force_load";
const MAGIC: &str =
    "kernel/module/main.c: check_modinfo; kernel/module/version.c: same_magic; include/linux/vermagic.h";
const VERSION: &str = "kernel/module/version.c: check_version";
const LAYOUT: &str = "kernel/module/version.c: check_modstruct_version, check_version";
const EXPORTS: &str = "kernel/module/main.c: check_export_symbol_versions, try_to_force_load";
const SIGNATURE: &str = "kernel/module/signing.c: is_module_sig_enforced, module_sig_check";
const LOCKDOWN: &str = "kernel/module/signing.c: module_sig_check; security/lockdown/lockdown.c: lockdown_lsm_init";
const NO_CHECK: &str = "kernel/module/internal.h: module_sig_check without CONFIG_MODULE_SIG";
const ALGORITHM: &str =
    "crypto/asymmetric_keys/pkcs7_verify.c: pkcs7_verify; public_key.c: public_key_verify_signature";
const NAMESPACE: &str = "kernel/module/main.c: verify_namespace_is_imported";
const SYMBOL: &str = "scripts/mod/modpost.c: write_dump; kernel/module/main.c: simplify_symbols";
const LIVEPATCH: &str = "kernel/module/main.c: check_modinfo_livepatch";
const UNPACK: &str = "kmod 28 libkmod/libkmod-file.c: kmod_file_open (unpacks before it hands over)";
const EXTENDED: &str =
    "kernel/module/version.c: check_version, which looks at __versions alone (before Linux 6.14: modversion_ext_start)";
const WHOLE: &str = "kernel/module/main.c: load_module";

/// A row in short: name, case, whether it loads, source, words that check must say.
type Row = (&'static str, Case, bool, &'static str, Option<&'static str>);

/// Every row, made from modules for this kernel.
pub(crate) fn rows(kernel: &Kernel) -> anyhow::Result<Vec<Expected>> {
    let shelf = Shelf::new(kernel)?;
    let tables = [
        (RHEL, shelf.strict()?),
        (FORCE_LOAD, shelf.forced()),
        (NO_VERSIONS, shelf.unversioned()?),
        (SIG_FORCE, shelf.enforced(SIGNATURE)?),
        (FEW_ALGORITHMS, shelf.few_algorithms()?),
        (INTEGRITY, shelf.enforced(LOCKDOWN)?),
        (CONFIDENTIALITY, shelf.enforced(LOCKDOWN)?),
        (NO_SIGNATURES, shelf.unchecked()?),
        (LENIENT, shelf.lenient()?),
        (TRIMMED, shelf.trimmed()?),
        (UNPACKING, shelf.packed()?),
        (NOT_UNPACKING, shelf.packed()?),
        (NOT_PREEMPTIBLE, shelf.flags("SMP mod_unload modversions ")),
        (REAL_TIME, shelf.flags("SMP preempt_rt mod_unload modversions ")),
        (NO_UNLOAD, shelf.flags("SMP preempt modversions ")),
        (NO_LIVEPATCH, vec![shelf.livepatch(false)]),
        (UNTOLD, shelf.untold()?),
    ];
    let expected = |configuration: Configuration, (name, mut case, loads, source, words): Row| {
        case.id = format!("{}-{name}", configuration.name);
        Expected {
            configuration,
            case,
            loads,
            source,
            words,
        }
    };
    let all = tables
        .into_iter()
        .flat_map(|(configuration, rows)| rows.into_iter().map(move |row| expected(configuration, row)));
    Ok(all.collect())
}

/// The modules that rows are about.
struct Shelf<'a> {
    kernel: &'a Kernel,
    plain: Ko,
    exporter: Ko,
    /// The kernel's own vermagic: release, and flags with a space at the end.
    release: String,
    flags: String,
}

impl<'a> Shelf<'a> {
    fn new(kernel: &'a Kernel) -> anyhow::Result<Self> {
        let plain = kernel.ko("plain")?;
        let magic = plain.info("vermagic").unwrap_or_default();
        let (release, flags) = magic.split_once(' ').unwrap_or((&magic, ""));
        Ok(Self {
            kernel,
            exporter: kernel.ko("exporter")?,
            release: release.to_owned(),
            flags: flags.to_owned(),
            plain,
        })
    }

    /// A case whose name is given by its row.
    fn of(&self, ko: Ko) -> Case {
        self.kernel.case("row").ko(ko)
    }

    fn plain(&self) -> Case {
        self.of(self.plain.clone())
    }

    fn with_magic(&self, magic: &str) -> Ko {
        self.plain.clone().with_modinfo("vermagic", magic)
    }

    fn bare(&self) -> Ko {
        self.plain.clone().without_section("__versions")
    }

    fn bare_exporter(&self) -> Ko {
        let without = self.exporter.clone().without_section("__kcrctab");
        without.without_section("__kcrctab_gpl")
    }

    /// What depends on CONFIG_MODULE_FORCE_LOAD: rows of modules that lack something.
    fn lacking(&self, loads: bool, words: Option<&'static str>) -> Vec<Row> {
        let absent = || self.plain.clone().without_modinfo("vermagic");
        let none = Ko::without_section;
        vec![
            ("vermagic-absent", self.of(absent()), loads, FORCE, words),
            (
                "vermagic-and-versions-absent",
                self.of(none(absent(), "__versions")),
                loads,
                FORCE,
                words,
            ),
            ("versions-absent", self.of(self.bare()), loads, LAYOUT, words),
            (
                "exports-without-versions",
                self.of(self.bare_exporter()),
                loads,
                EXPORTS,
                words,
            ),
            ("forced", self.plain().args(&["-f"]), loads, FORCE, words),
            (
                "force-vermagic",
                self.plain().args(&["--force-vermagic"]),
                loads,
                FORCE,
                words,
            ),
            (
                "force-modversion",
                self.plain().args(&["--force-modversion"]),
                loads,
                LAYOUT,
                words,
            ),
        ]
    }

    fn strict(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = self.lacking(false, Some("no CONFIG_MODULE_FORCE_LOAD"));
        let other = format!("5.14.0-570.el9.x86_64 {}", self.flags);
        let foreign = self.kernel.signed(self.plain.clone(), "other", "sha256")?;
        let marked = self.plain.clone().with_message(b"no message");
        let flip = |crc: u64| crc ^ 1;
        rows.extend([
            ("as-built", self.plain(), true, WHOLE, None),
            (
                "wrong-version",
                self.of(self.plain.clone().with_crc("_printk", flip)),
                false,
                VERSION,
                None,
            ),
            (
                "wrong-layout",
                self.of(self.plain.clone().with_crc("module_layout", flip)),
                false,
                LAYOUT,
                None,
            ),
            (
                "one-version-absent",
                self.of(self.plain.clone().without_crc("_printk")),
                true,
                VERSION,
                None,
            ),
            (
                "layout-version-absent",
                self.of(self.plain.clone().without_crc("module_layout")),
                true,
                LAYOUT,
                None,
            ),
            ("other-release", self.of(self.with_magic(&other)), true, MAGIC, None),
            (
                "other-release-no-versions",
                self.of(self.bare().with_modinfo("vermagic", &other)),
                false,
                MAGIC,
                None,
            ),
            ("namespace-not-imported", self.namespace()?, false, NAMESPACE, None),
            ("unsigned", self.plain(), true, SIGNATURE, None),
            ("by-a-foreign-key", self.of(foreign), true, SIGNATURE, None),
            ("signature-malformed", self.of(marked), false, SIGNATURE, None),
            self.livepatch(true),
        ]);
        rows.extend(self.extended_versions());
        Ok(rows)
    }

    /// No kernel of these reads the extended form, and none that reads it has symbol versions: what it does without.
    fn extended_versions(&self) -> [Row; 2] {
        let both = self.plain.clone().with_extended_versions(|crc| crc ^ 1);
        let alone = self
            .plain
            .clone()
            .with_extended_versions(|crc| crc)
            .without_section("__versions");
        [
            (
                "extended-versions-wrong-beside-good-ones",
                self.of(both),
                true,
                EXTENDED,
                None,
            ),
            (
                "extended-versions-alone",
                self.of(alone),
                false,
                EXTENDED,
                Some("no CONFIG_MODULE_FORCE_LOAD"),
            ),
        ]
    }

    fn forced(&self) -> Vec<Row> {
        self.lacking(true, Some("has CONFIG_MODULE_FORCE_LOAD"))
    }

    /// Without symbol versions the whole vermagic must be equal, and it has no word of versions.
    fn unversioned(&self) -> anyhow::Result<Vec<Row>> {
        let flags = self.flags.replace("modversions ", "");
        let own = format!("{} {flags}", self.release);
        let other = format!("5.14.0-570.el9.x86_64 {flags}");
        let exporter = self.bare_exporter().with_modinfo("vermagic", &own);
        let importer = self.kernel.ko("importer")?.with_modinfo("vermagic", &own);
        let wrong = self.with_magic(&own).with_crc("_printk", |crc| crc ^ 1);
        Ok(vec![
            ("built-with-versions", self.plain(), false, MAGIC, None),
            ("own-vermagic", self.of(self.with_magic(&own)), true, MAGIC, None),
            (
                "own-vermagic-no-versions",
                self.of(self.bare().with_modinfo("vermagic", &own)),
                true,
                MAGIC,
                None,
            ),
            ("own-vermagic-wrong-version", self.of(wrong), true, VERSION, None),
            ("other-release", self.of(self.with_magic(&other)), false, MAGIC, None),
            (
                "vermagic-absent",
                self.of(self.plain.clone().without_modinfo("vermagic")),
                false,
                FORCE,
                None,
            ),
            (
                "exports-without-versions",
                self.of(exporter.clone()),
                true,
                EXPORTS,
                None,
            ),
            (
                "pair-without-versions",
                self.of(importer).ko(exporter),
                true,
                VERSION,
                None,
            ),
        ])
    }

    /// Where signatures are enforced by configuration alone: nobody tells check to.
    fn enforced(&self, source: &'static str) -> anyhow::Result<Vec<Row>> {
        let by = |key: &str, digest: &str| self.kernel.signed(self.plain.clone(), key, digest);
        let ours = by("trusted", "sha256")?;
        let altered = ours.clone().altered_after_signing();
        let signed = |name: &str| self.kernel.signed(self.kernel.ko(name)?, "trusted", "sha256");
        let told = |case: Case| case.boot(Boot::Trusting);
        let unsigned_dependency = self.of(signed("importer")?).ko(self.exporter.clone());
        Ok(vec![
            ("unsigned", told(self.plain()), false, source, Some("has CONFIG_")),
            (
                "unsigned-and-no-certificate-told",
                self.plain(),
                false,
                source,
                Some("has CONFIG_"),
            ),
            ("by-us", told(self.of(ours.clone())), true, source, None),
            (
                "by-us-sha512",
                told(self.of(by("trusted", "sha512")?)),
                true,
                source,
                None,
            ),
            ("by-us-altered", told(self.of(altered)), false, source, None),
            ("by-us-forced", told(self.of(ours).args(&["-f"])), false, source, None),
            (
                "by-a-foreign-key",
                told(self.of(by("other", "sha256")?)),
                false,
                source,
                Some("has CONFIG_"),
            ),
            ("dependency-unsigned", told(unsigned_dependency), false, source, None),
        ])
    }

    fn few_algorithms(&self) -> anyhow::Result<Vec<Row>> {
        let by = |key: &str, digest: &str| -> anyhow::Result<Case> {
            let case = self.of(self.kernel.signed(self.plain.clone(), key, digest)?);
            Ok(case.boot(Boot::Trusting))
        };
        Ok(vec![
            ("by-us", by("trusted", "sha256")?, true, ALGORITHM, None),
            (
                "sha512",
                by("trusted", "sha512")?,
                false,
                ALGORITHM,
                Some("CONFIG_CRYPTO_SHA512"),
            ),
            (
                "sha384",
                by("trusted", "sha384")?,
                false,
                ALGORITHM,
                Some("CONFIG_CRYPTO_SHA512"),
            ),
            (
                "elliptic",
                by("elliptic", "sha256")?,
                false,
                ALGORITHM,
                Some("CONFIG_CRYPTO_ECDSA"),
            ),
        ])
    }

    /// Without CONFIG_MODULE_SIG a signature is some bytes behind the module.
    fn unchecked(&self) -> anyhow::Result<Vec<Row>> {
        let ours = self.kernel.signed(self.plain.clone(), "trusted", "sha256")?;
        let altered = ours.clone().altered_after_signing();
        let rows = [
            ("unsigned", self.plain.clone()),
            ("by-us", ours),
            ("by-us-altered", altered),
            ("malformed", self.plain.clone().with_message(b"no message")),
        ];
        let row = |(name, ko)| (name, self.of(ko).boot(Boot::Trusting), true, NO_CHECK, None);
        Ok(rows.into_iter().map(row).collect())
    }

    fn namespace(&self) -> anyhow::Result<Case> {
        Ok(self.of(self.kernel.ko("importer_no_ns")?).ko(self.exporter.clone()))
    }

    fn lenient(&self) -> anyhow::Result<Vec<Row>> {
        let words = Some("CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS");
        let imported = self.of(self.kernel.ko("importer")?).ko(self.exporter.clone());
        Ok(vec![
            ("not-imported", self.namespace()?, true, NAMESPACE, words),
            ("imported", imported, true, NAMESPACE, None),
        ])
    }

    fn trimmed(&self) -> anyhow::Result<Vec<Row>> {
        let words = Some("CONFIG_TRIM_UNUSED_KSYMS");
        let weak = self.of(self.kernel.ko("weak")?);
        Ok(vec![
            (
                "uses-what-was-trimmed",
                self.of(self.kernel.ko("gpl_user")?),
                false,
                SYMBOL,
                words,
            ),
            ("uses-what-is-left", self.plain(), true, SYMBOL, None),
            ("weakly-uses-what-nobody-exports", weak, true, SYMBOL, None),
        ])
    }

    fn packed(&self) -> anyhow::Result<Vec<Row>> {
        let packed = |how| -> anyhow::Result<Case> { Ok(self.of(self.plain.clone().packed(how)?)) };
        let gzip = packed(Packing::Gzip)?.kmod(&self.kernel.gzip_kmod()?);
        let damaged = self.plain.clone().packed(Packing::Xz)?;
        let half = damaged.bytes.len() / 2;
        Ok(vec![
            ("not-packed", self.plain(), true, UNPACK, None),
            ("gzip", gzip, true, UNPACK, None),
            ("xz", packed(Packing::Xz)?, true, UNPACK, None),
            ("zstd", packed(Packing::Zstd)?, true, UNPACK, None),
            ("xz-cut", self.of(damaged.cut(half)), false, UNPACK, None),
        ])
    }

    /// Flags of vermagic that the configuration makes.
    fn flags(&self, flags: &str) -> Vec<Row> {
        let own = self.with_magic(&format!("{} {flags}", self.release));
        vec![
            ("built-otherwise", self.plain(), false, MAGIC, None),
            ("built-so", self.of(own), true, MAGIC, None),
        ]
    }

    fn livepatch(&self, taken: bool) -> Row {
        let patch = self.of(self.plain.clone().adding_modinfo("livepatch", "Y"));
        ("live-patch", patch, taken, LIVEPATCH, None)
    }

    /// What is assumed of a kernel whose toolkit has no configuration, and said.
    fn untold(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = self.lacking(false, Some("assumed: no CONFIG_MODULE_FORCE_LOAD"));
        let other = format!("5.14.0-570.el9.x86_64 {}", self.flags);
        let unsigned = Some("CONFIG_MODULE_SIG without CONFIG_MODULE_SIG_FORCE");
        let namespace = Some("assumed: no CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS");
        let absent = self.of(self.plain.clone().without_crc("_printk"));
        let marked = self.of(self.plain.clone().with_message(b"no message"));
        rows.extend([
            ("unsigned", self.plain(), true, SIGNATURE, unsigned),
            (
                "signature-malformed",
                marked,
                false,
                SIGNATURE,
                Some("assumed: CONFIG_MODULE_SIG"),
            ),
            ("namespace-not-imported", self.namespace()?, false, NAMESPACE, namespace),
            ("other-release", self.of(self.with_magic(&other)), true, MAGIC, None),
            (
                "one-version-absent",
                absent,
                true,
                VERSION,
                Some("assumed: not built by Debian"),
            ),
            (
                "missing-symbol",
                self.of(self.kernel.ko("missing_symbol")?),
                false,
                SYMBOL,
                None,
            ),
        ]);
        Ok(rows)
    }
}
