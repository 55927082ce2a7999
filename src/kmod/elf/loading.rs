//! What comes after the first checks: which sections the kernel keeps, and what goes wrong with them.

use std::collections::HashSet;

use super::image::{Image, SHF_EXECINSTR, SHF_WRITE, Section};
use super::layout::Layout;
use super::symbols::Symbols;
use super::{defect, linking};
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, Era};

/// Where arm64 makes the jumps of `ftrace`.
const FTRACE_TRAMPOLINE: &str = ".text.ftrace_trampoline";

/// The symbol versions and the variables of each processor, which are not kept where they stand.
const READ_AND_DROPPED: [&str; 2] = ["__versions", ".data..percpu"];
/// The same of kernels that know the extended form, which are those since 6.14: 6.13 is taken for one of them.
const EXTENDED_VERSIONS: [&str; 2] = ["__version_ext_crcs", "__version_ext_names"];

/// An image on its way into the kernel's memory.
pub(super) struct Loading<'i, 'a> {
    pub(super) image: &'i Image<'a>,
    pub(super) symbols: &'i Symbols<'i, 'a>,
    /// For each section whether it has its place in the module's memory.
    kept: Vec<bool>,
    /// The section of the variables of each processor (`find_pcpusec`).
    pub(super) per_processor: Option<usize>,
}

impl<'i, 'a> Loading<'i, 'a> {
    /// `.modinfo` and the versions are read and dropped (`rewrite_section_headers`), the variables of each processor go
    /// elsewhere (`layout_and_allocate`).
    pub(super) fn new(image: &'i Image<'a>, symbols: &'i Symbols<'i, 'a>, modinfo: Option<usize>) -> Self {
        let mut kept: Vec<bool> = image.sections.iter().map(Section::is_allocated).collect();
        let extended = EXTENDED_VERSIONS.iter().filter(|_| image.era == Era::Since6_13);
        let dropped = READ_AND_DROPPED.iter().chain(extended);
        let dropped = dropped.filter_map(|name| image.allocated(name));
        for at in dropped.chain(modinfo) {
            if let Some(kept) = kept.get_mut(at) {
                *kept = false;
            }
        }
        Self {
            image,
            symbols,
            kept,
            per_processor: image.allocated(".data..percpu"),
        }
    }

    /// Whether a section is among those that `layout_sections` gives a place.
    pub(super) fn is_kept(&self, at: usize) -> bool {
        self.kept.get(at).copied().unwrap_or_default()
    }

    /// The same, once the symbols and their names have theirs, too (`layout_symtab`).
    pub(super) fn is_kept_or_symbols(&self, at: usize) -> bool {
        self.is_kept(at) || at == self.symbols.at || at == self.symbols.names_at
    }

    /// What the kernel stumbles over when it loads the sections, in its order; of each kind the first.
    pub(super) fn flaws(&self, layout: &Layout<'_, '_, '_>) -> Vec<ElfDefect> {
        let flaws = [self.without_trampolines(), self.writable_code(), layout.flaw()];
        flaws.into_iter().flatten().collect()
    }

    /// What it stumbles over when it links them.
    pub(super) fn link_flaws(&self, layout: &Layout<'_, '_, '_>) -> Vec<ElfDefect> {
        let misplaced = self.misplaced_symbol().into_iter();
        let linked = misplaced.chain(linking::flaws(self, layout));
        let linked = linked.chain(self.without_ftrace_trampoline());
        linked.chain(self.sections_of_one_name()).collect()
    }

    /// `arch/arm64/kernel/module.c: module_init_ftrace_plt`. As those of the other trampolines, kbuild's linker script makes it.
    fn without_ftrace_trampoline(&self) -> Option<ElfDefect> {
        let is_wanted = Architecture::from_elf_machine(self.image.machine) == Some(Architecture::Aarch64);
        (is_wanted && !self.image.has_any(FTRACE_TRAMPOLINE)).then(|| {
            let message =
                format!("it has no section {FTRACE_TRAMPOLINE}, in which the kernel makes the jumps of ftrace");
            defect(ElfDefectKind::NoFtraceTrampoline, message)
        })
    }

    /// Sections that the kernel fills with jumps and addresses, and without which it takes no module, whatever their type
    /// (`arch/arm64/kernel/module-plts.c`, `arch/riscv/kernel/module-sections.c` and `arch/powerpc/kernel/module_64.c:
    /// module_frob_arch_sections`). kbuild's linker script makes them, if only of one byte.
    fn without_trampolines(&self) -> Option<ElfDefect> {
        let wanted: &[&str] = match Architecture::from_elf_machine(self.image.machine)? {
            Architecture::Aarch64 => &[".plt", ".init.plt"],
            Architecture::Riscv64 => &[".plt", ".got", ".got.plt"],
            Architecture::Ppc64le => &[".stubs"],
            Architecture::X86_64 | Architecture::S390x => &[],
        };
        let missing = wanted.iter().find(|name| !self.image.has_any(name))?;
        Some(defect(
            ElfDefectKind::NoTrampolines,
            format!("it has no section {missing}, in which the kernel makes what leads from the module elsewhere"),
        ))
    }

    /// `kernel/module/strict_rwx.c: module_enforce_rwx_sections`, which looks at all sections, loaded or not.
    fn writable_code(&self) -> Option<ElfDefect> {
        const BOTH: u64 = SHF_WRITE | SHF_EXECINSTR;
        let mut sections = self.image.sections.iter().enumerate();
        let (at, section) = sections.find(|(_, section)| section.flags & BOTH == BOTH)?;
        let name = self.image.name(section);
        Some(defect(
            ElfDefectKind::WritableCode,
            format!("section {at} ({name}) is code that may be written to"),
        ))
    }

    /// `kernel/module/sysfs.c: add_sect_attrs`: a file in /sys/module for every section that is kept and has any size.
    fn sections_of_one_name(&self) -> Option<ElfDefect> {
        let mut names = HashSet::new();
        let mut listed = self.image.sections.iter().enumerate();
        let (_, again) = listed.find(|(at, section)| {
            let is_listed = section.size > 0 && self.is_kept_or_symbols(*at);
            is_listed && !names.insert(self.image.whole_name(section))
        })?;
        let name = self.image.name(again);
        Some(defect(
            ElfDefectKind::SectionsOfOneName,
            format!(
                "it has two sections {name} to load, and one name cannot stand twice in /sys/module/<module>/sections"
            ),
        ))
    }

    fn misplaced_symbol(&self) -> Option<ElfDefect> {
        let at = self.symbols.misplaced()?;
        Some(defect(
            ElfDefectKind::Malformed,
            format!(
                "symbol {at} is defined in a section that does not exist, which newer kernels refuse, and earlier ones take from \
                 whatever stands behind their section table"
            ),
        ))
    }
}
