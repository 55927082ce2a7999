//! Relocations: what the kernel writes into the loaded sections (`kernel/module/main.c: apply_relocations`;
//! `arch/*/kernel/module.c: apply_relocate_add`). It checks little: not where it writes, nor whether the symbol exists.

use super::image::{SHF_EXECINSTR, Section};
use super::loading::Loading;
use super::symbols::{SHN_ABS, SHN_LIVEPATCH, SHN_UNDEF, STB_WEAK, Symbol};
use super::{THIS_MODULE, deadly, defect};
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind};

const SHT_RELA: u32 = 4;
const SHT_REL: u32 = 9;
/// `SHF_RELA_LIVEPATCH`: live patches are linked otherwise.
const SHF_RELA_LIVEPATCH: u64 = 0x0010_0000;
/// What kbuild calls the start function (`include/linux/module.h: module_init`).
const START: &[u8] = b"init_module";
/// `sizeof(Elf64_Rela)`
const RELOCATION_SIZE: usize = 24;

const R_X86_64_32: u32 = 10;
const R_X86_64_32S: u32 = 11;

/// How far from its symbol an address may lie and still be sure to fit into 32 signed bits: modules and kernel share the
/// last two GiB, and modules begin in the middle of them.
const NEAR: i64 = 1 << 30;

/// The first thing that goes wrong with the relocations, if anything does.
pub(super) fn flaw(loading: &Loading<'_, '_>) -> Option<ElfDefect> {
    first_that_fails(loading)
        .or_else(|| code_without(loading))
        .or_else(|| start_outside(loading))
}

fn first_that_fails(loading: &Loading<'_, '_>) -> Option<ElfDefect> {
    let sections = &loading.image.sections;
    let tables = sections.iter().enumerate().skip(1);
    tables
        .filter(|(_, table)| matches!(table.kind, SHT_RELA | SHT_REL) && table.flags & SHF_RELA_LIVEPATCH == 0)
        .find_map(|(at, table)| {
            let target_at = usize::try_from(table.info).ok()?;
            let target = sections.get(target_at)?;
            let table = Table::new(loading, at, table, target);
            loading.is_kept_or_symbols(target_at).then(|| table.flaw()).flatten()
        })
}

/// Code whose relocations are in the file, by their section's name, but are none to the kernel: it runs with the gaps in it.
/// Of several sections of one name nobody can say whose they are.
fn code_without(loading: &Loading<'_, '_>) -> Option<ElfDefect> {
    let image = loading.image;
    let is_linked = |at: usize| {
        let is_for =
            |table: &Section| table.kind == SHT_RELA && table.size > 0 && usize::try_from(table.info) == Ok(at);
        image.sections.iter().any(is_for)
    };
    let sections = image.sections.iter().enumerate();
    let mut code = sections.filter(|(at, section)| {
        loading.is_kept(*at) && section.flags & SHF_EXECINSTR != 0 && section.size > 0 && section.is_copied()
    });
    let (at, section) = code.find(|(at, section)| {
        let name = image.name(section);
        !is_linked(*at) && image.has_any(&format!(".rela{name}")) && image.is_only_one(&name)
    })?;
    let name = image.name(section);
    Some(deadly(format!(
        "the relocations of {name} (section {at}) are gone: .rela{name} is empty, or is none of it"
    )))
}

/// The pointer to the start function, where it leads out of the section that the function is said to stand in
/// (`do_init_module` calls it as it is). The pointer to the end function is not followed before the module is unloaded.
fn start_outside(loading: &Loading<'_, '_>) -> Option<ElfDefect> {
    let sections = &loading.image.sections;
    let this_module = loading.image.allocated(THIS_MODULE)?;
    let target = sections.get(this_module)?;
    let tables = sections.iter().enumerate().filter(|(_, table)| {
        table.kind == SHT_RELA && usize::try_from(table.info) == Ok(this_module) && loading.is_kept(this_module)
    });
    tables
        .flat_map(|(at, table)| Table::new(loading, at, table, target).all())
        .find_map(|relocation| {
            let symbol = loading.symbols.get(relocation.symbol)?;
            let section = sections
                .get(usize::from(symbol.section))
                .filter(|_| symbol.section != SHN_UNDEF)?;
            let place = symbol.value.wrapping_add(relocation.addend);
            (loading.symbols.is_named(symbol, START) && place >= section.size).then(|| {
                let name = loading.image.name(section);
                deadly(format!(
                    "its start function is said to stand at {place:#x} of {name}, which has {:#x} bytes",
                    section.size
                ))
            })
        })
}

/// The relocations of one section.
struct Table<'l, 'i, 'a> {
    loading: &'l Loading<'i, 'a>,
    at: usize,
    header: &'l Section,
    target: &'l Section,
    /// The target's bytes, as far as it has any.
    content: &'a [u8],
    architecture: Option<Architecture>,
}

/// One relocation.
#[derive(Clone, Copy)]
struct Relocation {
    offset: u64,
    kind: u32,
    symbol: u32,
    addend: u64,
}

impl<'l, 'i, 'a> Table<'l, 'i, 'a> {
    fn new(loading: &'l Loading<'i, 'a>, at: usize, header: &'l Section, target: &'l Section) -> Self {
        Self {
            loading,
            at,
            header,
            target,
            content: loading.image.content(target),
            architecture: Architecture::from_elf_machine(loading.image.machine),
        }
    }

    fn flaw(&self) -> Option<ElfDefect> {
        if self.header.kind == SHT_REL {
            return Some(self.refused("are of a form without addends, which 64-bit kernels do not take"));
        }
        let mut last_end = 0;
        let mut places = Vec::new();
        let entries = self.loading.image.content(self.header).chunks_exact(RELOCATION_SIZE);
        for (number, entry) in entries.enumerate() {
            let relocation = self.read(entry)?;
            let width = match self.width(relocation.kind) {
                Ok(width) => width,
                Err(flaw) => return Some(flaw),
            };
            if let Some(flaw) = self.one(number, relocation, width) {
                return Some(flaw);
            }
            // They are nearly always in order; those that are not are compared at the end.
            if width > 0 && relocation.offset < last_end {
                places.push((relocation.offset, number));
            }
            last_end = last_end.max(relocation.offset.saturating_add(width));
        }
        self.twice(&places)
    }

    fn all(self) -> impl Iterator<Item = Relocation> {
        let entries = self.loading.image.content(self.header).chunks_exact(RELOCATION_SIZE);
        entries.filter_map(move |entry| self.read(entry))
    }

    fn read(&self, entry: &[u8]) -> Option<Relocation> {
        let order = self.loading.image.order;
        let info = order.u64(entry, 8)?;
        Some(Relocation {
            offset: order.u64(entry, 0)?,
            kind: u32::try_from(info & u64::from(u32::MAX)).ok()?,
            symbol: u32::try_from(info >> 32).ok()?,
            addend: order.u64(entry, 16)?,
        })
    }

    fn one(&self, number: usize, relocation: Relocation, width: u64) -> Option<ElfDefect> {
        let Some(symbol) = self.loading.symbols.get(relocation.symbol) else {
            return Some(self.deadly(&format!(
                "name symbol {} (number {number} does), and there are only {}",
                relocation.symbol,
                self.loading.symbols.count()
            )));
        };
        let end = relocation.offset.checked_add(width);
        if width > 0 && end.is_none_or(|end| end > self.target.size) {
            return Some(self.deadly(&format!(
                "lead outside of it: number {number} to {:#x} of {:#x} bytes",
                relocation.offset, self.target.size
            )));
        }
        if self.architecture != Some(Architecture::X86_64) {
            return None;
        }
        self.holds_something(number, relocation, width)
            .or_else(|| self.overflows(number, relocation, symbol))
    }

    /// x86 writes only where there are zeros (`Invalid relocation target, existing value is nonzero`).
    fn holds_something(&self, number: usize, relocation: Relocation, width: u64) -> Option<ElfDefect> {
        let start = usize::try_from(relocation.offset).ok()?;
        let end = start.checked_add(usize::try_from(width).ok()?)?;
        let there = self.content.get(start..end)?;
        there.iter().any(|byte| *byte != 0).then(|| {
            self.refused(&format!(
                "lead where something else stands already: number {number} to {start:#x}"
            ))
        })
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
    fn twice(&self, places: &[(u64, usize)]) -> Option<ElfDefect> {
        if self.architecture != Some(Architecture::X86_64) || places.is_empty() {
            return None;
        }
        let entries = self.loading.image.content(self.header).chunks_exact(RELOCATION_SIZE);
        let relocations = entries.filter_map(|entry| self.read(entry));
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
        let name = self.loading.image.name(self.target);
        format!("the relocations of {name} (section {}) {what}", self.at)
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
