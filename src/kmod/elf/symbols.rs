//! The symbol table: what the module needs from elsewhere.

use super::image::{Image, Order};
use super::{Budget, defect, malformed};
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, Undefined};

/// `sizeof(Elf64_Sym)`
const SYMBOL_SIZE: usize = 24;
const SHT_SYMTAB: u32 = 2;
pub(super) const SHN_UNDEF: u16 = 0;
pub(super) const SHN_ABS: u16 = 0xfff1;
const SHN_COMMON: u16 = 0xfff2;
const STB_WEAK: u8 = 2;

/// An entry of the symbol table.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    name: u32,
    info: u8,
    /// The section that it is defined in, or one of the special indexes.
    pub(super) section: u16,
    /// Its place in that section, or its value.
    pub(super) value: u64,
}

/// The symbol table and its names.
pub(super) struct Symbols<'a> {
    order: Order,
    table: &'a [u8],
    names: &'a [u8],
}

impl<'a> Symbols<'a> {
    /// `elf_validity_cache_index_sym` and `elf_validity_cache_index_str`
    pub(super) fn find(image: &Image<'a>) -> Result<Self, ElfDefect> {
        let mut tables = image
            .sections
            .iter()
            .skip(1)
            .filter(|section| section.kind == SHT_SYMTAB);
        let (Some(table), None) = (tables.next(), tables.next()) else {
            return Err(defect(
                ElfDefectKind::NoSymbols,
                "it has no symbol table, or more than one (stripped?)",
            ));
        };
        let link = usize::try_from(table.link).ok().filter(|link| *link != 0);
        match link.and_then(|link| image.sections.get(link)) {
            Some(names) => Ok(Self {
                order: image.order,
                table: image.content(table),
                names: image.content(names),
            }),
            None => Err(malformed(format!(
                "its symbol table names section {} for its names",
                table.link
            ))),
        }
    }

    /// `elf_validity_cache_strtab`
    pub(super) fn check_names(&self) -> Result<(), ElfDefect> {
        if self.names.first() != Some(&0) || self.names.last() != Some(&0) {
            return Err(malformed(
                "its symbol name table is empty, or does not begin and end in NUL",
            ));
        }
        let outside = |symbol: &Symbol| symbol.name as usize >= self.names.len();
        match self.all().position(|symbol| outside(&symbol)) {
            Some(at) => Err(malformed(format!(
                "the name of symbol {at} lies outside the symbol name table"
            ))),
            None => Ok(()),
        }
    }

    /// The symbol of an index.
    pub(super) fn get(&self, index: u32) -> Option<Symbol> {
        let start = usize::try_from(index).ok()?.checked_mul(SYMBOL_SIZE)?;
        self.read(self.table.get(start..start.checked_add(SYMBOL_SIZE)?)?)
    }

    /// The symbols that the module needs, as `simplify_symbols` goes through them.
    pub(super) fn undefined(&self, machine: u16, budget: &mut Budget) -> Result<Vec<Undefined>, ElfDefect> {
        let mut undefined = Vec::new();
        for symbol in self.all().skip(1) {
            match symbol.section {
                SHN_COMMON => self.check_common(symbol)?,
                SHN_UNDEF => {
                    if let Some(name) = needed_name(machine, self.name(symbol)?) {
                        undefined.push(Undefined {
                            name: budget.keep(name)?,
                            weak: symbol.info >> 4 == STB_WEAK,
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(undefined)
    }

    /// Common symbols are refused, but for those that mark link-time optimisation.
    fn check_common(&self, symbol: Symbol) -> Result<(), ElfDefect> {
        let rest = usize::try_from(symbol.name)
            .ok()
            .and_then(|at| self.names.get(at..))
            .unwrap_or_default();
        if rest.starts_with(b"__gnu_lto") {
            return Ok(());
        }
        let name = String::from_utf8_lossy(self.name(symbol)?);
        Err(defect(
            ElfDefectKind::CommonSymbol,
            format!("symbol {name} is a common one: compile with -fno-common"),
        ))
    }

    fn name(&self, symbol: Symbol) -> Result<&'a [u8], ElfDefect> {
        text_at(self.names, u64::from(symbol.name)).ok_or_else(|| malformed("it has a symbol name without an end"))
    }

    fn all(&self) -> impl Iterator<Item = Symbol> {
        self.table
            .chunks_exact(SYMBOL_SIZE)
            .filter_map(|entry| self.read(entry))
    }

    fn read(&self, entry: &[u8]) -> Option<Symbol> {
        Some(Symbol {
            name: self.order.u32(entry, 0)?,
            info: *entry.get(4)?,
            section: self.order.u16(entry, 6)?,
            value: self.order.u64(entry, 8)?,
        })
    }
}

/// The text that begins at a place of a string table and ends in NUL. The kernel takes names of any length.
pub(super) fn text_at(strings: &[u8], at: u64) -> Option<&[u8]> {
    let rest = strings.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    rest.get(..end)
}

/// Under which name the kernel looks for an undefined symbol; nothing where it does not mind if it is missing.
///
/// - x86: `_GLOBAL_OFFSET_TABLE_` is what assemblers leave behind (`ignore_undef_symbol`, since 5.12).
/// - POWER: the leading dot of function entry points is dropped, and `.TOC.` is made by the kernel itself
///   (`arch/powerpc/kernel/module_64.c: dedotify`).
fn needed_name(machine: u16, name: &[u8]) -> Option<&[u8]> {
    match Architecture::from_elf_machine(machine) {
        Some(Architecture::X86_64) if name == b"_GLOBAL_OFFSET_TABLE_" => None,
        Some(Architecture::Ppc64le) if name == b".TOC." => None,
        _ => Some(plain_name(machine, name)),
    }
}

/// A symbol's name without the dot that POWER puts in front of function entry points.
pub(super) fn plain_name(machine: u16, name: &[u8]) -> &[u8] {
    match Architecture::from_elf_machine(machine) {
        Some(Architecture::Ppc64le) => name.strip_prefix(b".").unwrap_or(name),
        _ => name,
    }
}
