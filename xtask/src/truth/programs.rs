//! Programs of Debian's packages for a kernel's architecture, with what they are linked to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::kernel::Architecture;
use crate::process::run;

/// Where they are: this machine's root, or one for another architecture.
#[derive(Clone)]
pub(crate) struct Programs {
    root: PathBuf,
    libraries: &'static str,
}

impl Programs {
    pub(crate) fn new(root: PathBuf, architecture: Architecture) -> Self {
        let libraries = match architecture {
            Architecture::Amd64 => "lib/x86_64-linux-gnu",
            Architecture::Arm64 => "lib/aarch64-linux-gnu",
        };
        Self { root, libraries }
    }

    pub(crate) fn busybox(&self) -> anyhow::Result<Vec<u8>> {
        self.read("bin/busybox")
    }

    /// A program, by its path without a leading slash.
    pub(crate) fn read(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let place = self.root.join(path);
        fs::read(&place).with_context(|| format!("no {}: run xtask/truth/packages.sh", place.display()))
    }

    /// The loader and the libraries of a program, by path without a leading slash.
    pub(crate) fn linked(&self, program: &str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut open = vec![program.to_owned()];
        while let Some(file) = open.pop() {
            for path in self.needs(&self.root.join(file))? {
                if !found.contains_key(&path) {
                    found.insert(path.clone(), self.read(&path)?);
                    open.push(path);
                }
            }
        }
        Ok(found)
    }

    /// What a file names itself: a loader by its path, libraries by name.
    fn needs(&self, file: &Path) -> anyhow::Result<Vec<String>> {
        let told = run(Command::new("readelf").args(["-l", "-d", "-W"]).arg(file))?;
        let loader = told.lines().filter_map(|line| between(line, "interpreter: /", "]"));
        let names = told.lines().filter_map(|line| between(line, "Shared library: [", "]"));
        let libraries = names
            .filter(|name| !name.starts_with("ld-linux"))
            .map(|name| self.library(name));
        Ok(loader.map(str::to_owned).chain(libraries).collect())
    }

    /// The packages of a release that is not merged yet have some below /usr.
    fn library(&self, name: &str) -> String {
        let path = format!("{}/{name}", self.libraries);
        if self.root.join(&path).exists() {
            path
        } else {
            format!("usr/{path}")
        }
    }
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(start)?;
    rest.split_once(end).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_comes_with_its_loader_and_with_what_its_libraries_want() {
        let programs = Programs::new(PathBuf::from("/"), Architecture::Amd64);
        let linked = programs.linked("bin/dash").unwrap();
        let paths: Vec<_> = linked.keys().map(String::as_str).collect();
        assert_eq!(paths, ["lib/x86_64-linux-gnu/libc.so.6", "lib64/ld-linux-x86-64.so.2"]);
    }
}
