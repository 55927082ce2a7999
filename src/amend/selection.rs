//! Which files `filesToSign` selects: what `/bin/sh` would expand its entries to in the image's file system.
//!
//! KMM copies `dirName` of the image into a helper image and runs `sign-file` there on `/opt<entry>` (its
//! `internal/buildsign/resource/common.go`), so only what lies below `dirName` is ever signed. A link that an entry
//! names is replaced by a signed file, as `sign-file` replaces what it signs; its target stays as it is.

use std::collections::BTreeMap;

use super::glob::Glob;
use super::trouble::SelectionProblem;
use crate::inspect::layer::{Stored, Survey};
use crate::inspect::tree::{Dir, Found, MergedTree};

/// How many files may be selected: several times the modules of a distribution's kernel.
const FILES_CAP: usize = 20_000;
/// How many files of the image are looked at for what comes near.
const NEAR_CAP: usize = 50_000;
/// How many of them are shown.
const NEAR_SHOWN: usize = 3;

/// A file that was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Which layer has its bytes.
    pub(super) layer: usize,
    /// Where in that layer.
    pub(super) stored: Stored,
    /// How many entries select it: KMM signs it as often.
    pub(super) times: usize,
}

/// Selected files by the path at which each will stand, without a leading slash.
pub(super) type Selection = BTreeMap<String, Chosen>;

/// The topmost layers of an image, as far as they were read.
pub(super) struct View<'a> {
    /// Their surveys, the lowest first.
    pub(super) surveys: &'a [Survey],
    /// The tree of them.
    pub(super) tree: MergedTree,
    /// Whether they are all layers there are.
    pub(super) is_whole: bool,
}

impl<'a> View<'a> {
    /// What these layers show, the lowest first.
    pub(super) fn of(surveys: &'a [Survey], is_whole: bool) -> Self {
        let layers = surveys.iter().map(|survey| survey.facts().clone()).collect();
        Self {
            surveys,
            tree: MergedTree::new(layers),
            is_whole,
        }
    }

    /// Selects; `None` where the layers below these have a say in it.
    pub(super) fn select(&self, entries: &[String], dir_name: &str) -> Result<Option<Selection>, SelectionProblem> {
        let mut selection = Selection::new();
        for text in entries {
            let entry = Entry::parse(text, dir_name)?;
            if !self.is_whole && entry.is_pattern() {
                return Ok(None);
            }
            match self.expand(&entry) {
                Ok(found) => add(&mut selection, found)?,
                Err(_) if !self.is_whole => return Ok(None),
                Err(problem) => return Err(problem),
            }
        }
        Ok(Some(selection))
    }

    fn expand(&self, entry: &Entry) -> Result<Vec<(String, Chosen)>, SelectionProblem> {
        let mut folders = vec![(String::new(), self.tree.root())];
        let (last, above) = entry.names.split_last().ok_or_else(|| entry.no_match(self))?;
        for glob in above {
            folders = folders
                .iter()
                .flat_map(|(path, dir)| self.matching(path, dir, glob))
                .filter_map(|(path, _)| self.folder(&path))
                .collect();
        }
        let below = self.folder(&entry.dir_name);
        let mut chosen = Vec::new();
        for (path, dir) in folders {
            for (path, found) in self.matching(&path, &dir, last) {
                if below.as_ref().is_some_and(|(top, _)| is_below(&path, top)) {
                    chosen.push((path.clone(), self.file(entry, &path, &found)?));
                }
            }
        }
        if chosen.is_empty() {
            return Err(entry.no_match(self));
        }
        Ok(chosen)
    }

    /// The folder at a path, with its own path.
    fn folder(&self, path: &str) -> Option<(String, Dir)> {
        match self.tree.locate(path)? {
            (path, Found::Dir(dir)) => Some((path, dir)),
            _ => None,
        }
    }

    /// What a folder has that matches.
    fn matching(&self, folder: &str, dir: &Dir, glob: &Glob) -> Vec<(String, Found<'_>)> {
        let at = |name: &str| {
            if folder.is_empty() {
                name.to_owned()
            } else {
                format!("{folder}/{name}")
            }
        };
        if let Some(name) = glob.literal() {
            let found = self.tree.child(dir, &name);
            return found.into_iter().map(|found| (at(&name), found)).collect();
        }
        let children = self.tree.children(dir).into_iter();
        let matching = children.filter(|(name, _)| glob.matches(name));
        matching.map(|(name, found)| (at(name), found)).collect()
    }

    fn file(&self, entry: &Entry, path: &str, found: &Found<'_>) -> Result<Chosen, SelectionProblem> {
        let target;
        let found = match found {
            Found::Link(_) => {
                target = self.tree.resolve(path);
                target.as_ref()
            }
            found => Some(found),
        };
        let what = match found {
            Some(Found::File { stored, .. }) => match self.stored(*stored) {
                Some(chosen) if !chosen.stored.is_sparse => return Ok(chosen),
                Some(_) => "stored with holes (a sparse file), which this program does not fill in",
                None => "a file whose bytes no layer has",
            },
            Some(Found::Dir(_)) => "a folder",
            None => "a link to nothing",
            Some(_) => "no regular file",
        };
        Err(SelectionProblem::NoFile {
            entry: entry.text.clone(),
            path: format!("/{path}"),
            what,
        })
    }

    fn stored(&self, (layer, file): (usize, crate::inspect::layer::File)) -> Option<Chosen> {
        let stored = self.surveys.get(layer)?.stored(file)?;
        Some(Chosen {
            layer,
            stored,
            times: 1,
        })
    }

    /// What comes near to an entry that matches nothing: files of the same name, else files of similar paths.
    fn nearest(&self, entry: &Entry) -> String {
        let mut near: Vec<(bool, i64, String)> = Vec::new();
        let Some((top, dir)) = self.folder(&entry.dir_name) else {
            return format!("it has no folder {}", entry.dir_name);
        };
        let wanted = entry.text.trim_start_matches('/');
        let base = wanted.rsplit('/').next().unwrap_or_default();
        self.tree.walk(&dir, |path, found| {
            if matches!(found, Found::Dir(_)) || near.len() >= NEAR_CAP || !path.contains(".ko") {
                return;
            }
            let path = if top.is_empty() {
                path.to_owned()
            } else {
                format!("{top}/{path}")
            };
            let other = path.rsplit('/').next() != Some(base);
            let likeness = strsim::normalized_levenshtein(&shortened(&path), &shortened(wanted));
            #[expect(clippy::cast_possible_truncation, reason = "a number between 0 and 1000")]
            let distance = 1000 - (likeness * 1000.0) as i64;
            near.push((other, distance, path));
        });
        near.sort();
        let shown: Vec<String> = near
            .iter()
            .take(NEAR_SHOWN)
            .map(|(_, _, path)| format!("/{}", shortened(path)))
            .collect();
        if shown.is_empty() {
            format!("there is no kernel module below {}", entry.dir_name)
        } else {
            format!("what comes near is {}", shown.join(", "))
        }
    }
}

/// One entry of `filesToSign`.
struct Entry {
    text: String,
    dir_name: String,
    names: Vec<Glob>,
}

impl Entry {
    fn parse(text: &str, dir_name: &str) -> Result<Self, SelectionProblem> {
        if !text.starts_with('/') {
            return Err(SelectionProblem::Relative(text.to_owned()));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if text.chars().any(char::is_control) || parts.contains(&"..") {
            return Err(SelectionProblem::Unwritable(shortened(text)));
        }
        let entry = Self {
            text: shortened(text),
            dir_name: dir_name.to_owned(),
            names: parts.into_iter().map(Glob::parse).collect(),
        };
        entry
            .check_place()
            .then_some(entry)
            .ok_or_else(|| SelectionProblem::Outside {
                entry: shortened(text),
                dir_name: dir_name.to_owned(),
            })
    }

    /// Whether it can match anything below `dirName`.
    fn check_place(&self) -> bool {
        let top = self.dir_name.split('/').filter(|part| !part.is_empty());
        let mut names = self.names.iter();
        top.into_iter()
            .all(|part| names.next().is_some_and(|glob| glob.matches(part)))
            && names.next().is_some()
    }

    fn is_pattern(&self) -> bool {
        self.names.iter().any(|glob| glob.literal().is_none())
    }

    fn no_match(&self, view: &View<'_>) -> SelectionProblem {
        SelectionProblem::NoMatch {
            entry: self.text.clone(),
            nearest: if view.is_whole {
                view.nearest(self)
            } else {
                String::new()
            },
        }
    }
}

/// Adds what one entry selects, each file once.
fn add(selection: &mut Selection, found: Vec<(String, Chosen)>) -> Result<(), SelectionProblem> {
    let once: BTreeMap<_, _> = found.into_iter().collect();
    for (path, chosen) in once {
        let times = selection.get(&path).map_or(0, |chosen| chosen.times) + 1;
        selection.insert(path, Chosen { times, ..chosen });
    }
    if selection.len() > FILES_CAP {
        return Err(SelectionProblem::TooMany(FILES_CAP));
    }
    Ok(())
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// A path as messages show it.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    let visible = text.chars().filter(|c| !c.is_control());
    visible.take(SHOWN).collect()
}
