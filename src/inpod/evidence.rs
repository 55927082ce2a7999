//! What a driver toolkit says, from the container that reads it to the one that judges: one file in a folder that they
//! share.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use super::Failure;
use super::whole::write_whole;
use crate::kmod::toolkit::ToolkitEvidence;

/// The first bytes of such a file. The same program writes and reads it; another version's file is not read.
const HEADER: &str = concat!("kmm-preflight ", env!("CARGO_PKG_VERSION"), " toolkit\n");

/// The largest such file, in bytes. A distribution's kernel needs 3 MB.
const FILE_CAP: u64 = 256 << 20;

/// Whoever judges runs as another user.
const MODE: u32 = 0o444;

/// Writes a toolkit's facts: the file is there whole, or not at all.
pub(super) fn write(evidence: &ToolkitEvidence, to: &Path) -> Result<(), Failure> {
    let bytes = postcard::to_stdvec(evidence)
        .map_err(|error| Failure::lasting(format!("the toolkit's facts cannot be written down: {error}")))?;
    let written = write_whole(to, MODE, |file| {
        file.write_all(HEADER.as_bytes())?;
        file.write_all(&bytes)
    });
    let doing = || format!("the toolkit's facts cannot be written to {}", to.display());
    written.map_err(|error| Failure::of_file(&doing(), &error))
}

/// Reads a toolkit's facts.
pub(super) fn read(from: &Path) -> Result<ToolkitEvidence, Failure> {
    let about = |why: &str| format!("the toolkit's facts in {} cannot be read: {why}", from.display());
    let mut bytes = Vec::new();
    File::open(from)
        .and_then(|file| file.take(FILE_CAP + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::lasting(about(&error.to_string())))?;
    if bytes.len() as u64 > FILE_CAP {
        let why = format!("the file has more than {} MiB", FILE_CAP >> 20);
        return Err(Failure::lasting(about(&why)));
    }
    let facts = bytes.strip_prefix(HEADER.as_bytes());
    let facts = facts.ok_or_else(|| Failure::lasting(about("another version of this program wrote them")))?;
    postcard::from_bytes(facts).map_err(|error| Failure::lasting(about(&error.to_string())))
}
