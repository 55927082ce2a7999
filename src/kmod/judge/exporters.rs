//! Who exports a symbol at the moment when a module is loaded (`kernel/module/main.c: find_symbol`).

use std::collections::{BTreeSet, HashMap};

use super::kernel::Kernel;
use crate::kmod::facts::ElfModule;
use crate::kmod::load::LoadedModules;
use crate::kmod::modprobe::file_name_to_module;
use crate::kmod::symvers::{Exported, Symvers};
use crate::kmod::toolkit::InTree;

/// The exporters so far: the kernel, and the modules that modprobe has loaded on the way.
pub(super) struct Exporters<'a> {
    symvers: Option<&'a Symvers>,
    in_tree: Option<&'a InTree>,
    in_tree_loaded: BTreeSet<String>,
    /// What the nodes are known to have loaded before.
    loaded_before: LoadedModules,
    image: HashMap<&'a str, Exporter<'a>>,
    unseen: bool,
}

/// An exported symbol and its owner.
#[derive(Clone, Debug)]
pub(super) struct Exporter<'a> {
    /// The module that exports it; `None` for the kernel.
    pub(super) owner: Option<String>,
    /// Its CRC, where it has one.
    pub(super) crc: Option<u32>,
    pub(super) gpl_only: bool,
    pub(super) namespace: Option<&'a str>,
    /// Whether its owner taints its users (`inherit_taint`).
    pub(super) proprietary: bool,
}

/// What is known of a symbol.
#[derive(Clone, Debug)]
pub(super) enum Found<'a> {
    /// It is there.
    Exported(Exporter<'a>),
    /// An in-tree module exports it, which modprobe does not load on the way: its name, and what it would export.
    NotLoaded(String, Exporter<'a>),
    /// Nobody exports it.
    Nobody,
    /// Without `Module.symvers`, or beside a module that could not be read, nobody can tell.
    Unknown,
}

impl<'a> Exporters<'a> {
    pub(super) fn new(kernel: &Kernel<'a>, loaded_before: LoadedModules) -> Self {
        Self {
            loaded_before,
            symvers: kernel.symvers(),
            in_tree: kernel.in_tree(),
            in_tree_loaded: BTreeSet::new(),
            image: HashMap::new(),
            unseen: false,
        }
    }

    /// A module of the image is loaded. Whether it is proprietary, its own licence and what it uses have decided.
    pub(super) fn load(&mut self, name: &str, elf: &'a ElfModule, kernel: &Kernel<'_>, proprietary: bool) {
        for (export, gpl_only) in kernel.exports(elf) {
            self.image.entry(&export.name).or_insert_with(|| Exporter {
                owner: Some(name.to_owned()),
                crc: export.crc,
                gpl_only,
                namespace: export.namespace.as_deref().filter(|namespace| !namespace.is_empty()),
                proprietary,
            });
        }
    }

    /// An in-tree module is loaded.
    pub(super) fn load_in_tree(&mut self, name: &str) {
        self.in_tree_loaded.insert(name.to_owned());
    }

    /// A module is loaded of which nothing is known.
    pub(super) const fn load_unseen(&mut self) {
        self.unseen = true;
    }

    pub(super) fn find(&self, symbol: &str) -> Found<'a> {
        let exported = self.symvers.and_then(|symvers| symvers.symbol(symbol));
        let in_tree = exported.map(|exported| (self.in_tree_owner(&exported), exported));
        match (in_tree, self.image.get(symbol)) {
            (Some((None, exported)), _) => Found::Exported(from_kernel(None, &exported)),
            (_, Some(exporter)) => Found::Exported(exporter.clone()),
            (Some((Some(owner), exported)), None) if self.is_loaded(&owner) => {
                Found::Exported(from_kernel(Some(owner), &exported))
            }
            (Some((Some(owner), exported)), None) => {
                let exporter = from_kernel(Some(owner.clone()), &exported);
                Found::NotLoaded(owner, exporter)
            }
            (None, None) if self.symvers.is_none() || self.unseen => Found::Unknown,
            (None, None) => Found::Nobody,
        }
    }

    fn is_loaded(&self, in_tree: &str) -> bool {
        self.in_tree_loaded.contains(in_tree) || self.loaded_before.contains(in_tree)
    }

    /// Whether an in-tree module is there only because somebody else has loaded it before.
    pub(super) fn is_loaded_by_others(&self, in_tree: &str) -> bool {
        !self.in_tree_loaded.contains(in_tree) && self.loaded_before.contains(in_tree)
    }

    /// The in-tree module that exports a symbol; `None` where it is part of the kernel.
    fn in_tree_owner(&self, exported: &Exported<'_>) -> Option<String> {
        let owner = file_name_to_module(exported.module);
        let builtin = exported.is_in_kernel() || self.in_tree.is_some_and(|tree| tree.is_builtin(&owner));
        (!builtin).then_some(owner)
    }
}

fn from_kernel<'a>(owner: Option<String>, exported: &Exported<'a>) -> Exporter<'a> {
    Exporter {
        owner,
        crc: Some(exported.crc),
        gpl_only: exported.gpl_only,
        namespace: exported.namespace,
        proprietary: false,
    }
}
