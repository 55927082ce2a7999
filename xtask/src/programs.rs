//! Where the programs of a throw-away Kubernetes are: in `KUBEBUILDER_ASSETS`, or where `xtask/kube/build` puts them.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::environment;

/// The version of Kubernetes that `xtask/kube/build` builds; its go.mod says the same.
pub const KUBERNETES: &str = "v1.36.3";

/// What a control plane is made of, and what one talks to it with.
const CONTROL_PLANE: [&str; 4] = ["etcd", "kube-apiserver", "kubectl", "helm"];

/// What a node needs besides.
const NODE: [&str; 6] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
];

/// How much of a Kubernetes there shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// An API server that keeps objects: no pod runs.
    ControlPlane,
    /// A node besides, on which pods run.
    Node,
}

impl Size {
    fn programs(self) -> impl Iterator<Item = &'static str> {
        let node: &[&str] = if self == Self::Node { &NODE } else { &[] };
        CONTROL_PLANE.iter().chain(node).copied()
    }
}

/// The programs, each of which was there when it was looked for.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    assets: Option<PathBuf>,
    built: PathBuf,
}

impl Programs {
    /// Finds the programs for a Kubernetes of this size.
    pub(crate) fn find(size: Size) -> Result<Self, Missing> {
        let built = environment::cache_folder()
            .unwrap_or_default()
            .join(format!("kube-{KUBERNETES}"));
        let programs = Self {
            assets: environment::kubebuilder_assets(),
            built,
        };
        let names: Vec<_> = size.programs().filter(|name| programs.place(name).is_none()).collect();
        if names.is_empty() {
            return Ok(programs);
        }
        Err(Missing::Programs {
            names,
            size,
            folders: programs.folders(),
        })
    }

    /// A call of the program.
    pub(crate) fn command(&self, name: &str) -> Command {
        Command::new(self.place_of(name))
    }

    /// Where the program is.
    pub(crate) fn place_of(&self, name: &str) -> PathBuf {
        self.place(name).unwrap_or_else(|| self.built.join(name))
    }

    fn place(&self, name: &str) -> Option<PathBuf> {
        self.folders()
            .into_iter()
            .map(|folder| folder.join(name))
            .find(|path| runs(path))
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.assets.iter().chain([&self.built]).cloned().collect()
    }
}

fn runs(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Why there is no Kubernetes to be had here.
#[derive(Debug)]
pub enum Missing {
    /// Programs that are in none of these folders.
    Programs {
        /// What they are called.
        names: Vec<&'static str>,
        /// What for.
        size: Size,
        /// Where they were looked for.
        folders: Vec<PathBuf>,
    },
    /// The right to make a machine a node.
    Root,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Programs { names, size, folders } = self else {
            return f.write_str("a node needs root, for it mounts and makes a network: run this as root");
        };
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let (names, folders) = (names.join(", "), folders.join(" and "));
        let flag = if *size == Size::Node { " --node" } else { "" };
        write!(
            f,
            "{names} not found in {folders}: run `cargo xtask kube{flag}`, which builds what is missing"
        )
    }
}

impl std::error::Error for Missing {}

/// Builds the programs for a Kubernetes of this size, unless all of them are there.
pub fn build_missing(size: Size) -> anyhow::Result<()> {
    if Programs::find(size).is_ok() {
        Ok(())
    } else {
        build(size)
    }
}

/// Builds the programs for a Kubernetes of this size, as far as they are missing: `xtask/kube/build`.
pub fn build(size: Size) -> anyhow::Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kube/build");
    let mut command = Command::new(&script);
    command.args((size == Size::Node).then_some("--node"));
    let status = command
        .status()
        .with_context(|| format!("{} does not start", script.display()))?;
    anyhow::ensure!(
        status.success(),
        "{} failed ({status}): what it said stands above",
        script.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_built() {
        let go_mod = include_str!("../kube/kubernetes/go.mod");
        assert!(
            go_mod.contains(&format!("\nrequire k8s.io/kubernetes {KUBERNETES}\n")),
            "{go_mod}"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let missing = Missing::Programs {
            names: vec!["kubelet", "ctr"],
            size: Size::Node,
            folders: vec!["/a".into()],
        };
        assert_eq!(
            missing.to_string(),
            "kubelet, ctr not found in /a: run `cargo xtask kube --node`, which builds what is missing"
        );
    }
}
