//! Just enough of 64-bit little-endian ELF to damage a module on purpose: headers, sections, symbols.
//!
//! Offsets are those of `include/uapi/linux/elf.h`: `Elf64_Ehdr`, `Elf64_Shdr`, `Elf64_Sym`.

/// `sizeof(Elf64_Shdr)`.
const SECTION_HEADER: usize = 64;
/// `sizeof(Elf64_Sym)`.
const SYMBOL: usize = 24;
/// `sizeof(struct modversion_info)`: a CRC in a long, and a name.
const VERSION: usize = 64;

/// The two sections of the extended form of symbol versions.
pub(crate) const EXTENDED_CRCS: &str = "__version_ext_crcs";
pub(crate) const EXTENDED_NAMES: &str = "__version_ext_names";
/// Notes, which decide nothing, in whose places those sections are put.
const NOTES: [(&str, &str); 2] = [(".note.gnu.build-id", EXTENDED_CRCS), (".note.Linux", EXTENDED_NAMES)];

/// Fields of the ELF header: name, offset, size.
pub(crate) const HEADER_FIELDS: [(&str, usize, usize); 19] = [
    ("magic", 0, 4),
    ("class", 4, 1),
    ("data", 5, 1),
    ("ident-version", 6, 1),
    ("osabi", 7, 1),
    ("abiversion", 8, 1),
    ("type", 16, 2),
    ("machine", 18, 2),
    ("version", 20, 4),
    ("entry", 24, 8),
    ("phoff", 32, 8),
    ("shoff", 40, 8),
    ("flags", 48, 4),
    ("ehsize", 52, 2),
    ("phentsize", 54, 2),
    ("phnum", 56, 2),
    ("shentsize", 58, 2),
    ("shnum", 60, 2),
    ("shstrndx", 62, 2),
];

/// Fields of a section's header.
pub(crate) mod section {
    pub(crate) const NAME: usize = 0;
    pub(crate) const TYPE: usize = 4;
    pub(crate) const FLAGS: usize = 8;
    pub(crate) const ADDRESS: usize = 16;
    pub(crate) const OFFSET: usize = 24;
    pub(crate) const SIZE: usize = 32;
    pub(crate) const LINK: usize = 40;
    pub(crate) const INFO: usize = 44;
    pub(crate) const ALIGN: usize = 48;
    pub(crate) const ENTRY_SIZE: usize = 56;
}

/// Values of `e_machine`.
pub(crate) mod machine {
    pub(crate) const X86_64: u64 = 62;
    pub(crate) const AARCH64: u64 = 183;
}

/// A sound ELF file that is changed in place.
pub(crate) struct Elf<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Elf<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes }
    }

    /// A number of `size` bytes; 0 outside the file.
    pub(crate) fn number(&self, at: usize, size: usize) -> u64 {
        little_endian(self.bytes.get(at..at + size).unwrap_or_default())
    }

    fn offset(&self, at: usize, size: usize) -> usize {
        usize::try_from(self.number(at, size)).unwrap_or(usize::MAX)
    }

    pub(crate) fn set(&mut self, at: usize, size: usize, value: u64) {
        let value = value.to_le_bytes();
        if let (Some(place), Some(value)) = (self.bytes.get_mut(at..at + size), value.get(..size)) {
            place.copy_from_slice(value);
        }
    }

    /// Calls it a file for another processor.
    pub(crate) fn set_machine(&mut self, machine: u64) {
        self.set(18, 2, machine);
    }

    pub(crate) fn section_count(&self) -> usize {
        self.offset(60, 2)
    }

    /// Where the header of a section stands.
    pub(crate) fn header(&self, index: usize) -> usize {
        self.offset(40, 8) + index * SECTION_HEADER
    }

    pub(crate) fn header_of(&self, name: &str) -> Option<usize> {
        (1..self.section_count())
            .find(|index| self.section_name(*index) == name)
            .map(|index| self.header(index))
    }

    pub(crate) fn section_name(&self, index: usize) -> String {
        let names = self.header(self.offset(62, 2));
        let start = self.offset(names + section::OFFSET, 8) + self.offset(self.header(index) + section::NAME, 4);
        self.text(start)
    }

    fn text(&self, at: usize) -> String {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        String::from_utf8_lossy(&rest[..end]).into_owned()
    }

    fn content(&self, header: usize) -> Vec<u8> {
        let start = self.offset(header + section::OFFSET, 8);
        let size = self.offset(header + section::SIZE, 8);
        self.bytes.get(start..start + size).unwrap_or_default().to_vec()
    }

    pub(crate) fn section(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.content(self.header_of(name)?))
    }

    /// Puts the content of a section to the end of the file.
    fn set_content(&mut self, header: usize, content: &[u8]) {
        let start = self.bytes.len().next_multiple_of(64);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(content);
        self.set(header + section::OFFSET, 8, start as u64);
        self.set(header + section::SIZE, 8, content.len() as u64);
    }

    pub(crate) fn set_section(&mut self, name: &str, content: &[u8]) {
        if let Some(header) = self.header_of(name) {
            self.set_content(header, content);
        }
    }

    pub(crate) fn set_section_field(&mut self, name: &str, field: usize, size: usize, value: u64) {
        if let Some(header) = self.header_of(name) {
            self.set(header + field, size, value);
        }
    }

    /// Gives a section a name that means nothing: to the kernel it is gone.
    pub(crate) fn hide_section(&mut self, name: &str) {
        self.rename_section(name, ".gone");
    }

    pub(crate) fn rename_section(&mut self, name: &str, to: &str) {
        let Some(header) = self.header_of(name) else { return };
        let names = self.header(self.offset(62, 2));
        let at = self.append_text(names, to);
        self.set(header + section::NAME, 4, at);
    }

    /// Adds a string to a table of strings, and says where in it.
    fn append_text(&mut self, table: usize, text: &str) -> u64 {
        let mut content = self.content(table);
        let at = content.len() as u64;
        content.extend_from_slice(text.as_bytes());
        content.push(0);
        self.set_content(table, &content);
        at
    }

    /// Where the entry of a symbol stands.
    pub(crate) fn symbol(&self, name: &str) -> Option<usize> {
        let table = self.header_of(".symtab")?;
        let strings = self.offset(self.header_of(".strtab")? + section::OFFSET, 8);
        let start = self.offset(table + section::OFFSET, 8);
        let count = self.offset(table + section::SIZE, 8) / SYMBOL;
        (0..count)
            .map(|index| start + index * SYMBOL)
            .find(|at| self.text(strings + self.offset(*at, 4)) == name)
    }

    /// Gives a symbol another name, in the symbol table alone.
    pub(crate) fn rename_symbol(&mut self, name: &str, to: &str) {
        let (Some(at), Some(strings)) = (self.symbol(name), self.header_of(".strtab")) else {
            return;
        };
        let text = self.append_text(strings, to);
        self.set(at, 4, text);
    }

    /// Makes a weak symbol one that is needed (`STB_GLOBAL`).
    pub(crate) fn require_symbol(&mut self, name: &str) {
        const GLOBAL: u64 = 1 << 4;
        if let Some(at) = self.symbol(name) {
            self.set(at + 4, 1, GLOBAL);
        }
    }

    /// Replaces a text of the same length wherever it stands.
    pub(crate) fn replace_everywhere(&mut self, from: &[u8], to: &[u8]) {
        let places: Vec<usize> = self
            .bytes
            .windows(from.len())
            .enumerate()
            .filter(|(_, window)| *window == from)
            .map(|(at, _)| at)
            .collect();
        for at in places {
            self.bytes[at..at + to.len()].copy_from_slice(to);
        }
    }

    /// The records of `__versions`.
    pub(crate) fn versions(&self) -> Vec<(String, u64)> {
        let content = self.section("__versions").unwrap_or_default();
        let record = |record: &[u8]| {
            let crc = little_endian(record.get(..8).unwrap_or_default());
            let name: Vec<u8> = record.iter().skip(8).copied().take_while(|byte| *byte != 0).collect();
            (String::from_utf8_lossy(&name).into_owned(), crc)
        };
        content.chunks_exact(VERSION).map(record).collect()
    }

    pub(crate) fn set_versions(&mut self, records: &[(String, u64)]) {
        let mut content = Vec::new();
        for (name, crc) in records {
            let end = content.len() + VERSION;
            content.extend_from_slice(&crc.to_le_bytes());
            content.extend_from_slice(name.as_bytes());
            content.resize(end, 0);
        }
        self.set_section("__versions", &content);
    }

    /// The versions in the extended form, where it has them.
    pub(crate) fn extended_versions(&self) -> Option<Vec<(String, u64)>> {
        let (crcs, names) = (self.section(EXTENDED_CRCS)?, self.section(EXTENDED_NAMES)?);
        let names = names.split(|byte| *byte == 0);
        let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
        Some(names.zip(crcs.chunks_exact(4).map(little_endian)).collect())
    }

    /// Of each CRC the lower half, which that form has room for.
    pub(crate) fn set_extended_versions(&mut self, records: &[(String, u64)]) {
        let (mut crcs, mut names) = (Vec::new(), Vec::new());
        for (name, crc) in records {
            crcs.extend(crc.to_le_bytes().into_iter().take(4));
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        for ((note, section), content) in NOTES.into_iter().zip([crcs, names]) {
            if self.header_of(section).is_none() {
                self.rename_section(note, section);
            }
            self.set_section(section, &content);
        }
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
