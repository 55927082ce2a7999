//! The facts of a layer that is unpacked already: of a file system that is at hand.

use std::io::Read;

use super::build::Builder;
use super::paths::File;
use super::{LayerFacts, Lens, Looking, ScanError};
use crate::kmod::staged::Program;

/// Facts under way.
pub(in crate::inspect) struct Gathering {
    builder: Builder,
    looking: Looking,
}

impl Gathering {
    pub(in crate::inspect) fn new(lens: Lens) -> Self {
        Self {
            builder: Builder::default(),
            looking: Looking::new(lens),
        }
    }

    /// All that was gathered.
    pub(in crate::inspect) fn finish(self) -> Result<LayerFacts, ScanError> {
        Ok(LayerFacts {
            paths: self.builder.finish()?,
            contents: self.looking.contents,
        })
    }

    /// A folder stands there.
    pub(in crate::inspect) fn dir(&mut self, path: &str) -> Result<(), ScanError> {
        Ok(self.builder.dir(path)?)
    }

    /// A folder stands there, and what is in it is not known; why.
    pub(in crate::inspect) fn closed(&mut self, path: &str, why: &str) -> Result<(), ScanError> {
        Ok(self.builder.closed(path, why)?)
    }

    /// A symbolic link stands there.
    pub(in crate::inspect) fn link(&mut self, path: &str, target: &str) -> Result<(), ScanError> {
        Ok(self.builder.link(path, target)?)
    }

    /// A device node, a pipe or the like stands there.
    pub(in crate::inspect) fn special(&mut self, path: &str) -> Result<(), ScanError> {
        Ok(self.builder.other(path)?)
    }

    /// A file stands there whose content does not matter.
    pub(in crate::inspect) fn plain(&mut self, path: &str, program: Program) -> Result<(), ScanError> {
        Ok(self.builder.file(path, File { program, content: None })?)
    }

    /// A file stands there; where its content matters, it could not be had, and why.
    pub(in crate::inspect) fn unread(&mut self, path: &str, why: &str) -> Result<(), ScanError> {
        let file = self.looking.unread(path, why);
        Ok(self.builder.file(path, file)?)
    }

    /// A file of that size stands there.
    pub(in crate::inspect) fn file(&mut self, path: &str, size: u64, body: impl Read) -> Result<(), ScanError> {
        let file = self.looking.read(path, size, body)?;
        Ok(self.builder.file(path, file)?)
    }

    /// Whether a file's name says that its content matters.
    pub(in crate::inspect) fn wants(&self, path: &str) -> bool {
        self.looking.reader.wants(path)
    }
}
