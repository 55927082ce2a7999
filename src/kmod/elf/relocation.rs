//! Relocations as they stand in a file, for those who follow them ([`super::exports`]) and those who ask what the kernel
//! makes of them ([`super::linking`]).

use super::beyond_limits;
use super::image::{Image, Order, Section};
use super::loading::Loading;
use super::symbols::{Symbol, Symbols};
use crate::kmod::facts::ElfDefect;

pub(super) const SHT_RELA: u32 = 4;
pub(super) const SHT_REL: u32 = 9;

/// `sizeof(Elf64_Rela)`
const SIZE: usize = 24;

/// How many relocations of loaded sections are read of one file. The largest modules known have some 500,000; many tables
/// over the same bytes would only keep this program busy.
const MAX_RELOCATIONS: u64 = 1 << 22;

/// A relocation with an addend.
#[derive(Clone, Copy)]
pub(super) struct Relocation {
    pub(super) offset: u64,
    pub(super) kind: u32,
    pub(super) symbol: u32,
    pub(super) addend: u64,
}

impl Relocation {
    fn read(order: Order, entry: &[u8]) -> Option<Self> {
        let info = order.u64(entry, 8)?;
        Some(Self {
            offset: order.u64(entry, 0)?,
            kind: u32::try_from(info & u64::from(u32::MAX)).ok()?,
            symbol: u32::try_from(info >> 32).ok()?,
            addend: order.u64(entry, 16)?,
        })
    }

    /// The symbol that it points to, and the place in its section (or the value).
    pub(super) fn target(&self, symbols: &Symbols<'_, '_>) -> Option<(Symbol, u64)> {
        let symbol = symbols.get(self.symbol)?;
        Some((symbol, symbol.value.wrapping_add(self.addend)))
    }
}

/// The relocations of a table, in its order.
pub(super) fn all<'a>(image: &Image<'a>, table: &Section) -> impl Iterator<Item = Relocation> + use<'a> {
    let order = image.order;
    let entries = image.content(table).chunks_exact(SIZE);
    entries.filter_map(move |entry| Relocation::read(order, entry))
}

/// The section that a table of relocations is for.
pub(super) fn target_of(table: &Section) -> Option<usize> {
    usize::try_from(table.info).ok()
}

/// The relocations of a section, by their place in it.
pub(super) fn of_section(image: &Image<'_>, section: usize) -> Vec<Relocation> {
    let tables = image.sections.iter().filter(|table| table.kind == SHT_RELA);
    let own = tables.filter(|table| target_of(table) == Some(section));
    let mut relocations: Vec<Relocation> = own.flat_map(|table| all(image, table)).collect();
    relocations.sort_by_key(|relocation| relocation.offset);
    relocations
}

/// Refuses to read a file with more relocations than any module has. Those of sections that are not loaded, such as debug
/// information, are looked at by nobody.
pub(super) fn check_count(loading: &Loading<'_, '_>) -> Result<(), ElfDefect> {
    let image = loading.image;
    let tables = image.sections.iter().filter(|table| table.kind == SHT_RELA);
    let looked_at = tables.filter(|table| target_of(table).is_some_and(|target| loading.is_kept_or_symbols(target)));
    let count: u64 = looked_at
        .map(|table| image.content(table).len() as u64 / SIZE as u64)
        .sum();
    if count > MAX_RELOCATIONS {
        return Err(beyond_limits(
            "it has more relocations than this program is willing to read",
        ));
    }
    Ok(())
}
