//! A root file system that is at hand, as a container sees its own: the same facts as from the layers of its image.
//!
//! Nothing is followed: a link is a link, as in a layer, and gets its meaning in the [`MergedTree`], within the root. What
//! is mounted over the image (`/proc`, memory, single files) is not the image's and is passed over; a volume on a disk is
//! looked into, since an image's `VOLUME` is one that runtimes fill with the image's files. What this process may not read
//! is known to be there, and no more.

mod mounts;
#[cfg(test)]
mod tests;

use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::OFlags;

use super::layer::{Gathering, Lens, Limits, ScanError, limit_met, source_failed};
use super::tree::MergedTree;
use crate::kmod::staged::Program;
use mounts::{Mounted, Mounts};

/// Bits of a file's mode that make it a program for somebody.
const EXECUTABLE: u32 = 0o111;

/// What of a root file system matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// What KMM's copy step takes out of a module image.
    ModuleImage {
        /// The name of the kernel's folder: files that are in no folder of that name are not read.
        kernel_folder: String,
    },
    /// What a driver toolkit says of its kernels.
    Toolkit,
}

/// Looks at the root file system at `root`. Blocks.
///
/// # Errors
///
/// Where the root itself cannot be read, and beyond the limits. What cannot be read below it is no error: the tree says
/// so in its place.
pub fn look(root: &Path, view: &View, limits: Limits) -> Result<MergedTree, ScanError> {
    let root = fs::canonicalize(root).map_err(ScanError::Source)?;
    let device = fs::metadata(&root).map_err(ScanError::Source)?.dev();
    let lens = match view {
        View::ModuleImage { .. } => Lens::ModuleImage,
        View::Toolkit => Lens::Toolkit,
    };
    let walk = Walk {
        view,
        gathering: Gathering::new(lens),
        mounts: Mounts::of_this_process(),
        allowance: Allowance {
            bytes: limits.unpacked,
            deadline: limits.deadline,
            broken_off: None,
        },
        todo: Vec::new(),
    };
    walk.below(root, device)
}

/// A walk under way.
struct Walk<'a> {
    view: &'a View,
    gathering: Gathering,
    mounts: Mounts,
    allowance: Allowance,
    /// Folders still to be looked into.
    todo: Vec<Place>,
}

/// A path, as this process opens it and as a container knows it.
#[derive(Clone)]
struct Place {
    at: PathBuf,
    /// Without a leading slash; empty for the root.
    path: String,
    /// The file system of the folder, or of the one that it is in.
    device: u64,
}

impl Walk<'_> {
    fn below(mut self, root: PathBuf, device: u64) -> Result<MergedTree, ScanError> {
        let entries = fs::read_dir(&root).map_err(ScanError::Source)?;
        let root = Place {
            at: root,
            path: String::new(),
            device,
        };
        self.folder(&root, entries)?;
        while let Some(place) = self.todo.pop() {
            match fs::read_dir(&place.at) {
                Ok(entries) => self.folder(&place, entries)?,
                Err(error) => self.gathering.closed(&place.path, &refusal(&error, &place.at))?,
            }
        }
        Ok(MergedTree::new(vec![Arc::new(self.gathering.finish()?)]))
    }

    fn folder(&mut self, folder: &Place, entries: fs::ReadDir) -> Result<(), ScanError> {
        for entry in entries {
            self.allowance.check().map_err(ScanError::from)?;
            match entry {
                Ok(entry) => self.entry(&folder.place_of(&entry), &entry)?,
                Err(error) => {
                    self.gathering.closed(&folder.path, &refusal(&error, &folder.at))?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, place: &Place, entry: &DirEntry) -> Result<(), ScanError> {
        // Without a right to enter the folder even this is refused.
        let Ok(metadata) = entry.metadata() else {
            return self.gathering.unread(&place.path, &cannot_be_looked_at(&place.at));
        };
        if metadata.is_dir() {
            self.gathering.dir(&place.path)?;
            if self.is_looked_into(place, &metadata) {
                self.todo.push(Place {
                    device: metadata.dev(),
                    ..place.clone()
                });
            }
            return Ok(());
        }
        if metadata.is_symlink() {
            return match fs::read_link(&place.at) {
                Ok(target) => self.gathering.link(&place.path, &target.to_string_lossy()),
                Err(_) => self.gathering.special(&place.path),
            };
        }
        if !metadata.is_file() || self.mounts.at(&place.at).is_some() {
            return self.gathering.special(&place.path);
        }
        self.file(place, &metadata)
    }

    fn file(&mut self, place: &Place, metadata: &Metadata) -> Result<(), ScanError> {
        if !self.is_read(&place.path) {
            let is_program = metadata.permissions().mode() & EXECUTABLE != 0;
            let program = if is_program { program(&place.at) } else { None };
            return self.gathering.plain(&place.path, program.unwrap_or_default());
        }
        let (size, file) = match open(&place.at) {
            Ok(opened) => opened,
            Err(error) => return self.gathering.unread(&place.path, &refusal(&error, &place.at)),
        };
        let body = Metered {
            file: file.take(size),
            allowance: &mut self.allowance,
        };
        let gathered = self.gathering.file(&place.path, size, body);
        match self.allowance.broken_off.take() {
            Some(error) => self.gathering.unread(&place.path, &error.to_string()),
            None => gathered,
        }
    }

    /// A file system that the table of mounts does not have, of whatever kind, shows by its number.
    fn is_looked_into(&self, folder: &Place, metadata: &Metadata) -> bool {
        match self.mounts.at(&folder.at) {
            Some(mounted) => mounted == Mounted::Volume,
            None => metadata.dev() == folder.device,
        }
    }

    fn is_read(&self, path: &str) -> bool {
        match self.view {
            View::Toolkit => self.gathering.wants(path),
            View::ModuleImage { kernel_folder } => path.split('/').any(|part| part == kernel_folder),
        }
    }
}

impl Place {
    fn place_of(&self, entry: &DirEntry) -> Self {
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        let path = if self.path.is_empty() {
            shown.into_owned()
        } else {
            format!("{}/{shown}", self.path)
        };
        Self {
            at: self.at.join(name),
            path,
            device: self.device,
        }
    }
}

/// What the walk may still cost.
struct Allowance {
    bytes: u64,
    deadline: Option<Instant>,
    /// Why the last file could not be read to its end, where that was not the walk's own limits.
    broken_off: Option<io::Error>,
}

impl Allowance {
    fn check(&self) -> io::Result<()> {
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let late = io::Error::new(io::ErrorKind::TimedOut, "reading it took too long");
            return Err(source_failed(late));
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> io::Result<()> {
        self.bytes = self
            .bytes
            .checked_sub(bytes as u64)
            .ok_or_else(|| limit_met("its modules have more bytes than this program reads"))?;
        self.check()
    }
}

/// A file's bytes, as far as the walk may cost.
struct Metered<'a> {
    file: io::Take<File>,
    allowance: &'a mut Allowance,
}

impl Read for Metered<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.file.read(into) {
            Ok(read) => self.allowance.take(read).map(|()| read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.allowance.broken_off = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Opens a regular file, and nothing that has taken its place meanwhile: no link, no pipe that would never end.
fn open(path: &Path) -> io::Result<(u64, File)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((metadata.len(), file))
    } else {
        Err(io::Error::other("it is no regular file any more"))
    }
}

/// What a program is to the kernel; none where it may not be read.
fn program(path: &Path) -> Option<Program> {
    let (_, file) = open(path).ok()?;
    let mut head = Vec::with_capacity(Program::HEAD);
    file.take(Program::HEAD as u64).read_to_end(&mut head).ok()?;
    Some(Program::told_by(&head))
}

/// Why something could not be read, as the end of a sentence.
fn refusal(error: &io::Error, path: &Path) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.to_string();
    }
    let user = rustix::process::geteuid().as_raw();
    match fs::symlink_metadata(path) {
        Ok(metadata) => format!(
            "user {user} may not read it (it belongs to user {}, with mode {:04o})",
            metadata.uid(),
            metadata.permissions().mode() & 0o7777
        ),
        Err(_) => format!("user {user} may not read it"),
    }
}

fn cannot_be_looked_at(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path);
    match fs::symlink_metadata(path) {
        Err(error) => refusal(&error, folder),
        Ok(_) => "it changed while it was looked at".to_owned(),
    }
}
