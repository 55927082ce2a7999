//! The file system that a container of an image sees: its layers, one over the other, as overlayfs shows them.
//!
//! Nothing is merged ahead: a path is looked up in each layer, from the top down, one name after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::layer::{Content, File, Kind, LayerFacts, NodeId, PathTable};
use crate::kmod::staged::Program;

/// How many links a path may lead through (`include/linux/namei.h: MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// An image's layers, the lowest first.
#[derive(Clone, Debug, Default)]
pub struct MergedTree {
    layers: Vec<Arc<LayerFacts>>,
}

/// A folder of a [`MergedTree`]: the layers that show in it, the topmost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    parts: Vec<(usize, NodeId)>,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A folder.
    Dir(Dir),
    /// A regular file.
    File {
        /// What it is to a kernel that is told to execute it.
        program: Program,
        /// What was read of it, if it matters.
        content: Option<&'a Content>,
        /// Which layer has its bytes, from 0 for the lowest, and what that layer knows it as.
        stored: (usize, File),
    },
    /// A symbolic link and its target, as it stands.
    Link(&'a str),
    /// A device node, a pipe, a hard link to nothing.
    Other,
    /// A folder of which it is not known what is in it; why.
    Closed(&'a str),
}

impl MergedTree {
    /// The tree of these layers, the lowest first.
    pub const fn new(layers: Vec<Arc<LayerFacts>>) -> Self {
        Self { layers }
    }

    /// The root folder.
    pub fn root(&self) -> Dir {
        self.root_below(self.layers.len())
    }

    /// What stands at a path once every link on the way, and the last one, is followed within the root. A folder on the
    /// way that is closed is the answer, since nobody knows what is below it.
    pub fn resolve(&self, path: &str) -> Option<Found<'_>> {
        self.locate(path).map(|(_, found)| found)
    }

    /// The same, with the path that leads there through no link.
    pub fn locate(&self, path: &str) -> Option<(String, Found<'_>)> {
        self.walk_to(self.root(), path)
    }

    /// The folder at a path, links followed.
    pub fn dir(&self, path: &str) -> Option<Dir> {
        match self.resolve(path)? {
            Found::Dir(dir) => Some(dir),
            _ => None,
        }
    }

    /// What a folder has under a name; a link is not followed.
    pub fn child(&self, dir: &Dir, name: &str) -> Option<Found<'_>> {
        let mut parts = Vec::new();
        for &(layer, node) in &dir.parts {
            let Some(paths) = self.paths(layer) else {
                continue;
            };
            let Some(child) = paths.child(node, name) else {
                continue;
            };
            match paths.kind(child) {
                Kind::Dir => parts.push((layer, child)),
                _ if !parts.is_empty() => break,
                leaf => return self.leaf(layer, leaf),
            }
            if paths.hides_lower(child) {
                break;
            }
        }
        (!parts.is_empty()).then_some(Found::Dir(Dir { parts }))
    }

    /// What a folder has, sorted by name.
    pub fn children(&self, dir: &Dir) -> Vec<(&str, Found<'_>)> {
        let parts = dir
            .parts
            .iter()
            .filter_map(|(layer, node)| Some(self.paths(*layer)?.children(*node)));
        let names: BTreeSet<&str> = parts.flatten().map(|(name, _)| name).collect();
        names
            .into_iter()
            .filter_map(|name| Some((name, self.child(dir, name)?)))
            .collect()
    }

    /// Calls `visit` with every path below a folder (relative to it) and what stands there; folders come before
    /// what is in them. Links are not followed.
    pub fn walk<'a>(&'a self, dir: &Dir, mut visit: impl FnMut(&str, &Found<'a>)) {
        let mut todo = vec![(String::new(), dir.clone())];
        while let Some((prefix, dir)) = todo.pop() {
            for (name, found) in self.children(&dir) {
                let path = format!("{prefix}{name}");
                visit(&path, &found);
                if let Found::Dir(dir) = found {
                    todo.push((format!("{path}/"), dir));
                }
            }
        }
    }

    /// The layers that show in a folder, the topmost first.
    pub fn layers_of(&self, dir: &Dir) -> impl Iterator<Item = usize> {
        dir.parts.iter().map(|(layer, _)| *layer)
    }

    fn paths(&self, layer: usize) -> Option<&PathTable> {
        self.layers.get(layer).map(|layer| layer.paths())
    }

    /// The root folder of the lowest `count` layers.
    fn root_below(&self, count: usize) -> Dir {
        let mut parts = Vec::new();
        for (layer, facts) in self.layers.iter().enumerate().take(count).rev() {
            parts.push((layer, PathTable::ROOT));
            if facts.paths().hides_lower(PathTable::ROOT) {
                break;
            }
        }
        Dir { parts }
    }

    fn leaf<'a>(&'a self, layer: usize, kind: Kind<'a>) -> Option<Found<'a>> {
        match kind {
            Kind::Absent => None,
            Kind::File(file) => {
                let content = self.layers.get(layer).and_then(|facts| facts.content(file));
                Some(Found::File {
                    program: file.program,
                    content,
                    stored: (layer, file),
                })
            }
            Kind::Link(target) => Some(Found::Link(target)),
            Kind::Closed(why) => Some(Found::Closed(why)),
            // The layer holds another name of a file of the layers below it, whatever became of that file's
            // own name since.
            Kind::HardLink(target) => match self.exactly(self.root_below(layer), target) {
                Some(found @ (Found::File { .. } | Found::Link(_))) => Some(found),
                _ => Some(Found::Other),
            },
            Kind::Dir | Kind::Other => Some(Found::Other),
        }
    }

    /// What stands at a clean path that leads through no links.
    fn exactly(&self, root: Dir, path: &str) -> Option<Found<'_>> {
        let mut found = Found::Dir(root);
        for name in parts(path) {
            let Found::Dir(dir) = found else { return None };
            found = self.child(&dir, name)?;
        }
        Some(found)
    }

    /// Walks from a root along a path, following links.
    fn walk_to<'a>(&'a self, root: Dir, path: &str) -> Option<(String, Found<'a>)> {
        let mut links = 0;
        let mut above = vec![root];
        // The names of the folders above, without the root's.
        let mut trail: Vec<String> = Vec::new();
        // The names still to come, the next one last.
        let mut names: Vec<&str> = parts(path).rev().collect();
        while let Some(name) = names.pop() {
            if name == ".." {
                if trail.pop().is_some() {
                    above.pop();
                }
                continue;
            }
            match self.child(above.last()?, name)? {
                Found::Dir(dir) => {
                    above.push(dir);
                    trail.push(name.to_owned());
                }
                Found::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        above.truncate(1);
                        trail.clear();
                    }
                    names.extend(parts(target).rev());
                }
                leaf => {
                    trail.push(name.to_owned());
                    let is_answer = names.is_empty() || matches!(leaf, Found::Closed(_));
                    return is_answer.then(|| (trail.join("/"), leaf));
                }
            }
        }
        let dir = above.pop()?;
        Some((trail.join("/"), Found::Dir(dir)))
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests;
