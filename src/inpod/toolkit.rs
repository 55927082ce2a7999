//! Reads the driver toolkit in whose image this runs.

use std::path::PathBuf;
use std::time::Instant;

use super::{Failure, evidence};
use crate::inspect::layer::{Limits, ScanError};
use crate::inspect::root::{View, look};
use crate::kmod::toolkit::ToolkitEvidence;

/// What is to be read, and where the facts go.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The target kernel, as `uname -r` will print it.
    pub kernel: String,
    /// The image, for messages.
    pub image: String,
    /// Its root.
    pub root: PathBuf,
    /// The file for the facts.
    pub to: PathBuf,
    /// When it has to be done.
    pub deadline: Option<Instant>,
}

/// Reads what a toolkit says of a kernel, and writes it down.
///
/// # Errors
///
/// Where the root cannot be read, where its kernels may be in folders that this user may not read, and where the facts
/// cannot be written. A toolkit of another kernel is no error: the judge says so.
pub fn read_toolkit(reading: &Reading) -> Result<(), Failure> {
    let limits = Limits {
        deadline: reading.deadline,
        ..Limits::default()
    };
    let tree = look(&reading.root, &View::Toolkit, limits).map_err(|error| unreadable(reading, &error))?;
    let found = tree.toolkit(&reading.image, &reading.kernel);
    if lacks_symbols(&found)
        && let [first, ..] = tree.closed_toolkit_folders().as_slice()
    {
        let Reading { kernel, image, .. } = reading;
        return Err(Failure::lasting(format!(
            "what {image} says of {kernel} cannot be told: {first}; let everybody read the folder"
        )));
    }
    evidence::write(&found, &reading.to)
}

/// Whether a toolkit says nothing of the kernel's symbols, as if it were none of that kernel.
fn lacks_symbols(evidence: &ToolkitEvidence) -> bool {
    match evidence {
        ToolkitEvidence::Found(toolkit) => toolkit.symvers.is_none(),
        _ => true,
    }
}

fn unreadable(reading: &Reading, error: &ScanError) -> Failure {
    let message = format!("the driver toolkit {} could not be read: {error}", reading.image);
    match error {
        ScanError::Source(_) => Failure::passing(message),
        ScanError::Damaged(_) | ScanError::TooLarge(_) => Failure::lasting(message),
    }
}
