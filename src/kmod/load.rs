//! What KMM will ask of modprobe on the node, and what is known of the node's boot.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::paths::{NODE_FOLDERS, clean};
use super::signature::Certificate;
use crate::kernel::Architecture;

/// KMM's second step: how modprobe will be called, on which kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// The target kernel, as `uname -r` prints it.
    pub kernel: String,
    /// Its architecture, where it is known.
    pub architecture: Option<Architecture>,
    /// The folder of the image that is copied, and which modprobe is pointed to under `/tmp`.
    pub dir_name: String,
    /// The arguments.
    pub command: LoadCommand,
    /// `modulesLoadingOrder`: soft dependencies in KMM's own words.
    pub loading_order: Vec<String>,
    /// In-tree modules that KMM unloads first, where the node has them.
    pub in_tree_to_remove: Vec<String>,
    /// What is known of signatures.
    pub signatures: SignaturePolicy,
    /// The modules that the nodes are known to have loaded.
    #[serde(default)]
    pub loaded: LoadedModules,
}

/// The names of loaded modules as the kernel has them, with `_`; empty where nothing is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoadedModules(Arc<BTreeSet<String>>);

impl LoadedModules {
    /// Reads a node's `/proc/modules`, or the output of `lsmod`: a name at the beginning of each line.
    ///
    /// # Errors
    /// The first line that begins with no module's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_heading = |line: &&str| line.starts_with("Module ");
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !is_heading(line));
        let names = lines.map(|line| name(line).ok_or_else(|| line.chars().take(80).collect::<String>()));
        Ok(Self(Arc::new(names.collect::<Result<_, _>>()?)))
    }

    /// These modules; what is no module's name is left out, and so is what there is no room for.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names
            .into_iter()
            .filter(|own| own.len() <= LONGEST_NAME)
            .filter_map(name);
        Self(Arc::new(names.take(MOST_MODULES).collect()))
    }

    /// Whether a module is known to be loaded; `-` and `_` are equal.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(&name.replace('-', "_"))
    }

    /// Those that are left once some are unloaded.
    #[must_use]
    pub fn without(&self, is_unloaded: impl Fn(&str) -> bool) -> Self {
        let left = self.names().filter(|name| !is_unloaded(name));
        Self(Arc::new(left.map(str::to_owned).collect()))
    }

    /// Whether somebody else holds the very same names in memory.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// All of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Bytes of a module's name (`MODULE_NAME_LEN` of `include/linux/module.h`: 64 less a pointer's eight).
const LONGEST_NAME: usize = 56;
/// How many modules of a node are kept where somebody else than the user tells of them: a laptop has some 300 loaded, a server
/// fewer. More would only fill memory.
const MOST_MODULES: usize = 1_000;

fn name(line: &str) -> Option<String> {
    let name = line.split_whitespace().next()?;
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars().all(is_of_a_name).then(|| name.replace('-', "_"))
}

/// The folder of the worker that KMM shares between its two steps (upstream `internal/worker/worker.go: sharedFilesDir`).
const SHARED: &str = "/tmp";

impl Load {
    /// The name of the folder that KMM copies: the kernel's release less one trailing `+`.
    pub fn copied_kernel(&self) -> &str {
        self.kernel.strip_suffix('+').unwrap_or(&self.kernel)
    }

    /// Where the copy of `dirName` stands on the node, as Go's `filepath.Join("/tmp", dirName)` writes it.
    pub fn copy_root(&self) -> String {
        clean(&format!("{SHARED}/{}", self.dir_name))
    }

    /// Where the copy of `<dirName>/lib/modules/<kernel>` stands on the node.
    pub fn copied_folder(&self) -> String {
        clean(&format!("{}/lib/modules/{}", self.copy_root(), self.copied_kernel()))
    }

    /// Whether an absolute path leads to the node's own modules of this kernel, which KMM's worker sees.
    pub fn is_node_folder(&self, path: &str) -> bool {
        let is = |root: &&str| clean(path) == format!("{root}/{}", self.kernel);
        path.starts_with('/') && NODE_FOLDERS.iter().any(is)
    }

    /// Where `<dirName>/lib/modules/<kernel>` stands in the image.
    pub fn image_folder(&self) -> String {
        clean(&format!("{}/lib/modules/{}", self.dir_name, self.copied_kernel()))
    }
}

/// The arguments of modprobe (upstream `internal/worker/worker.go: LoadKmod`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoadCommand {
    /// `modprobe -vd /tmp<dirName> <args> <module> <parameters>`
    Named {
        /// `moduleName`.
        module: String,
        /// `args.load`.
        args: Vec<String>,
        /// `parameters`.
        parameters: Vec<String>,
    },
    /// `modprobe <rawArgs.load>`, as it stands.
    Raw(Vec<String>),
}

/// Whether the kernel will insist on a signature, and whose.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignaturePolicy {
    /// Why signatures are judged as enforced, if they are.
    pub enforced: Option<Enforcement>,
    /// The certificates known to be trusted; empty where none is known.
    pub trusted: Vec<Certificate>,
}

/// Why signatures are judged as enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Enforcement {
    /// The Module has a `sign` section, which is what enforcement is for.
    SignSection,
    /// The user said so (`--enforce-signatures`).
    Asked,
}
