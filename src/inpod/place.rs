//! Puts this program where the other containers of a pod find it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Failure;

/// Everybody may run it, and nobody may write to it.
const MODE: u32 = 0o555;

/// Copies `program` to `to`, executable: whoever looks there sees all of it or nothing. What stood there is replaced.
///
/// # Errors
///
/// Where the one cannot be read or the other cannot be written.
pub fn place(program: &Path, to: &Path) -> Result<(), Failure> {
    let copy = || -> io::Result<()> {
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut source = File::open(program)?;
        let mut copy = tempfile::Builder::new().prefix(".placing-").tempfile_in(folder)?;
        io::copy(&mut source, copy.as_file_mut())?;
        copy.as_file().set_permissions(Permissions::from_mode(MODE))?;
        copy.persist(to).map(drop).map_err(|error| error.error)
    };
    let doing = || format!("{} cannot be copied to {}", program.display(), to.display());
    copy().map_err(|error| Failure::of_file(&doing(), &error))
}
