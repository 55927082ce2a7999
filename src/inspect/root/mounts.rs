//! Where other file systems are mounted, as this process sees them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The largest table of mounts that is read, in bytes: a container has some dozens of lines of 200 bytes.
const TABLE_CAP: u64 = 4 << 20;

/// The paths at which something is mounted.
///
/// The number of a file's device tells most mounts apart, but not a volume of the same file system as the root (as with
/// containerd's `native` snapshotter).
#[derive(Debug, Default)]
pub(super) struct Mounts {
    points: BTreeMap<PathBuf, Mounted>,
}

/// What is mounted somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mounted {
    /// A file system that may hold files of the image: a disk's.
    Volume,
    /// One of the kernel's own, or memory.
    Pseudo,
}

/// The file systems that have no files of an image on them: the kernel's own, and memory (`/proc/filesystems`).
const PSEUDO: [&str; 19] = [
    "proc",
    "sysfs",
    "tmpfs",
    "devtmpfs",
    "devpts",
    "mqueue",
    "cgroup",
    "cgroup2",
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
    "nsfs",
    "hugetlbfs",
    "configfs",
    "pstore",
    "efivarfs",
    "autofs",
    "binfmt_misc",
];

impl Mounts {
    /// The mounts of this process; none where `/proc` does not tell.
    pub(super) fn of_this_process() -> Self {
        let mut table = Vec::new();
        let read = File::open("/proc/self/mountinfo").and_then(|file| file.take(TABLE_CAP).read_to_end(&mut table));
        if read.is_ok() {
            Self::parse(&table)
        } else {
            Self::default()
        }
    }

    /// What is mounted at a path, if something is.
    pub(super) fn at(&self, path: &Path) -> Option<Mounted> {
        self.points.get(path).copied()
    }

    /// Reads `mountinfo`, whose fifth field is the mount point; the kind of file system follows a lone dash
    /// (`proc_pid_mountinfo(5)`). Of several mounts at one place the last one shows.
    fn parse(table: &[u8]) -> Self {
        let point = |line: &[u8]| {
            let mut fields = line.split(|byte| *byte == b' ');
            let at = PathBuf::from(OsString::from_vec(unescaped(fields.nth(4)?)));
            let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
            let is_pseudo = PSEUDO.iter().any(|pseudo| pseudo.as_bytes() == kind);
            Some((at, if is_pseudo { Mounted::Pseudo } else { Mounted::Volume }))
        };
        Self {
            points: table.split(|byte| *byte == b'\n').filter_map(point).collect(),
        }
    }
}

/// White space and backslashes stand there as three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = escaped.filter(|_| *first == b'\\') {
            bytes.push(byte);
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let table = b"22 1 0:20 / / rw - overlay overlay rw\n\
                      23 22 0:21 / /proc rw,nosuid - proc proc rw\n\
                      24 22 8:1 /vol /with\\040space rw - ext4 /dev/sda rw\n\
                      broken line\n";
        let mounts = Mounts::parse(table);
        for (path, expected) in [
            ("/", Some(Mounted::Volume)),
            ("/proc", Some(Mounted::Pseudo)),
            ("/with space", Some(Mounted::Volume)),
            ("/proc/1", None),
        ] {
            assert_eq!(mounts.at(Path::new(path)), expected, "{path}");
        }
        assert_eq!(mounts.points.len(), 3);
    }

    #[test]
    fn this_process_knows_of_its_own_proc() {
        let mounts = Mounts::of_this_process();
        assert_eq!(mounts.at(Path::new("/proc")), Some(Mounted::Pseudo));
    }
}
