//! What stands at an offset of a module's file, and whether a file can tell what a kernel makes of it.

use crate::truth::elf::{Elf, HEADER_FIELDS, section};

/// `sizeof(Elf64_Ehdr)`.
const HEADER: usize = 64;
/// `sizeof(Elf64_Shdr)`.
const SECTION_HEADER: usize = 64;
/// Fields of `Elf64_Shdr`: where each begins.
const SECTION_FIELDS: [(&str, usize); 10] = [
    ("name", section::NAME),
    ("type", section::TYPE),
    ("flags", section::FLAGS),
    ("addr", 16),
    ("offset", section::OFFSET),
    ("size", section::SIZE),
    ("link", section::LINK),
    ("info", section::INFO),
    ("align", section::ALIGN),
    ("entry size", section::ENTRY_SIZE),
];
/// Fields of `Elf64_Sym`.
const SYMBOL_FIELDS: [(&str, usize); 6] = [
    ("name", 0),
    ("info", 4),
    ("other", 5),
    ("section", 6),
    ("value", 8),
    ("size", 16),
];
/// Fields of `Elf64_Rela`.
const RELOCATION_FIELDS: [(&str, usize); 4] = [("offset", 0), ("type", 8), ("symbol", 12), ("addend", 16)];
/// Where `struct module` has its name: after a state and the head of a list (`include/linux/module.h`).
const NAME_IN_MODULE: usize = 24;
/// `MODULE_NAME_LEN`.
const NAME_LENGTH: usize = 56;
const THIS_MODULE: &str = ".gnu.linkonce.this_module";

/// Section types (`include/uapi/linux/elf.h`).
mod kind {
    pub(super) const SYMTAB: u64 = 2;
    pub(super) const RELA: u64 = 4;
    pub(super) const NOBITS: u64 = 8;
}

/// The place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A field of the ELF header.
    Header(&'static str),
    /// A field of a section's header.
    SectionHeader(&'static str),
    /// A field of a symbol.
    Symbol(&'static str),
    /// A field of a relocation.
    Relocation(&'static str),
    /// The content of a section.
    Section(String),
    /// Between all of them.
    Nothing,
}

impl Place {
    /// Of an offset in a sound module.
    pub(super) fn of(bytes: &[u8], at: usize) -> Self {
        let mut bytes = bytes.to_vec();
        let elf = Elf::new(&mut bytes);
        let headers = elf.header(0)..elf.header(elf.section_count());
        if at < HEADER {
            let is_there = |(_, start, size): &&(&str, usize, usize)| (*start..start + size).contains(&at);
            let field = HEADER_FIELDS.iter().find(is_there);
            return Self::Header(field.map_or("padding", |(name, ..)| name));
        }
        if headers.contains(&at) {
            return Self::SectionHeader(field(&SECTION_FIELDS, (at - headers.start) % SECTION_HEADER));
        }
        let mut sections = 1..elf.section_count();
        sections
            .find_map(|index| Self::in_section(&elf, index, at))
            .unwrap_or(Self::Nothing)
    }

    fn in_section(elf: &Elf<'_>, index: usize, at: usize) -> Option<Self> {
        let header = elf.header(index);
        let number = |field| usize::try_from(elf.number(header + field, 8)).unwrap_or_default();
        let inside = at.checked_sub(number(section::OFFSET))?;
        if inside >= number(section::SIZE) {
            return None;
        }
        let each = number(section::ENTRY_SIZE).max(1);
        match elf.number(header + section::TYPE, 4) {
            kind::NOBITS => None,
            kind::SYMTAB => Some(Self::Symbol(field(&SYMBOL_FIELDS, inside % each))),
            kind::RELA => Some(Self::Relocation(field(&RELOCATION_FIELDS, inside % each))),
            _ => Some(Self::Section(elf.section_name(index))),
        }
    }

    /// Why no file tells what becomes of a damage here, where that is so: the kernel runs and uses what stands here, but
    /// does not look at it before.
    pub(super) fn out_of_reach(&self) -> Option<&'static str> {
        const CODE: [&str; 7] = [
            ".text",
            ".init.text",
            ".exit.text",
            ".altinstr",
            ".return_sites",
            ".call_sites",
            "__mcount_loc",
        ];
        const DATA: [&str; 7] = [
            ".data",
            ".init.data",
            ".exit.data",
            ".rodata",
            ".orc_",
            ".static_call",
            "__bug_table",
        ];
        let Self::Section(name) = self else { return None };
        let is_one = |names: &[&str]| names.iter().any(|known| name.starts_with(known));
        if is_one(&CODE) {
            Some("code")
        } else {
            is_one(&DATA).then_some("data")
        }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Header(field) => format!("ELF header: {field}"),
            Self::SectionHeader(field) => format!("section header: {field}"),
            Self::Symbol(field) => format!("symbol: {field}"),
            Self::Relocation(field) => format!("relocation: {field}"),
            Self::Section(name) => format!("`{name}`"),
            Self::Nothing => "padding".to_owned(),
        }
    }
}

/// The field at an offset, of a table in the order of the fields.
fn field(fields: &[(&'static str, usize)], at: usize) -> &'static str {
    let before = fields.iter().rev().find(|(_, start)| *start <= at);
    before.map_or("", |(name, _)| name)
}

/// The name that a damaged module has for the kernel, where it is another than it was.
pub(super) fn module_name(damaged: &[u8], sound: &[u8]) -> Option<String> {
    let mut sound = sound.to_vec();
    let elf = Elf::new(&mut sound);
    let start = usize::try_from(elf.number(elf.header_of(THIS_MODULE)? + section::OFFSET, 8)).ok()? + NAME_IN_MODULE;
    let name = |bytes: &[u8]| {
        let bytes = bytes.get(start..start + NAME_LENGTH).unwrap_or_default();
        let name: Vec<u8> = bytes.iter().copied().take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&name).into_owned()
    };
    let is = name(damaged);
    (is != name(&sound)).then_some(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reaches_to_the_next_one() {
        assert_eq!(field(&SYMBOL_FIELDS, 0), "name");
        assert_eq!(field(&SYMBOL_FIELDS, 3), "name");
        assert_eq!(field(&SYMBOL_FIELDS, 5), "other");
        assert_eq!(field(&RELOCATION_FIELDS, 23), "addend");
    }
}
