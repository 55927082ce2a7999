//! The paths of one layer as a tree in flat arrays: small in memory, quick to search, easy to store.
//!
//! A base image has a hundred thousand paths, and a cache holds many layers: a map of strings would cost five
//! times as much. The tree also says what the layer hides of the layers below it.

use serde::{Deserialize, Serialize};

use crate::kmod::staged::Program;

/// Everything that one layer says about paths. Node 0 is the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathTable {
    pub(super) text: String,
    pub(super) nodes: Vec<Node>,
}

/// A piece of the table's text: where it starts, and how long it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// One path. The children of a node stand side by side, sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) name: Span,
    pub(super) first_child: u32,
    pub(super) child_count: u32,
    pub(super) hides_lower: bool,
    pub(super) kind: RawKind,
}

/// [`Kind`] as the table keeps it, with spans for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RawKind {
    Absent,
    Dir,
    File(File),
    Link(Span),
    HardLink(Span),
    Other,
    Closed(Span),
}

/// What one layer says about one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// It is not there: a whiteout.
    Absent,
    /// A folder.
    Dir,
    /// A regular file.
    File(File),
    /// A symbolic link and its target, as it stands.
    Link(&'a str),
    /// Another name of a file of the layers below.
    HardLink(&'a str),
    /// A device node, a pipe, a file with holes that nobody needs to read.
    Other,
    /// A folder of which it is not known what is in it; why. Only a file system that is at hand has such.
    Closed(&'a str),
}

/// A regular file of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// What it is to a kernel that is told to execute it.
    pub program: Program,
    /// The position of what was read of it among the layer's contents.
    pub content: Option<u32>,
}

/// A path of a [`PathTable`]; it means nothing to another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

impl PathTable {
    /// The root folder.
    pub const ROOT: NodeId = NodeId(0);

    /// The child of that name.
    pub fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        let node = self.node(parent)?;
        let children = self.nodes.get(node.children())?;
        let at = children
            .binary_search_by(|child| self.slice(child.name).cmp(name))
            .ok()?;
        Some(NodeId(node.first_child + u32::try_from(at).ok()?))
    }

    /// The children of a folder, sorted by name.
    pub fn children(&self, parent: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        let range = self.node(parent).map_or(0..0, Node::children);
        let first = range.start;
        let children = self.nodes.get(range).unwrap_or_default();
        children.iter().enumerate().filter_map(move |(at, child)| {
            let id = u32::try_from(first + at).ok()?;
            Some((self.slice(child.name), NodeId(id)))
        })
    }

    /// What the layer says of a path.
    pub fn kind(&self, node: NodeId) -> Kind<'_> {
        match self.node(node).map_or(RawKind::Absent, |node| node.kind) {
            RawKind::Absent => Kind::Absent,
            RawKind::Dir => Kind::Dir,
            RawKind::File(file) => Kind::File(file),
            RawKind::Link(target) => Kind::Link(self.slice(target)),
            RawKind::HardLink(target) => Kind::HardLink(self.slice(target)),
            RawKind::Other => Kind::Other,
            RawKind::Closed(why) => Kind::Closed(self.slice(why)),
        }
    }

    /// Whether what the layers below have at a path, or under it, is hidden.
    pub fn hides_lower(&self, node: NodeId) -> bool {
        self.node(node)
            .is_some_and(|node| node.hides_lower || node.kind != RawKind::Dir)
    }

    /// Roughly how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        self.text.len() + self.nodes.len() * size_of::<Node>()
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(id.0).ok()?)
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }
}

impl Span {
    pub(super) fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}

impl Node {
    fn children(&self) -> std::ops::Range<usize> {
        let first = self.first_child as usize;
        first..first + self.child_count as usize
    }
}
