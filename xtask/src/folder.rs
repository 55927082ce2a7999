//! A folder for what throw-away servers write, on the disk or in memory. It goes with them; where we are killed before,
//! the next one removes it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What the names of these folders begin with.
const PREFIX: &str = "kmm-preflight-";
/// The file in it that is locked as long as somebody has the folder.
const HELD: &str = "held";

/// What is in memory, where there is such a place.
const MEMORY: &str = "/dev/shm";
/// How much room that must have, in bytes: a control plane writes 150 MB, of which etcd sets aside 128 before it writes
/// anything; several may run at once, and others want memory too. Containers often have no more than 64 MB there.
const ROOM: u64 = 2 << 30;

/// A new folder, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _held: File,
}

impl Folder {
    /// Makes one in the system's folder for such, and removes those there that nobody has any more.
    pub(crate) fn create() -> anyhow::Result<Self> {
        sweep(&std::env::temp_dir());
        Self::create_in(&std::env::temp_dir())
    }

    /// Makes one in memory, where there is room, for little that is not to wait for a disk; else as [`Self::create`].
    pub(crate) fn create_in_memory() -> anyhow::Result<Self> {
        let memory = Path::new(MEMORY);
        sweep(memory);
        if has_room(memory) {
            Self::create_in(memory)
        } else {
            Self::create()
        }
    }

    fn create_in(parent: &Path) -> anyhow::Result<Self> {
        let path = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?.keep();
        // Under its name only when it is locked: nobody shall see it otherwise.
        let file = File::create_new(path.join("new"))?;
        file.lock()?;
        fs::rename(path.join("new"), path.join(HELD))?;
        Ok(Self { path, _held: file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Whether a place is there, with enough room, and we may write to it.
fn has_room(place: &Path) -> bool {
    let free = rustix::fs::statvfs(place).map_or(0, |place| place.f_bavail.saturating_mul(place.f_frsize));
    free >= ROOM && rustix::fs::access(place, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Removes the folders that nobody holds. Those of other users cannot be, and stay.
fn sweep(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let held = File::open(entry.path().join(HELD));
        if held.is_ok_and(|held| held.try_lock().is_ok()) {
            remove(&entry.path());
        }
    }
}

/// Removes a folder and what is in it, but never through a mount into what is mounted. What cannot be removed stays.
pub(crate) fn remove(folder: &Path) {
    if mounts_in(folder).is_empty() {
        let _ = fs::remove_dir_all(folder);
    }
}

/// What is mounted in the folder, in the order in which it was.
pub(crate) fn mounts_in(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from);
    places.filter(|place| place.starts_with(folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_gone_when_it_is_dropped() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "text").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn where_there_is_no_room_in_memory_none_is_taken() {
        assert!(!has_room(Path::new("/nowhere")));
        assert!(!has_room(Path::new("/proc")), "no file system has less room");
        let folder = Folder::create_in_memory().unwrap();
        let parent = if has_room(Path::new(MEMORY)) {
            PathBuf::from(MEMORY)
        } else {
            std::env::temp_dir()
        };
        assert_eq!(folder.path().parent(), Some(parent.as_path()));
    }

    #[test]
    fn only_folders_that_nobody_has_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            fs::create_dir(parent.path().join(name)).unwrap();
            File::create(parent.path().join(name).join(HELD)).unwrap()
        };
        drop(make("kmm-preflight-left"));
        let held = make("kmm-preflight-held");
        held.lock().unwrap();
        drop(make("somebody-elses"));
        fs::create_dir(parent.path().join("kmm-preflight-new")).unwrap();
        sweep(parent.path());
        let mut stay: Vec<_> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        stay.sort();
        assert_eq!(stay, ["kmm-preflight-held", "kmm-preflight-new", "somebody-elses"]);
    }
}
