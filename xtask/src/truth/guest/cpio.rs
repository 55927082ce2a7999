//! An initial file system for a kernel: cpio in the format `newc` (the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

/// The archive, while it is being written.
#[derive(Default)]
pub(super) struct Cpio {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    count: u32,
}

impl Cpio {
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.parents(path);
        self.member(path, FILE, content);
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.member(path, LINK, target.as_bytes());
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.member("TRAILER!!!", 0, b"");
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            let folder = path.get(..at).unwrap_or_default();
            if !folder.is_empty() && self.folders.insert(folder.to_owned()) {
                self.member(folder, FOLDER, b"");
            }
        }
    }

    fn member(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.count += 1;
        let (name, size) = (path.len() + 1, content.len());
        let count = self.count;
        let header = format!(
            "070701{count:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{size:08x}",
            0, 0, 1, 0
        );
        self.bytes
            .extend_from_slice(format!("{header}{:08x}{:08x}{:08x}{:08x}{name:08x}{:08x}", 0, 0, 0, 0, 0).as_bytes());
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
