//! What the module exports to others: `__ksymtab` and `__ksymtab_gpl`, or in later kernels `__ksymtab` and `__kflagstab`.
//!
//! The tables hold places, not names, and those only once they are relocated; so the relocations are read. That
//! works for every form that the tables have had (addresses or 32-bit distances, with and without namespaces) and
//! does not need the symbols `__ksymtab_*`, which `strip --strip-unneeded` takes away.

use super::image::Image;
use super::symbols::{SHN_ABS, SHN_UNDEF, Symbol, Symbols, text_at};
use super::{Budget, MAX_TEXT_BYTES, beyond_limits};
use crate::kmod::facts::{ElfDefect, Export};

const SHT_RELA: u32 = 4;
/// `sizeof(Elf64_Rela)`
const RELOCATION_SIZE: usize = 24;

/// In `__kflagstab`, which has a byte for every entry of `__ksymtab`: the symbol is for GPL-compatible modules only
/// (`KSYM_FLAG_GPL_ONLY`). Linux 7.3 has this in place of a table of their own.
const GPL_ONLY: u8 = 1;

/// How many relocations of one table are read: three for each export, and no module has ten thousand of those.
const MAX_RELOCATIONS: usize = 1 << 18;

/// The exports of a module, in the order of its tables.
pub(super) fn read(
    image: &Image<'_>,
    symbols: &Symbols<'_, '_>,
    budget: &mut Budget,
) -> Result<Vec<Export>, ElfDefect> {
    let mut exports = table(image, symbols, budget, false)?;
    exports.extend(table(image, symbols, budget, true)?);
    Ok(exports)
}

fn table(
    image: &Image<'_>,
    symbols: &Symbols<'_, '_>,
    budget: &mut Budget,
    gpl_only: bool,
) -> Result<Vec<Export>, ElfDefect> {
    let (table, crc_table) = if gpl_only {
        ("__ksymtab_gpl", "__kcrctab_gpl")
    } else {
        ("__ksymtab", "__kcrctab")
    };
    let Some(section) = image.allocated(table) else {
        return Ok(Vec::new());
    };
    let crcs = CrcTable::find(image, symbols, crc_table)?;
    let flags = image.allocated_content("__kflagstab").unwrap_or_default();
    let is_flagged = |index: usize| flags.get(index).is_some_and(|flags| flags & GPL_ONLY != 0);
    let mut exports = Vec::new();
    for (index, (name, namespace)) in names(image, symbols, section)?.into_iter().enumerate() {
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        exports.push(Export {
            name: budget.keep(name)?,
            gpl_only: gpl_only || is_flagged(index),
            namespace: namespace.map(|namespace| budget.keep(namespace)).transpose()?,
            crc: crcs.as_ref().and_then(|crcs| crcs.crc(index)),
        });
    }
    Ok(exports)
}

/// The name of an export, and its namespace if its entry has one.
type Names<'a> = (&'a [u8], Option<&'a [u8]>);

/// The names and namespaces of a table. An entry is the relocation of the symbol's value, then that of its name in
/// `__ksymtab_strings`, then (since 5.4, where there is one) that of its namespace, also there. The kernel does not
/// check them: a name that cannot be read exports nothing that anybody could ask for.
fn names<'a>(image: &Image<'a>, symbols: &Symbols<'_, 'a>, section: usize) -> Result<Vec<Names<'a>>, ElfDefect> {
    let strings = image.allocated("__ksymtab_strings");
    let content = image.allocated_content("__ksymtab_strings").unwrap_or_default();
    let mut entries: Vec<Names<'a>> = Vec::new();
    let mut is_open = false;
    let mut length = 0;
    for relocation in relocations(image, section)? {
        let target = relocation.target(symbols);
        let in_strings = target.filter(|(symbol, _)| strings == Some(usize::from(symbol.section)));
        let text = in_strings.map(|(_, place)| text_at(content, place).unwrap_or_default());
        length += text.map_or(0, <[u8]>::len);
        if length > MAX_TEXT_BYTES {
            return Err(beyond_limits(
                "its exports have longer names than this program is willing to read",
            ));
        }
        match (text, entries.last_mut()) {
            (None, _) => is_open = true,
            (Some(name), _) if is_open => {
                entries.push((name, None));
                is_open = false;
            }
            (Some(namespace), Some((_, slot))) => *slot = Some(namespace),
            (Some(_), None) => {}
        }
    }
    Ok(entries)
}

/// A relocation with an addend.
#[derive(Clone, Copy)]
struct Relocation {
    offset: u64,
    symbol: u32,
    addend: u64,
}

impl Relocation {
    /// The symbol that it points to, and the place in its section (or the value).
    fn target(&self, symbols: &Symbols<'_, '_>) -> Option<(Symbol, u64)> {
        let symbol = symbols.get(self.symbol)?;
        Some((symbol, symbol.value.wrapping_add(self.addend)))
    }
}

/// The relocations of a section, by their place in it.
fn relocations(image: &Image<'_>, section: usize) -> Result<Vec<Relocation>, ElfDefect> {
    let of_section = |info: u32| usize::try_from(info) == Ok(section);
    let tables = image
        .sections
        .iter()
        .filter(|table| table.kind == SHT_RELA && of_section(table.info));
    let entries = tables.flat_map(|table| image.content(table).chunks_exact(RELOCATION_SIZE));
    let read = |entry: &[u8]| {
        Some(Relocation {
            offset: image.order.u64(entry, 0)?,
            symbol: u32::try_from(image.order.u64(entry, 8)? >> 32).ok()?,
            addend: image.order.u64(entry, 16)?,
        })
    };
    let mut relocations: Vec<_> = entries.take(MAX_RELOCATIONS + 1).filter_map(read).collect();
    if relocations.len() > MAX_RELOCATIONS {
        return Err(beyond_limits(
            "it has more exports than this program is willing to read",
        ));
    }
    relocations.sort_by_key(|relocation| relocation.offset);
    Ok(relocations)
}

/// `__kcrctab` or its GPL-only brother: four bytes for each export.
struct CrcTable<'i, 'a> {
    image: &'i Image<'a>,
    symbols: &'i Symbols<'i, 'a>,
    content: &'a [u8],
    relocations: Vec<Relocation>,
}

impl<'i, 'a> CrcTable<'i, 'a> {
    fn find(image: &'i Image<'a>, symbols: &'i Symbols<'i, 'a>, name: &str) -> Result<Option<Self>, ElfDefect> {
        let found = image.allocated(name).and_then(|at| Some((at, image.sections.get(at)?)));
        let table = found.map(|(at, section)| {
            let relocations = relocations(image, at)?;
            Ok(Self {
                image,
                symbols,
                content: image.content(section),
                relocations,
            })
        });
        table.transpose()
    }

    /// The CRC of the export of that index. Since 5.19 it stands in the table; before, the table has relocations
    /// to `__crc_<symbol>`, which is the CRC itself or (`CONFIG_MODULE_REL_CRCS`) the place where it stands.
    fn crc(&self, index: usize) -> Option<u32> {
        let offset = index.checked_mul(4)?;
        let relocation = self
            .relocations
            .binary_search_by_key(&(offset as u64), |relocation| relocation.offset);
        let Ok(at) = relocation else {
            return self.image.order.u32(self.content, offset);
        };
        let (symbol, value) = self.relocations.get(at)?.target(self.symbols)?;
        match symbol.section {
            SHN_UNDEF => None,
            SHN_ABS => u32::try_from(value & u64::from(u32::MAX)).ok(),
            section => {
                let content = self.image.content(self.image.sections.get(usize::from(section))?);
                self.image.order.u32(content, usize::try_from(value).ok()?)
            }
        }
    }
}
