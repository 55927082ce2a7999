//! What KMM's first step leaves on a node: the tools it needs in the image, and the folder it copies.
//!
//! KMM runs `/bin/sh -c 'mkdir -p …; cp -R <dirName>/lib/modules/<kernel> …'` in the module image
//! (upstream `internal/pod/workerpodmanager.go: addCopyCommand`). `inspect` fills these types in from the
//! layers of an image; what the links in them mean is decided here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::facts::ModuleFile;
use super::paths::{NODE_FOLDERS, clean};

/// An image, seen as KMM's copy step sees it for one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedImage {
    /// `/bin/sh`.
    pub sh: Tool,
    /// `mkdir`, found through the image's usual `PATH`.
    pub mkdir: Tool,
    /// `cp`, found through the image's usual `PATH`.
    pub cp: Tool,
    /// `<dirName>/lib/modules/<kernel>`.
    pub folder: StagedFolder,
    /// Whether a `modprobe.d` folder with files stands in the image; it never reaches the node.
    pub has_modprobe_config: bool,
    /// Whether `firmwarePath` has anything to copy; `None` where no `firmwarePath` was asked for, or nobody knows.
    pub firmware: Option<bool>,
    /// What could not be looked at, and what therefore was not checked: one sentence each.
    pub unread: Vec<String>,
}

/// An executable of the image, once every link to it has been followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// It is there, and is this to the kernel.
    Present(Program),
    /// It is not there, or a link to it leads nowhere.
    Missing,
}

/// What a file is to a kernel that is told to execute it, by its first bytes (`fs/exec.c: search_binary_handler`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// An ELF file, for this machine (`e_machine`).
    Elf(u16),
    /// It begins with `#!`.
    Script,
    /// Nothing: to a shell that runs it, a script without commands.
    Empty,
    /// Neither: the kernel answers `ENOEXEC`, upon which a shell takes it for a script, and a container runtime gives up.
    Other,
}

impl Program {
    /// How many of a file's first bytes [`Self::told_by`] looks at.
    pub const HEAD: usize = 20;

    /// What a file is that begins with these bytes, and is no longer where they are fewer than [`Self::HEAD`].
    pub fn told_by(head: &[u8]) -> Self {
        match head {
            [] => Self::Empty,
            [b'#', b'!', ..] => Self::Script,
            _ => elf_machine(head).map_or(Self::Other, Self::Elf),
        }
    }
}

/// `e_machine` of an ELF file's first bytes, in the byte order that they tell.
fn elf_machine(head: &[u8]) -> Option<u16> {
    const BIG_ENDIAN: u8 = 2;
    let machine: [u8; 2] = head.strip_prefix(b"\x7fELF")?.get(14..16)?.try_into().ok()?;
    let is_big = head.get(5) == Some(&BIG_ENDIAN);
    Some(if is_big {
        u16::from_be_bytes(machine)
    } else {
        u16::from_le_bytes(machine)
    })
}

/// `<dirName>/lib/modules/<kernel>` of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StagedFolder {
    /// It is not there.
    Missing {
        /// The other folders of `<dirName>/lib/modules`, sorted.
        other_kernels: Vec<String>,
    },
    /// It is a link: `cp -R` copies the link, which then points into the worker's own file system.
    Link {
        /// Where it points.
        target: String,
    },
    /// It is a file.
    NotAFolder,
    /// Nobody could look into it, or into a folder above it; why.
    Unread(String),
    /// It is a folder, which is copied with everything below it.
    Folder(Arc<Folder>),
}

/// A copied folder. Paths are relative to it, without a leading `/` or `./`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// Every file and link below it. Folders are not listed.
    pub entries: BTreeMap<String, Entry>,
}

/// A file or a link of a copied folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A kernel module: a file whose name ends in `.ko`, `.ko.gz`, `.ko.xz` or `.ko.zst`.
    Module(Arc<ModuleFile>),
    /// A file that modprobe reads (`modules.*.bin`, `modules.dep` …), whole.
    Index(Arc<Vec<u8>>),
    /// A file that modprobe reads but that is larger than this program is willing to read (its size in bytes).
    TooLarge(u64),
    /// A kernel module, a file that modprobe reads, or a folder, of which it is not known what is in it; why.
    Unread(String),
    /// A symbolic link, with its target as it stands.
    Link(String),
    /// Any other file, and device nodes, sockets, pipes.
    Other,
}

/// How many links Linux follows before it gives up with `ELOOP` (`include/linux/namei.h: MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// How long a path, or a link's target, may be (`include/uapi/linux/limits.h: PATH_MAX`).
const MAX_PATH: usize = 4096;

/// A copied folder at the place where it stands on the node: there, and only there, links get their meaning.
#[derive(Clone, Debug)]
pub struct Copied<'a> {
    at: String,
    folder: &'a Folder,
}

/// What a path of the copied folder leads to on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached<'a> {
    /// A file of the copied folder, by its path without links.
    File {
        /// That path, relative to the folder.
        path: String,
        /// The file.
        entry: &'a Entry,
    },
    /// A folder of the copied folder.
    Folder,
    /// Something in the node's own `/lib/modules`; the path below that.
    Node(String),
    /// Nothing: there is no such file in the copied folder.
    Nothing,
    /// A place that is not copied, and not the node's `/lib/modules` either.
    Outside(String),
    /// A link that leads to itself.
    Loop,
}

impl<'a> Copied<'a> {
    /// The folder, copied to the absolute path `at`.
    pub fn new(at: impl Into<String>, folder: &'a Folder) -> Self {
        Self {
            at: clean(&at.into()),
            folder,
        }
    }

    /// Where the folder stands on the node.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Follows a path, absolute or relative to the folder, and every link on the way, as the node's kernel would.
    pub fn follow(&self, path: &str) -> Reached<'a> {
        if path.len() >= MAX_PATH {
            return Reached::Nothing;
        }
        let mut walk = Walk::from(if path.starts_with('/') { "/" } else { &self.at }, path);
        for _ in 0..=MAX_LINKS {
            match walk.step(self) {
                Ok(link) if link.len() >= MAX_PATH => return Reached::Nothing,
                Ok(link) => walk.enter(link),
                Err(reached) => return reached,
            }
        }
        Reached::Loop
    }

    /// What stands at a path without links.
    fn look(&self, place: &str) -> Place<'a> {
        if let Some(path) = below(place, &self.at) {
            return self.look_inside(path);
        }
        if place == "/" || below(&self.at, place).is_some() {
            return Place::Folder;
        }
        for node in NODE_FOLDERS {
            if let Some(path) = below(place, node) {
                return Place::Node(path.to_owned());
            }
            if below(node, place).is_some() {
                return Place::Folder;
            }
        }
        Place::Outside
    }

    fn look_inside(&self, path: &str) -> Place<'a> {
        if path.is_empty() {
            return Place::Folder;
        }
        match self.folder.entries.get(path) {
            Some(Entry::Link(target)) => Place::Link(target),
            Some(entry) => Place::File(path.to_owned(), entry),
            None if self.folder.has_below(path) => Place::Folder,
            None => Place::Nothing,
        }
    }
}

impl Folder {
    /// Whether any file or link stands below that path, which makes it a folder.
    fn has_below(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        self.entries
            .range(prefix.clone()..)
            .next()
            .is_some_and(|(name, _)| name.starts_with(&prefix))
    }
}

/// What stands at one place of the node.
enum Place<'a> {
    File(String, &'a Entry),
    Folder,
    Link(&'a str),
    Node(String),
    Nothing,
    Outside,
}

/// A walk along a path: the place reached so far, and the parts still ahead, the next one last.
struct Walk {
    place: String,
    ahead: Vec<String>,
}

impl Walk {
    fn from(start: &str, path: &str) -> Self {
        let mut walk = Self {
            place: start.to_owned(),
            ahead: Vec::new(),
        };
        walk.enter(path);
        walk
    }

    /// Puts the parts of a path (or of a link's target) ahead; an absolute one starts at the root.
    fn enter(&mut self, path: &str) {
        if path.starts_with('/') {
            "/".clone_into(&mut self.place);
        }
        self.ahead.extend(
            path.split('/')
                .rev()
                .filter(|part| !part.is_empty() && *part != ".")
                .map(str::to_owned),
        );
    }

    /// Walks on to the next link (`Ok`, its target) or to the end (`Err`, what is there).
    fn step<'a>(&mut self, copied: &Copied<'a>) -> Result<&'a str, Reached<'a>> {
        while let Some(part) = self.ahead.pop() {
            let next = clean(&format!("{}/{part}", self.place));
            match copied.look(&next) {
                Place::Link(target) => return Ok(target),
                // What is below an unread folder is as unread as the folder.
                Place::File(path, entry) if self.ahead.is_empty() || matches!(entry, Entry::Unread(_)) => {
                    return Err(Reached::File { path, entry });
                }
                Place::File(..) | Place::Nothing => return Err(Reached::Nothing),
                Place::Outside => return Err(Reached::Outside(next)),
                Place::Folder | Place::Node(_) => self.place = next,
            }
        }
        Err(match copied.look(&self.place) {
            Place::Node(path) => Reached::Node(path),
            _ => Reached::Folder,
        })
    }
}

/// The rest of `path` below `folder`; empty where they are the same.
fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> Folder {
        let link = |target: &str| Entry::Link(target.to_owned());
        Folder {
            entries: [
                ("extra/a.ko", Entry::Other),
                ("b.ko", link("extra/a.ko")),
                ("sub/up.ko", link("../extra/a.ko")),
                ("dir", link("extra")),
                ("host", link("/lib/modules/6.1")),
                ("usr", link("/usr/lib/modules/6.1/kernel")),
                ("climb", link("../../../../../lib/modules/6.1")),
                ("absolute.ko", link("/opt/lib/modules/6.1/extra/a.ko")),
                ("staged.ko", link("/tmp/opt/lib/modules/6.1/extra/a.ko")),
                ("sibling.ko", link("../6.2/a.ko")),
                ("gone.ko", link("nowhere.ko")),
                ("loop", link("loop")),
                ("closed", Entry::Unread("user 7 may not read it".to_owned())),
                ("ping", link("pong")),
                ("pong", link("ping")),
            ]
            .map(|(path, entry)| (path.to_owned(), entry))
            .into(),
        }
    }

    #[test]
    fn endless_paths_lead_nowhere() {
        let long = "a/".repeat(1 << 20);
        let folder = Folder {
            entries: [("long".to_owned(), Entry::Link(long.clone()))].into(),
        };
        let copied = Copied::new("/tmp/opt/lib/modules/6.1", &folder);
        assert_eq!(copied.follow(&long), Reached::Nothing);
        assert_eq!(copied.follow("long"), Reached::Nothing);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn links_mean_what_they_mean_on_the_node() {
        let folder = folder();
        let copied = Copied::new("/tmp/opt/lib/modules/6.1", &folder);
        let a = || Reached::File {
            path: "extra/a.ko".to_owned(),
            entry: &Entry::Other,
        };
        for (sentence, path, reached) in [
            ("a file is itself", "extra/a.ko", a()),
            ("a path may have dots and empty parts", "./extra//./a.ko", a()),
            ("a link inside the folder works", "b.ko", a()),
            ("a link upwards inside the folder works", "sub/up.ko", a()),
            ("a link to a folder works", "dir/a.ko", a()),
            ("a link to the place of the copy works", "staged.ko", a()),
            (
                "an absolute path to the copy works",
                "/tmp/opt/lib/modules/6.1/b.ko",
                a(),
            ),
            ("a folder is a folder", "extra", Reached::Folder),
            (
                "the documented link leads to the node",
                "host/kernel/x.ko",
                Reached::Node("6.1/kernel/x.ko".to_owned()),
            ),
            (
                "so does one through /usr",
                "usr/x.ko",
                Reached::Node("6.1/kernel/x.ko".to_owned()),
            ),
            (
                "and a relative one that climbs to the root",
                "climb/x.ko",
                Reached::Node("6.1/x.ko".to_owned()),
            ),
            (
                "an absolute path to the node",
                "/lib/modules/6.1/x.ko",
                Reached::Node("6.1/x.ko".to_owned()),
            ),
            (
                "a link into the image's own folder dangles on the node",
                "absolute.ko",
                Reached::Outside("/opt".to_owned()),
            ),
            (
                "another kernel's folder is not copied",
                "sibling.ko",
                Reached::Outside("/tmp/opt/lib/modules/6.2".to_owned()),
            ),
            ("a link to nothing is nothing", "gone.ko", Reached::Nothing),
            ("a file has nothing below it", "extra/a.ko/x", Reached::Nothing),
            (
                "what is below a folder that nobody could read is unread too",
                "closed/x.ko",
                Reached::File {
                    path: "closed".to_owned(),
                    entry: &Entry::Unread("user 7 may not read it".to_owned()),
                },
            ),
            ("a missing file is nothing", "c.ko", Reached::Nothing),
            ("a link to itself is a loop", "loop", Reached::Loop),
            ("so are two links to each other", "ping/x.ko", Reached::Loop),
        ] {
            assert_eq!(copied.follow(path), reached, "{sentence}");
        }
    }
}
