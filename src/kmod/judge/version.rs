//! Was it built for this kernel: vermagic, and the version of `struct module`
//! (`kernel/module/main.c: check_modstruct_version`, `check_modinfo`; `kernel/module/version.c`).

use super::kernel::Kernel;
use crate::api::{Finding, Rule};
use crate::kmod::facts::{ElfModule, Versions};
use crate::kmod::modprobe::Command;

const REBUILD: &str = "build it against this kernel's headers";

/// The symbol that carries the version of `struct module` and its kin.
pub(super) const MODULE_LAYOUT: &str = "module_layout";

/// The checks before any symbol is resolved, in the kernel's order.
pub(super) fn check(elf: &ElfModule, command: &Command, kernel: &Kernel<'_>) -> Vec<Finding> {
    let versions = versions_seen(elf, command, kernel);
    let checks = [
        versions_missing(elf, versions, kernel),
        versions.and_then(|versions| layout(versions, kernel)),
        vermagic(elf, versions, command, kernel),
        livepatch(elf, kernel),
        exports_without_versions(elf, kernel),
    ];
    checks.into_iter().flatten().collect()
}

/// The symbol versions that the kernel sees: none where modprobe asks it to ignore them
/// (`elf_validity_cache_index_versions`), and the extended form only since Linux 6.14.
pub(super) fn versions_seen<'f>(elf: &'f ElfModule, command: &Command, kernel: &Kernel<'_>) -> Option<&'f Versions> {
    let readable = |versions: &&Versions| !versions.extended || kernel.at_least(6, 14);
    elf.versions
        .as_ref()
        .filter(|_| !command.force.versions)
        .filter(readable)
}

/// `check_version`: no versions at all.
fn versions_missing(elf: &ElfModule, versions: Option<&Versions>, kernel: &Kernel<'_>) -> Option<Finding> {
    if kernel.checks_versions() != Some(true) || versions.is_some() {
        return None;
    }
    let what = match &elf.versions {
        None => "the module has no symbol versions",
        Some(versions) if versions.extended && !kernel.at_least(6, 14) => {
            "the module has symbol versions in the extended form only, which this kernel does not read"
        }
        Some(_) => "modprobe is told to ignore the symbol versions",
    };
    Some(kernel.unless_force_load(Rule::VersionsMissing, what, &format!("{REBUILD}, without forcing")))
}

/// `check_modstruct_version`.
fn layout(versions: &Versions, kernel: &Kernel<'_>) -> Option<Finding> {
    let exported = kernel
        .symvers()
        .filter(|_| kernel.checks_versions() == Some(true))?
        .symbol(MODULE_LAYOUT)?;
    match versions.crc(MODULE_LAYOUT) {
        Some(built_for) if built_for == u64::from(exported.crc) => None,
        Some(built_for) => Some(crc_mismatch(MODULE_LAYOUT, built_for, exported.crc, kernel)),
        None => Some(without_version(MODULE_LAYOUT, kernel).of_symbol(MODULE_LAYOUT)),
    }
}

/// Upstream's `check_version` warns once and lets the symbol pass. Debian's kernels are patched to refuse it, as
/// was seen on its 6.1 and 6.12 (`no symbol version for …`), also for `module_layout`.
pub(super) fn without_version(symbol: &str, kernel: &Kernel<'_>) -> Finding {
    let what = format!("the module has symbol versions, but none for `{symbol}`");
    let taken = match kernel.is_debians() {
        Some(true) => {
            let message = format!("{what}, and Debian's kernels refuse that; {REBUILD}");
            return Finding::decides(Rule::SymbolVersionMissing, message);
        }
        Some(false) => "the kernel takes it as it is",
        None => "the kernel takes it as it is (assumed: not built by Debian, whose kernels refuse that)",
    };
    Finding::warns(Rule::SymbolVersionMissing, format!("{what}; {taken}"))
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

/// `check_modinfo`.
fn vermagic(elf: &ElfModule, versions: Option<&Versions>, command: &Command, kernel: &Kernel<'_>) -> Option<Finding> {
    let what = if command.force.vermagic {
        "modprobe is told to ignore vermagic"
    } else {
        "the module has no vermagic"
    };
    let Some(built_for) = elf.info("vermagic").filter(|_| !command.force.vermagic) else {
        return Some(kernel.unless_force_load(Rule::VermagicMissing, what, &format!("{REBUILD}, without forcing")));
    };
    let skips_release =
        versions.is_some_and(|versions| is_basic(versions, kernel)) && kernel.checks_versions() != Some(false);
    match &kernel.vermagic {
        Some(wanted) => vermagic_against(built_for, wanted, skips_release, kernel),
        None => release_against(built_for, skips_release, kernel),
    }
}

/// `same_magic` is told of `__versions` only. The extended form usually comes beside it; alone it comes from kernels
/// built without `CONFIG_BASIC_MODVERSIONS`.
fn is_basic(versions: &Versions, kernel: &Kernel<'_>) -> bool {
    !versions.extended || kernel.option("BASIC_MODVERSIONS") != Some(false)
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
                "the module is a live patch, and {} has no CONFIG_LIVEPATCH",
                kernel.release
            );
            Finding::decides(Rule::LivepatchUnsupported, message)
        })
}

/// `check_export_symbol_versions`.
fn exports_without_versions(elf: &ElfModule, kernel: &Kernel<'_>) -> Option<Finding> {
    let unversioned = |gpl_only| {
        let mut exports = elf
            .exports
            .iter()
            .filter(|export| export.gpl_only == gpl_only)
            .peekable();
        exports.peek().is_some() && exports.all(|export| export.crc.is_none())
    };
    (kernel.checks_versions() == Some(true) && (unversioned(false) || unversioned(true))).then(|| {
        let what = "the module exports symbols without versions";
        kernel.unless_force_load(Rule::VersionsMissing, what, REBUILD)
    })
}
