//! The configurations: what each is, and how it differs from the one that the modules were made for.

use super::{Configuration, Symvers};

/// What tells Red Hat's kernels from Debian's, which have patches of their own.
const RED_HAT: (&str, &str) = ("CC_VERSION_TEXT", "\"gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5)\"");
const YES: &str = "y";

pub(super) const RHEL: Configuration = Configuration {
    name: "rhel",
    meaning: "as RHEL 9: symbol versions, signatures not enforced, no CONFIG_MODULE_FORCE_LOAD",
    set: &[RED_HAT, ("LIVEPATCH", YES)],
    unset: &["MODULE_FORCE_LOAD"],
    symvers: Symvers::AsItWas,
    told: true,
    seen: "7.3.4-own-strict: `vermagic/absent`, `extended/neither`, `crcs/one-symbol-absent`",
};
pub(super) const FORCE_LOAD: Configuration = Configuration {
    name: "force-load",
    meaning: "as RHEL 9, but with CONFIG_MODULE_FORCE_LOAD",
    set: &[RED_HAT, ("MODULE_FORCE_LOAD", YES)],
    unset: &[],
    seen: "Debian's kernels, each: `vermagic/absent`, `crcs/section-absent`",
    ..RHEL
};
pub(super) const NO_VERSIONS: Configuration = Configuration {
    name: "no-versions",
    meaning: "without CONFIG_MODVERSIONS",
    unset: &["MODULE_FORCE_LOAD", "MODVERSIONS", "ASM_MODVERSIONS"],
    symvers: Symvers::WithoutVersions,
    seen: "7.3.4+deb13-cloud-amd64: `crcs/all`, `vermagic/other-release`",
    ..RHEL
};
pub(super) const SIG_FORCE: Configuration = Configuration {
    name: "sig-force",
    meaning: "with CONFIG_MODULE_SIG_FORCE; check is told of our certificates, but where a row says otherwise",
    set: &[
        RED_HAT,
        ("MODULE_SIG_FORCE", YES),
        ("CRYPTO_ECDSA", YES),
        ("CRYPTO_SHA512", "m"),
    ],
    seen: "",
    ..RHEL
};
pub(super) const FEW_ALGORITHMS: Configuration = Configuration {
    name: "few-algorithms",
    meaning: "with CONFIG_MODULE_SIG_FORCE, without CONFIG_CRYPTO_ECDSA and CONFIG_CRYPTO_SHA512; check is told of our \
              certificates",
    set: &[RED_HAT, ("MODULE_SIG_FORCE", YES)],
    unset: &["MODULE_FORCE_LOAD", "CRYPTO_ECDSA", "CRYPTO_SHA512"],
    seen: "",
    ..RHEL
};
pub(super) const INTEGRITY: Configuration = Configuration {
    name: "integrity",
    meaning: "with CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY; check is told of our certificates, but where a row says otherwise",
    set: &[RED_HAT, ("LOCK_DOWN_KERNEL_FORCE_INTEGRITY", YES)],
    seen: "",
    ..RHEL
};
pub(super) const CONFIDENTIALITY: Configuration = Configuration {
    name: "confidentiality",
    meaning: "with CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY; check is told of our certificates, but where a row says \
              otherwise",
    set: &[RED_HAT, ("LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY", YES)],
    seen: "",
    ..RHEL
};
pub(super) const NO_SIGNATURES: Configuration = Configuration {
    name: "no-signatures",
    meaning: "without CONFIG_MODULE_SIG; check is told of our certificates",
    unset: &["MODULE_FORCE_LOAD", "MODULE_SIG", "MODULE_SIG_ALL", "MODULE_SIG_FORMAT"],
    seen: "",
    ..RHEL
};
pub(super) const LENIENT: Configuration = Configuration {
    name: "lenient-namespaces",
    meaning: "with CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS",
    set: &[RED_HAT, ("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS", YES)],
    seen: "",
    ..RHEL
};
pub(super) const TRIMMED: Configuration = Configuration {
    name: "trimmed",
    meaning: "with CONFIG_TRIM_UNUSED_KSYMS, so that Module.symvers has no crypto_alloc_shash",
    set: &[RED_HAT, ("TRIM_UNUSED_KSYMS", YES)],
    symvers: Symvers::Without("crypto_alloc_shash"),
    seen: "7.3.4-own-strict: `symbols/trimmed`, `symbols/trimmed-and-weak`",
    ..RHEL
};
pub(super) const UNPACKING: Configuration = Configuration {
    name: "unpacking",
    meaning: "with CONFIG_MODULE_DECOMPRESS and CONFIG_MODULE_COMPRESS_XZ",
    set: &[
        RED_HAT,
        ("MODULE_COMPRESS", YES),
        ("MODULE_COMPRESS_XZ", YES),
        ("MODULE_DECOMPRESS", YES),
    ],
    seen: "7.3.4-own-strict: `packing/xz-sound`, `packing/zstd-sound`",
    ..RHEL
};
pub(super) const NOT_UNPACKING: Configuration = Configuration {
    name: "not-unpacking",
    meaning: "without CONFIG_MODULE_COMPRESS and CONFIG_MODULE_DECOMPRESS",
    unset: &[
        "MODULE_FORCE_LOAD",
        "MODULE_COMPRESS",
        "MODULE_COMPRESS_XZ",
        "MODULE_DECOMPRESS",
    ],
    seen: "",
    ..RHEL
};
pub(super) const NOT_PREEMPTIBLE: Configuration = Configuration {
    name: "not-preemptible",
    meaning: "without CONFIG_PREEMPT_BUILD",
    unset: &["MODULE_FORCE_LOAD", "PREEMPT_BUILD", "PREEMPT", "PREEMPT_RT"],
    seen: "",
    ..RHEL
};
pub(super) const REAL_TIME: Configuration = Configuration {
    name: "real-time",
    meaning: "with CONFIG_PREEMPT_RT",
    set: &[RED_HAT, ("PREEMPT_RT", YES)],
    unset: &["MODULE_FORCE_LOAD", "PREEMPT_BUILD", "PREEMPT"],
    seen: "6.1.0-50-rt-amd64: `vermagic/as-built`",
    ..RHEL
};
pub(super) const NO_UNLOAD: Configuration = Configuration {
    name: "no-unload",
    meaning: "without CONFIG_MODULE_UNLOAD",
    unset: &["MODULE_FORCE_LOAD", "MODULE_UNLOAD"],
    seen: "",
    ..RHEL
};
pub(super) const NO_LIVEPATCH: Configuration = Configuration {
    name: "no-livepatch",
    meaning: "without CONFIG_LIVEPATCH",
    set: &[RED_HAT],
    unset: &["MODULE_FORCE_LOAD", "LIVEPATCH"],
    seen: "7.3.4-own-strict, 6.1.0-50-cloud-arm64: `files/live-patch`",
    ..RHEL
};
pub(super) const UNTOLD: Configuration = Configuration {
    name: "untold",
    meaning: "unknown: Debian's own toolkit without its configuration, of which check assumes what RHEL 9 has",
    told: false,
    seen: "",
    ..RHEL
};
