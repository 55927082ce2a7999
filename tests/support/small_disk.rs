//! A disk that is soon full: a tmpfs of a few pages, which only root can mount.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of some KiB; it is taken away with the value.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at a folder; `None`, and loudly, where that is not allowed. In CI it must be.
    pub fn at(folder: &Path, kib: usize) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder");
        let size = format!("size={kib}k,mode=0777");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder.to_owned()));
        }
        let complaint = "SKIPPED: only root can mount a small disk";
        assert!(!is_ci(), "{complaint}");
        // Written past the macros, whose text the test runner keeps to itself where a test passes.
        writeln!(io::stderr(), "{complaint}").expect("standard error");
        None
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line that could read it first"
)]
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let taken = Command::new("umount").arg(&self.0).status();
        assert!(
            taken.is_ok_and(|status| status.success()),
            "{} stays mounted",
            self.0.display()
        );
    }
}
