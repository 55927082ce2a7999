//! What the watches know of the cluster around a preflight, as plain data: admission and the reconciler decide by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::evidence::Loaders;
use super::releases::{self, ReleasedToolkits};
use super::supplies::{ObjectName, Supplies};
use crate::api::Module;
use crate::kernel::{Architecture, KernelVersion, normalize};
use crate::kmod::load::LoadedModules;

/// The cluster as far as it is known at a moment. What is `None` has not been read yet, and nobody is refused for it.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Every Module, sorted by namespace and name; those that are being deleted are left out.
    pub modules: Option<Vec<Arc<Module>>>,
    /// Modules that are no Modules this program could read, sorted likewise.
    pub unreadable: Vec<Unreadable>,
    /// The Dockerfiles that Modules name, once all that exist have been read (`dockerfiles_complete`).
    pub supplies: Supplies,
    /// The nodes.
    pub nodes: Option<Vec<Node>>,
    /// Driver toolkits that the administrator named: kernel version → image.
    pub toolkits: BTreeMap<String, String>,
    /// Driver toolkits that OpenShift's image stream names.
    pub released_toolkits: ReleasedToolkits,
    /// Every preflight: its name and its kernel version as written.
    pub preflights: Option<Vec<(String, String)>>,
    /// The modules that nodes have loaded, by the nodes' names, as Node Feature Discovery tells. `None` while nobody
    /// has asked for that, or the answer is not there yet.
    pub loaded: Option<BTreeMap<String, LoadedModules>>,
    /// Why Node Feature Discovery cannot be asked now, for a person; what it told before still counts.
    pub loaded_unread: Option<String>,
    /// Where KMM says that Modules are loaded; those of which it says so of no node are left out. It changes with every node that
    /// boots, and is `None` while nobody has asked for that.
    pub loaders: Option<BTreeMap<ObjectName, Loaders>>,
}

/// What matters of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The kernel that it runs (`status.nodeInfo.kernelVersion`).
    pub kernel: String,
    /// The name of its operating system (`status.nodeInfo.osImage`), which tells OpenShift's release.
    pub os_image: String,
    /// Its architecture, where it is one that modules are built for.
    pub architecture: Option<Architecture>,
    /// Its labels, which a Module's selector looks at.
    pub labels: BTreeMap<String, String>,
}

/// A Module that cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it, for a person.
    pub why: String,
}

impl Surroundings {
    /// The Module of that name.
    pub fn module(&self, namespace: &str, name: &str) -> Option<&Arc<Module>> {
        let modules = self.modules.as_deref()?;
        let wanted = (Some(namespace), Some(name));
        let at = modules.binary_search_by(|module| {
            let metadata = &module.metadata;
            (metadata.namespace.as_deref(), metadata.name.as_deref()).cmp(&wanted)
        });
        modules.get(at.ok()?)
    }

    /// The driver toolkit that is known for a kernel: what the administrator named under its very name, else under one
    /// that image tags could not tell from it, else that of the OpenShift release whose nodes run it.
    pub fn toolkit(&self, kernel: &KernelVersion) -> Option<&str> {
        let exact = self.toolkits.get(kernel.raw()).map(String::as_str);
        let named = exact.or_else(|| self.toolkits_for(kernel).next());
        let nodes = self.nodes.as_deref().unwrap_or_default();
        named.or_else(|| releases::toolkit_of(kernel.without_plus(), nodes, &self.released_toolkits))
    }

    /// Every toolkit that the administrator named for a kernel. A trailing `+` does not count, as on KMM's nodes, nor
    /// does what [`normalize`] levels: a key of a ConfigMap cannot hold a `+`, and has a `_` in its place.
    pub fn toolkits_for(&self, kernel: &KernelVersion) -> impl Iterator<Item = &str> {
        let wanted = normalize(kernel.without_plus());
        let is_wanted = move |key: &str| normalize(key.strip_suffix(['+', '_']).unwrap_or(key)) == wanted;
        let named = self.toolkits.iter().filter(move |(key, _)| is_wanted(key));
        named.map(|(_, image)| image.as_str())
    }
}

impl Node {
    /// Whether a Module with this selector runs here; an empty selector selects every node.
    pub fn is_selected_by(&self, selector: &BTreeMap<String, String>) -> bool {
        selector.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }
}
