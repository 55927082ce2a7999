//! From the members of a tar, in their order, to the [`PathTable`] that they leave behind once unpacked.
//!
//! Unpacking is what a container runtime does: a later member of the same name wins, a hard link is another
//! name for what stood there before it, and a member below a link of the same layer lands where that link leads.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Range;

use super::names;
use super::paths::{File, Node, PathTable, RawKind, Span};

/// How many links of its own layer the path of a member may lead through, one after the other. Layers of real
/// images need one, rarely two; each costs a pass over all paths.
const MAX_LINKS: usize = 8;

/// How much text the names of one layer may need, in bytes: a table lives in memory.
const MAX_TEXT: usize = 256 * 1024 * 1024;

/// How many paths one layer may have, folders that no member names included: a table lives in memory.
/// A large desktop system has half a million.
const MAX_PATHS: usize = 4_000_000;

/// Collects what the members of a tar say.
#[derive(Debug, Default)]
pub(super) struct Builder {
    text: String,
    rows: Vec<Row>,
    has_links: bool,
    has_hard_links: bool,
}

/// What one member says about one path.
#[derive(Clone, Copy, Debug)]
struct Row {
    path: Span,
    claim: Claim,
}

/// What a member claims of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Is(RawKind),
    Whiteout,
    Opaque,
}

/// The paths of a layer need more memory than this program gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyPaths;

impl Builder {
    /// A folder stands there.
    pub(super) fn dir(&mut self, path: &str) -> Result<(), TooManyPaths> {
        self.claim(path, Claim::Is(RawKind::Dir))
    }

    /// A regular file stands there.
    pub(super) fn file(&mut self, path: &str, file: File) -> Result<(), TooManyPaths> {
        self.claim(path, Claim::Is(RawKind::File(file)))
    }

    /// A symbolic link stands there.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), TooManyPaths> {
        let target = self.store(target)?;
        self.has_links = true;
        self.claim(path, Claim::Is(RawKind::Link(target)))
    }

    /// Another name of the file at `target`, a clean path.
    pub(super) fn hard_link(&mut self, path: &str, target: &str) -> Result<(), TooManyPaths> {
        let target = self.store(target)?;
        self.has_hard_links = true;
        self.claim(path, Claim::Is(RawKind::HardLink(target)))
    }

    /// A device node or the like stands there.
    pub(super) fn other(&mut self, path: &str) -> Result<(), TooManyPaths> {
        self.claim(path, Claim::Is(RawKind::Other))
    }

    /// A folder stands there, and what is in it is not known; why.
    pub(super) fn closed(&mut self, path: &str, why: &str) -> Result<(), TooManyPaths> {
        let why = self.store(why)?;
        self.claim(path, Claim::Is(RawKind::Closed(why)))
    }

    /// What the layers below have there is gone.
    pub(super) fn whiteout(&mut self, path: &str) -> Result<(), TooManyPaths> {
        self.claim(path, Claim::Whiteout)
    }

    /// Nothing of the layers below shows in that folder.
    pub(super) fn opaque(&mut self, path: &str) -> Result<(), TooManyPaths> {
        self.claim(path, Claim::Opaque)
    }

    /// What is left once every member is unpacked.
    pub(super) fn finish(mut self) -> Result<PathTable, TooManyPaths> {
        let mut order = self.sorted();
        if self.has_links {
            self.follow_own_links(&mut order)?;
        }
        if self.has_hard_links {
            self.resolve_own_hard_links(&order);
        }
        Tree::of(&self.text, &self.settled(&order))
    }

    fn claim(&mut self, path: &str, claim: Claim) -> Result<(), TooManyPaths> {
        if self.rows.len() >= MAX_PATHS {
            return Err(TooManyPaths);
        }
        let path = self.store(path)?;
        self.rows.push(Row { path, claim });
        Ok(())
    }

    fn store(&mut self, text: &str) -> Result<Span, TooManyPaths> {
        append(&mut self.text, text)
    }

    /// The rows by path, a folder right before all that is below it; of one path first the rows that only hide,
    /// then the others in the tar's order.
    fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0u32..).take(self.rows.len()).collect();
        let rank = |row: u32| (!self.only_hides(row), row);
        order.sort_by(|a, b| by_folder(self.path(*a), self.path(*b)).then_with(|| rank(*a).cmp(&rank(*b))));
        order
    }

    fn only_hides(&self, row: u32) -> bool {
        matches!(self.claim_of(row), Some(Claim::Whiteout | Claim::Opaque))
    }

    fn path(&self, row: u32) -> &str {
        self.rows
            .get(row as usize)
            .map_or("", |row| slice(&self.text, row.path))
    }

    fn claim_of(&self, row: u32) -> Option<Claim> {
        self.rows.get(row as usize).map(|row| row.claim)
    }

    /// Moves members whose folder is a link that an earlier member made: they are unpacked through it.
    fn follow_own_links(&mut self, order: &mut Vec<u32>) -> Result<(), TooManyPaths> {
        for _ in 0..MAX_LINKS {
            let moves = self.moves_through_links(order);
            if moves.is_empty() {
                break;
            }
            for (row, path) in moves {
                let path = self.store(&path)?;
                if let Some(row) = self.rows.get_mut(row as usize) {
                    row.path = path;
                }
            }
            *order = self.sorted();
        }
        Ok(())
    }

    fn moves_through_links(&self, order: &[u32]) -> Vec<(u32, String)> {
        let mut moves = Vec::new();
        // The rows of the outermost path above the current one where a link stood.
        let mut above: Option<&[u32]> = None;
        for same in order.chunk_by(|a, b| self.path(*a) == self.path(*b)) {
            let Some(&first) = same.first() else { continue };
            above = above.filter(|link| {
                link.first()
                    .is_some_and(|link| is_below(self.path(first), self.path(*link)))
            });
            if let Some(link) = above {
                moves.extend(same.iter().filter_map(|row| Some((*row, self.moved(*row, link)?))));
            } else if same
                .iter()
                .any(|row| matches!(self.claim_of(*row), Some(Claim::Is(RawKind::Link(_)))))
            {
                above = Some(same);
            }
        }
        moves
    }

    /// Where a row goes whose path is below `link`, if that was a link when the row was unpacked.
    fn moved(&self, row: u32, link: &[u32]) -> Option<String> {
        let before = self.last_before(link, row)?;
        let Some(Claim::Is(RawKind::Link(target))) = self.claim_of(before) else {
            return None;
        };
        let (at, path) = (self.path(before), self.path(row));
        let rest = path.get(at.len() + 1..)?;
        let folder = names::split(at).0;
        let target = slice(&self.text, target);
        let from = if target.starts_with('/') { "" } else { folder };
        let to = confined(&[from, target, rest]);
        (to != path).then_some(to)
    }

    /// The last row before `row` that says what stands at the path of `same`, which are the rows of one path.
    fn last_before(&self, same: &[u32], row: u32) -> Option<u32> {
        let kinds = self.kinds(same);
        kinds.get(..kinds.partition_point(|at| *at < row))?.last().copied()
    }

    /// Those of the sorted rows of one path that say what stands there.
    fn kinds<'a>(&self, same: &'a [u32]) -> &'a [u32] {
        same.get(same.partition_point(|row| self.only_hides(*row))..)
            .unwrap_or_default()
    }

    /// Makes a hard link what its target was when the link was unpacked. Those that are left name a file of
    /// the layers below.
    fn resolve_own_hard_links(&mut self, order: &[u32]) {
        for row in (0u32..).take(self.rows.len()) {
            let Some(Claim::Is(RawKind::HardLink(target))) = self.claim_of(row) else {
                continue;
            };
            let target = slice(&self.text, target);
            let start = order.partition_point(|at| by_folder(self.path(*at), target) == Ordering::Less);
            let named = order.get(start..).unwrap_or_default();
            let end = named.partition_point(|at| self.path(*at) == target);
            let found = self.last_before(named.get(..end).unwrap_or_default(), row);
            if let Some(claim) = found.and_then(|at| self.claim_of(at))
                && let Some(row) = self.rows.get_mut(row as usize)
            {
                row.claim = claim;
            }
        }
    }

    /// One verdict for each path, in the order of `order`.
    fn settled(&self, order: &[u32]) -> Vec<Settled> {
        let same = order.chunk_by(|a, b| self.path(*a) == self.path(*b));
        same.filter_map(|rows| {
            let path = self.rows.get(*rows.first()? as usize)?.path;
            let has = |claim| rows.iter().any(|row| self.claim_of(*row) == Some(claim));
            let opaque = has(Claim::Opaque);
            let kind = match self.kinds(rows).last().and_then(|row| self.claim_of(*row)) {
                Some(Claim::Is(kind)) => kind,
                _ if opaque => RawKind::Dir,
                _ => RawKind::Absent,
            };
            Some(Settled {
                path,
                kind,
                hides_lower: opaque || has(Claim::Whiteout),
            })
        })
        .collect()
    }
}

/// What is left of one path.
#[derive(Clone, Copy)]
struct Settled {
    path: Span,
    kind: RawKind,
    hides_lower: bool,
}

/// Turns sorted paths into the tree, breadth first, so that the children of a node stand side by side.
struct Tree<'a> {
    source: &'a str,
    table: PathTable,
    todo: VecDeque<Todo>,
}

/// A node whose children are still to come: they are in that range of the sorted paths, after that many bytes.
struct Todo {
    node: usize,
    range: Range<usize>,
    prefix: usize,
}

impl<'a> Tree<'a> {
    fn of(source: &'a str, settled: &[Settled]) -> Result<PathTable, TooManyPaths> {
        let mut tree = Self {
            source,
            table: PathTable {
                text: String::new(),
                nodes: Vec::new(),
            },
            todo: VecDeque::new(),
        };
        let root = settled.first().filter(|first| first.path.len == 0);
        let hides_lower = root.is_some_and(|root| root.hides_lower);
        tree.push("", RawKind::Dir, hides_lower)?;
        let below = usize::from(root.is_some())..settled.len();
        tree.todo.push_back(Todo {
            node: 0,
            range: below,
            prefix: 0,
        });
        while let Some(todo) = tree.todo.pop_front() {
            tree.add_children(settled, &todo)?;
        }
        tree.table.text.shrink_to_fit();
        tree.table.nodes.shrink_to_fit();
        Ok(tree.table)
    }

    fn add_children(&mut self, settled: &[Settled], todo: &Todo) -> Result<(), TooManyPaths> {
        let first_child = self.table.nodes.len();
        let mut at = todo.range.start;
        while let Some(first) = settled.get(at).filter(|_| at < todo.range.end) {
            let name = first_part(self.rest(*first, todo.prefix));
            let below = |row: &Settled| first_part(self.rest(*row, todo.prefix)) == name;
            let group = settled.get(at..todo.range.end).unwrap_or_default();
            let end = at + group.partition_point(below).max(1);
            let is_own = self.rest(*first, todo.prefix).len() == name.len();
            self.add_child(
                name,
                is_own.then_some(*first),
                at + usize::from(is_own)..end,
                todo.prefix,
            )?;
            at = end;
        }
        let child_count = self.table.nodes.len() - first_child;
        if let Some(node) = self.table.nodes.get_mut(todo.node) {
            node.first_child = u32::try_from(first_child).unwrap_or(u32::MAX);
            node.child_count = u32::try_from(child_count).unwrap_or(0);
        }
        Ok(())
    }

    /// Adds one child. A folder that has no member of its own is one all the same; what stands below a file
    /// was removed when the file came.
    fn add_child(
        &mut self,
        name: &'a str,
        own: Option<Settled>,
        below: Range<usize>,
        prefix: usize,
    ) -> Result<(), TooManyPaths> {
        let has_children = !below.is_empty();
        let kind = match own.map_or(RawKind::Dir, |own| own.kind) {
            RawKind::Absent if has_children => RawKind::Dir,
            kind => kind,
        };
        let node = self.push(name, kind, own.is_some_and(|own| own.hides_lower))?;
        if has_children && kind == RawKind::Dir {
            self.todo.push_back(Todo {
                node,
                range: below,
                prefix: prefix + name.len() + 1,
            });
        }
        Ok(())
    }

    fn push(&mut self, name: &str, kind: RawKind, hides_lower: bool) -> Result<usize, TooManyPaths> {
        if self.table.nodes.len() >= MAX_PATHS {
            return Err(TooManyPaths);
        }
        let name = append(&mut self.table.text, name)?;
        let kind = match kind {
            RawKind::Link(target) => RawKind::Link(self.copy(target)?),
            RawKind::HardLink(target) => RawKind::HardLink(self.copy(target)?),
            RawKind::Closed(why) => RawKind::Closed(self.copy(why)?),
            kind => kind,
        };
        self.table.nodes.push(Node {
            name,
            first_child: 0,
            child_count: 0,
            hides_lower,
            kind,
        });
        Ok(self.table.nodes.len() - 1)
    }

    fn copy(&mut self, span: Span) -> Result<Span, TooManyPaths> {
        append(&mut self.table.text, slice(self.source, span))
    }

    fn rest(&self, row: Settled, prefix: usize) -> &'a str {
        slice(self.source, row.path).get(prefix..).unwrap_or_default()
    }
}

fn append(text: &mut String, piece: &str) -> Result<Span, TooManyPaths> {
    if text.len() + piece.len() > MAX_TEXT {
        return Err(TooManyPaths);
    }
    let start = u32::try_from(text.len()).map_err(|_too_long| TooManyPaths)?;
    let len = u32::try_from(piece.len()).map_err(|_too_long| TooManyPaths)?;
    text.push_str(piece);
    Ok(Span { start, len })
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.range()).unwrap_or_default()
}

fn first_part(path: &str) -> &str {
    path.split_once('/').map_or(path, |(first, _)| first)
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Joins pieces of a path; `..` stops at the root, as it does in a container.
fn confined(pieces: &[&str]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pieces.iter().flat_map(|piece| piece.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Orders paths so that a folder is followed by all that is below it: `/` comes before every other byte.
fn by_folder(a: &str, b: &str) -> Ordering {
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    match a.bytes().zip(b.bytes()).find(|(a, b)| a != b) {
        Some((a, b)) => rank(a).cmp(&rank(b)),
        None => a.len().cmp(&b.len()),
    }
}
