//! Layers for images of tests: `FakeLayer::new().file("opt/a", b"…").link("bin", "usr/bin").gzip()`.

use std::io::Write as _;

use tar::{Builder, EntryType, Header};

/// A layer under construction.
pub struct FakeLayer {
    tar: Builder<Vec<u8>>,
}

impl Default for FakeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeLayer {
    /// A layer without files.
    pub fn new() -> Self {
        Self {
            tar: Builder::new(Vec::new()),
        }
    }

    /// A file.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        self.tar.append_data(&mut header, path, bytes).unwrap();
        self
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        self.tar.append_link(&mut header, path, target).unwrap();
        self
    }

    /// The bytes, not compressed.
    pub fn plain(self) -> Vec<u8> {
        self.tar.into_inner().unwrap()
    }

    /// The bytes, compressed by gzip.
    pub fn gzip(self) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&self.plain()).unwrap();
        encoder.finish().unwrap()
    }

    /// The bytes, compressed by zstd.
    pub fn zstd(self) -> Vec<u8> {
        zstd::encode_all(&self.plain()[..], 1).unwrap()
    }
}
