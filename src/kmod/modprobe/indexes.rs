//! The index files of the copied folder: which file a module is in, what it needs, who goes by an alias.

use std::sync::Arc;

use super::findings::not_read;
use super::lookup::MAX_NEEDS;
use super::names::normalised;
use crate::api::{Finding, Rule};
use crate::kmod::index::Index;
use crate::kmod::staged::{Copied, Entry, Reached};

/// The indexes that modprobe looks into, opened one by one when they are needed.
pub(super) struct Indexes<'a> {
    copied: Copied<'a>,
}

/// What modprobe knows of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DepLine {
    /// The path of its file.
    pub(super) path: String,
    /// The paths of what it needs, in the order in which modprobe loads them.
    pub(super) needs: Vec<String>,
}

/// What a word of the command line stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// These modules, in the order in which modprobe takes them.
    Modules(Vec<String>),
    /// A module that the image's own `modules.builtin.bin` calls built in: modprobe answers success.
    Builtin,
    /// Nothing.
    Nothing,
}

impl<'a> Indexes<'a> {
    pub(super) const fn new(copied: Copied<'a>) -> Self {
        Self { copied }
    }

    pub(super) const fn copied(&self) -> &Copied<'a> {
        &self.copied
    }

    /// What a word stands for: a name in `modules.dep.bin`, else a symbol in `modules.symbols.bin`, else an alias in
    /// `modules.alias.bin`, else a name in `modules.builtin.bin` (`libkmod/libkmod-module.c: kmod_module_new_from_lookup`).
    pub(super) fn meaning(&self, word: &str) -> Result<Meant, Finding> {
        let Some(name) = normalised(word) else {
            return Ok(Meant::Nothing);
        };
        if !name.contains(':') && self.dep_line(&name)?.is_some() {
            return Ok(Meant::Modules(vec![name]));
        }
        // kmod `libkmod/libkmod.c: kmod_lookup_alias_from_symbols_file`
        let symbols = name.starts_with("symbol:").then_some("modules.symbols.bin");
        for file in symbols.into_iter().chain(["modules.alias.bin"]) {
            let aliased = self.aliased(file, &name)?;
            if !aliased.is_empty() {
                return Ok(Meant::Modules(aliased));
            }
        }
        Ok(if self.is_builtin(&name) {
            Meant::Builtin
        } else {
            Meant::Nothing
        })
    }

    /// The line of a module in `modules.dep.bin`. Its needs are loaded from the last to the first
    /// (`libkmod/libkmod-module.c: kmod_module_parse_depline`).
    pub(super) fn dep_line(&self, module: &str) -> Result<Option<DepLine>, Finding> {
        const FILE: &str = "modules.dep.bin";
        let Some(bytes) = self.file(FILE)? else {
            return Err(dep_index_missing(FILE));
        };
        let line = Index::open(&bytes)
            .and_then(|index| index.search(module))
            .map_err(|e| damaged(FILE, &e))?;
        Ok(line.map(|line| {
            let (path, needs) = line.split_once(':').unwrap_or((&line, ""));
            let needs = needs
                .split([' ', '\t'])
                .filter(|need| !need.is_empty())
                .rev()
                .take(MAX_NEEDS + 1)
                .map(str::to_owned)
                .collect();
            DepLine {
                path: path.to_owned(),
                needs,
            }
        }))
    }

    /// The modules that go by an alias (`libkmod/libkmod.c: kmod_lookup_alias_from_alias_bin`).
    fn aliased(&self, file: &str, name: &str) -> Result<Vec<String>, Finding> {
        let Some(bytes) = self.file(file)? else {
            return Ok(Vec::new());
        };
        let found = Index::open(&bytes)
            .and_then(|index| index.search_wild(name))
            .map_err(|e| damaged(file, &e))?;
        Ok(found.into_iter().map(|value| value.text).collect())
    }

    /// Whether the folder's own `modules.builtin.bin` calls a module built in
    /// (`libkmod/libkmod.c: kmod_lookup_alias_is_builtin`). A damaged one says nothing.
    pub(super) fn is_builtin(&self, module: &str) -> bool {
        let Ok(Some(bytes)) = self.file("modules.builtin.bin") else {
            return false;
        };
        Index::open(&bytes)
            .and_then(|index| index.search(module))
            .is_ok_and(|found| found.is_some())
    }

    /// A file of the folder; `None` where it is missing or empty, which is the same to modprobe.
    fn file(&self, name: &str) -> Result<Option<Arc<Vec<u8>>>, Finding> {
        match self.copied.follow(name) {
            Reached::File {
                entry: Entry::Index(bytes),
                ..
            } if !bytes.is_empty() => Ok(Some(Arc::clone(bytes))),
            Reached::File {
                entry: Entry::TooLarge(size),
                ..
            } => Err(too_large(name, *size)),
            Reached::File {
                entry: Entry::Unread(why),
                ..
            } => Err(not_read(name, why, "modprobe finds the module through it")),
            _ => Ok(None),
        }
    }
}

fn dep_index_missing(file: &str) -> Finding {
    Finding::decides(
        Rule::DepIndexMissing,
        "modules.dep.bin is missing or empty, and modprobe finds modules through it alone (the text modules.dep is \
         not read); run depmod in the Dockerfile after the modules are in place (`depmod -b /opt ${KERNEL_FULL_VERSION}`)",
    )
    .in_file(file)
}

fn damaged(file: &str, error: &impl std::fmt::Display) -> Finding {
    Finding::decides(
        Rule::DepIndexDamaged,
        format!("{file} is damaged ({error}); modprobe cannot find modules through it; run depmod again"),
    )
    .in_file(file)
}

fn too_large(file: &str, size: u64) -> Finding {
    Finding::decides(
        Rule::FileTooLarge,
        format!("{file} has {size} bytes, more than this program reads, so nobody can say what modprobe finds in it; run depmod again"),
    )
    .in_file(file)
}
