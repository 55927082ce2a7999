//! How much the module's parameters take: `__param`, a table of `struct kernel_param` (`include/linux/moduleparam.h`).
//!
//! Its pointers stand in the file as relocations, so those are followed: to the name, to the kernel's functions for arrays and
//! texts, and to what these are told. That does not need the local symbols that `strip --strip-unneeded` takes away.

use std::collections::BTreeMap;

use super::image::Image;
use super::relocation::{Relocation, of_section};
use super::symbols::{SHN_UNDEF, Symbol, Symbols, text_at};
use crate::kmod::facts::ValueLimit;

/// `sizeof(struct kernel_param)` of 64-bit kernels, since Linux 4.2.
const ENTRY: usize = 40;
/// Where `ops` stands in it.
const OPS: u64 = 16;
/// Where `str` or `arr` stands in it.
const LIMIT: u64 = 32;

/// `ops` of an array of whatever type (`kernel/params.c`).
const ARRAY_OPS: &[u8] = b"param_array_ops";
/// `ops` of a text that is copied (`kernel/params.c`).
const STRING_OPS: &[u8] = b"param_ops_string";

/// How many parameters are read of one module; the richest known have some two hundred.
pub(super) const MAX_PARAMETERS: usize = 4096;

/// How long a parameter's name is read; real ones are C identifiers of some ten letters.
pub(super) const MAX_NAME: usize = 256;

/// The limits of the parameters that have one, by name. Where anything is odd, nothing is known of that parameter.
pub(super) fn limits(image: &Image<'_>, symbols: &Symbols<'_, '_>) -> Box<[(String, ValueLimit)]> {
    let section = image
        .allocated("__param")
        .and_then(|at| Some((at, image.sections.get(at)?)));
    let Some((at, section)) = section else {
        return Box::default();
    };
    let table = Table {
        image,
        symbols,
        relocations: of_section(image, at),
    };
    let count = (image.content(section).len() / ENTRY).min(MAX_PARAMETERS);
    let mut limits = BTreeMap::new();
    for entry in (0..count).map(|index| (index * ENTRY) as u64) {
        if let Some(name) = table.name(entry) {
            // The kernel takes the first one of a name (`parse_one`).
            limits.entry(name).or_insert_with(|| table.limit(entry));
        }
    }
    let known = limits.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
    known.collect()
}

/// The table, whose entries are called by the offsets at which they begin.
struct Table<'i, 'a> {
    image: &'i Image<'a>,
    symbols: &'i Symbols<'i, 'a>,
    relocations: Vec<Relocation>,
}

impl<'a> Table<'_, 'a> {
    /// With underscores, since the kernel makes no difference between them and dashes.
    fn name(&self, entry: u64) -> Option<String> {
        let text = self.pointed_to(entry)?;
        let name = text_at(text.get(..MAX_NAME).unwrap_or(text), 0)?;
        Some(String::from_utf8_lossy(name).replace('-', "_"))
    }

    /// `max` of `struct kparam_array`, or `maxlen` of `struct kparam_string`: the first field of either.
    fn limit(&self, entry: u64) -> Option<ValueLimit> {
        let (ops, _) = self.target(entry + OPS)?;
        let is_kernels = |name| ops.section == SHN_UNDEF && self.symbols.is_named(ops, name);
        let kind = if is_kernels(ARRAY_OPS) {
            ValueLimit::Values
        } else if is_kernels(STRING_OPS) {
            ValueLimit::Bytes
        } else {
            return None;
        };
        let most = self.image.order.u32(self.pointed_to(entry + LIMIT)?, 0)?;
        Some(kind(most))
    }

    /// The bytes of the file from where the pointer at an offset leads, to the end of that section.
    fn pointed_to(&self, offset: u64) -> Option<&'a [u8]> {
        let (symbol, place) = self.target(offset)?;
        let section = self.image.sections.get(usize::from(symbol.section))?;
        self.image.content(section).get(usize::try_from(place).ok()?..)
    }

    /// Where the pointer at an offset leads: of several relocations, the last one decides.
    fn target(&self, offset: u64) -> Option<(Symbol, u64)> {
        let behind = self
            .relocations
            .partition_point(|relocation| relocation.offset <= offset);
        let last = self.relocations.get(behind.checked_sub(1)?)?;
        (last.offset == offset).then(|| last.target(self.symbols))?
    }
}
