//! `Module.symvers`: what a kernel and its in-tree modules export.

use std::collections::HashMap;
use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::intree::module_name;

/// The largest file that is read. Real ones have one to three MB.
const MAX_SIZE: u64 = 128 << 20;

/// The longest line that is read; longer ones are broken. Symbols, paths and namespaces have some hundred bytes.
const MAX_LINE: u64 = 8 << 10;

/// How many symbols are kept. Real kernels export some 30,000.
const MAX_SYMBOLS: usize = 1 << 20;

/// The exported symbols of one kernel, sorted by name. Names are kept in one string: there are 30,000 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symvers {
    symbols: Vec<Row>,
    modules: Vec<(u32, u16)>,
    text: String,
    skipped: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    name: (u32, u16),
    module: (u32, u16),
    namespace: (u32, u16),
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

/// Why a `Module.symvers` could not be read.
#[derive(Debug, Error)]
pub enum SymversError {
    /// The bytes did not come.
    #[error("Module.symvers could not be read")]
    Read(#[from] io::Error),
    /// It is beyond what any kernel has.
    #[error("Module.symvers is larger than {MAX_SIZE} bytes, which no kernel's is")]
    TooLarge,
    /// It has more symbols than any kernel.
    #[error("Module.symvers has more than {MAX_SYMBOLS} symbols, which no kernel has")]
    TooManySymbols,
}

impl Symvers {
    /// Reads a `Module.symvers` of any age. Broken lines are counted and passed over; of two lines for one symbol,
    /// the first counts.
    pub fn read(from: impl BufRead) -> Result<Self, SymversError> {
        let mut lines = from.take(MAX_SIZE + 1);
        let mut builder = Builder::default();
        let mut line = Vec::new();
        while next_line(&mut lines, &mut line)? {
            builder.add(&line);
            if builder.symvers.symbols.len() > MAX_SYMBOLS {
                return Err(SymversError::TooManySymbols);
            }
        }
        if lines.limit() == 0 {
            return Err(SymversError::TooLarge);
        }
        Ok(builder.finish())
    }

    /// The exported symbol of that name.
    pub fn symbol(&self, name: &str) -> Option<Exported<'_>> {
        let at = self.symbols.binary_search_by(|row| self.slice(row.name).cmp(name)).ok()?;
        self.symbols.get(at).map(|row| self.exported(row))
    }

    /// How many symbols are exported.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether no symbol is exported.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// How many lines could not be understood.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Every exported symbol, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = Exported<'_>> {
        self.symbols.iter().map(|row| self.exported(row))
    }

    /// `vmlinux` and the paths of the modules that export something, without `.ko`, each once.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|module| self.slice(*module))
    }

    /// Whether a module of that name exports something; `-` and `_` are equal.
    pub fn in_tree_module(&self, name: &str) -> bool {
        let name = name.replace('-', "_");
        self.modules().any(|path| path != "vmlinux" && module_name(path) == name)
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

    fn slice(&self, (start, len): (u32, u16)) -> &str {
        let start = start as usize;
        self.text.get(start..start + usize::from(len)).unwrap_or_default()
    }
}

/// Reads one line, without its end; a longer one than [`MAX_LINE`] comes empty. `false` at the end.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if from.by_ref().take(MAX_LINE).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == MAX_LINE {
        from.skip_until(b'\n')?;
        line.clear();
    }
    Ok(true)
}

#[derive(Default)]
struct Builder {
    symvers: Symvers,
    /// Modules and namespaces, which repeat from line to line.
    known: HashMap<String, (u32, u16)>,
}

impl Builder {
    fn add(&mut self, line: &[u8]) {
        let row = std::str::from_utf8(line).ok().and_then(Line::parse).and_then(|line| self.row(&line));
        match row {
            Some(row) => self.symvers.symbols.push(row),
            None => self.symvers.skipped += 1,
        }
    }

    fn row(&mut self, line: &Line<'_>) -> Option<Row> {
        let module = self.known_text(line.module)?;
        if self.symvers.modules.last() != Some(&module) {
            self.symvers.modules.push(module);
        }
        Some(Row {
            name: self.text(line.name)?,
            module,
            namespace: self.known_text(line.namespace)?,
            crc: line.crc,
            gpl_only: line.gpl_only,
        })
    }

    fn known_text(&mut self, text: &str) -> Option<(u32, u16)> {
        if let Some(place) = self.known.get(text) {
            return Some(*place);
        }
        let place = self.text(text)?;
        self.known.insert(text.to_owned(), place);
        Some(place)
    }

    fn text(&mut self, text: &str) -> Option<(u32, u16)> {
        let place = (u32::try_from(self.symvers.text.len()).ok()?, u16::try_from(text.len()).ok()?);
        self.symvers.text.push_str(text);
        Some(place)
    }

    fn finish(self) -> Symvers {
        let Symvers { mut symbols, mut modules, mut text, skipped } = self.symvers;
        text.shrink_to_fit();
        let mut symvers = Symvers { text, skipped, ..Symvers::default() };
        symbols.sort_by(|a, b| symvers.slice(a.name).cmp(symvers.slice(b.name)));
        symbols.dedup_by(|later, first| symvers.slice(later.name) == symvers.slice(first.name));
        symbols.shrink_to_fit();
        modules.sort_unstable();
        modules.dedup();
        symvers.symbols = symbols;
        symvers.modules = modules;
        symvers
    }
}

/// A line: `crc symbol module export [namespace]`, separated by tabs (`Documentation/kbuild/modules.rst`). In 5.4
/// and 5.5 the namespace stood before the module.
struct Line<'a> {
    crc: u32,
    name: &'a str,
    module: &'a str,
    namespace: &'a str,
    gpl_only: bool,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.trim_end_matches('\r').splitn(6, '\t').collect();
        let (crc, name, module, export, namespace) = match *fields.as_slice() {
            [crc, name, module, export] => (crc, name, module, export, ""),
            [crc, name, namespace, module, export] if is_export(export) => (crc, name, module, export, namespace),
            [crc, name, module, export, namespace] => (crc, name, module, export, namespace),
            _ => return None,
        };
        if name.is_empty() || module.is_empty() || !is_export(export) {
            return None;
        }
        let crc = u32::from_str_radix(crc.strip_prefix("0x").unwrap_or(crc), 16).ok()?;
        Some(Self { crc, name, module, namespace, gpl_only: export.ends_with("_GPL") })
    }
}

fn is_export(field: &str) -> bool {
    field.starts_with("EXPORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Symvers {
        Symvers::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_line_of_any_age_is_understood() {
        let plain = Exported { name: "f", crc: 0xab, module: "vmlinux", gpl_only: false, namespace: None };
        let gpl = Exported { gpl_only: true, ..plain };
        let cases = [
            ("four columns", "0x000000ab\tf\tvmlinux\tEXPORT_SYMBOL", plain),
            ("five columns without a namespace", "0x000000ab\tf\tvmlinux\tEXPORT_SYMBOL\t", plain),
            ("GPL only", "0x000000ab\tf\tvmlinux\tEXPORT_SYMBOL_GPL\t", gpl),
            ("to be GPL only one day", "0x000000ab\tf\tvmlinux\tEXPORT_SYMBOL_GPL_FUTURE", plain),
            (
                "in a namespace",
                "0x000000ab\tf\tdrivers/x\tEXPORT_SYMBOL_GPL\tX",
                Exported { module: "drivers/x", namespace: Some("X"), ..gpl },
            ),
            (
                "in a namespace, in the order of 5.4",
                "0x000000ab\tf\tX\tdrivers/x\tEXPORT_SYMBOL",
                Exported { module: "drivers/x", namespace: Some("X"), ..plain },
            ),
            ("without one, in the order of 5.4", "0x000000ab\tf\t\tvmlinux\tEXPORT_SYMBOL", plain),
            ("with a carriage return", "0x000000ab\tf\tvmlinux\tEXPORT_SYMBOL\r", plain),
        ];
        for (name, line, expected) in cases {
            assert_eq!(read(line).symbol("f"), Some(expected), "{name}");
            assert_eq!(read(line).skipped(), 0, "{name}");
        }
    }

    #[test]
    fn broken_lines_are_counted_and_passed_over() {
        let long = format!("0x1\t{}\tvmlinux\tEXPORT_SYMBOL", "x".repeat(9000));
        let cases = [
            ("no tabs", "0x1 f vmlinux EXPORT_SYMBOL"),
            ("too few columns", "0x1\tf\tvmlinux"),
            ("too many columns", "0x1\tf\tvmlinux\tEXPORT_SYMBOL\tX\tY"),
            ("no CRC", "what\tf\tvmlinux\tEXPORT_SYMBOL"),
            ("no name", "0x1\t\tvmlinux\tEXPORT_SYMBOL"),
            ("another fourth column", "0x1\tf\tvmlinux\tIMPORT"),
            ("an empty line", ""),
            ("an endless line", long.as_str()),
        ];
        for (name, line) in cases {
            let got = read(&format!("0x1\ta\tvmlinux\tEXPORT_SYMBOL\n{line}\n0x2\tb\tvmlinux\tEXPORT_SYMBOL\n"));
            assert_eq!((got.len(), got.skipped()), (2, 1), "{name}");
        }
        let not_utf8 = Symvers::read(&b"0x1\t\xff\tvmlinux\tEXPORT_SYMBOL\n"[..]).unwrap();
        assert_eq!((not_utf8.len(), not_utf8.skipped()), (0, 1));
    }

    #[test]
    fn of_two_lines_for_a_symbol_the_first_counts() {
        let got = read("0x2\tf\tdrivers/b\tEXPORT_SYMBOL\n0x1\tf\tdrivers/a\tEXPORT_SYMBOL\n");
        assert_eq!(got.len(), 1);
        assert_eq!(got.symbol("f").map(|symbol| symbol.crc), Some(2));
    }

    #[test]
    fn modules_are_listed_once_and_found_by_name() {
        let got = read(
            "0x1\ta\tvmlinux\tEXPORT_SYMBOL\n0x1\tb\tdrivers/net/virtio-net\tEXPORT_SYMBOL\n\
             0x1\tc\tvmlinux\tEXPORT_SYMBOL\n0x1\td\tdrivers/net/virtio-net\tEXPORT_SYMBOL\n",
        );
        assert_eq!(got.modules().collect::<Vec<_>>(), ["vmlinux", "drivers/net/virtio-net"]);
        assert!(got.in_tree_module("virtio_net") && got.in_tree_module("virtio-net"));
        assert!(!got.in_tree_module("vmlinux") && !got.in_tree_module("net"));
        assert_eq!(got.symbol("missing"), None);
    }

    #[test]
    fn a_file_beyond_the_cap_is_refused_wherever_its_lines_end() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        assert!(matches!(Symvers::read(endless), Err(SymversError::TooLarge)));
    }

    #[test]
    fn a_real_kernel_is_read_whole_and_survives_the_cache() {
        let mut text = String::new();
        for n in 0..30_000_u32 {
            text += &format!("{:#010x}\tsymbol_{n}\tdrivers/some/place/module_{}\tEXPORT_SYMBOL_GPL\t\n", n * 7, n / 10);
        }
        let got = read(&text);
        assert_eq!((got.len(), got.skipped(), got.modules().count()), (30_000, 0, 3000));
        assert!((0..30_000).all(|n| got.symbol(&format!("symbol_{n}")).is_some_and(|symbol| symbol.crc == n * 7)));
        let cached: Symvers = postcard::from_bytes(&postcard::to_stdvec(&got).unwrap()).unwrap();
        assert_eq!(cached, got);
    }
}
