//! The file itself: can it be unpacked, and is it a module that this kernel takes
//! (`kernel/module/main.c: elf_validity_cache_copy`, before 6.4 `elf_validity_check`)?

use super::kernel::Kernel;
use crate::api::{Finding, Rule};
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, ElfModule, ModuleContent, ModuleFile, Packing, Unpackable};

/// What stands in the file, or why nothing can be read from it.
///
/// modprobe unpacks what the kernel does not (`libkmod/libkmod-file.c`).
pub(super) fn unpacked(file: &ModuleFile) -> Result<&ModuleContent, Finding> {
    file.content.as_ref().map_err(|why| match why {
        Unpackable::Damaged(word) => Finding::decides(
            Rule::FileDamaged,
            format!("the {} data is damaged ({word}) and cannot be unpacked; build the image again", packing(file.packing)),
        ),
        Unpackable::TooLarge(limit) => Finding::decides(
            Rule::FileTooLarge,
            format!(
                "the module has more than {limit} bytes once unpacked, more than this program reads, so nobody can say that it \
                 loads; strip it (strip --strip-debug)"
            ),
        ),
    })
}

const fn packing(packing: Packing) -> &'static str {
    match packing {
        Packing::Plain => "module's",
        Packing::Gzip => "gzip",
        Packing::Xz => "xz",
        Packing::Zstd => "zstd",
    }
}

/// The ELF image, or what the kernel refuses in it.
pub(super) fn elf<'f>(content: &'f ModuleContent, kernel: &Kernel<'_>) -> Result<&'f ElfModule, Finding> {
    let elf = content.seen_by(kernel.era()).map_err(|why| defect(why, kernel))?;
    machine(elf, kernel)?;
    Ok(elf)
}

/// kbuild writes one name (`KBUILD_MODNAME`) into `struct module` and into `.modinfo`, and the kernel knows the module by the
/// first.
pub(super) fn one_name(elf: &ElfModule) -> Option<Finding> {
    let (in_struct, told) = (elf.name.as_deref()?, elf.info("name")?);
    (in_struct != told).then(|| {
        let message = format!(
            "the module calls itself {told} in .modinfo, but {in_struct} in its struct module, under which the kernel loads it: \
             nothing that looks for {told} will find it, and KMM cannot unload it; build it again"
        );
        Finding::warns(Rule::ElfMalformed, message)
    })
}

/// What the kernel stumbles over when it loads and links the sections (`layout_and_allocate`, `apply_relocations`).
pub(super) fn flaws(flaws: &[ElfDefect], kernel: &Kernel<'_>) -> Vec<Finding> {
    let minded = flaws.iter().filter(|flaw| is_minded(flaw.kind, kernel));
    minded.map(|flaw| defect(flaw, kernel)).collect()
}

/// Whether the kernel looks for flaws of a kind: for those of the extended versions since it reads them; for trampolines on
/// arm64 as [`makes_trampolines`] says, and for those of `ftrace` since Linux 5.5 with `CONFIG_DYNAMIC_FTRACE` besides; for
/// sections of one name since Linux 6.12, where it lists them (`kernel/module/sysfs.c: mod_sysfs_setup`, which before went on
/// without that list).
fn is_minded(kind: ElfDefectKind, kernel: &Kernel<'_>) -> bool {
    match kind {
        ElfDefectKind::ExtendedVersions => kernel.at_least(6, 14),
        ElfDefectKind::SectionsOfOneName => kernel.at_least(6, 12) && kernel.option("KALLSYMS") != Some(false),
        ElfDefectKind::NoTrampolines => {
            let is_arm = kernel.architecture == Some(Architecture::Aarch64);
            !is_arm || makes_trampolines(kernel)
        }
        ElfDefectKind::NoFtraceTrampoline => {
            kernel.at_least(5, 5) && makes_trampolines(kernel) && kernel.option("DYNAMIC_FTRACE") != Some(false)
        }
        _ => true,
    }
}

/// Whether an arm64 kernel links modules through trampolines: since Linux 6.5 always, before with `CONFIG_ARM64_MODULE_PLTS`.
fn makes_trampolines(kernel: &Kernel<'_>) -> bool {
    kernel.at_least(6, 5) || kernel.option("ARM64_MODULE_PLTS") != Some(false)
}

/// `elf_validity_cache_sechdrs` and its neighbours; `simplify_symbols` for common symbols.
fn defect(defect: &ElfDefect, kernel: &Kernel<'_>) -> Finding {
    let message = &defect.message;
    let (rule, sentence) = match defect.kind {
        ElfDefectKind::Header | ElfDefectKind::Malformed | ElfDefectKind::ExtendedVersions => (
            Rule::ElfMalformed,
            format!("the kernel refuses the file as no valid module: {message}; build it again"),
        ),
        ElfDefectKind::Truncated => (
            Rule::ElfTruncated,
            format!("the file is cut off or its section table lies: {message}; build it again"),
        ),
        ElfDefectKind::NoSymbols => (
            Rule::ElfStripped,
            format!("the file has no symbol table ({message}); strip modules with `strip --strip-debug` only"),
        ),
        ElfDefectKind::NotAModule => (
            Rule::NotAModule,
            format!("the file is not a kernel module ({message}); ship the .ko that kbuild makes, not a plain object"),
        ),
        ElfDefectKind::CommonSymbol => (
            Rule::ElfMalformed,
            format!("the module has common symbols ({message}); compile it with -fno-common"),
        ),
        ElfDefectKind::NoTrampolines | ElfDefectKind::NoFtraceTrampoline => (
            Rule::ElfMalformed,
            format!("the kernel refuses the file: {message}; link it with kbuild, whose linker script makes them"),
        ),
        ElfDefectKind::SectionsOfOneName => (
            Rule::ElfMalformed,
            format!(
                "{message}: {} gives the module up, and modprobe takes that for a module that is loaded already; link it \
                 with kbuild, whose linker script merges sections of one name",
                kernel.release
            ),
        ),
        ElfDefectKind::WritableCode => return writable_code(message, kernel),
        ElfDefectKind::Unlinked => {
            let sentence = format!("{message}: the kernel loads the file with that gap in it; build it again");
            return Finding::warns(Rule::ElfRelocation, sentence);
        }
        ElfDefectKind::Relocation => (
            Rule::ElfRelocation,
            format!("the kernel cannot link the file: {message}; build it again"),
        ),
        ElfDefectKind::Deadly => (
            Rule::KernelCrash,
            format!(
                "the kernel takes the file and then crashes, or works with memory that is destroyed: {message}; never load this \
                 one, build it again"
            ),
        ),
        ElfDefectKind::BeyondLimits => {
            let sentence = format!("the file was not read: {message}. Whether the kernel takes it was not checked");
            return Finding::warns(Rule::FileNotRead, sentence);
        }
    };
    Finding::decides(rule, sentence)
}

/// `module_enforce_rwx_sections`, which does nothing without `CONFIG_STRICT_MODULE_RWX`.
fn writable_code(what: &str, kernel: &Kernel<'_>) -> Finding {
    const MEND: &str = "build it with kbuild, which makes no such sections";
    let release = kernel.release;
    match kernel.option("STRICT_MODULE_RWX") {
        Some(false) => Finding::warns(
            Rule::ElfMalformed,
            format!("{what}; {release} takes it, since it has no CONFIG_STRICT_MODULE_RWX, but others do not; {MEND}"),
        ),
        Some(true) => Finding::decides(Rule::ElfMalformed, format!("{what}, which {release} refuses; {MEND}")),
        None => Finding::decides(
            Rule::ElfMalformed,
            format!("{what}, which {release} refuses (assumed: CONFIG_STRICT_MODULE_RWX, as everywhere); {MEND}"),
        ),
    }
}

/// `elf_validity_ehdr`: `elf_check_arch`.
fn machine(elf: &ElfModule, kernel: &Kernel<'_>) -> Result<(), Finding> {
    match kernel.architecture {
        Some(wanted) if elf.machine != wanted.elf_machine() => {
            let is = Architecture::from_elf_machine(elf.machine).map_or_else(
                || format!("ELF machine {}", elf.machine),
                |arch| arch.machine_name().to_owned(),
            );
            let wanted = wanted.machine_name();
            Err(Finding::decides(
                Rule::ElfMachine,
                format!(
                    "the module is for {is}, but {} is a kernel for {wanted}; build it for {wanted}",
                    kernel.release
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// `elf_validity_cache_index_mod`: since Linux 6.4 the size must be the kernel's own. Before, it was not compared: the kernel
/// works with its own size, and what is too small overlaps with what comes after it.
pub(super) fn struct_module(elf: &ElfModule, kernel: &Kernel<'_>) -> Option<Finding> {
    struct_size(elf, kernel).or_else(|| struct_layout(elf, kernel))
}

/// A pointer that the file has where the kernel's own `struct module` has something else: x86 refuses it where that is not zero
/// (`arch/x86/kernel/module.c: __write_relocate_add`, "Invalid relocation target, existing value is nonzero"), others write over it.
fn struct_layout(elf: &ElfModule, kernel: &Kernel<'_>) -> Option<Finding> {
    let (has, wanted) = (elf.this_module, kernel.this_module()?);
    let functions = [("start", has.start, wanted.start), ("end", has.end, wanted.end)];
    functions.into_iter().find_map(|(function, has, wanted_at)| {
        let (has, wanted_at) = (has?, wanted_at?);
        (has != wanted_at && has < wanted.size).then(|| {
            let message = format!(
                "struct module has the pointer to the {function} function at byte {wanted_at} in {} and at byte {has} in this file, where \
                 that kernel has something else; build it against this kernel's headers",
                kernel.release
            );
            Finding::decides(Rule::ModuleStructSize, message)
        })
    })
}

fn struct_size(elf: &ElfModule, kernel: &Kernel<'_>) -> Option<Finding> {
    let (has, wanted) = (elf.this_module.size, kernel.this_module().map(|wanted| wanted.size));
    let unfit = wanted.filter(|wanted| *wanted != has);
    let release = kernel.release;
    let message = match unfit {
        Some(wanted) => format!(
            "struct module has {wanted} bytes in {release} and {has} in this file, which was built for a kernel with another \
             configuration; build it against this kernel's headers"
        ),
        None if has == 0 => "struct module has no bytes in this file; build it again".to_owned(),
        None => return None,
    };
    let is_larger = wanted.is_some_and(|wanted| wanted < has);
    let make = if is_larger && !kernel.at_least(6, 4) {
        Finding::warns
    } else {
        Finding::decides
    };
    Some(make(Rule::ModuleStructSize, message))
}
