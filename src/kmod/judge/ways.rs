//! How an image that is known to load comes by the modules that it needs. Its files alone tell: no toolkit of its kernel is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::arguments::{self, Searched};
use crate::kmod::facts::ModuleFile;
use crate::kmod::load::Load;
use crate::kmod::modprobe::{self, NodeModules, Role, Source, Step};
use crate::kmod::staged::{Copied, StagedFolder, StagedImage};

/// The names of modules, with `_`, by who loads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Those that modprobe loads on its way through the image: the image's own, and in-tree ones by KMM's `host` link.
    pub itself: BTreeSet<String>,
    /// Those that its modules name as dependencies and which modprobe does not load on the way: where it loads, somebody else
    /// has loaded them.
    ///
    /// The names are modpost's (`depends=` of `.modinfo`; `scripts/mod/modpost.c: add_depends`), written against the very kernel that
    /// the image was built for: what is built into that kernel is not among them.
    pub others: BTreeSet<String>,
}

/// How an image comes by them where it is loaded like that; `None` where modprobe would not search its copied folder.
pub fn ways(staged: &StagedImage, load: &Load) -> Option<Ways> {
    let command = arguments::command(load).ok()?;
    let searched = arguments::searched(&command, load).ok()?;
    let (Searched::Copy, StagedFolder::Folder(folder)) = (searched, &staged.folder) else {
        return None;
    };
    let plan = modprobe::plan(
        Copied::new(load.copied_folder(), folder),
        &command,
        load,
        NodeModules::default(),
    );
    let is_found = |step: &&Step<'_>| !matches!(step.source, Source::Lost(_));
    let itself: BTreeSet<String> = plan
        .steps
        .iter()
        .filter(is_found)
        .map(|step| step.name.clone())
        .collect();
    // What a soft dependency lacks does not matter: it may have failed.
    let required = plan.steps.iter().filter(|step| step.role != Role::Soft);
    let named = required.flat_map(depends);
    let others = named.filter(|name| !itself.contains(name)).collect();
    Some(Ways { itself, others })
}

fn depends(step: &Step<'_>) -> Vec<String> {
    match &step.source {
        Source::Image(file) => depends_of(file),
        Source::InTree | Source::Lost(_) => Vec::new(),
    }
}

fn depends_of(file: &Arc<ModuleFile>) -> Vec<String> {
    let content = file.content.as_ref().ok();
    let elf = content.and_then(|content| content.elf.as_ref().ok());
    let lists = elf.into_iter().flat_map(|elf| elf.infos("depends"));
    let names = lists.flat_map(|list| list.split(',')).filter(|name| !name.is_empty());
    names.map(|name| name.replace('-', "_")).collect()
}
