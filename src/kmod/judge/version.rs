//! Was it built for this kernel: vermagic, and the version of `struct module`
//! (`kernel/module/main.c: check_modstruct_version`, `check_modinfo`; `kernel/module/version.c`).

use super::kernel::Kernel;
use crate::api::{Finding, Rule};
use crate::kmod::facts::{Crcs, ElfModule, ExportTable};
use crate::kmod::modprobe::Force;

const REBUILD: &str = "build it against this kernel's headers";

/// The symbol that carries the version of `struct module` and its kin.
pub(super) const MODULE_LAYOUT: &str = "module_layout";

/// How modprobe has a module loaded whose checks the kernel is to leave out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forcing {
    /// What is to be left out.
    pub(super) force: Force,
    /// Whether modprobe changes the file itself instead of asking the kernel: kmod 28, which unpacks it, does, and so do later
    /// ones where the kernel does not unpack that format (`libkmod/libkmod-module.c: kmod_module_insert_module`).
    pub(super) in_the_file: bool,
}

/// The symbol versions that the kernel sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionsSeen<'f> {
    basic: Option<&'f Crcs>,
    extended: Option<&'f Crcs>,
}

impl<'f> VersionsSeen<'f> {
    /// None where the kernel is asked to ignore them (`elf_validity_cache_index_versions`); where modprobe takes them out of the
    /// file, it does not know the extended form (`libkmod/libkmod-elf.c: kmod_elf_strip_section`). That one is read since
    /// Linux 6.14.
    pub(super) fn of(elf: &'f ElfModule, forcing: Forcing, kernel: &Kernel<'_>) -> Self {
        let (forced, in_the_file) = (forcing.force.versions, forcing.in_the_file);
        let extended = elf.versions.extended.as_ref().filter(|_| kernel.at_least(6, 14));
        Self {
            basic: elf.versions.basic.as_ref().filter(|_| !forced),
            extended: extended.filter(|_| !forced || in_the_file),
        }
    }

    /// Those that are compared: the extended ones win (`kernel/module/version.c: check_version`).
    pub(super) fn compared(self) -> Option<Compared<'f>> {
        let extended = self.extended.is_some();
        let crcs = self.extended.or(self.basic)?;
        Some(Compared { crcs, extended })
    }
}

/// The symbol versions that the kernel compares with its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared<'f> {
    pub(super) crcs: &'f Crcs,
    /// Whether they have the extended form.
    extended: bool,
}

impl Compared<'_> {
    /// Upstream's `check_version` warns once and lets the symbol pass. Debian's kernels are patched to refuse it, as
    /// was seen on its 6.1 and 6.12 (`no symbol version for …`), also for `module_layout`; but the patch leaves the extended
    /// form alone.
    pub(super) fn without(self, symbol: &str, kernel: &Kernel<'_>) -> Finding {
        let what = format!("the module has symbol versions, but none for `{symbol}`");
        let taken = match kernel.is_debians().filter(|_| !self.extended) {
            Some(true) => {
                let message = format!("{what}, and Debian's kernels refuse that; {REBUILD}");
                return Finding::decides(Rule::SymbolVersionMissing, message);
            }
            None if !self.extended => {
                "the kernel takes it as it is (assumed: not built by Debian, whose kernels refuse that)"
            }
            _ => "the kernel takes it as it is",
        };
        Finding::warns(Rule::SymbolVersionMissing, format!("{what}; {taken}; {REBUILD}"))
    }
}

/// The checks before the sections are loaded, in the kernel's order.
pub(super) fn check(elf: &ElfModule, forcing: Forcing, kernel: &Kernel<'_>) -> Vec<Finding> {
    let versions = VersionsSeen::of(elf, forcing, kernel);
    let checks = [
        versions_missing(elf, versions, kernel),
        versions.compared().and_then(|versions| layout(versions, kernel)),
        vermagic(elf, versions, forcing.force, kernel),
        livepatch(elf, kernel),
    ];
    checks.into_iter().flatten().collect()
}

/// `check_version`: no versions at all.
fn versions_missing(elf: &ElfModule, versions: VersionsSeen<'_>, kernel: &Kernel<'_>) -> Option<Finding> {
    if kernel.checks_versions() != Some(true) || versions.compared().is_some() {
        return None;
    }
    let what = match (&elf.versions.basic, &elf.versions.extended) {
        (None, None) => "the module has no symbol versions",
        (None, Some(_)) if !kernel.at_least(6, 14) => {
            "the module has symbol versions in the extended form only, which this kernel does not read"
        }
        _ => "modprobe is told to ignore the symbol versions",
    };
    Some(kernel.unless_force_load(Rule::VersionsMissing, what, &format!("{REBUILD}, without forcing")))
}

/// `check_modstruct_version`.
fn layout(versions: Compared<'_>, kernel: &Kernel<'_>) -> Option<Finding> {
    let exported = kernel
        .symvers()
        .filter(|_| kernel.checks_versions() == Some(true))?
        .symbol(MODULE_LAYOUT)?;
    match versions.crcs.of(MODULE_LAYOUT) {
        Some(built_for) if built_for == u64::from(exported.crc) => None,
        Some(built_for) => Some(crc_mismatch(MODULE_LAYOUT, built_for, exported.crc, kernel)),
        None => Some(versions.without(MODULE_LAYOUT, kernel).of_symbol(MODULE_LAYOUT)),
    }
}

/// `check_version`: the sums differ. In `__versions` a sum has a `long`, and all of it is compared.
pub(super) fn crc_mismatch(symbol: &str, built_for: u64, exported: u32, kernel: &Kernel<'_>) -> Finding {
    Finding::decides(
        Rule::CrcMismatch,
        format!(
            "the module was built for another version of `{symbol}` (CRC {built_for:#010x}) than {} has \
             ({exported:#010x}); {REBUILD}",
            kernel.release
        ),
    )
    .of_symbol(symbol)
}

/// `check_modinfo`. `same_magic` is told of `__versions` only: the extended form does not stand for the release.
fn vermagic(elf: &ElfModule, versions: VersionsSeen<'_>, force: Force, kernel: &Kernel<'_>) -> Option<Finding> {
    let what = if force.vermagic {
        "modprobe is told to ignore vermagic"
    } else {
        "the module has no vermagic"
    };
    let Some(built_for) = elf.info("vermagic").filter(|_| !force.vermagic) else {
        return Some(kernel.unless_force_load(Rule::VermagicMissing, what, &format!("{REBUILD}, without forcing")));
    };
    let skips_release = versions.basic.is_some() && kernel.checks_versions() != Some(false);
    match &kernel.vermagic {
        Some(wanted) => vermagic_against(built_for, wanted, skips_release, kernel),
        None => release_against(built_for, skips_release, kernel),
    }
}

/// `kernel/module/version.c: same_magic`, to the last space; without `CONFIG_MODVERSIONS` the whole strings are compared.
fn vermagic_against(built_for: &str, wanted: &str, skips_release: bool, kernel: &Kernel<'_>) -> Option<Finding> {
    let compared = |magic: &str| {
        let from = if skips_release {
            magic.find(' ').unwrap_or(magic.len())
        } else {
            0
        };
        magic.get(from..).unwrap_or_default().to_owned()
    };
    (compared(built_for) != compared(wanted)).then(|| {
        let why = if skips_release {
            "beyond the release, which symbol versions stand for"
        } else {
            "in full"
        };
        Finding::decides(
            Rule::VermagicMismatch,
            format!(
                "vermagic is `{}` but must be `{}` ({why}) for {}; {REBUILD}",
                built_for, wanted, kernel.release
            ),
        )
    })
}

/// Without the kernel's own vermagic only the release can be compared: it decides where nothing stands for it.
fn release_against(built_for: &str, skips_release: bool, kernel: &Kernel<'_>) -> Option<Finding> {
    let release = built_for.split(' ').next().unwrap_or_default();
    if release == kernel.release || (skips_release && kernel.checks_versions() == Some(true)) {
        return None;
    }
    let target = kernel.release;
    Some(if skips_release {
        Finding::warns(
            Rule::VermagicMismatch,
            format!(
                "the module was built for {release}, not for {target}; it loads there only if every symbol it uses \
                 kept its version, which was not checked; {REBUILD}"
            ),
        )
    } else {
        Finding::decides(
            Rule::VermagicMismatch,
            format!(
                "the module was built for {release}, not for {target}, and has no symbol versions that would stand \
                     for the release; {REBUILD}"
            ),
        )
    })
}

/// `check_modinfo_livepatch`.
fn livepatch(elf: &ElfModule, kernel: &Kernel<'_>) -> Option<Finding> {
    elf.info("livepatch")
        .filter(|_| kernel.option("LIVEPATCH") == Some(false))
        .map(|_| {
            let message = format!(
                "the module is a live patch, and {} has no CONFIG_LIVEPATCH; leave it out for this kernel, or boot one that \
                 takes live patches",
                kernel.release
            );
            Finding::decides(Rule::LivepatchUnsupported, message)
        })
}

/// `check_export_symbol_versions`, since Linux 7.1 `check_export_symbol_sections`.
pub(super) fn check_exports(elf: &ElfModule, kernel: &Kernel<'_>) -> Vec<Finding> {
    let unversioned = |table| {
        let mut exports = kernel
            .exports(elf)
            .filter(|(export, _)| export.table == table)
            .peekable();
        exports.peek().is_some() && exports.all(|(export, _)| export.crc.is_none())
    };
    let is_unversioned = unversioned(ExportTable::Plain) || unversioned(ExportTable::GplOnly);
    let versions = (kernel.checks_versions() == Some(true) && is_unversioned).then(|| {
        let what = "the module exports symbols without versions";
        kernel.unless_force_load(Rule::VersionsMissing, what, REBUILD)
    });
    exports_without_flags(elf, kernel).into_iter().chain(versions).collect()
}

fn exports_without_flags(elf: &ElfModule, kernel: &Kernel<'_>) -> Option<Finding> {
    let mut exports = kernel.exports(elf);
    let lacks = kernel.reads_export_flags() && exports.any(|(export, _)| export.flags.is_none());
    lacks.then(|| {
        let message = format!(
            "the module exports symbols without flags (__kflagstab), as modules for kernels before Linux 7.1 do, and {} refuses \
             that; {REBUILD}",
            kernel.release
        );
        Finding::decides(Rule::ElfMalformed, message)
    })
}
