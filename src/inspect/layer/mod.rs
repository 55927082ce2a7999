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
pub use lens::{Content, KernelSample, Lens, matters};
pub use paths::{File, Kind, NodeId, PathTable};
pub use unpack::Limits;

use build::{Builder, TooManyPaths};
use names::Name;
use tarball::{Member, MemberKind, Tarball};

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
    let mut scan = Scan {
        builder: Builder::default(),
        contents: Vec::new(),
        reader: lens::Reader::new(lens),
    };
    let mut tarball = Tarball::new(unpack::open(reader, limits)?);
    while let Some(member) = tarball.next()? {
        scan.take(&member, tarball.body())?;
    }
    tarball.drain()?;
    Ok(LayerFacts {
        paths: scan.builder.finish()?,
        contents: scan.contents,
    })
}

/// A layer under way.
struct Scan {
    builder: Builder,
    contents: Vec<Content>,
    reader: lens::Reader,
}

impl Scan {
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
            MemberKind::Dir => self.builder.dir(path)?,
            MemberKind::Link(target) => self.builder.link(path, target)?,
            MemberKind::HardLink(target) => {
                let target = names::clean(target).map_err(ScanError::Damaged)?;
                self.builder.hard_link(path, &target)?;
            }
            MemberKind::Special => self.builder.other(path)?,
            MemberKind::Sparse => {
                let content = self.reader.sparse(path);
                let file = File {
                    machine: None,
                    content: self.keep(content),
                };
                self.builder.file(path, file)?;
            }
            MemberKind::File => {
                let (file, content) = self.reader.read(path, member, body)?;
                let content = self.keep(content);
                self.builder.file(path, File { content, ..file })?;
            }
        }
        Ok(())
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
