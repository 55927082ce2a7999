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

    /// Another name of a file.
    #[must_use]
    pub fn hard_link(mut self, path: &str, target: &str) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Link);
        header.set_size(0);
        self.tar.append_link(&mut header, path, target).unwrap();
        self
    }

    /// A path of the layers below that is gone.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap();
        self.file(&format!("{folder}/.wh.{name}"), b"")
    }

    /// A file, or a folder (its path ends in a slash), with this mode, owner and time, and with these PAX records.
    #[must_use]
    pub fn member(mut self, path: &str, bytes: &[u8], mode: u32, records: &[(&str, &str)]) -> Self {
        let records = records.iter().map(|(key, value)| (*key, value.as_bytes()));
        self.tar.append_pax_extensions(records).unwrap();
        let mut header = Header::new_ustar();
        header.set_mode(mode);
        header.set_uid(1001);
        header.set_gid(1002);
        header.set_mtime(1_600_000_000);
        header.set_username("builder").unwrap();
        header.set_size(bytes.len() as u64);
        if path.ends_with('/') {
            header.set_entry_type(EntryType::Directory);
        }
        self.tar.append_data(&mut header, path, bytes).unwrap();
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
