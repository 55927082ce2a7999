//! Debian's UEFI firmware for QEMU, with certificates in its `db`. Debian's kernels trust those for modules.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whose certificates these are: any GUID will do.
const OWNER: &str = "7c3f5e0e-6f0b-4e54-8a53-2a6a3c1d9b70";

/// A file of the firmware's package.
pub(crate) fn file(root: &Path, name: &str) -> PathBuf {
    root.join("debian/usr/share/OVMF").join(name)
}

/// The firmware's variables, with these certificates in `db`.
pub(crate) fn trusting(root: &Path, certificates: &[PathBuf], folder: &Path) -> PathBuf {
    let vars = folder.join("vars.fd");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root.join("python"));
    command.arg(root.join("python/bin/virt-fw-vars"));
    command
        .arg("--input")
        .arg(file(root, "OVMF_VARS_4M.fd"))
        .arg("--output")
        .arg(&vars);
    for certificate in certificates {
        command.args(["--add-db", OWNER]).arg(certificate);
    }
    let output = command.output().expect("python3");
    assert!(output.status.success(), "virt-fw-vars: {output:?}");
    vars
}
