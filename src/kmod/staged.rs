//! What KMM's first step leaves on a node: the tools it needs in the image, and the folder it copies.
//!
//! KMM runs `/bin/sh -c 'mkdir -p …; cp -R <dirName>/lib/modules/<kernel> …'` in the module image
//! (upstream `internal/pod/workerpodmanager.go: addCopyCommand`). `inspect` fills these types in from the
//! layers of an image; what the links in them mean is decided here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::ModuleFile;

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
    /// Whether `firmwarePath` has anything to copy; `None` where no `firmwarePath` was asked for.
    pub firmware: Option<bool>,
}

/// An executable of the image, once every link to it has been followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// It is there. The ELF machine of the file, where it is an ELF file.
    Present(Option<u16>),
    /// It is not there, or a link to it leads nowhere.
    Missing,
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
    /// A symbolic link, with its target as it stands.
    Link(String),
    /// Any other file, and device nodes, sockets, pipes.
    Other,
}
