//! Where the kernel puts the sections (`kernel/module/main.c: layout_sections`; `kernel/module/kallsyms.c:
//! layout_symtab`). It trusts the alignments and sizes that it is given and computes in 32 bits, so that an impossible
//! alignment or size lays sections over one another, or beyond the memory that is reserved for them.

use std::ops::Range;

use super::image::{PAGE, SHF_EXECINSTR, SHF_WRITE, Section};
use super::loading::Loading;
use super::{deadly, malformed};
use crate::kmod::facts::ElfDefect;

/// `SHF_RO_AFTER_INIT` (`include/linux/module.h`), which the kernel gives to two sections by their names.
const SHF_RO_AFTER_INIT: u64 = 0x0020_0000;
const READ_ONLY_AFTER_INIT: [&str; 2] = [".data..ro_after_init", "__jump_table"];

/// `sizeof(Elf64_Sym)`: at least the first symbol is kept.
const SYMBOL: u32 = 24;
/// `sizeof(struct mod_kallsyms)`, at least.
const KALLSYMS: u32 = 24;

/// The most memory that a kernel has for modules: 1 GiB on x86 with KASLR (`MODULES_LEN`), 2 GiB on arm64.
const MAX_MEMORY: u64 = 1 << 30;

/// What a section is for, in the order in which the kernel places them (`layout_sections`: `masks`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Code,
    ReadOnly,
    ReadOnlyAfterInit,
    Data,
}

impl Purpose {
    const ALL: [Self; 4] = [Self::Code, Self::ReadOnly, Self::ReadOnlyAfterInit, Self::Data];

    fn of(section: &Section, is_read_only_after_init: bool) -> Self {
        let has = |flag| section.flags & flag != 0;
        if has(SHF_EXECINSTR) {
            Self::Code
        } else if !has(SHF_WRITE) {
            Self::ReadOnly
        } else if has(SHF_RO_AFTER_INIT) || is_read_only_after_init {
            Self::ReadOnlyAfterInit
        } else {
            Self::Data
        }
    }
}

/// A section at its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placed {
    region: usize,
    start: u32,
    size: u64,
    section: usize,
}

impl Placed {
    fn end(&self) -> u64 {
        u64::from(self.start).saturating_add(self.size)
    }

    /// The piece of it that lies between two places of its region.
    fn piece(&self, start: u64, end: u64) -> (usize, Range<u64>) {
        let own = u64::from(self.start);
        (self.section, start.max(own) - own..end.min(self.end()) - own)
    }
}

/// A region for what stays and one for what goes after the start; since Linux 6.4 one for each purpose of both.
const REGIONS: usize = 8;

/// What stands where the kernel writes.
pub(super) enum Landing {
    /// Sections, and of each the piece that is written to.
    Sections(Vec<(usize, Range<u64>)>),
    /// Nothing but zeros that nobody reads, between two sections or behind the last.
    Padding,
    /// The symbols, which have their place behind the sections, or memory that is not the module's.
    Beyond,
}

/// The places of all sections.
pub(super) struct Layout<'l, 'i, 'a> {
    loading: &'l Loading<'i, 'a>,
    sizes: [u32; REGIONS],
    /// Where the symbols begin, in the regions that have any.
    symbols_from: [Option<u32>; REGIONS],
    /// In their order, once all are placed.
    placed: Vec<Placed>,
    /// The same by their sections.
    of_sections: Vec<Option<Placed>>,
}

impl<'l, 'i, 'a> Layout<'l, 'i, 'a> {
    pub(super) fn new(loading: &'l Loading<'i, 'a>) -> Self {
        let mut layout = Self {
            loading,
            sizes: [0; REGIONS],
            symbols_from: [None; REGIONS],
            placed: Vec::new(),
            of_sections: vec![None; loading.image.sections.len()],
        };
        layout.sections(false);
        layout.sections(true);
        layout.symbols();
        layout.placed.sort_unstable();
        for placed in &layout.placed {
            if let Some(of_section) = layout.of_sections.get_mut(placed.section) {
                *of_section = Some(*placed);
            }
        }
        layout
    }

    /// What is wrong with the places of the sections, if anything is.
    pub(super) fn flaw(&self) -> Option<ElfDefect> {
        self.too_large()
            .or_else(|| self.beyond())
            .or_else(|| self.over())
            .or_else(|| self.nameless())
    }

    /// Whether a place of a section lies in the memory that the kernel reserves for it and its neighbours.
    pub(super) fn is_reserved(&self, from: Placed, place: u64) -> bool {
        let at = u64::from(from.start).checked_add_signed(place.cast_signed());
        at.is_some_and(|at| at < self.reserved(from.region))
    }

    /// The place of a section.
    pub(super) fn place_of(&self, section: usize) -> Option<Placed> {
        self.of_sections.get(section).copied().flatten()
    }

    /// What stands at an offset from the beginning of a section, so many bytes of it.
    pub(super) fn landing(&self, from: Placed, offset: u64, width: u64) -> Landing {
        let start = u64::from(from.start).checked_add_signed(offset.cast_signed());
        let Some((start, end)) = start.and_then(|start| Some((start, start.checked_add(width)?))) else {
            return Landing::Beyond;
        };
        if end > self.end_of_sections(from.region) {
            return Landing::Beyond;
        }
        let before = |placed: &Placed| (placed.region, placed.end()) <= (from.region, start);
        let first = self.placed.partition_point(before);
        let there = self.placed.iter().skip(first);
        let there = there.take_while(|placed| placed.region == from.region && u64::from(placed.start) < end);
        let pieces = there
            .filter(|placed| placed.size > 0)
            .map(|placed| placed.piece(start, end));
        let pieces: Vec<(usize, Range<u64>)> = pieces.collect();
        if pieces.is_empty() {
            Landing::Padding
        } else {
            Landing::Sections(pieces)
        }
    }

    /// Where the memory of a region ends that is for sections.
    fn end_of_sections(&self, region: usize) -> u64 {
        let symbols = self.symbols_from.get(region).copied().flatten();
        symbols.map_or_else(|| self.reserved(region), u64::from)
    }

    /// How many bytes the kernel reserves for a region.
    fn reserved(&self, region: usize) -> u64 {
        let size = self.sizes.get(region).copied().unwrap_or_default();
        u64::from(size).next_multiple_of(PAGE)
    }

    fn region(&self, purpose: Purpose, is_for_init: bool) -> usize {
        if self.loading.image.era.has_memory_types() {
            2 * (purpose as usize) + usize::from(is_for_init)
        } else {
            usize::from(is_for_init)
        }
    }

    /// The sections that stay, or those that go.
    fn sections(&mut self, is_for_init: bool) {
        let image = self.loading.image;
        let late = READ_ONLY_AFTER_INIT.map(|name| image.allocated(name));
        for purpose in Purpose::ALL {
            let region = self.region(purpose, is_for_init);
            for (at, section) in image.sections.iter().enumerate() {
                let is_of_purpose = Purpose::of(section, late.contains(&Some(at))) == purpose;
                if self.loading.is_kept(at) && is_of_purpose && image.is_for_init(section) == is_for_init {
                    self.place(region, at, section);
                }
            }
            self.end_of_purpose(region);
        }
    }

    /// `module_get_offset`.
    fn place(&mut self, region: usize, at: usize, section: &Section) {
        let Some(size) = self.sizes.get_mut(region) else { return };
        let start = aligned(*size, section.align);
        *size = start.wrapping_add(low_half(section.size));
        self.placed.push(Placed {
            region,
            start,
            size: section.size,
            section: at,
        });
    }

    /// Before Linux 6.4 each purpose ends with a page (`strict_align`).
    fn end_of_purpose(&mut self, region: usize) {
        if !self.loading.image.era.has_memory_types()
            && let Some(size) = self.sizes.get_mut(region)
        {
            *size = whole_pages(*size);
        }
    }

    /// `layout_symtab`: all symbols and their names until the start is over, and a copy of those that stay.
    fn symbols(&mut self) {
        let symbols = self.loading.symbols;
        let sections = &self.loading.image.sections;
        let (Some(table), Some(names)) = (sections.get(symbols.at), sections.get(symbols.names_at)) else {
            return;
        };
        let (init, core) = (self.region(Purpose::Data, true), self.region(Purpose::Data, false));
        let kept = table.of_size(u64::from(SYMBOL));
        let kallsyms = KALLSYMS.saturating_add(u32::try_from(symbols.count()).unwrap_or(u32::MAX));
        for region in [init, core] {
            if let Some(from) = self.symbols_from.get_mut(region) {
                *from = self.sizes.get(region).copied();
            }
        }
        self.place(init, symbols.at, table);
        self.place(core, symbols.at, &kept);
        self.place(init, symbols.names_at, names);
        for (region, more) in [(init, kallsyms), (core, 0)] {
            if let Some(size) = self.sizes.get_mut(region) {
                *size = size.saturating_add(more);
            }
            self.end_of_purpose(region);
        }
    }

    fn too_large(&self) -> Option<ElfDefect> {
        let bytes: u64 = self.sizes.iter().map(|size| u64::from(*size)).sum();
        (bytes > MAX_MEMORY).then(|| {
            malformed(format!(
                "its sections want {bytes} bytes of memory, more than a kernel has for modules"
            ))
        })
    }

    fn beyond(&self) -> Option<ElfDefect> {
        let mut placed = self.placed.iter();
        let beyond = placed.find(|placed| placed.size > 0 && placed.end() > self.reserved(placed.region))?;
        let name = self.name(beyond);
        Some(deadly(format!(
            "the kernel puts section {} ({name}) beyond the memory that it has reserved, since the alignment or the size of \
             a section is impossible",
            beyond.section
        )))
    }

    fn over(&self) -> Option<ElfDefect> {
        let placed = self.placed.iter().filter(|placed| placed.size > 0);
        let mut pairs = placed.clone().zip(placed.skip(1));
        let (under, over) = pairs.find(|(one, next)| one.region == next.region && one.end() > u64::from(next.start))?;
        let (one, other) = (self.name(under), self.name(over));
        Some(deadly(format!(
            "the kernel puts the sections {one} and {other} over one another, since the alignment of one is impossible"
        )))
    }

    /// A symbol whose name the kernel reads beyond its copy of the names, and beyond the memory that this stands in.
    fn nameless(&self) -> Option<ElfDefect> {
        let symbols = self.loading.symbols;
        let names = self.place_of(symbols.names_at)?;
        let end = self.reserved(names.region).saturating_sub(names.start.into());
        let at = symbols.kept_with_name_behind(end)?;
        Some(deadly(format!(
            "the name of symbol {at} lies far outside the symbol name table, and the kernel reads it all the same"
        )))
    }

    fn name(&self, placed: &Placed) -> String {
        let image = self.loading.image;
        image
            .sections
            .get(placed.section)
            .map(|section| image.name(section))
            .unwrap_or_default()
    }
}

/// `ALIGN` of an `unsigned int`, which trusts that an alignment is a power of two.
fn aligned(size: u32, alignment: u64) -> u32 {
    let mask = low_half(alignment.max(1)).wrapping_sub(1);
    size.wrapping_add(mask) & !mask
}

fn whole_pages(size: u32) -> u32 {
    aligned(size, PAGE)
}

fn low_half(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}
