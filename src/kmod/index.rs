//! modprobe's indexes: `modules.dep.bin`, `modules.alias.bin` and their like.
//!
//! They are tries, written by depmod and searched by libkmod (`libkmod/libkmod-index.c`), big endian:
//!
//! ```text
//! header  magic u32, version u32, root u32
//! node    [prefix NUL-terminated]  if the offset that led here has the PREFIX flag
//!         [first u8, last u8, child offsets u32 …]  if CHILDS
//!         [count u32, then count × (priority u32, value NUL-terminated)]  if VALUES
//! ```
//!
//! An offset of zero is no node. Offsets come from outside: each is checked, and a search takes no more steps than
//! a sound index could ask of it.

mod pattern;

use pattern::{could_match, is_wildcard, matches};

/// `INDEX_MAGIC`.
const MAGIC: u32 = 0xB007_F457;
/// `INDEX_VERSION`: major 2, minor 1. libkmod compares the major half.
const VERSION_MAJOR: u32 = 2;
const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDS: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0FFF_FFFF;

/// Bytes that one search may compare. The largest real index has some 150,000 nodes with aliases of some 50 bytes, and a
/// search may have to look at many of them.
const MAX_WORK: usize = 100_000_000;
/// Values that one search may return. An alias that matches this many modules is no alias.
const MAX_VALUES: usize = 10_000;
/// The longest pattern, in bytes. Real aliases have at most some 200.
const MAX_PATTERN: usize = 4096;
/// The longest name that an alias may stand for, in bytes: kmod takes none that does not fit into a path
/// (`libkmod/libkmod-module.c: kmod_module_new_from_alias`; `include/uapi/linux/limits.h: PATH_MAX`).
const MAX_NAME: usize = 4096;

/// Why an index cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It does not begin as an index does; modprobe treats it as absent.
    #[error("it does not begin with the magic number and version of an index")]
    NotAnIndex,
    /// An offset or a length in it leads astray.
    #[error("{0}")]
    Damaged(&'static str),
}

/// A value of an index and its priority; lower comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    /// Its place among the values of one key, from depmod's order.
    pub priority: u32,
    /// The value.
    pub text: String,
}

/// An index, over the bytes of its file.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    bytes: &'a [u8],
    root: u32,
}

/// One node, taken apart.
#[derive(Clone, Copy, Debug)]
struct Node<'a> {
    prefix: &'a [u8],
    first: u8,
    children: &'a [u8],
    values: Option<&'a [u8]>,
}

impl<'a> Index<'a> {
    /// Opens an index (`index_file_open`).
    pub fn open(bytes: &'a [u8]) -> Result<Self, IndexError> {
        if bytes.is_empty() {
            return Err(IndexError::Empty);
        }
        match (be32(bytes, 0), be32(bytes, 4), be32(bytes, 8)) {
            (Some(MAGIC), Some(version), Some(root)) if version >> 16 == VERSION_MAJOR => Ok(Self { bytes, root }),
            _ => Err(IndexError::NotAnIndex),
        }
    }

    /// The first value of exactly this key (`index_search`), as modprobe looks names up in `modules.dep.bin`.
    pub fn search(&self, key: &str) -> Result<Option<String>, IndexError> {
        let mut rest = key.as_bytes();
        let mut offset = self.root;
        while let Some(node) = self.node(offset)? {
            let Some(after) = rest.strip_prefix(node.prefix) else {
                return Ok(None);
            };
            let Some((next, after)) = after.split_first() else {
                return first_value(&node);
            };
            rest = after;
            offset = node.child(*next);
        }
        Ok(None)
    }

    /// The values of every key that, read as a shell pattern, matches this name (`index_searchwild`), as modprobe
    /// looks names up in `modules.alias.bin`: by priority, and among equals the last that libkmod meets comes first
    /// (`add_value`).
    pub fn search_wild(&self, name: &str) -> Result<Vec<Value>, IndexError> {
        let mut search = WildSearch {
            index: *self,
            name: name.as_bytes(),
            pattern: Vec::new(),
            work: 0,
            todo: vec![Visit::Node {
                offset: self.root,
                depth: 0,
                label: None,
            }],
            found: Vec::new(),
        };
        while let Some(visit) = search.todo.pop() {
            match visit {
                Visit::Node { offset, depth, label } => search.enter(offset, depth, label)?,
                Visit::Values { node, depth } => search.take_values(&node, depth)?,
            }
        }
        search.found.reverse();
        search.found.sort_by_key(|value| value.priority);
        Ok(search.found)
    }

    /// The node behind an offset; `None` for the offset that means "no such child".
    fn node(&self, offset: u32) -> Result<Option<Node<'a>>, IndexError> {
        let at = (offset & OFFSET) as usize;
        if at == 0 {
            return Ok(None);
        }
        let mut rest = self
            .bytes
            .get(at..)
            .ok_or(IndexError::Damaged("an offset leads beyond its end"))?;
        let mut node = Node {
            prefix: &[],
            first: 0,
            children: &[],
            values: None,
        };
        if offset & PREFIX != 0 {
            let end = rest
                .iter()
                .position(|byte| *byte == 0)
                .ok_or(IndexError::Damaged("a prefix has no end"))?;
            (node.prefix, rest) = (
                rest.get(..end).unwrap_or_default(),
                rest.get(end + 1..).unwrap_or_default(),
            );
        }
        if offset & CHILDS != 0 {
            let broken = IndexError::Damaged("a node's children lie beyond its end");
            let (first, last) = rest.first().zip(rest.get(1)).ok_or(broken.clone())?;
            let count = usize::from(last.checked_sub(*first).ok_or(broken.clone())?) + 1;
            node.first = *first;
            (node.children, rest) = rest
                .get(2..)
                .and_then(|rest| rest.split_at_checked(4 * count))
                .ok_or(broken)?;
        }
        if offset & VALUES != 0 {
            node.values = Some(rest);
        }
        Ok(Some(node))
    }
}

impl Node<'_> {
    /// The offset of the child behind a byte; zero where there is none.
    fn child(&self, label: u8) -> u32 {
        let at = label.checked_sub(self.first).map(|nth| 4 * usize::from(nth));
        at.and_then(|at| be32(self.children, at)).unwrap_or_default()
    }

    fn labelled(&self) -> impl Iterator<Item = (u8, u32)> {
        (self.first..=u8::MAX).zip(
            (0..self.children.len())
                .step_by(4)
                .filter_map(|at| be32(self.children, at)),
        )
    }
}

/// A search for every pattern that matches a name.
struct WildSearch<'a, 'n> {
    index: Index<'a>,
    name: &'n [u8],
    /// The keys of the trie down to where the search is: each node cuts it back to its parent's.
    pattern: Vec<u8>,
    /// The bytes compared so far.
    work: usize,
    /// What is still to be visited, the next one last.
    todo: Vec<Visit<'a>>,
    found: Vec<Value>,
}

/// A step of a [`WildSearch`]; `depth` is how much of the pattern the nodes above make.
enum Visit<'a> {
    /// A node, behind that label of its parent.
    Node {
        offset: u32,
        depth: usize,
        label: Option<u8>,
    },
    /// A node's own values, which libkmod takes after those of the nodes below it.
    Values { node: Node<'a>, depth: usize },
}

impl<'a> WildSearch<'a, '_> {
    fn enter(&mut self, offset: u32, depth: usize, label: Option<u8>) -> Result<(), IndexError> {
        self.pattern.truncate(depth);
        self.pattern.extend(label);
        let Some(node) = self.index.node(offset)? else {
            return Ok(());
        };
        self.pattern.extend_from_slice(node.prefix);
        self.work += 1 + node.prefix.len();
        self.check_limits()?;
        if could_match(&self.pattern, self.name) {
            self.visit_below(node);
        }
        Ok(())
    }

    /// The nodes below, in their order, but those of wildcards before those of the name's own letters
    /// (`index_searchwild__node`, `index_searchwild__all`); then the node's values.
    fn visit_below(&mut self, node: Node<'a>) {
        let depth = self.pattern.len();
        let mut below: Vec<(u8, u32)> = node.labelled().filter(|(_, child)| *child != 0).collect();
        if !self.pattern.iter().copied().any(is_wildcard) {
            below.sort_by_key(|(label, _)| !is_wildcard(*label));
        }
        self.todo.push(Visit::Values { node, depth });
        self.todo
            .extend(below.into_iter().rev().map(|(label, offset)| Visit::Node {
                offset,
                depth,
                label: Some(label),
            }));
    }

    fn check_limits(&self) -> Result<(), IndexError> {
        if self.work > MAX_WORK || self.pattern.len() > MAX_PATTERN || self.found.len() > MAX_VALUES {
            return Err(IndexError::Damaged("its nodes lead in circles"));
        }
        Ok(())
    }

    fn take_values(&mut self, node: &Node<'_>, depth: usize) -> Result<(), IndexError> {
        self.pattern.truncate(depth);
        if node.values.is_some() {
            self.work += self.pattern.len() * self.name.len().max(1);
            if matches(&self.pattern, self.name) {
                let values = values(node)?;
                self.work += values.iter().map(|value| value.text.len()).sum::<usize>();
                self.found.extend(values);
            }
        }
        self.check_limits()
    }
}

/// The value that stands first, of any length: a line of `modules.dep` names many files.
fn first_value(node: &Node<'_>) -> Result<Option<String>, IndexError> {
    let Some(listed) = Listed::of(node)? else {
        return Ok(None);
    };
    let first = if listed.count == 0 {
        None
    } else {
        Some(listed.next(usize::MAX)?)
    };
    Ok(first.map(|(value, _)| value.text))
}

fn values(node: &Node<'_>) -> Result<Vec<Value>, IndexError> {
    let Some(mut listed) = Listed::of(node)? else {
        return Ok(Vec::new());
    };
    let mut values = Vec::with_capacity(listed.count.min(16));
    for _ in 0..listed.count {
        let (value, rest) = listed.next(MAX_NAME)?;
        values.push(value);
        listed.rest = rest;
    }
    Ok(values)
}

/// The values of a node, as they stand in its bytes.
struct Listed<'a> {
    count: usize,
    rest: &'a [u8],
}

impl<'a> Listed<'a> {
    fn of(node: &Node<'a>) -> Result<Option<Self>, IndexError> {
        let Some(bytes) = node.values else { return Ok(None) };
        let count = be32(bytes, 0).ok_or(BROKEN)? as usize;
        if count > MAX_VALUES {
            return Err(BROKEN);
        }
        let rest = bytes.get(4..).ok_or(BROKEN)?;
        Ok(Some(Self { count, rest }))
    }

    /// The next value, if it has no more bytes than that, and what follows it.
    fn next(&self, longest: usize) -> Result<(Value, &'a [u8]), IndexError> {
        let priority = be32(self.rest, 0).ok_or(BROKEN)?;
        let text = self.rest.get(4..).ok_or(BROKEN)?;
        let end = text.iter().take(longest).position(|byte| *byte == 0).ok_or(BROKEN)?;
        let (value, after) = text.split_at_checked(end).ok_or(BROKEN)?;
        let text = String::from_utf8_lossy(value).into_owned();
        Ok((Value { priority, text }, after.get(1..).unwrap_or_default()))
    }
}

const BROKEN: IndexError = IndexError::Damaged("a node's values lie beyond its end, or are longer than any name");

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Real ones, written by depmod (see tests/fixtures/kmod/build.sh).
    const DEP: &[u8] = include_bytes!("../../tests/fixtures/kmod/modules.dep.bin");
    const ALIAS: &[u8] = include_bytes!("../../tests/fixtures/kmod/modules.alias.bin");
    const DEP_TEXT: &str = include_str!("../../tests/fixtures/kmod/modules.dep");

    #[test]
    fn every_line_of_modules_dep_is_found_under_its_modules_name() {
        let index = Index::open(DEP).unwrap();
        for line in DEP_TEXT.lines() {
            let path = line.split(':').next().unwrap();
            let name = crate::kmod::intree::name_of(path).unwrap();
            assert_eq!(index.search(&name).unwrap().as_deref(), Some(line), "{name}");
        }
        for absent in ["", "k", "kmmp_lon", "kmmp_lonee", "zzz"] {
            assert_eq!(index.search(absent).unwrap(), None, "{absent}");
        }
    }

    #[test]
    fn an_index_cut_anywhere_is_damaged_or_says_less_but_never_fails_otherwise() {
        for end in 0..DEP.len() {
            if let Ok(index) = Index::open(&DEP[..end]) {
                let _ = (index.search("kmmp_pump"), index.search_wild("kmmp_pump"));
            }
        }
        for at in 0..ALIAS.len() {
            for byte in [0, 0x20, 0x7f, 0x80, 0xff] {
                let mut bytes = ALIAS.to_vec();
                bytes[at] = byte;
                if let Ok(index) = Index::open(&bytes) {
                    let _ = (index.search("x"), index.search_wild("pci:v00001234d00005678"));
                }
            }
        }
    }

    #[test]
    fn a_node_that_is_its_own_child_is_damaged() {
        let mut bytes = [
            MAGIC.to_be_bytes(),
            0x0002_0001_u32.to_be_bytes(),
            (CHILDS | 0xc).to_be_bytes(),
        ]
        .concat();
        bytes.extend(*b"**");
        bytes.extend((CHILDS | 0xc).to_be_bytes());
        let index = Index::open(&bytes).unwrap();
        assert!(matches!(index.search_wild("anything"), Err(IndexError::Damaged(_))));
        assert_eq!(index.search("***").unwrap(), None);
    }

    /// An index whose root has that prefix, these values, and a child for each of these labels with values of its own.
    fn index_of(prefix: &str, own: &[(u32, &str)], below: &[(u8, &[(u32, &str)])]) -> Vec<u8> {
        const ROOT: usize = 12;
        let listed = |values: &[(u32, &str)]| {
            let mut bytes = u32::try_from(values.len()).unwrap().to_be_bytes().to_vec();
            for (priority, text) in values {
                bytes.extend([&priority.to_be_bytes(), text.as_bytes(), b"\0"].concat());
            }
            bytes
        };
        let (first, last) = (below[0].0, below[below.len() - 1].0);
        let own = listed(own);
        let mut at = ROOT + prefix.len() + 1 + 2 + 4 * (usize::from(last - first) + 1) + own.len();
        let (mut offsets, mut leaves) = (Vec::new(), Vec::new());
        for label in first..=last {
            let values = below.iter().find(|(named, _)| *named == label);
            let leaf = values.map(|(_, values)| listed(values)).unwrap_or_default();
            let offset = if leaf.is_empty() {
                0
            } else {
                VALUES | u32::try_from(at).unwrap()
            };
            offsets.extend(offset.to_be_bytes());
            at += leaf.len();
            leaves.extend(leaf);
        }
        let root = PREFIX | CHILDS | VALUES | u32::try_from(ROOT).unwrap();
        let header = [MAGIC, 0x0002_0001, root].map(u32::to_be_bytes).concat();
        let node = [prefix.as_bytes(), b"\0", &[first, last], &offsets, &own, &leaves].concat();
        [header, node].concat()
    }

    #[test]
    fn among_values_of_one_priority_the_last_that_libkmod_meets_comes_first() {
        let texts = |bytes: &[u8], name| -> Vec<String> {
            let found = Index::open(bytes).unwrap().search_wild(name).unwrap();
            found.into_iter().map(|value| value.text).collect()
        };
        let below: &[(u8, &[(u32, &str)])] = &[
            (b'*', &[(1, "any"), (1, "any again")]),
            (b'?', &[(1, "one letter")]),
            (b'b', &[(1, "itself"), (0, "urgent")]),
        ];
        let bytes = index_of("a", &[(1, "short")], below);
        assert_eq!(
            texts(&bytes, "ab"),
            ["urgent", "itself", "one letter", "any again", "any"]
        );
        assert_eq!(texts(&bytes, "a"), ["short", "any again", "any"]);
        assert_eq!(texts(&bytes, "b"), Vec::<String>::new());
    }

    #[test]
    fn of_one_key_modprobe_takes_the_value_that_stands_first() {
        let bytes = index_of("a", &[(2, "first"), (1, "second")], &[(b'b', &[(1, "other")])]);
        let index = Index::open(&bytes).unwrap();
        assert_eq!(index.search("a").unwrap().as_deref(), Some("first"));
    }

    /// A trie of that many levels, each of which leads to the next one by two labels, and in the end to one value.
    fn crossing(levels: usize, value: &str) -> Vec<u8> {
        let level = |at: usize| 12 + u32::try_from(at).unwrap() * 10;
        let mut bytes = [MAGIC, 0x0002_0001, CHILDS | level(0)].map(u32::to_be_bytes).concat();
        for at in 1..=levels {
            let kind = if at == levels { VALUES } else { CHILDS };
            let next = (kind | level(at)).to_be_bytes();
            bytes.extend([b"*+".as_slice(), &next, &next].concat());
        }
        bytes.extend([&[0, 0, 0, 1, 0, 0, 0, 0], value.as_bytes(), b"\0"].concat());
        bytes
    }

    #[test]
    fn one_value_that_many_ways_lead_to_does_not_fill_memory() {
        let found = |levels, length| {
            let bytes = crossing(levels, &"x".repeat(length));
            Index::open(&bytes)
                .unwrap()
                .search_wild("+++++++++++++++")
                .map(|found| found.len())
        };
        assert!(found(4, 1000).is_ok_and(|count| count > 1));
        assert!(matches!(found(4, MAX_NAME + 1), Err(IndexError::Damaged(_))));
        assert!(matches!(found(16, 4000), Err(IndexError::Damaged(_))));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        assert_eq!(Index::open(b"").unwrap_err(), IndexError::Empty);
        assert_eq!(Index::open(b"extra/x.ko:\n").unwrap_err(), IndexError::NotAnIndex);
        assert_eq!(Index::open(&DEP[..11]).unwrap_err(), IndexError::NotAnIndex);
    }
}
