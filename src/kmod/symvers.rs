//! `Module.symvers`: what a kernel and its in-tree modules export (written by `scripts/mod/modpost.c: write_dump`).

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};

use super::modprobe::file_name_to_module;

/// The largest table that is read, in bytes. Those of distributions have 1 to 4 MB.
pub const MAX_BYTES: u64 = 128 * 1024 * 1024;
/// The longest line that is read, in bytes: the kernel's symbols have at most 512 (`include/linux/kallsyms.h`).
const MAX_LINE: u64 = 8 * 1024;

/// The exported symbols of one kernel, sorted by name. Texts are kept in one string: there are 30,000 symbols.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symvers {
    symbols: Vec<Row>,
    text: String,
    /// How many lines could not be understood.
    skipped: usize,
}

/// A piece of the table's text: where it begins, and how many bytes it has.
type Piece = (u32, u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    name: Piece,
    module: Piece,
    namespace: Piece,
    crc: u32,
    gpl_only: bool,
}

/// One exported symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its CRC; `0` where the kernel was built without `CONFIG_MODVERSIONS`.
    pub crc: u32,
    /// `vmlinux`, or the path of the module that exports it, without `.ko`.
    pub module: &'a str,
    /// Whether only GPL-compatible modules may use it.
    pub gpl_only: bool,
    /// The namespace that users must import.
    pub namespace: Option<&'a str>,
}

impl Exported<'_> {
    /// Whether the kernel itself exports it, and not one of its modules.
    pub fn is_in_kernel(&self) -> bool {
        self.module == "vmlinux"
    }
}

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SymversError {
    /// The source of the bytes failed.
    #[error("Module.symvers could not be read: {0}")]
    Read(#[from] io::Error),
    /// It is larger than [`MAX_BYTES`].
    #[error("Module.symvers is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// It has lines, but not one of them is a symbol.
    #[error("Module.symvers has {0} lines, and none of them is a symbol: `<crc> <symbol> <module> <export>`")]
    NoSymbols(usize),
}

impl Symvers {
    /// Reads a table. Broken lines are counted and passed over; of two symbols of one name the first counts.
    pub fn read(source: impl BufRead) -> Result<Self, SymversError> {
        let mut source = source.take(MAX_BYTES + 1);
        let mut table = Self::default();
        let mut modules = Interned::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut source).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            table.take_line(&line, &mut modules);
        }
        if source.limit() == 0 {
            return Err(SymversError::TooLarge);
        }
        table.finish()
    }

    /// The exported symbol of that name.
    pub fn symbol(&self, name: &str) -> Option<Exported<'_>> {
        let at = self
            .symbols
            .binary_search_by(|row| self.slice(row.name).cmp(name))
            .ok()?;
        self.symbols.get(at).map(|row| self.exported(row))
    }

    /// Every exported symbol, by name.
    pub fn symbols(&self) -> impl Iterator<Item = Exported<'_>> {
        self.symbols.iter().map(|row| self.exported(row))
    }

    /// How many symbols there are.
    pub const fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Whether an in-tree module of that name exports something; `-` and `_` are equal.
    pub fn in_tree_module(&self, name: &str) -> bool {
        let name = name.replace('-', "_");
        let modules: BTreeSet<&str> = self.symbols.iter().map(|row| self.slice(row.module)).collect();
        modules.into_iter().any(|path| file_name_to_module(path) == name)
    }

    fn exported(&self, row: &Row) -> Exported<'_> {
        Exported {
            name: self.slice(row.name),
            crc: row.crc,
            module: self.slice(row.module),
            gpl_only: row.gpl_only,
            namespace: Some(self.slice(row.namespace)).filter(|namespace| !namespace.is_empty()),
        }
    }

    fn slice(&self, (start, len): Piece) -> &str {
        let start = start as usize;
        self.text.get(start..start + usize::from(len)).unwrap_or_default()
    }

    fn take_line(&mut self, line: &[u8], modules: &mut Interned) {
        let Ok(line) = str::from_utf8(line) else {
            self.skipped += 1;
            return;
        };
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            return;
        }
        let row = Fields::parse(line).and_then(|fields| {
            Some(Row {
                name: self.store(fields.name)?,
                module: modules.piece(self, fields.module)?,
                namespace: modules.piece(self, fields.namespace)?,
                crc: fields.crc,
                gpl_only: fields.gpl_only,
            })
        });
        match row {
            Some(row) => self.symbols.push(row),
            None => self.skipped += 1,
        }
    }

    fn store(&mut self, text: &str) -> Option<Piece> {
        let piece = (u32::try_from(self.text.len()).ok()?, u16::try_from(text.len()).ok()?);
        self.text.push_str(text);
        Some(piece)
    }

    fn finish(mut self) -> Result<Self, SymversError> {
        if self.symbols.is_empty() && self.skipped > 0 {
            return Err(SymversError::NoSymbols(self.skipped));
        }
        let text = std::mem::take(&mut self.text);
        let name = |row: &Row| {
            let start = row.name.0 as usize;
            text.get(start..start + usize::from(row.name.1)).unwrap_or_default()
        };
        self.symbols.sort_by(|a, b| name(a).cmp(name(b)));
        self.symbols.dedup_by(|later, first| name(later) == name(first));
        self.symbols.shrink_to_fit();
        self.text = text;
        Ok(self)
    }
}

/// Texts that come again in every line are stored once. Lines are grouped by module, so the last few suffice.
#[derive(Default)]
struct Interned(Vec<Piece>);

impl Interned {
    const KEPT: usize = 16;

    fn piece(&mut self, table: &mut Symvers, text: &str) -> Option<Piece> {
        if let Some(piece) = self.0.iter().find(|piece| table.slice(**piece) == text) {
            return Some(*piece);
        }
        let piece = table.store(text)?;
        if self.0.len() == Self::KEPT {
            self.0.remove(0);
        }
        self.0.push(piece);
        Some(piece)
    }
}

struct Fields<'a> {
    crc: u32,
    name: &'a str,
    module: &'a str,
    namespace: &'a str,
    gpl_only: bool,
}

impl<'a> Fields<'a> {
    /// `crc TAB symbol TAB module TAB export [TAB namespace]`. Linux 5.3 had the namespace in third place, and
    /// before 5.0 the export could be missing.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split('\t');
        let crc = fields
            .next()?
            .strip_prefix("0x")
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())?;
        let name = fields.next().filter(|name| !name.is_empty())?;
        let rest: Vec<&str> = fields.take(4).collect();
        let (module, export, namespace) = match *rest.as_slice() {
            [module] => (module, "EXPORT_SYMBOL", ""),
            [module, export] => (module, export, ""),
            [module, export, namespace] if is_export(export) => (module, export, namespace),
            [namespace, module, export] if is_export(export) => (module, export, namespace),
            _ => return None,
        };
        let gpl_only = export.starts_with("EXPORT_SYMBOL_GPL") || export.starts_with("EXPORT_UNUSED_SYMBOL_GPL");
        is_export(export).then_some(Self {
            crc,
            name,
            module,
            namespace,
            gpl_only,
        })
    }
}

fn is_export(text: &str) -> bool {
    text.starts_with("EXPORT_") || text == "(unknown)"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Symvers {
        Symvers::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let table = table(
            "0x9c1e5bf5\tfour\tvmlinux\tEXPORT_SYMBOL\n\
             0x00000001\tfive\tdrivers/usb/storage/usb-storage\tEXPORT_SYMBOL_GPL\tUSB_STORAGE\n\
             0x00000002\tempty_namespace\tvmlinux\tEXPORT_SYMBOL\t\n\
             0x00000003\tlinux_5_3\tMY_NS\tfs/ext4/ext4\tEXPORT_SYMBOL_GPL\n\
             0x00000004\tlinux_4\tvmlinux\r\n",
        );
        let row = |name| table.symbol(name).map(|s| (s.crc, s.module, s.gpl_only, s.namespace));
        assert_eq!(row("four"), Some((0x9c1e_5bf5, "vmlinux", false, None)));
        assert_eq!(
            row("five"),
            Some((1, "drivers/usb/storage/usb-storage", true, Some("USB_STORAGE")))
        );
        assert_eq!(row("empty_namespace"), Some((2, "vmlinux", false, None)));
        assert_eq!(row("linux_5_3"), Some((3, "fs/ext4/ext4", true, Some("MY_NS"))));
        assert_eq!(row("linux_4"), Some((4, "vmlinux", false, None)));
        assert_eq!((row("six"), table.len()), (None, 5));
    }

    #[test]
    fn broken_lines_are_passed_over() {
        let table = table(
            "0x1\tgood\tvmlinux\tEXPORT_SYMBOL\n\nnonsense\n0xzz\tx\ty\tEXPORT_SYMBOL\n0x1\t\tv\tEXPORT_SYMBOL\n0x1\tx\ty\tWHAT\n",
        );
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn of_two_symbols_of_one_name_the_first_counts() {
        let table = table("0x1\ttwice\tvmlinux\tEXPORT_SYMBOL\n0x2\ttwice\tother\tEXPORT_SYMBOL\n");
        assert_eq!((table.len(), table.symbol("twice").unwrap().crc), (1, 1));
    }

    #[test]
    fn a_table_without_any_symbol_is_refused() {
        assert!(matches!(
            Symvers::read(&b"<html>\n"[..]),
            Err(SymversError::NoSymbols(1))
        ));
        assert!(Symvers::read(&b""[..]).unwrap().is_empty());
    }

    #[test]
    fn lines_without_end_and_bytes_that_are_no_text_are_passed_over() {
        let long = [
            b"0x1\t".to_vec(),
            vec![b'a'; 30_000],
            b"\tvmlinux\tEXPORT_SYMBOL\n".to_vec(),
        ]
        .concat();
        assert!(Symvers::read(&long[..]).is_err());
        assert!(Symvers::read(&b"0x1\t\xff\tvmlinux\tEXPORT_SYMBOL\n"[..]).is_err());
    }

    #[test]
    fn a_table_beyond_the_limit_is_refused() {
        let endless = io::BufReader::new(io::repeat(b'a'));
        assert!(matches!(Symvers::read(endless), Err(SymversError::TooLarge)));
    }
}
