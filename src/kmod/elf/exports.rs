//! What the module exports to others: `__ksymtab`, and `__ksymtab_gpl` before Linux 7.1.
//!
//! The tables hold places, not names, and those only once they are relocated; so the relocations are read. That
//! works for every form that the tables have had (addresses or 32-bit distances, with and without namespaces) and
//! does not need the symbols `__ksymtab_*`, which `strip --strip-unneeded` takes away.

use super::image::Image;
use super::relocation::{Relocation, of_section};
use super::symbols::{SHN_ABS, SHN_UNDEF, Symbols, text_at};
use super::{Budget, MAX_TEXT_BYTES, beyond_limits};
use crate::kmod::facts::{ElfDefect, Export, ExportTable};

/// The exports of a module, in the order of its tables.
pub(super) fn read(
    image: &Image<'_>,
    symbols: &Symbols<'_, '_>,
    budget: &mut Budget,
) -> Result<Vec<Export>, ElfDefect> {
    let mut exports = table(image, symbols, budget, ExportTable::Plain)?;
    exports.extend(table(image, symbols, budget, ExportTable::GplOnly)?);
    Ok(exports)
}

fn table(
    image: &Image<'_>,
    symbols: &Symbols<'_, '_>,
    budget: &mut Budget,
    table: ExportTable,
) -> Result<Vec<Export>, ElfDefect> {
    let (name, crc_table, flag_table) = match table {
        ExportTable::Plain => ("__ksymtab", "__kcrctab", Some("__kflagstab")),
        ExportTable::GplOnly => ("__ksymtab_gpl", "__kcrctab_gpl", None),
    };
    let Some(section) = image.allocated(name) else {
        return Ok(Vec::new());
    };
    let crcs = CrcTable::find(image, symbols, crc_table);
    let flags = flag_table.and_then(|name| image.allocated_content(name));
    let mut exports = Vec::new();
    for (index, (name, namespace)) in names(image, symbols, section)?.into_iter().enumerate() {
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        exports.push(Export {
            name: budget.keep(name)?,
            table,
            flags: flags.map(|flags| flags.get(index).copied().unwrap_or_default()),
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
    let content = ended(image.allocated_content("__ksymtab_strings").unwrap_or_default());
    let mut entries: Vec<Names<'a>> = Vec::new();
    let mut is_open = false;
    let mut length = 0;
    for relocation in of_section(image, section) {
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

/// Texts up to the last one that has an end, so that nobody looks for the end of the others.
fn ended(texts: &[u8]) -> &[u8] {
    let last = texts.iter().rposition(|byte| *byte == 0);
    last.and_then(|last| texts.get(..=last)).unwrap_or_default()
}

/// `__kcrctab` or its GPL-only brother: four bytes for each export.
struct CrcTable<'i, 'a> {
    image: &'i Image<'a>,
    symbols: &'i Symbols<'i, 'a>,
    content: &'a [u8],
    relocations: Vec<Relocation>,
}

impl<'i, 'a> CrcTable<'i, 'a> {
    fn find(image: &'i Image<'a>, symbols: &'i Symbols<'i, 'a>, name: &str) -> Option<Self> {
        let at = image.allocated(name)?;
        Some(Self {
            image,
            symbols,
            content: image.content(image.sections.get(at)?),
            relocations: of_section(image, at),
        })
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
