//! A module file: signed, and written as a whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

use crate::cli::{Ending, output};
use crate::kmod::facts::{ModuleFile, Signature};
use crate::kmod::signing::{MAX_MODULE, Signer};

/// Where the module file is not.
const FILE_ADVICE: &str =
    "IN is a module file here; an image is written oci:DIR:NAME or docker://REFERENCE, or comes with a --file";

/// Signs the module file `from` into `to`, which may be the same.
pub(super) fn sign(signer: &Signer, from: &Path, to: &Path) -> anyhow::Result<Ending> {
    let folder = folder_of(to);
    can_be_replaced(to, folder)?;
    let limit = usize::try_from(MAX_MODULE).unwrap_or(usize::MAX);
    let module = super::advised(super::read(from, limit), FILE_ADVICE)?;
    for note in notes(&module) {
        output::complain(&format!("note: {}: {note}", from.display()));
    }
    let signed = signer
        .signed(&module)
        .with_context(|| format!("cannot sign {}", from.display()))?;
    replace(from, to, folder, &signed).with_context(|| format!("cannot write {}", to.display()))?;
    output::print(&format!(
        "{}: signed by {}\n",
        to.display(),
        signer.certificate().subject()
    ))
}

/// What its owner may not know of a file.
fn notes(module: &[u8]) -> Vec<String> {
    let Ok(content) = ModuleFile::read(module).content else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    if let Err(defect) = content.elf {
        notes.push(format!("no kernel will load it, signed or not: {}", defect.message));
    }
    if let Signature::Pkcs7(signature) = content.signature {
        notes.push(format!(
            "it was signed already by {}; the kernel will look at the new signature alone",
            signature.signer
        ));
    }
    notes
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Whether a file can be put there. What is written takes the place of whatever bears its name: that must never be a device of
/// this machine, nor one of its links to a process's own files, as /dev/stdout is.
fn can_be_replaced(to: &Path, folder: &Path) -> anyhow::Result<()> {
    let name = to.display();
    ensure!(
        folder.is_dir(),
        "cannot write {name}: there is no folder {}; make it first",
        folder.display()
    );
    ensure!(!to.is_dir(), "cannot write {name}: it is a folder; name the file in it");
    let is_special = fs::metadata(to).is_ok_and(|file| !file.is_file());
    let leads_into_a_process = fs::read_link(to).is_ok_and(|target| target.starts_with("/proc"));
    ensure!(
        !is_special && !leads_into_a_process,
        "cannot write {name}: it is no regular file, and would be replaced by one; name a file as OUT"
    );
    Ok(())
}

/// Puts bytes in the place of a file, with the permissions of the one that they were made from.
fn replace(from: &Path, to: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(fs::metadata(from)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(to).map(drop).map_err(|error| error.error)
}
