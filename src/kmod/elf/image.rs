//! The header and the section table of an ELF image.

use super::{deadly, defect, malformed};
use crate::kernel::Architecture;
use crate::kmod::facts::{ElfDefect, ElfDefectKind, Era};

/// `sizeof(Elf64_Ehdr)`
const HEADER_SIZE: usize = 64;
/// `sizeof(Elf64_Shdr)`
const SECTION_SIZE: usize = 64;
/// A relocatable file: `e_type` of a module.
const ET_REL: u16 = 1;
const SHT_NULL: u32 = 0;
const SHT_NOBITS: u32 = 8;
pub(super) const SHF_WRITE: u64 = 1;
const SHF_ALLOC: u64 = 2;
pub(super) const SHF_EXECINSTR: u64 = 4;

/// Memory is mapped in pages: what lies beyond a file's end, but in its last page, can be read without harm.
pub(super) const PAGE: u64 = 4096;

/// How many bytes of a section's name are shown; real ones are shorter.
const MAX_NAME_SHOWN: usize = 64;

/// The byte order of the kernel that is meant to read the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The order in which reading `e_machine` makes sense. The kernel reads it in its own and never looks at
    /// `EI_DATA`, so this is the order of the kernel that might take the file; `EI_DATA` decides for machines
    /// that are not ours, where it only makes for a better message.
    fn of(header: &[u8]) -> Self {
        let little = Self::Little.u16(header, 18).unwrap_or_default();
        let big = Self::Big.u16(header, 18).unwrap_or_default();
        let s390 = Architecture::S390x.elf_machine();
        let ours = |machine| Architecture::from_elf_machine(machine).is_some();
        let says_big = header.get(5) == Some(&2);
        if little == s390 || big == s390 || (says_big && !ours(little) && !ours(big)) {
            Self::Big
        } else {
            Self::Little
        }
    }

    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = array(bytes, at)?;
        Some(if self == Self::Big {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        })
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = array(bytes, at)?;
        Some(if self == Self::Big {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        })
    }

    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = array(bytes, at)?;
        Some(if self == Self::Big {
            u64::from_be_bytes(raw)
        } else {
            u64::from_le_bytes(raw)
        })
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The bytes of a file from an offset on, so many of them.
fn range(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(size)?).ok()?;
    bytes.get(start..end)
}

/// An entry of the section table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    name: u32,
    pub(super) kind: u32,
    pub(super) flags: u64,
    address: u64,
    offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
    pub(super) align: u64,
}

impl Section {
    fn read(order: Order, bytes: &[u8]) -> Option<Self> {
        Some(Self {
            name: order.u32(bytes, 0)?,
            kind: order.u32(bytes, 4)?,
            flags: order.u64(bytes, 8)?,
            address: order.u64(bytes, 16)?,
            offset: order.u64(bytes, 24)?,
            size: order.u64(bytes, 32)?,
            link: order.u32(bytes, 40)?,
            info: order.u32(bytes, 44)?,
            align: order.u64(bytes, 48)?,
        })
    }

    /// The same section, with another size.
    pub(super) fn of_size(&self, size: u64) -> Self {
        Self { size, ..*self }
    }

    /// Whether its type says that it has bytes in the file: only then its place is checked.
    pub(super) fn has_content(&self) -> bool {
        !matches!(self.kind, SHT_NULL | SHT_NOBITS)
    }

    /// Whether its bytes are copied when it is loaded (`move_module`); else it is all zeros.
    pub(super) fn is_copied(&self) -> bool {
        self.kind != SHT_NOBITS
    }

    /// `SHF_ALLOC`: cleared, the kernel ignores the section.
    pub(super) fn is_allocated(&self) -> bool {
        self.flags & SHF_ALLOC != 0
    }
}

/// An ELF image whose header and section table the kernels of an era would take.
pub(super) struct Image<'a> {
    bytes: &'a [u8],
    pub(super) era: Era,
    pub(super) order: Order,
    /// `e_machine`
    pub(super) machine: u16,
    pub(super) sections: Vec<Section>,
    /// The section names, and all that follows them in the file: nobody looks where their table ends.
    names: &'a [u8],
}

impl<'a> Image<'a> {
    /// Checks what `elf_validity_cache_sechdrs` and `elf_validity_cache_secstrings` check, and `elf_validity_check` before.
    pub(super) fn open(bytes: &'a [u8], era: Era) -> Result<Self, ElfDefect> {
        let header = Header::read(bytes)?;
        let sections = header.sections(bytes)?;
        let mut image = Self {
            bytes,
            era,
            order: header.order,
            machine: header.machine,
            sections,
            names: &[],
        };
        image.names = image.section_names(header.names_index)?;
        Ok(image)
    }

    /// The bytes of a section as the kernel copies them; none where it has none in the file.
    pub(super) fn content(&self, section: &Section) -> &'a [u8] {
        if section.is_copied() { self.raw(section) } else { &[] }
    }

    /// The bytes at the place of a section, whatever its type: what the kernel sees where it reads a section before it
    /// copies it.
    pub(super) fn raw(&self, section: &Section) -> &'a [u8] {
        range(self.bytes, section.offset, section.size).unwrap_or_default()
    }

    /// All bytes from the beginning of a section on, wherever it ends; none where it begins outside of the file.
    pub(super) fn from(&self, section: &Section) -> &'a [u8] {
        let start = usize::try_from(section.offset).ok();
        start.and_then(|start| self.bytes.get(start..)).unwrap_or_default()
    }

    /// How many bytes the kernel can read from the beginning of a section on, before it meets memory that is not there.
    pub(super) fn readable(&self, section: &Section) -> u64 {
        let mapped = (self.bytes.len() as u64).next_multiple_of(PAGE);
        mapped.saturating_sub(section.offset)
    }

    /// The indexes of all sections of a name (`find_any_unique_sec`); before Linux 6.13, only of those whose type says that
    /// they have content.
    pub(super) fn counted(&self, name: &str) -> Vec<usize> {
        let counts = |section: &Section| self.era == Era::Since6_13 || section.has_content();
        let sections = self.sections.iter().enumerate().skip(1);
        sections
            .filter(|(_, section)| counts(section) && self.has_name(section, name))
            .map(|(at, _)| at)
            .collect()
    }

    /// The index of the first section of a name that is loaded (`find_sec`).
    pub(super) fn allocated(&self, name: &str) -> Option<usize> {
        let found = |section: &Section| section.is_allocated() && self.has_name(section, name);
        self.sections.iter().skip(1).position(found).map(|at| at + 1)
    }

    /// The bytes of the first section of a name that is loaded.
    pub(super) fn allocated_content(&self, name: &str) -> Option<&'a [u8]> {
        let section = self.sections.get(self.allocated(name)?)?;
        Some(self.content(section))
    }

    pub(super) fn has_name(&self, section: &Section, name: &str) -> bool {
        self.stored_name(section)
            .strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// Whether any section but the first has that name.
    pub(super) fn has_any(&self, name: &str) -> bool {
        let mut sections = self.sections.iter().skip(1);
        sections.any(|section| self.has_name(section, name))
    }

    /// Whether a section is needed at the start only (`module_init_section`).
    pub(super) fn is_for_init(&self, section: &Section) -> bool {
        self.stored_name(section).starts_with(b".init")
    }

    /// The name of a section, for messages.
    pub(super) fn name(&self, section: &Section) -> String {
        let shown = self.stored_name(section).iter().take(MAX_NAME_SHOWN).copied();
        let shown: Vec<u8> = shown.take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// The name of a section up to its end, as the kernel's string functions see it.
    pub(super) fn whole_name(&self, section: &Section) -> &'a [u8] {
        let stored = self.stored_name(section);
        stored.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    fn stored_name(&self, section: &Section) -> &'a [u8] {
        let start = usize::try_from(section.name).ok();
        start.and_then(|start| self.names.get(start..)).unwrap_or_default()
    }

    fn section_names(&self, index: u16) -> Result<&'a [u8], ElfDefect> {
        let table = match self.sections.get(usize::from(index)) {
            Some(section) if index != 0 => section,
            _ => {
                return Err(header(format!(
                    "its section name index {index} is not one of its sections"
                )));
            }
        };
        if self.raw(table).last() != Some(&0) {
            return Err(header("its section name table is empty or does not end in NUL"));
        }
        self.check_names(table)?;
        Ok(self.from(table))
    }

    /// Every section's name must lie in the table. Before Linux 6.13 only the names of loaded sections with content are
    /// checked, and all others are read all the same: by `module_finalize`, if by nobody else.
    fn check_names(&self, table: &Section) -> Result<(), ElfDefect> {
        let is_checked = |section: &Section| match self.era {
            Era::Since6_13 => section.kind != SHT_NULL,
            _ => section.has_content() && section.is_allocated(),
        };
        let outside = |section: &Section| is_checked(section) && u64::from(section.name) >= table.size;
        if let Some(at) = self.sections.iter().position(outside) {
            return Err(malformed(format!(
                "the name of section {at} lies outside the section name table"
            )));
        }
        let end = self.readable(table);
        match self.sections.iter().position(|section| u64::from(section.name) >= end) {
            Some(at) => Err(deadly(format!(
                "the name of section {at} lies far outside the file, and the kernel reads it all the same"
            ))),
            None => Ok(()),
        }
    }
}

/// What the ELF header says.
struct Header {
    order: Order,
    machine: u16,
    table_offset: u64,
    entry_size: u16,
    count: u16,
    names_index: u16,
    is_32_bit: bool,
}

impl Header {
    /// `elf_validity_ehdr`
    fn read(bytes: &[u8]) -> Result<Self, ElfDefect> {
        let short = || header(format!("it has {} bytes, fewer than an ELF header", bytes.len()));
        let raw = bytes.get(..HEADER_SIZE).ok_or_else(short)?;
        if !raw.starts_with(b"\x7fELF") {
            return Err(header("it does not begin with the ELF magic"));
        }
        let order = Order::of(raw);
        let kind = order.u16(raw, 16).ok_or_else(short)?;
        if kind != ET_REL {
            return Err(header(format!(
                "its ELF type is {kind}, not {ET_REL} (relocatable), which modules are"
            )));
        }
        Self::fields(order, raw).ok_or_else(short)
    }

    fn fields(order: Order, raw: &[u8]) -> Option<Self> {
        Some(Self {
            order,
            machine: order.u16(raw, 18)?,
            table_offset: order.u64(raw, 40)?,
            entry_size: order.u16(raw, 58)?,
            count: order.u16(raw, 60)?,
            names_index: order.u16(raw, 62)?,
            is_32_bit: raw.get(4) == Some(&1),
        })
    }

    /// `elf_validity_cache_sechdrs`
    fn sections(&self, bytes: &[u8]) -> Result<Vec<Section>, ElfDefect> {
        if usize::from(self.entry_size) != SECTION_SIZE {
            return Err(header(self.wrong_entry_size()));
        }
        let sections = self.table(bytes)?;
        match sections.first() {
            Some(first) if first.kind == SHT_NULL && first.size == 0 && first.address == 0 => {}
            _ => return Err(header("its section 0 is missing or not empty")),
        }
        let len = bytes.len() as u64;
        let outside = |section: &Section| {
            section.has_content() && section.offset.checked_add(section.size).is_none_or(|end| end > len)
        };
        match sections.iter().skip(1).position(outside) {
            Some(at) => Err(truncated(format!(
                "section {} ends beyond the file's {len} bytes",
                at + 1
            ))),
            None => Ok(sections),
        }
    }

    fn table(&self, bytes: &[u8]) -> Result<Vec<Section>, ElfDefect> {
        let len = bytes.len() as u64;
        let size = u64::from(self.count) * SECTION_SIZE as u64;
        let inside = range(bytes, self.table_offset, size).filter(|_| self.table_offset < len);
        let Some(table) = inside else {
            let (count, offset) = (self.count, self.table_offset);
            return Err(truncated(format!(
                "its section table ({count} entries at offset {offset}) ends beyond the file's {len} bytes"
            )));
        };
        Ok(table
            .chunks_exact(SECTION_SIZE)
            .filter_map(|entry| Section::read(self.order, entry))
            .collect())
    }

    fn wrong_entry_size(&self) -> String {
        if self.is_32_bit {
            format!(
                "it is a 32-bit file (machine {}), and the kernel is a 64-bit one",
                self.machine
            )
        } else {
            format!(
                "its section headers have {} bytes instead of {SECTION_SIZE}",
                self.entry_size
            )
        }
    }
}

fn header(message: impl Into<String>) -> ElfDefect {
    defect(ElfDefectKind::Header, message)
}

fn truncated(message: String) -> ElfDefect {
    defect(ElfDefectKind::Truncated, message)
}
