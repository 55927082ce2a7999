//! The rows: configurations, cases, and what the sources say of them.

mod as_a_whole;
mod packing;
mod signatures;
mod symbols;
mod versions;

use super::configurations::{
    CONFIDENTIALITY, FEW_ALGORITHMS, FORCE_LOAD, INTEGRITY, LENIENT, NO_LIVEPATCH, NO_SIGNATURES, NO_UNLOAD,
    NO_VERSIONS, NOT_PREEMPTIBLE, NOT_UNPACKING, REAL_TIME, RHEL, SIG_FORCE, TRIMMED, UNPACKING, UNTOLD,
};
use super::{Configuration, Expected};
use crate::truth::case::Case;
use crate::truth::kernel::Kernel;
use crate::truth::ko::Ko;

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

/// A row in short.
struct Row {
    name: &'static str,
    case: Case,
    loads: bool,
    /// Where that is decided.
    source: &'static str,
    /// What check must say of it.
    words: Option<&'static str>,
}

impl Row {
    fn loads(name: &'static str, case: Case, source: &'static str) -> Self {
        Self {
            name,
            case,
            loads: true,
            source,
            words: None,
        }
    }

    fn refused(name: &'static str, case: Case, source: &'static str) -> Self {
        Self {
            loads: false,
            ..Self::loads(name, case, source)
        }
    }

    fn saying(self, words: &'static str) -> Self {
        Self {
            words: Some(words),
            ..self
        }
    }

    fn expected(mut self, configuration: Configuration) -> Expected {
        self.case.id = format!("{}-{}", configuration.name, self.name);
        Expected {
            configuration,
            case: self.case,
            loads: self.loads,
            source: self.source,
            words: self.words,
        }
    }
}

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
    let all = tables
        .into_iter()
        .flat_map(|(configuration, rows)| rows.into_iter().map(move |row| row.expected(configuration)));
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
}
