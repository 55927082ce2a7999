//! Modules of our own making.

use super::put;
use crate::kmod::elf::image::Order;
use crate::kmod::elf::{NAME_OFFSET, read_as};
use crate::kmod::facts::{ElfDefect, ElfModule, Era};

/// A module of our own making, for the forms that no compiler at hand makes.
pub(super) struct Sketch {
    order: Order,
    machine: u16,
    sections: Vec<Part>,
    symbols: Vec<(&'static str, u8, u16, u64)>,
}

pub(super) struct Part {
    name: &'static str,
    kind: u32,
    info: u32,
    content: Vec<u8>,
    /// How many sections there are over these bytes.
    sections: usize,
}

pub(super) const GLOBAL: u8 = 1 << 4;
pub(super) const WEAK: u8 = 2 << 4;

impl Sketch {
    pub(super) fn new(order: Order, machine: u16) -> Self {
        let sketch = Self {
            order,
            machine,
            sections: Vec::new(),
            symbols: Vec::new(),
        };
        let mut this_module = vec![0; 128];
        put(&mut this_module, NAME_OFFSET, b"sketch");
        sketch.section(".gnu.linkonce.this_module", this_module)
    }

    pub(super) fn part(mut self, name: &'static str, kind: u32, info: u32, content: Vec<u8>) -> Self {
        self.sections.push(Part {
            name,
            kind,
            info,
            content,
            sections: 1,
        });
        self
    }

    /// So many sections over the same bytes.
    pub(super) fn shared(mut self, count: usize, name: &'static str, kind: u32, info: u32, content: Vec<u8>) -> Self {
        self = self.part(name, kind, info, content);
        self.sections.last_mut().unwrap().sections = count;
        self
    }

    /// A loaded section. The first one after `.gnu.linkonce.this_module` is section 2.
    pub(super) fn section(self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.part(name, 1, 0, content.into())
    }

    /// Relocations (offset, symbol, addend) of a section.
    pub(super) fn relocations(self, of: u32, entries: &[(u64, u64, u64)]) -> Self {
        let words = entries
            .iter()
            .flat_map(|(offset, symbol, addend)| [*offset, (symbol << 32) | 2, *addend]);
        self.relocation_words(of, words)
    }

    /// Relocations (offset, type, symbol, addend) of a section.
    pub(super) fn typed_relocations(self, of: u32, entries: &[(u64, u32, u32, i64)]) -> Self {
        let words = entries.iter().flat_map(|(offset, kind, symbol, addend)| {
            let info = u64::from(*symbol) << 32 | u64::from(*kind);
            [*offset, info, addend.cast_unsigned()]
        });
        self.relocation_words(of, words)
    }

    fn relocation_words(self, of: u32, words: impl Iterator<Item = u64>) -> Self {
        let order = self.order;
        let content = words.flat_map(|word| u64_bytes(order, word)).collect();
        self.part(".rela", 4, of, content)
    }

    /// A symbol; the first one has index 1.
    pub(super) fn symbol(mut self, name: &'static str, info: u8, section: u16, value: u64) -> Self {
        self.symbols.push((name, info, section, value));
        self
    }

    pub(super) fn undefined(self, name: &'static str) -> Self {
        self.symbol(name, GLOBAL, 0, 0)
    }

    pub(super) fn bytes(mut self) -> Vec<u8> {
        let order = self.order;
        let mut names = vec![0];
        let mut table = vec![0; 24];
        for (name, info, section, value) in std::mem::take(&mut self.symbols) {
            table.extend(u32_bytes(order, names.len()));
            table.extend([info, 0]);
            table.extend(u16_bytes(order, section));
            table.extend(u64_bytes(order, value));
            table.extend([0; 8]);
            names.extend(name.as_bytes());
            names.push(0);
        }
        let strings = u32::try_from(self.count() + 2).unwrap();
        self = self.part(".symtab", 2, strings, table).part(".strtab", 3, 0, names);
        self.lay_out()
    }

    fn count(&self) -> usize {
        self.sections.iter().map(|part| part.sections).sum()
    }

    pub(super) fn lay_out(self) -> Vec<u8> {
        let order = self.order;
        let mut section_names = vec![0];
        let mut body = vec![0; 64];
        let mut headers = vec![0; 64];
        let count = self.count() + 2;
        let names_at = |names: &mut Vec<u8>, name: &str| {
            let at = names.len();
            names.extend(name.as_bytes());
            names.push(0);
            at
        };
        for part in &self.sections {
            let name = names_at(&mut section_names, part.name);
            let header = section(order, name, part, body.len());
            headers.extend(header.repeat(part.sections));
            body.extend(&part.content);
        }
        let name = names_at(&mut section_names, ".shstrtab");
        let last = Part {
            name: ".shstrtab",
            kind: 3,
            info: 0,
            content: section_names,
            sections: 1,
        };
        headers.extend(section(order, name, &last, body.len()));
        body.extend(&last.content);
        let table_at = body.len();
        body.extend(headers);
        put(&mut body, 0, b"\x7fELF\x02\x01\x01");
        put(&mut body, 16, &u16_bytes(order, 1));
        put(&mut body, 18, &u16_bytes(order, self.machine));
        put(&mut body, 40, &u64_bytes(order, table_at as u64));
        put(&mut body, 58, &u16_bytes(order, 64));
        put(&mut body, 60, &u16_bytes(order, u16::try_from(count).unwrap()));
        put(&mut body, 62, &u16_bytes(order, u16::try_from(count - 1).unwrap()));
        body
    }

    /// As the newest kernels read it.
    pub(super) fn read(self) -> Result<ElfModule, ElfDefect> {
        self.read_as(Era::Since6_13)
    }

    pub(super) fn read_as(self, era: Era) -> Result<ElfModule, ElfDefect> {
        read_as(&self.bytes(), era)
    }
}

pub(super) fn section(order: Order, name: usize, part: &Part, offset: usize) -> Vec<u8> {
    let link = if part.kind == 2 { part.info } else { 0 };
    let is_loaded = !matches!(part.kind, 2 | 3 | 4 | 9);
    let mut header = Vec::new();
    header.extend(u32_bytes(order, name));
    header.extend(u32_bytes(order, part.kind as usize));
    header.extend(u64_bytes(order, if is_loaded { 2 } else { 0 }));
    header.extend(u64_bytes(order, 0));
    header.extend(u64_bytes(order, offset as u64));
    header.extend(u64_bytes(order, part.content.len() as u64));
    header.extend(u32_bytes(order, link as usize));
    header.extend(u32_bytes(order, part.info as usize));
    header.extend([0; 16]);
    header
}

pub(super) fn u16_bytes(order: Order, value: u16) -> [u8; 2] {
    if order == Order::Big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(super) fn u32_bytes(order: Order, value: usize) -> [u8; 4] {
    let value = u32::try_from(value).unwrap();
    if order == Order::Big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(super) fn u64_bytes(order: Order, value: u64) -> [u8; 8] {
    if order == Order::Big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(super) fn version(order: Order, crc: u64, name: &str) -> Vec<u8> {
    let mut record = u64_bytes(order, crc).to_vec();
    record.extend(name.as_bytes());
    record.resize(64, 0);
    record
}
