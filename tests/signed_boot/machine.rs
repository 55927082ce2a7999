//! A machine in QEMU that boots a kernel, and what stands on its console in the end. It is emulated: KVM inside of other
//! machines is not to be relied on, and saves ten seconds.

use std::path::Path;
use std::process::Command;

use xtask::firmware::Firmware;

/// How long it may take, in seconds; alone it takes 15, beside seven others minutes.
const DEADLINE: &str = "600";

/// Insist on signatures, and end where the kernel dies. On a busy machine an emulated timer is late, which is none of its faults.
const COMMAND_LINE: &str = "console=ttyS0 module.sig_enforce=1 panic=-1 no_timer_check";

/// What a kernel said.
pub(crate) struct Said {
    pub(crate) console: String,
}

/// Boots a kernel with this firmware and this initrd, until it powers itself off.
pub(crate) fn boot(root: &Path, release: &str, firmware: &Firmware, initrd: &Path) -> Said {
    let mut command = Command::new("timeout");
    command
        .args([DEADLINE, "qemu-system-x86_64", "-accel", "tcg", "-m", "512"])
        .args(["-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none"])
        .args(firmware.arguments())
        .arg("-kernel")
        .arg(root.join("debian/boot").join(format!("vmlinuz-{release}")))
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", COMMAND_LINE]);
    let output = command.output().expect("timeout, of coreutils");
    let console = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {output:?}\n{console}");
    Said { console }
}

impl Said {
    /// Whether a module was loaded, and what was said of it.
    pub(crate) fn outcome(&self, name: &str) -> (bool, &str) {
        let told = |line: &&str| line.contains(&format!("loaded {name}")) || line.contains(&format!("refused {name}:"));
        let line = self.console.lines().map(str::trim_end).find(told);
        let line = line.unwrap_or_else(|| panic!("nothing is said of {name}:\n{}", self.console));
        (line.contains("loaded "), line)
    }
}
