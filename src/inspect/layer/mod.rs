//! One layer, read once: the paths it has and hides, and what matters of its files' contents.
//!
//! The layer is decompressed and searched as it streams by. Nothing is unpacked to disk; memory holds the paths
//! and the one kernel module that is being read. A layer's facts depend on its bytes and the lens alone, so they
//! are cached by its digest.

mod attributes;
mod build;
mod defect;
mod gathering;
mod lens;
mod names;
mod paths;
mod pax;
mod survey;
mod tarball;
mod unpack;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Read};

use serde::{Deserialize, Serialize};

pub use attributes::Attributes;
pub use defect::ScanError;
pub(super) use defect::{limit_met, source_failed};
pub(super) use gathering::Gathering;
pub use lens::{Content, KernelSample, Lens, matters};
pub use paths::{File, Kind, NodeId, PathTable};
pub use survey::{Stored, Survey, Taken, take_out};
pub use unpack::Limits;

use build::{Builder, TooManyPaths};
use names::Name;
use tarball::{Member, MemberKind, Tarball};

use crate::kmod::staged::Program;

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
    let (paths, Looking { contents, .. }) = walk(reader, limits, Looking::new(lens))?;
    Ok(LayerFacts { paths, contents })
}

/// What is kept of the members of a layer.
trait Keep {
    /// A regular file, sparse or not; what is returned stands for it among the paths.
    fn file<R: BufRead>(&mut self, path: &str, member: &Member, tarball: &mut Tarball<R>) -> Result<File, ScanError>;

    /// A folder that has a member of its own.
    fn folder<R: BufRead>(&mut self, path: &str, tarball: &Tarball<R>) -> Result<(), ScanError>;
}

/// Walks through a layer to its end.
fn walk<R: Read, K: Keep>(reader: R, limits: Limits, keep: K) -> Result<(PathTable, K), ScanError> {
    let mut scan = Scan {
        builder: Builder::default(),
        keep,
    };
    let mut tarball = Tarball::new(unpack::open(reader, limits)?);
    while let Some(member) = tarball.next()? {
        scan.take(&member, &mut tarball)?;
    }
    tarball.drain()?;
    Ok((scan.builder.finish()?, scan.keep))
}

/// A layer under way.
struct Scan<K> {
    builder: Builder,
    keep: K,
}

impl<K: Keep> Scan<K> {
    fn take<R: BufRead>(&mut self, member: &Member, tarball: &mut Tarball<R>) -> Result<(), ScanError> {
        match names::parse(&member.name).map_err(ScanError::Damaged)? {
            Name::Path(path) => self.take_path(&path, member, tarball),
            Name::Whiteout(path) => Ok(self.builder.whiteout(&path)?),
            Name::Opaque(path) => Ok(self.builder.opaque(&path)?),
            Name::Bookkeeping => Ok(()),
        }
    }

    fn take_path<R: BufRead>(
        &mut self,
        path: &str,
        member: &Member,
        tarball: &mut Tarball<R>,
    ) -> Result<(), ScanError> {
        match &member.kind {
            MemberKind::Dir => {
                self.keep.folder(path, tarball)?;
                self.builder.dir(path)?;
            }
            MemberKind::Link(target) => self.builder.link(path, target)?,
            MemberKind::HardLink(target) => {
                let target = names::clean(target).map_err(ScanError::Damaged)?;
                self.builder.hard_link(path, &target)?;
            }
            MemberKind::Special => self.builder.other(path)?,
            MemberKind::Sparse | MemberKind::File => {
                let file = self.keep.file(path, member, tarball)?;
                self.builder.file(path, file)?;
            }
        }
        Ok(())
    }
}

/// Keeps what a lens shows of files.
struct Looking {
    contents: Vec<Content>,
    reader: lens::Reader,
}

impl Keep for Looking {
    fn file<R: BufRead>(&mut self, path: &str, member: &Member, tarball: &mut Tarball<R>) -> Result<File, ScanError> {
        if member.kind == MemberKind::Sparse {
            const WHY: &str = "it is stored with holes (a sparse file), which this program does not fill in";
            return Ok(self.unread(path, WHY));
        }
        self.read(path, member.size, tarball.body())
    }

    fn folder<R: BufRead>(&mut self, _path: &str, _tarball: &Tarball<R>) -> Result<(), ScanError> {
        Ok(())
    }
}

impl Looking {
    fn new(lens: Lens) -> Self {
        Self {
            contents: Vec::new(),
            reader: lens::Reader::new(lens),
        }
    }

    fn read(&mut self, path: &str, size: u64, body: impl Read) -> Result<File, ScanError> {
        let (file, content) = self.reader.read(path, size, body)?;
        let content = self.keep(content);
        Ok(File { content, ..file })
    }

    /// A file whose bytes cannot be had, which matters where the lens wants them.
    fn unread(&mut self, path: &str, why: &str) -> File {
        let content = self.reader.wants(path).then(|| Content::Unreadable(why.to_owned()));
        File {
            program: Program::Unknown,
            content: self.keep(content),
        }
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
