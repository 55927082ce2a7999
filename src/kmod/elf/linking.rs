//! Relocations: what the kernel writes into the loaded sections (`kernel/module/main.c: apply_relocations`;
//! `arch/*/kernel/module.c: apply_relocate_add`). It checks little: not where it writes, nor whether the symbol exists.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::image::{SHF_EXECINSTR, Section};
use super::layout::{Landing, Layout, Placed};
use super::loading::Loading;
use super::relocation::{self, Relocation, SHT_REL, SHT_RELA, target_of};
use super::symbols::{SHN_ABS, SHN_LIVEPATCH, SHN_UNDEF, STB_WEAK, Symbol};
use super::{THIS_MODULE, deadly, defect};
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, StructModule};

/// `SHF_RELA_LIVEPATCH`: live patches are linked otherwise.
const SHF_RELA_LIVEPATCH: u64 = 0x0010_0000;
/// What kbuild calls the start function (`include/linux/module.h: module_init`).
const START: &[u8] = b"init_module";
/// The same of the end function (`module_exit`).
const END: &[u8] = b"cleanup_module";

/// Tables of places whose empty entries the kernel passes over, if not without a warning (`arch/x86/kernel/alternative.c`,
/// `arch/x86/kernel/callthunks.c`, `arch/x86/kernel/unwind_orc.c`, `kernel/trace/ftrace.c: ftrace_process_locs`).
const PASSED_OVER: [&str; 6] = [
    ".return_sites",
    ".retpoline_sites",
    ".call_sites",
    ".ibt_endbr_seal",
    ".orc_unwind_ip",
    "__mcount_loc",
];

/// How the sections are called that are for the end (`kernel/module/main.c: module_exit_section`).
const FOR_THE_END: &str = ".exit";

/// Where functions jump to in order to return (`arch/x86/lib/retpoline.S`).
const RETURN_THUNK: &[u8] = b"__x86_return_thunk";

/// Tables of places at which the kernel reads code, to patch it (`arch/x86/kernel/alternative.c`).
const READ_AS_CODE: [&str; 4] = [".return_sites", ".retpoline_sites", ".call_sites", ".ibt_endbr_seal"];
/// What the compiler calls by itself. The kernel puts something else in the place of these calls before they are made.
const PATCHED: [&[u8]; 2] = [b"__fentry__", b"__x86_"];

const R_X86_64_PLT32: u32 = 4;
/// What a call's address counts from: the end of the four bytes that it is written into.
const OF_A_CALL: u64 = 4_u64.wrapping_neg();
const R_X86_64_32: u32 = 10;
const R_X86_64_32S: u32 = 11;

/// How far from its symbol an address may lie and still be sure to fit into 32 signed bits: modules and kernel share the
/// last two GiB, and modules begin in the middle of them.
const NEAR: i64 = 1 << 30;

/// What goes wrong with the relocations: the first thing that is fatal, and what is not.
pub(super) fn flaws(loading: &Loading<'_, '_>, layout: &Layout<'_, '_, '_>) -> Vec<ElfDefect> {
    let (unlinked, fatal) = match apply_all(loading, layout) {
        Ok(unlinked) => (unlinked, None),
        Err(fatal) => (None, Some(fatal)),
    };
    let (deadly, idle): (Vec<_>, Vec<_>) = code_without(loading)
        .into_iter()
        .partition(|gaps| gaps.kind == ElfDefectKind::Deadly);
    let fatal = fatal
        .or_else(|| deadly.into_iter().next())
        .or_else(|| start_outside(loading));
    unlinked
        .into_iter()
        .chain(idle.into_iter().take(1))
        .chain(fatal)
        .collect()
}

/// Applies every table; what is not fatal, of it the first.
fn apply_all(loading: &Loading<'_, '_>, layout: &Layout<'_, '_, '_>) -> Result<Option<ElfDefect>, ElfDefect> {
    let sections = &loading.image.sections;
    let tables = sections.iter().enumerate().skip(1);
    let tables = tables.filter(|(_, table)| matches!(table.kind, SHT_RELA | SHT_REL));
    let mut unlinked = None;
    for (at, header) in tables.filter(|(_, table)| table.flags & SHF_RELA_LIVEPATCH == 0) {
        let target_at = target_of(header).filter(|target| loading.is_kept_or_symbols(*target));
        if let Some((target_at, target)) = target_at.and_then(|target| Some((target, sections.get(target)?))) {
            let table = Table {
                loading,
                layout,
                at,
                header,
                target,
                content: loading.image.content(target),
                place: layout.place_of(target_at).filter(|_| loading.is_kept(target_at)),
                architecture: Architecture::from_elf_machine(loading.image.machine),
                is_read_as_code: READ_AS_CODE.contains(&loading.image.name(target).as_str()),
                runs_at_start: target.flags & SHF_EXECINSTR != 0 && loading.image.is_for_init(target),
            };
            unlinked = unlinked.or(table.apply()?);
        }
    }
    Ok(unlinked)
}

/// Code whose relocations are in the file, by their section's name, but are none to the kernel: it runs with the gaps in it,
/// if it runs at all. Of several sections of one name nobody can say whose they are.
fn code_without(loading: &Loading<'_, '_>) -> Vec<ElfDefect> {
    let image = loading.image;
    let tables = image
        .sections
        .iter()
        .filter(|table| table.kind == SHT_RELA && table.size > 0);
    let linked: BTreeSet<usize> = tables.filter_map(target_of).collect();
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for section in &image.sections {
        *named.entry(image.name(section)).or_default() += 1;
    }
    let sections = image.sections.iter().enumerate();
    let code = sections.filter(|(at, section)| {
        loading.is_kept(*at) && section.flags & SHF_EXECINSTR != 0 && section.size > 0 && section.is_copied()
    });
    let gaps = code
        .map(|(at, section)| (at, image.name(section)))
        .filter(|(at, name)| {
            !linked.contains(at) && named.contains_key(&format!(".rela{name}")) && named.get(name) == Some(&1)
        });
    gaps.map(|(at, name)| {
        let message =
            format!("the relocations of {name} (section {at}) are gone: .rela{name} is empty, or is none of it");
        defect(of_running_with_gaps(loading, &name), message)
    })
    .collect()
}

/// What comes of code with gaps in it.
///
/// On x86 a jump or call with such a gap goes to what stands behind it: functions that return by a jump to
/// `__x86_return_thunk` never do, and those of a kernel without `CONFIG_MITIGATION_RETHUNK` may get through, having called nobody.
/// Code for the end is not run before the module is unloaded.
fn of_running_with_gaps(loading: &Loading<'_, '_>, section: &str) -> ElfDefectKind {
    let is_x86 = Architecture::from_elf_machine(loading.image.machine) == Some(Architecture::X86_64);
    let gets_through = is_x86 && !loading.symbols.has_any(RETURN_THUNK);
    if gets_through || section.starts_with(FOR_THE_END) {
        ElfDefectKind::Unlinked
    } else {
        ElfDefectKind::Deadly
    }
}

/// The pointer to the start function, where it leads out of the section that the function is said to stand in
/// (`do_init_module` calls it as it is). The pointer to the end function is not followed before the module is unloaded.
fn start_outside(loading: &Loading<'_, '_>) -> Option<ElfDefect> {
    pointers(loading).find_map(|(_, symbol, place)| {
        let section = loading
            .image
            .sections
            .get(usize::from(symbol.section))
            .filter(|_| symbol.section != SHN_UNDEF)?;
        (loading.symbols.is_named(symbol, START) && place >= section.size).then(|| {
            let name = loading.image.name(section);
            deadly(format!(
                "its start function is said to stand at {place:#x} of {name}, which has {:#x} bytes",
                section.size
            ))
        })
    })
}

/// Where `struct module` has its pointers to functions.
pub(super) fn struct_module(loading: &Loading<'_, '_>, size: u64) -> StructModule {
    let at = |name| {
        let mut pointers = pointers(loading);
        pointers.find_map(|(at, symbol, _)| loading.symbols.is_named(symbol, name).then_some(at))
    };
    StructModule {
        size,
        start: at(START),
        end: at(END),
    }
}

/// What is written into `struct module`: at which of its bytes, and the symbol, and where that stands in its section.
fn pointers<'a>(loading: &'a Loading<'_, '_>) -> impl Iterator<Item = (u64, Symbol, u64)> + use<'a> {
    let this_module = loading.image.allocated(THIS_MODULE).filter(|at| loading.is_kept(*at));
    let tables = loading.image.sections.iter().filter(|table| table.kind == SHT_RELA);
    let own = tables.filter(move |table| this_module.is_some() && target_of(table) == this_module);
    let relocations = own.flat_map(|table| relocation::all(loading.image, table));
    relocations.filter_map(|relocation| {
        let (symbol, place) = relocation.target(loading.symbols)?;
        Some((relocation.offset, symbol, place))
    })
}

/// The relocations of one section.
struct Table<'l, 'i, 'a> {
    loading: &'l Loading<'i, 'a>,
    layout: &'l Layout<'l, 'i, 'a>,
    at: usize,
    header: &'l Section,
    target: &'l Section,
    /// The target's bytes, as far as it has any.
    content: &'a [u8],
    /// Where the target lies among the sections.
    place: Option<Placed>,
    architecture: Option<Architecture>,
    /// Whether the kernel reads code where the target's entries lead to.
    is_read_as_code: bool,
    /// Whether the target is code that runs at the start.
    runs_at_start: bool,
}

impl Table<'_, '_, '_> {
    fn apply(&self) -> Result<Option<ElfDefect>, ElfDefect> {
        if self.header.kind == SHT_REL {
            return Err(self.refused("are of a form without addends, which 64-bit kernels do not take"));
        }
        let mut last_end = 0;
        let mut is_in_order = true;
        let mut unlinked = None;
        for (number, relocation) in relocation::all(self.loading.image, self.header).enumerate() {
            let width = self.width(relocation.kind)?;
            let flaw = self.one(number, relocation, width)?;
            unlinked = unlinked.or(flaw);
            // They are nearly always in order; those that are not are compared at the end.
            is_in_order &= width == 0 || relocation.offset >= last_end;
            last_end = last_end.max(relocation.offset.saturating_add(width));
        }
        let twice = (!is_in_order).then(|| self.twice()).flatten();
        twice.map_or(Ok(unlinked), Err)
    }

    fn one(&self, number: usize, relocation: Relocation, width: u64) -> Result<Option<ElfDefect>, ElfDefect> {
        let Some(symbol) = self.loading.symbols.get(relocation.symbol) else {
            return Err(self.deadly(&format!(
                "name symbol {} (number {number} does), and there are only {}",
                relocation.symbol,
                self.loading.symbols.count()
            )));
        };
        let end = relocation.offset.checked_add(width);
        let is_outside = width > 0 && end.is_none_or(|end| end > self.target.size);
        let unlinked = is_outside
            .then(|| self.outside(number, relocation, width))
            .transpose()?;
        if self.architecture != Some(Architecture::X86_64) {
            return Ok(unlinked);
        }
        self.holds_something(number, relocation, width)
            .or_else(|| self.overflows(number, relocation, symbol))
            .or_else(|| self.names_no_code(number, relocation, symbol))
            .or_else(|| self.misses_a_function(number, relocation, symbol))
            .map_or(Ok(unlinked), Err)
    }

    /// A place of code that lies outside of the module's memory: the kernel reads there.
    fn names_no_code(&self, number: usize, relocation: Relocation, symbol: Symbol) -> Option<ElfDefect> {
        let section = self.layout.place_of(usize::from(symbol.section))?;
        let place = symbol.value.wrapping_add(relocation.addend);
        (self.is_read_as_code && !self.layout.is_reserved(section, place)).then(|| {
            self.deadly(&format!(
                "name code outside of the module's memory: number {number} at {place:#x} of section {}",
                symbol.section
            ))
        })
    }

    /// A call of another's function in the code that runs at the start, which leads past that function's beginning.
    fn misses_a_function(&self, number: usize, relocation: Relocation, symbol: Symbol) -> Option<ElfDefect> {
        let is_call = relocation.kind == R_X86_64_PLT32 && symbol.section == SHN_UNDEF;
        let is_patched = || {
            PATCHED
                .iter()
                .any(|name| self.loading.symbols.begins_with(symbol, name))
        };
        (is_call && self.runs_at_start && relocation.addend != OF_A_CALL && !is_patched()).then(|| {
            let beside = relocation.addend.wrapping_sub(OF_A_CALL).cast_signed();
            self.deadly(&format!(
                "call a function beside its beginning: number {number} leads {beside} bytes past it"
            ))
        })
    }

    /// A place outside of the section: what stands there counts, not whose it is. Other architectures than x86 make room for
    /// sections that the file has not, and what comes to stand where is not known.
    fn outside(&self, number: usize, relocation: Relocation, width: u64) -> Result<ElfDefect, ElfDefect> {
        let (offset, size) = (relocation.offset, self.target.size);
        let fatal = || {
            self.deadly(&format!(
                "lead outside of it: number {number} to {offset:#x} of {size:#x} bytes"
            ))
        };
        let place = self.place.filter(|_| self.architecture == Some(Architecture::X86_64));
        match self.layout.landing(place.ok_or_else(fatal)?, offset, width) {
            Landing::Sections(pieces) if pieces.iter().any(|(section, piece)| self.is_taken(*section, piece)) => {
                Err(self.something_stands(number, offset))
            }
            Landing::Padding if PASSED_OVER.contains(&self.target_name().as_str()) => {
                let name = self.target_name();
                let message = format!("number {number} of the relocations of {name} leads into the padding behind it");
                Ok(defect(ElfDefectKind::Unlinked, message))
            }
            Landing::Sections(_) | Landing::Padding | Landing::Beyond => Err(fatal()),
        }
    }

    /// Whether a piece of a section has bytes that are not zero, or will have, or has had, once that section is linked.
    fn is_taken(&self, section: usize, piece: &Range<u64>) -> bool {
        let image = self.loading.image;
        let content = image.sections.get(section).map(|section| image.content(section));
        let range = usize::try_from(piece.start).ok().zip(usize::try_from(piece.end).ok());
        let bytes = content
            .zip(range)
            .and_then(|(content, (start, end))| content.get(start..end));
        let is_there = |relocation: &Relocation| {
            let end = relocation
                .offset
                .saturating_add(x86_64(relocation.kind).unwrap_or_default());
            relocation.offset < piece.end && end > piece.start
        };
        bytes.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0))
            || relocation::of_section(image, section).iter().any(is_there)
    }

    /// x86 writes only where there are zeros (`Invalid relocation target, existing value is nonzero`).
    fn holds_something(&self, number: usize, relocation: Relocation, width: u64) -> Option<ElfDefect> {
        let start = usize::try_from(relocation.offset).ok()?;
        let end = start.checked_add(usize::try_from(width).ok()?)?;
        let there = self.content.get(start..end)?;
        there
            .iter()
            .any(|byte| *byte != 0)
            .then(|| self.something_stands(number, relocation.offset))
    }

    fn something_stands(&self, number: usize, offset: u64) -> ElfDefect {
        self.refused(&format!(
            "lead where something else stands already: number {number} to {offset:#x}"
        ))
    }

    /// x86 compares an address with what fits into 32 bits (`overflow in relocation type`).
    fn overflows(&self, number: usize, relocation: Relocation, symbol: Symbol) -> Option<ElfDefect> {
        let value = symbol.value.wrapping_add(relocation.addend);
        let fits = match (relocation.kind, self.base(symbol)?) {
            (R_X86_64_32, Base::Zero) => u32::try_from(value).is_ok(),
            (R_X86_64_32S, Base::Zero) => i32::try_from(value.cast_signed()).is_ok(),
            (R_X86_64_32S, Base::Module) => (-NEAR..NEAR).contains(&value.cast_signed()),
            (R_X86_64_32, Base::Module) | (R_X86_64_32 | R_X86_64_32S, Base::Elsewhere) => false,
            _ => true,
        };
        (!fits).then(|| {
            self.refused(&format!(
                "do not fit into 32 bits: number {number} (was it compiled without -mcmodel=kernel?)"
            ))
        })
    }

    /// What a symbol's value counts from, as far as the file tells.
    fn base(&self, symbol: Symbol) -> Option<Base> {
        match symbol.section {
            SHN_ABS => Some(Base::Zero),
            SHN_UNDEF if symbol.info >> 4 == STB_WEAK => None,
            SHN_UNDEF => Some(Base::Module),
            SHN_LIVEPATCH => None,
            section if self.loading.per_processor == Some(usize::from(section)) => None,
            section if self.loading.is_kept_or_symbols(usize::from(section)) => Some(Base::Module),
            _ => Some(Base::Elsewhere),
        }
    }

    /// How many bytes a relocation writes; the ones that an architecture does not know are refused. Where nothing is known
    /// of the architecture's, none are.
    fn width(&self, kind: u32) -> Result<u64, ElfDefect> {
        let known = match self.architecture {
            Some(Architecture::X86_64) => x86_64(kind),
            Some(Architecture::Aarch64) => aarch64(kind),
            _ => Some(0),
        };
        known.ok_or_else(|| {
            self.refused(&format!(
                "are of a type that this architecture's kernel does not know: {kind}"
            ))
        })
    }

    /// x86 finds the first one's value where the second one is to be written.
    fn twice(&self) -> Option<ElfDefect> {
        if self.architecture != Some(Architecture::X86_64) {
            return None;
        }
        let relocations = relocation::all(self.loading.image, self.header);
        let mut all: Vec<(u64, u64)> = relocations
            .filter_map(|relocation| Some((relocation.offset, x86_64(relocation.kind).filter(|width| *width > 0)?)))
            .collect();
        all.sort_unstable();
        let mut pairs = all.iter().zip(all.iter().skip(1));
        let (_, (second, _)) = pairs.find(|((first, width), (second, _))| first.saturating_add(*width) > *second)?;
        Some(self.refused(&format!("lead to one place twice: to {second:#x}")))
    }

    fn refused(&self, what: &str) -> ElfDefect {
        defect(ElfDefectKind::Relocation, self.sentence(what))
    }

    fn deadly(&self, what: &str) -> ElfDefect {
        deadly(self.sentence(what))
    }

    fn sentence(&self, what: &str) -> String {
        let name = self.target_name();
        format!("the relocations of {name} (section {}) {what}", self.at)
    }

    fn target_name(&self) -> String {
        self.loading.image.name(self.target)
    }
}

/// What a symbol's value counts from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Nothing: it is the value itself.
    Zero,
    /// The memory of modules, or the kernel's own.
    Module,
    /// The copy of the file that is thrown away, at an address that has more than 32 bits.
    Elsewhere,
}

/// `arch/x86/kernel/module.c: __write_relocate_add`.
const fn x86_64(kind: u32) -> Option<u64> {
    match kind {
        0 => Some(0),
        1 | 24 => Some(8),
        2 | 4 | R_X86_64_32 | R_X86_64_32S => Some(4),
        _ => None,
    }
}

/// `arch/arm64/kernel/module.c: apply_relocate_add`.
const fn aarch64(kind: u32) -> Option<u64> {
    match kind {
        0 | 256 => Some(0),
        257 | 260 => Some(8),
        258 | 261 | 263..=280 | 282..=293 | 299 => Some(4),
        259 | 262 => Some(2),
        _ => None,
    }
}
