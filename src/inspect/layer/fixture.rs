//! Layers for tests, built in memory: `Layer::new().file("opt/a", b"…").whiteout("b").gzip()`.

use std::io::Write;
use std::sync::Arc;

use tar::{EntryType, Header};

use super::{LayerFacts, Lens, Limits, ScanError, scan};

/// A tar under construction.
#[derive(Clone, Default)]
pub(crate) struct Layer {
    bytes: Vec<u8>,
}

impl Layer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.member(EntryType::Regular, path, "", bytes)
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.member(EntryType::Directory, path, "", b"")
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, path, target, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Link, path, target, b"")
    }

    pub(crate) fn whiteout(self, path: &str) -> Self {
        let (folder, name) = path
            .rsplit_once('/')
            .map_or((String::new(), path), |(f, n)| (format!("{f}/"), n));
        self.file(&format!("{folder}.wh.{name}"), b"")
    }

    pub(crate) fn opaque(self, folder: &str) -> Self {
        self.file(&format!("{folder}/.wh..wh..opq"), b"")
    }

    /// A member as it is told, without any care.
    pub(crate) fn member(self, kind: EntryType, path: &str, target: &str, body: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(body.len() as u64);
        let mut layer = self
            .long(EntryType::GNULongName, path)
            .long(EntryType::GNULongLink, target);
        let old = header.as_old_mut();
        old.name.iter_mut().zip(path.bytes()).for_each(|(to, byte)| *to = byte);
        old.linkname
            .iter_mut()
            .zip(target.bytes())
            .for_each(|(to, byte)| *to = byte);
        layer.put(header, body);
        layer
    }

    /// A header and a body, as they stand but for the checksum.
    pub(crate) fn put(&mut self, mut header: Header, body: &[u8]) {
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    /// PAX records for the next member.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        self.member(EntryType::XHeader, "pax", "", &pax(records))
    }

    fn long(self, kind: EntryType, text: &str) -> Self {
        if text.len() <= 100 {
            self
        } else {
            self.member(kind, "././@LongLink", "", format!("{text}\0").as_bytes())
        }
    }

    /// The tar so far, without the blocks that end it.
    pub(crate) fn open_end(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn tar(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }

    pub(crate) fn gzip(self) -> Vec<u8> {
        gzip(&self.tar())
    }

    pub(crate) fn zstd(self) -> Vec<u8> {
        zstd::encode_all(&self.tar()[..], 1).expect("zstd")
    }

    /// What a module image's lens sees in it.
    pub(crate) fn facts(self) -> Arc<LayerFacts> {
        self.facts_for(Lens::ModuleImage)
    }

    pub(crate) fn facts_for(self, lens: Lens) -> Arc<LayerFacts> {
        Arc::new(read(&self.tar(), lens).expect("a good layer"))
    }
}

/// Reads a layer's bytes.
pub(crate) fn read(bytes: &[u8], lens: Lens) -> Result<LayerFacts, ScanError> {
    scan(bytes, lens, Limits::default())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let digits = |n: usize| n.to_string().len();
        let mut length = rest.len() + 1;
        while digits(length) + rest.len() != length {
            length += 1;
        }
        text.extend_from_slice(format!("{length}{rest}").as_bytes());
    }
    text
}
