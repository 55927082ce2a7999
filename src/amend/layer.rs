//! The new layer: files in their new form and the folders above them, in a tar that is compressed and hashed as it is
//! written.

use std::collections::BTreeSet;
use std::io::{self, Write};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::document::Packing;
use crate::image::{Digest, DigestAlgorithm};
use crate::inspect::layer::{Attributes, Survey, Taken};
use crate::registry::NewBlob;

/// The two blocks of zeros that end a tar.
const END: [u8; 1024] = [0; 1024];
/// How hard zstd tries: its own default.
const ZSTD_LEVEL: i32 = 3;

/// A layer under way.
pub(super) struct LayerWriter {
    out: Packer,
    plain: Context,
    folders: BTreeSet<String>,
}

/// A layer that is done: its blob, and the digest of its tar.
pub(super) struct Finished {
    pub(super) blob: NewBlob,
    pub(super) diff_id: Digest,
}

enum Packer {
    Plain(NewBlob),
    Gzip(Box<GzEncoder<NewBlob>>),
    Zstd(Box<ZstdEncoder<'static, NewBlob>>),
}

impl LayerWriter {
    pub(super) fn new(blob: NewBlob, packing: Packing) -> io::Result<Self> {
        let out = match packing {
            Packing::Plain => Packer::Plain(blob),
            Packing::Gzip => Packer::Gzip(Box::new(GzEncoder::new(blob, Compression::default()))),
            Packing::Zstd => Packer::Zstd(Box::new(ZstdEncoder::new(blob, ZSTD_LEVEL)?)),
        };
        Ok(Self {
            out,
            plain: Context::new(&SHA256),
            folders: BTreeSet::new(),
        })
    }

    /// Adds a file with the attributes of the one whose place it takes. The folders above it come first, as the topmost
    /// layer that tells of each has them: a folder that a layer does not tell of gets other attributes on a node.
    pub(super) fn add(&mut self, path: &str, file: &Taken, bytes: &[u8], surveys: &[Survey]) -> io::Result<()> {
        for (end, _) in path.match_indices('/') {
            let folder = path.get(..end).unwrap_or_default();
            let told = surveys.iter().rev().find_map(|survey| survey.folder(folder));
            if let Some(attributes) = told
                && self.folders.insert(folder.to_owned())
            {
                attributes.write_folder(self, folder)?;
            }
        }
        let attributes: &Attributes = &file.attributes;
        attributes.write_file(self, path, bytes)
    }

    pub(super) fn finish(mut self) -> io::Result<Finished> {
        self.write_all(&END)?;
        let blob = match self.out {
            Packer::Plain(blob) => blob,
            Packer::Gzip(encoder) => encoder.finish()?,
            Packer::Zstd(encoder) => encoder.finish()?,
        };
        let hash = self.plain.finish();
        let diff_id = Digest::from_bytes(DigestAlgorithm::Sha256, hash.as_ref());
        Ok(Finished {
            blob,
            diff_id: diff_id.expect("invariant: a hash has its algorithm's length"),
        })
    }
}

impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.out {
            Packer::Plain(out) => out.write(bytes),
            Packer::Gzip(out) => out.write(bytes),
            Packer::Zstd(out) => out.write(bytes),
        }?;
        self.plain.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Packer::Plain(out) => out.flush(),
            Packer::Gzip(out) => out.flush(),
            Packer::Zstd(out) => out.flush(),
        }
    }
}
