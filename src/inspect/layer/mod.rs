//! One layer, read once: the paths it has and hides, and what matters of its files' contents.
//!
//! The layer is decompressed and searched as it streams by. Nothing is unpacked to disk; memory holds the paths
//! and the one kernel module that is being read. A layer's facts depend on its bytes and the lens alone, so they
//! are cached by its digest.

mod build;
mod defect;
mod lens;
mod names;
mod paths;
mod pax;
mod tarball;
mod unpack;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::io::Read;

use serde::{Deserialize, Serialize};

pub use defect::ScanError;
pub(super) use defect::{limit_met, source_failed};
pub use lens::{Content, KernelSample, Lens, matters};
pub(super) use lens::{HEAD, elf_machine};
pub use paths::{File, Kind, NodeId, PathTable};
pub use unpack::Limits;

use build::{Builder, TooManyPaths};
use names::Name;
use tarball::{Member, MemberKind, Tarball};

/// Why the content of a sparse file is not known: its bytes are not in the layer as they will be on the node.
const SPARSE: &str = "it is stored with holes (a sparse file), which this program does not fill in";

/// What is known of one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFacts {
    paths: PathTable,
    contents: Vec<Content>,
}

impl LayerFacts {
    /// The layer's paths.
    pub const fn paths(&self) -> &PathTable {
        &self.paths
    }

    /// What was read of a file of this layer; `None` where its content does not matter.
    pub fn content(&self, file: File) -> Option<&Content> {
        self.contents.get(usize::try_from(file.content?).ok()?)
    }
}

/// Reads one layer to its end.
///
/// # Errors
///
/// Where the bytes cannot be had, where no container runtime could unpack them, and beyond the limits.
pub fn scan<R: Read>(reader: R, lens: Lens, limits: Limits) -> Result<LayerFacts, ScanError> {
    let mut scan = Scan::new(lens);
    let mut tarball = Tarball::new(unpack::open(reader, limits)?);
    while let Some(member) = tarball.next()? {
        scan.take(&member, tarball.body())?;
    }
    tarball.drain()?;
    scan.finish()
}

/// Facts under way: of a layer, or of a file system that is at hand.
pub(super) struct Scan {
    builder: Builder,
    contents: Vec<Content>,
    reader: lens::Reader,
}

impl Scan {
    pub(super) fn new(lens: Lens) -> Self {
        Self {
            builder: Builder::default(),
            contents: Vec::new(),
            reader: lens::Reader::new(lens),
        }
    }

    pub(super) fn finish(self) -> Result<LayerFacts, ScanError> {
        Ok(LayerFacts {
            paths: self.builder.finish()?,
            contents: self.contents,
        })
    }

    fn take(&mut self, member: &Member, body: impl Read) -> Result<(), ScanError> {
        match names::parse(&member.name).map_err(ScanError::Damaged)? {
            Name::Path(path) => self.take_path(&path, member, body),
            Name::Whiteout(path) => Ok(self.builder.whiteout(&path)?),
            Name::Opaque(path) => Ok(self.builder.opaque(&path)?),
            Name::Bookkeeping => Ok(()),
        }
    }

    fn take_path(&mut self, path: &str, member: &Member, body: impl Read) -> Result<(), ScanError> {
        match &member.kind {
            MemberKind::Dir => self.dir(path),
            MemberKind::Link(target) => self.link(path, target),
            MemberKind::HardLink(target) => {
                let target = names::clean(target).map_err(ScanError::Damaged)?;
                Ok(self.builder.hard_link(path, &target)?)
            }
            MemberKind::Special => self.special(path),
            MemberKind::Sparse => self.unread(path, SPARSE),
            MemberKind::File => self.file(path, member.size, body),
        }
    }

    /// A folder stands there.
    pub(super) fn dir(&mut self, path: &str) -> Result<(), ScanError> {
        Ok(self.builder.dir(path)?)
    }

    /// A folder stands there, and what is in it is not known; why.
    pub(super) fn closed(&mut self, path: &str, why: &str) -> Result<(), ScanError> {
        Ok(self.builder.closed(path, why)?)
    }

    /// A symbolic link stands there.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), ScanError> {
        Ok(self.builder.link(path, target)?)
    }

    /// A device node, a pipe or the like stands there.
    pub(super) fn special(&mut self, path: &str) -> Result<(), ScanError> {
        Ok(self.builder.other(path)?)
    }

    /// A file stands there whose content does not matter.
    pub(super) fn plain(&mut self, path: &str, machine: Option<u16>) -> Result<(), ScanError> {
        Ok(self.builder.file(path, File { machine, content: None })?)
    }

    /// A file stands there; where its content matters, it could not be had, and why.
    pub(super) fn unread(&mut self, path: &str, why: &str) -> Result<(), ScanError> {
        let content = self.reader.wants(path).then(|| Content::Unreadable(why.to_owned()));
        let content = self.keep(content);
        Ok(self.builder.file(path, File { machine: None, content })?)
    }

    /// A file of that size stands there.
    pub(super) fn file(&mut self, path: &str, size: u64, body: impl Read) -> Result<(), ScanError> {
        let (file, content) = self.reader.read(path, size, body)?;
        let content = self.keep(content);
        Ok(self.builder.file(path, File { content, ..file })?)
    }

    /// Whether a file's name says that its content matters.
    pub(super) fn wants(&self, path: &str) -> bool {
        self.reader.wants(path)
    }

    fn keep(&mut self, content: Option<Content>) -> Option<u32> {
        let at = u32::try_from(self.contents.len()).ok()?;
        self.contents.push(content?);
        Some(at)
    }
}

impl From<TooManyPaths> for ScanError {
    fn from(TooManyPaths: TooManyPaths) -> Self {
        Self::TooLarge("it has more files, or longer names, than this program reads".to_owned())
    }
}
