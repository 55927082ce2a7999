//! What the module's parameters are: `__param`, a table of `struct kernel_param` (`include/linux/moduleparam.h`).
//!
//! Its pointers stand in the file as relocations, so those are followed: to the name, to the kernel's functions that read a
//! value, and to what these are told. That does not need the local symbols that `strip --strip-unneeded` takes away, and knows
//! the parameters of which modinfo says nothing (`module_param_cb`).

use std::collections::BTreeMap;

use super::image::Image;
use super::relocation::{Relocation, of_section};
use super::symbols::{SHN_UNDEF, Symbol, Symbols, text_at};
use crate::kmod::facts::{Parameter, Takes, ValueType};

/// `sizeof(struct kernel_param)` of 64-bit kernels, since Linux 4.2.
const ENTRY: usize = 40;
/// Where `ops` stands in it.
const OPS: u64 = 16;
/// Where `str` or `arr` stands in it.
const LIMIT: u64 = 32;
/// Where `ops` stands in `struct kparam_array`.
const OPS_OF_EACH: u64 = 16;

/// `ops` of an array of whatever type (`kernel/params.c`).
const ARRAY: &[u8] = b"param_array_ops";
/// `ops` of a text that is copied (`kernel/params.c`).
const COPIED: &[u8] = b"param_ops_string";
/// `ops` of one value, by its type (`kernel/params.c`).
const VALUES: [(&[u8], ValueType); 14] = [
    (b"param_ops_byte", ValueType::Byte),
    (b"param_ops_short", ValueType::Short),
    (b"param_ops_ushort", ValueType::UShort),
    (b"param_ops_int", ValueType::Int),
    (b"param_ops_uint", ValueType::UInt),
    (b"param_ops_hexint", ValueType::UInt),
    (b"param_ops_long", ValueType::Long),
    (b"param_ops_ulong", ValueType::ULong),
    (b"param_ops_ullong", ValueType::ULong),
    (b"param_ops_charp", ValueType::Text),
    (b"param_ops_bool", ValueType::Switch),
    (b"param_ops_bint", ValueType::Switch),
    (b"param_ops_bool_enable_only", ValueType::Switch),
    (b"param_ops_invbool", ValueType::InvertedSwitch),
];

/// How many parameters are read of one module; the richest known have some two hundred.
pub(super) const MAX_PARAMETERS: usize = 4096;

/// How long a parameter's name is read; real ones are C identifiers of some ten letters.
pub(super) const MAX_NAME: usize = 256;

/// All parameters, or nothing where the name of one cannot be read, or there are more than anybody needs. Where anything else
/// is odd, nothing is known of what that parameter takes.
pub(super) fn read(image: &Image<'_>, symbols: &Symbols<'_, '_>) -> Option<Box<[Parameter]>> {
    let section = image
        .allocated("__param")
        .and_then(|at| Some((at, image.sections.get(at)?)));
    let Some((at, section)) = section else {
        return Some(Box::default());
    };
    let count = image.content(section).len() / ENTRY;
    if count > MAX_PARAMETERS {
        return None;
    }
    let mut reader = Reader {
        image,
        symbols,
        relocations: BTreeMap::new(),
    };
    let entries = (0..count).map(|index| Place {
        section: at,
        offset: (index * ENTRY) as u64,
    });
    entries.map(|entry| reader.parameter(entry)).collect()
}

/// A place in a section.
#[derive(Clone, Copy)]
struct Place {
    section: usize,
    offset: u64,
}

impl Place {
    const fn field(self, offset: u64) -> Self {
        Self {
            section: self.section,
            offset: self.offset.saturating_add(offset),
        }
    }
}

/// Follows pointers.
struct Reader<'i, 'a> {
    image: &'i Image<'a>,
    symbols: &'i Symbols<'i, 'a>,
    /// Those of the sections that pointers were followed from.
    relocations: BTreeMap<usize, Vec<Relocation>>,
}

impl<'a> Reader<'_, 'a> {
    fn parameter(&mut self, entry: Place) -> Option<Parameter> {
        Some(Parameter {
            name: self.name(entry)?,
            takes: self.takes(entry),
        })
    }

    fn name(&mut self, entry: Place) -> Option<String> {
        let place = self.pointed_to(entry)?;
        let text = self.content(place)?;
        let name = text_at(text.get(..MAX_NAME).unwrap_or(text), 0)?;
        Some(String::from_utf8_lossy(name).replace('-', "_"))
    }

    fn takes(&mut self, entry: Place) -> Takes {
        let ops = self.kernels_own(entry.field(OPS));
        let limit = self.pointed_to(entry.field(LIMIT));
        let most = || self.image.order.u32(self.content(limit?)?, 0);
        match ops {
            Some(ops) if self.symbols.is_named(ops, COPIED) => Takes::Copied { room: most() },
            Some(ops) if self.symbols.is_named(ops, ARRAY) => Takes::Several {
                most: most(),
                each: limit.map_or(ValueType::Own, |array| self.value_type(array.field(OPS_OF_EACH))),
            },
            _ => Takes::One(self.value_type(entry.field(OPS))),
        }
    }

    /// The type of value that the functions read to which a pointer leads.
    fn value_type(&mut self, ops: Place) -> ValueType {
        let Some(ops) = self.kernels_own(ops) else {
            return ValueType::Own;
        };
        let mut known = VALUES.into_iter();
        let found = known.find(|(name, _)| self.symbols.is_named(ops, name));
        found.map_or(ValueType::Own, |(_, value_type)| value_type)
    }

    /// The symbol to which a pointer leads, if that is none of the module's own.
    fn kernels_own(&mut self, pointer: Place) -> Option<Symbol> {
        let (symbol, _) = self.target(pointer)?;
        (symbol.section == SHN_UNDEF).then_some(symbol)
    }

    fn pointed_to(&mut self, pointer: Place) -> Option<Place> {
        let (symbol, offset) = self.target(pointer)?;
        Some(Place {
            section: usize::from(symbol.section),
            offset,
        })
    }

    /// The bytes of the file from a place to the end of its section.
    fn content(&self, place: Place) -> Option<&'a [u8]> {
        let section = self.image.sections.get(place.section)?;
        self.image.content(section).get(usize::try_from(place.offset).ok()?..)
    }

    /// Where the pointer at a place leads: of several relocations, the last one decides.
    fn target(&mut self, pointer: Place) -> Option<(Symbol, u64)> {
        let relocations = self.relocations.entry(pointer.section);
        let relocations = relocations.or_insert_with(|| of_section(self.image, pointer.section));
        let behind = relocations.partition_point(|relocation| relocation.offset <= pointer.offset);
        let last = relocations.get(behind.checked_sub(1)?)?;
        (last.offset == pointer.offset).then(|| last.target(self.symbols))?
    }
}
