//! What images begin with: the programs that KMM's copy step finds in them, or does not.

use std::collections::BTreeMap;

use super::case::Base;
use super::layer::{Node, Tree};
use super::programs::Programs;

pub(super) fn bases(programs: &Programs) -> anyhow::Result<BTreeMap<Base, Tree>> {
    let busybox = programs.busybox()?;
    let applets = |folder: &str| {
        let mut tree = Tree::default().with(&format!("{folder}/busybox"), Node::File(busybox.clone()));
        for name in ["sh", "mkdir", "cp"] {
            tree.put(&format!("{folder}/{name}"), Node::Link("busybox".to_owned()));
        }
        tree
    };
    let merged = applets("usr/bin")
        .with("bin", Node::Link("usr/bin".to_owned()))
        .with("lib", Node::Link("usr/lib".to_owned()))
        .with("usr/lib", Node::Folder);
    let shell = Tree::default()
        .with("bin/mkdir", Node::File(busybox.clone()))
        .with("bin/cp", Node::File(busybox.clone()));
    Ok(BTreeMap::from([
        (Base::Busybox, applets("bin")),
        (Base::UsrMerged, merged),
        (Base::Shell, shell_alone(shell, programs)?),
        (Base::Scratch, Tree::default()),
    ]))
}

/// dash, which has no programs in it, with what it is linked to.
fn shell_alone(mut tree: Tree, programs: &Programs) -> anyhow::Result<Tree> {
    tree.put("bin/sh", Node::File(programs.read("bin/dash")?));
    for (path, bytes) in programs.linked("bin/dash")? {
        tree.put(&path, Node::File(bytes));
    }
    Ok(tree)
}
