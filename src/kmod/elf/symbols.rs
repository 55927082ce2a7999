//! The symbol table: what the module needs from elsewhere.

use super::image::{Image, Section};
use super::{Budget, deadly, defect, malformed};
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, Era, Undefined};

/// `sizeof(Elf64_Sym)`
const SYMBOL_SIZE: usize = 24;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
pub(super) const SHN_UNDEF: u16 = 0;
pub(super) const SHN_ABS: u16 = 0xfff1;
const SHN_COMMON: u16 = 0xfff2;
pub(super) const SHN_LIVEPATCH: u16 = 0xff20;
pub(super) const STB_WEAK: u8 = 2;
/// The table of the functions that can be traced.
const TRACED: &str = "__mcount_loc";

/// An entry of the symbol table.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    name: u32,
    pub(super) info: u8,
    /// The section that it is defined in, or one of the special indexes.
    pub(super) section: u16,
    /// Its place in that section, or its value.
    pub(super) value: u64,
}

/// The symbol table and its names.
pub(super) struct Symbols<'i, 'a> {
    image: &'i Image<'a>,
    /// The index of the symbol table.
    pub(super) at: usize,
    /// The index of the table of its names.
    pub(super) names_at: usize,
    table: &'a [u8],
    /// The names, and all that follows them in the file: before Linux 6.13, nobody looks where their table ends.
    names: &'a [u8],
}

impl<'i, 'a> Symbols<'i, 'a> {
    /// `elf_validity_cache_index_sym` and `elf_validity_cache_index_str`; before Linux 6.4 `setup_load_info`, which takes the
    /// first symbol table.
    pub(super) fn find(image: &'i Image<'a>) -> Result<Self, ElfDefect> {
        let tables = image.sections.iter().enumerate().skip(1);
        let mut tables = tables.filter(|(_, section)| section.kind == SHT_SYMTAB);
        let (Some((at, table)), more) = (tables.next(), tables.next()) else {
            return Err(no_symbols());
        };
        if image.era == Era::Since6_13 && more.is_some() {
            return Err(no_symbols());
        }
        let every = [(at, table)].into_iter().chain(more).chain(tables);
        let checked = every.take(if image.era == Era::Since6_13 { 1 } else { usize::MAX });
        let links = checked.map(|(_, table)| names_of(image, table));
        let links = links.collect::<Result<Vec<usize>, ElfDefect>>()?;
        match (links.as_slice(), image.era) {
            ([first], _) | ([first, ..], Era::Before6_4) => Ok(Self::new(image, at, *first)),
            _ => Err(no_symbols()),
        }
    }

    fn new(image: &'i Image<'a>, at: usize, names_at: usize) -> Self {
        let section = |at: usize| image.sections.get(at);
        Self {
            image,
            at,
            names_at,
            table: section(at).map(|table| image.content(table)).unwrap_or_default(),
            names: section(names_at).map(|names| image.from(names)).unwrap_or_default(),
        }
    }

    /// `elf_validity_cache_strtab`, since Linux 6.13, and the type of the table, which `elf_validity_cache_index_str` looks at in
    /// later ones (7.3 does). Before, a name is read wherever it leads to.
    pub(super) fn check_names(&self) -> Result<(), ElfDefect> {
        let Some(table) = self.image.sections.get(self.names_at) else {
            return Ok(());
        };
        if self.image.era == Era::Since6_13 {
            if table.kind != SHT_STRTAB {
                return Err(malformed(format!("its symbol name table is of type {}", table.kind)));
            }
            self.check_names_lie_within(self.image.raw(table))?;
        }
        let end = self.image.readable(table);
        let outside = |symbol: &Symbol| u64::from(symbol.name) >= end && self.is_name_read(symbol);
        match self.all().position(|symbol| outside(&symbol)) {
            Some(at) => Err(deadly(format!(
                "the name of symbol {at} lies far outside the file, and the kernel reads it all the same"
            ))),
            None => Ok(()),
        }
    }

    fn check_names_lie_within(&self, names: &[u8]) -> Result<(), ElfDefect> {
        if names.first() != Some(&0) || names.last() != Some(&0) {
            return Err(malformed(
                "its symbol name table is empty, or does not begin and end in NUL",
            ));
        }
        match self.all().position(|symbol| symbol.name as usize >= names.len()) {
            Some(at) => Err(malformed(format!(
                "the name of symbol {at} lies outside the symbol name table"
            ))),
            None => Ok(()),
        }
    }

    /// Whether the kernel looks at a symbol's name at all while it loads the module: to resolve it (`simplify_symbols`), or to
    /// keep it (`kernel/module/kallsyms.c: layout_symtab, is_core_symbol`).
    fn is_name_read(&self, symbol: &Symbol) -> bool {
        match symbol.section {
            SHN_UNDEF => true,
            section => self
                .image
                .sections
                .get(usize::from(section))
                .is_some_and(|section| section.is_allocated() && !self.image.is_for_init(section)),
        }
    }

    /// The first symbol whose name begins so far behind the beginning of the names, and is read from the kernel's own copy of
    /// them: to keep the symbol (`kernel/module/kallsyms.c: add_kallsyms`), or on x86, where functions are traced, to find out to
    /// which a place belongs (`kernel/trace/ftrace.c: test_for_valid_rec`, since Linux 6.0).
    pub(super) fn kept_with_name_behind(&self, end: u64) -> Option<usize> {
        let is_x86 = Architecture::from_elf_machine(self.image.machine) == Some(Architecture::X86_64);
        let is_traced = is_x86 && self.image.has_any(TRACED);
        self.all().position(|symbol| {
            let is_read = symbol.section != SHN_UNDEF && (is_traced || self.is_name_read(&symbol));
            is_read && u64::from(symbol.name) >= end
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.table.len() / SYMBOL_SIZE
    }

    /// The first symbol that is defined in a section which does not exist. Linux refuses it since 2026; before, it reads
    /// whatever stands behind its section table (`simplify_symbols`).
    pub(super) fn misplaced(&self) -> Option<usize> {
        let sections = self.image.sections.len();
        let is_of_none = |symbol: Symbol| {
            let special = matches!(symbol.section, SHN_COMMON | SHN_ABS | SHN_LIVEPATCH | SHN_UNDEF);
            !special && usize::from(symbol.section) >= sections
        };
        let at = self.all().skip(1).position(is_of_none)?;
        Some(at + 1)
    }

    /// The symbol of an index.
    pub(super) fn get(&self, index: u32) -> Option<Symbol> {
        let start = usize::try_from(index).ok()?.checked_mul(SYMBOL_SIZE)?;
        self.read(self.table.get(start..start.checked_add(SYMBOL_SIZE)?)?)
    }

    /// The symbols that the module needs, as `simplify_symbols` goes through them.
    pub(super) fn undefined(&self, budget: &mut Budget) -> Result<Vec<Undefined>, ElfDefect> {
        let mut undefined = Vec::new();
        for symbol in self.all().skip(1) {
            match symbol.section {
                SHN_COMMON => self.check_common(symbol)?,
                SHN_UNDEF => {
                    if let Some(name) = needed_name(self.image.machine, self.name(symbol)?) {
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

    /// Whether any symbol has this name.
    pub(super) fn has_any(&self, name: &[u8]) -> bool {
        self.all().any(|symbol| self.is_named(symbol, name))
    }

    /// Whether a symbol has this name.
    pub(super) fn is_named(&self, symbol: Symbol, name: &[u8]) -> bool {
        self.behind(symbol, name).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// Whether a symbol's name begins so.
    pub(super) fn begins_with(&self, symbol: Symbol, start: &[u8]) -> bool {
        self.behind(symbol, start).is_some()
    }

    /// What stands behind the beginning of a symbol's name.
    fn behind(&self, symbol: Symbol, start: &[u8]) -> Option<&[u8]> {
        let from = usize::try_from(symbol.name).ok().and_then(|at| self.names.get(at..));
        from.and_then(|from| from.strip_prefix(start))
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
            name: self.image.order.u32(entry, 0)?,
            info: *entry.get(4)?,
            section: self.image.order.u16(entry, 6)?,
            value: self.image.order.u64(entry, 8)?,
        })
    }
}

fn no_symbols() -> ElfDefect {
    defect(
        ElfDefectKind::NoSymbols,
        "it has no symbol table, or more than one (stripped?)",
    )
}

/// The section that a symbol table names for its names.
fn names_of(image: &Image<'_>, table: &Section) -> Result<usize, ElfDefect> {
    let link = usize::try_from(table.link).ok();
    link.filter(|link| *link != 0 && *link < image.sections.len())
        .ok_or_else(|| malformed(format!("its symbol table names section {} for its names", table.link)))
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
