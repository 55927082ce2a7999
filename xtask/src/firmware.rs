//! Debian's UEFI firmware for QEMU, with certificates in its `db`. Debian's kernels trust those for modules.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::process::run;

/// Whose certificates these are: any GUID will do.
const OWNER: &str = "7c3f5e0e-6f0b-4e54-8a53-2a6a3c1d9b70";

/// Firmware for one or more machines. None of them writes into it.
pub struct Firmware {
    code: PathBuf,
    variables: PathBuf,
}

impl Firmware {
    /// Firmware that trusts these certificates; what is made for it goes into `folder`. The firmware itself, and what
    /// writes into it, are fetched from Debian and PyPI into `root`, once.
    ///
    /// # Errors
    /// Where one of them cannot be had, or refuses a certificate.
    pub fn trusting(certificates: &[PathBuf], root: &Path, folder: &Path) -> anyhow::Result<Self> {
        fetch(root)?;
        let shelf = root.join("debian/usr/share/OVMF");
        let variables = folder.join("firmware-variables.fd");
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", root.join("python"))
            .arg(root.join("python/bin/virt-fw-vars"))
            .arg("--input")
            .arg(shelf.join("OVMF_VARS_4M.fd"))
            .arg("--output")
            .arg(&variables);
        for certificate in certificates {
            command.args(["--add-db", OWNER]).arg(certificate);
        }
        run(&mut command)?;
        Ok(Self {
            code: shelf.join("OVMF_CODE_4M.fd"),
            variables,
        })
    }

    /// What `qemu-system-x86_64` is told of it. What a machine writes into its variables is forgotten with it.
    pub fn arguments(&self) -> Vec<String> {
        let drive = |unit: u8, how: &str, file: &Path| {
            let file = file.display();
            [
                "-drive".to_owned(),
                format!("if=pflash,format=raw,unit={unit},{how}=on,file={file}"),
            ]
        };
        let machine = ["-machine".to_owned(), "q35".to_owned()];
        let code = drive(0, "readonly", &self.code);
        [machine, code, drive(1, "snapshot", &self.variables)].concat()
    }
}

fn fetch(root: &Path) -> anyhow::Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("truth/firmware.sh");
    let status = Command::new("bash").arg(script).arg(root).status()?;
    status.success().then_some(()).context("there is no firmware to be had")
}
