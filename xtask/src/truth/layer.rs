//! Layers of images: a tree of files, written as a tar.

use std::collections::BTreeMap;

use tar::{Builder, EntryType, Header};

/// What stands at a path.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Vec<u8>),
    Folder,
    /// A symbolic link.
    Link(String),
    /// Another name of a file of the same layer.
    Hard(String),
}

/// The files of a layer by path, without a leading slash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    pub(crate) fn put(&mut self, path: &str, node: Node) {
        self.nodes.insert(path.to_owned(), node);
    }

    pub(crate) fn with(mut self, path: &str, node: Node) -> Self {
        self.put(path, node);
        self
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Removes a path and all below it.
    pub(crate) fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.nodes.retain(|name, _| name != path && !name.starts_with(&below));
    }

    /// Whether it hides something of the layers below.
    pub(crate) fn hides(&self) -> bool {
        let is_mark = |path: &String| path.rsplit('/').next().is_some_and(|name| name.starts_with(".wh."));
        self.nodes.keys().any(is_mark)
    }

    /// The tar. Hard links come last, after what they name.
    pub(crate) fn tar(&self) -> anyhow::Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        let is_hard = |node: &Node| matches!(node, Node::Hard(_));
        let (last, first): (Vec<_>, Vec<_>) = self.nodes.iter().partition(|(_, node)| is_hard(node));
        for (path, node) in first.into_iter().chain(last) {
            append(&mut tar, path, node)?;
        }
        Ok(tar.into_inner()?)
    }
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, node: &Node) -> anyhow::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(0);
    match node {
        Node::File(bytes) => {
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes.as_slice())?;
        }
        Node::Folder => {
            header.set_entry_type(EntryType::Directory);
            tar.append_data(&mut header, format!("{path}/"), std::io::empty())?;
        }
        Node::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, path, target)?;
        }
        Node::Hard(target) => {
            header.set_entry_type(EntryType::Link);
            tar.append_link(&mut header, path, target)?;
        }
    }
    Ok(())
}
