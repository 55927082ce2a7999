//! `Module.symvers`: what a kernel and its in-tree modules export.

use serde::{Deserialize, Serialize};

/// The exported symbols of one kernel, sorted by name. Names are kept in one string: there are 30,000 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symvers {
    symbols: Vec<Row>,
    text: String,
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

impl Symvers {
    /// The exported symbol of that name.
    pub fn symbol(&self, name: &str) -> Option<Exported<'_>> {
        let at = self.symbols.binary_search_by(|row| self.slice(row.name).cmp(name)).ok()?;
        self.symbols.get(at).map(|row| Exported {
            name: self.slice(row.name),
            crc: row.crc,
            module: self.slice(row.module),
            gpl_only: row.gpl_only,
            namespace: Some(self.slice(row.namespace)).filter(|ns| !ns.is_empty()),
        })
    }

    fn slice(&self, (start, len): (u32, u16)) -> &str {
        let start = start as usize;
        self.text.get(start..start + usize::from(len)).unwrap_or_default()
    }
}
