//! A root file system put together from Debian's packages, which are unpacked and not installed: none of their scripts runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::process::run;

/// What no container needs of a package.
const LEFT_OUT: [&str; 11] = [
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/info",
    "./usr/share/locale",
    "./usr/share/lintian",
    "./usr/lib/*/gconv",
    // Of a compiler, what makes programs, not modules; of a kernel, itself.
    "./usr/lib/gcc/*/lto1",
    "./usr/lib/gcc/*.a",
    "./usr/lib/*/lib*san.so*",
    "./boot/vmlinuz-*",
    "./boot/System.map-*",
];

/// Folders that packages expect, beside those of `/usr`.
const FOLDERS: [&str; 8] = ["dev", "etc", "proc", "root", "run", "sys", "tmp", "var/tmp"];

/// Those of them in which everybody may write.
const SHARED: [&str; 2] = ["tmp", "var/tmp"];

/// Folders that are links into `/usr`.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// The user of a container, by name: programs look it up.
const USERS: &str = "root:x:0:0:root:/root:/bin/sh\n";

/// Packages of the Debian that this machine's apt knows, in the versions that it would take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Packages {
    /// As apt prints them: address, file, size, hash.
    lines: Vec<String>,
}

impl Packages {
    /// These alone.
    pub(super) fn these(names: &[&str]) -> anyhow::Result<Self> {
        Self::ask(&["download"], names)
    }

    /// These, and whatever they depend on.
    pub(super) fn with_dependencies(names: &[&str]) -> anyhow::Result<Self> {
        let nothing_installed = ["-oDir::State::status=/dev/null", "--no-install-recommends", "install"];
        Self::ask(&nothing_installed, names)
    }

    fn ask(task: &[&str], names: &[&str]) -> anyhow::Result<Self> {
        let mut apt = apt();
        let printed = run(apt
            .args(["-oDebug::NoLocking=1", "--print-uris"])
            .args(task)
            .args(names))
        .context("Debian's apt is asked for packages; `apt-get update` where it does not know them")?;
        let lines = printed.lines().filter(|line| line.starts_with('\'')).map(str::to_owned);
        Ok(Self { lines: lines.collect() })
    }

    /// All of both, each once.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.lines.extend(others.lines);
        self.lines.sort_unstable();
        self.lines.dedup();
        self
    }

    /// What tells these packages from others, and from other versions of them.
    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let files = self.lines.iter().filter_map(|line| line.split(' ').nth(1));
        files.filter_map(|file| file.split('_').next())
    }

    /// Fetches and unpacks them into an empty folder, which becomes the root of a file system.
    pub(super) fn unpack(&self, root: &Path) -> anyhow::Result<()> {
        lay_out(root)?;
        let fetched = tempfile::tempdir()?;
        run(apt().current_dir(fetched.path()).arg("download").args(self.names()))?;
        for entry in fs::read_dir(fetched.path())? {
            unpack(&entry?.path(), root)?;
        }
        run(Command::new("/sbin/ldconfig").arg("-r").arg(root))?;
        Ok(())
    }
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    // A folder of root's is closed to apt's own user.
    apt.args(["-qq", "-oAPT::Sandbox::User=root"]);
    apt
}

fn lay_out(root: &Path) -> anyhow::Result<()> {
    for name in MERGED {
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    for name in FOLDERS {
        fs::create_dir_all(root.join(name))?;
    }
    for name in SHARED {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o1777))?;
    }
    fs::write(root.join("etc/passwd"), USERS)?;
    fs::write(root.join("etc/group"), "root:x:0:\n")?;
    Ok(())
}

/// `dpkg -x` would replace our links into `/usr` by folders; tar can be told to keep them.
fn unpack(package: &PathBuf, root: &Path) -> anyhow::Result<()> {
    let mut dpkg = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("dpkg-deb does not start")?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--keep-directory-symlink"]).arg("-C").arg(root);
    tar.args(LEFT_OUT.map(|pattern| format!("--exclude={pattern}")));
    tar.stdin(dpkg.stdout.take().context("dpkg-deb without its output")?);
    let unpacked = run(&mut tar).with_context(|| format!("{} is not unpacked", package.display()));
    let status = dpkg.wait()?;
    anyhow::ensure!(status.success(), "dpkg-deb {} failed ({status})", package.display());
    unpacked.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(lines: &[&str]) -> Packages {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        Packages { lines }
    }

    #[test]
    fn the_name_of_a_package_is_what_its_file_begins_with() {
        let given = packages(&["'http://d/p/m/make/make_4.3-4.1_amd64.deb' make_4.3-4.1_amd64.deb 395632 SHA256:ab"]);
        assert_eq!(given.names().collect::<Vec<_>>(), ["make"]);
    }

    #[test]
    fn packages_that_both_name_are_taken_once() {
        let both = packages(&["a", "c"]).and(packages(&["b", "c"]));
        assert_eq!(both, packages(&["a", "b", "c"]));
    }
}
