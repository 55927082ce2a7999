//! What a driver toolkit (DTK) image says about one kernel.
//!
//! Every field may be missing: toolkits differ. A rule that needs a missing one says that it was not checked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::KernelConfig;
use super::facts::StructModule;
use super::symvers::Symvers;

/// The facts of one kernel in a toolkit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolkit {
    /// The image they were read from, for messages.
    pub image: String,
    /// The kernel release that the facts belong to.
    pub kernel: String,
    /// `Module.symvers`: the kernel's exported symbols and those of its in-tree modules.
    pub symvers: Option<Arc<Symvers>>,
    /// `include/config/auto.conf`, or `.config`.
    pub config: Option<Arc<KernelConfig>>,
    /// The in-tree modules of `/lib/modules/<kernel>`.
    pub in_tree: Option<Arc<InTree>>,
    /// Vermagic of an in-tree module, which is the kernel's own.
    pub vermagic: Option<String>,
    /// `struct module`, seen in an in-tree module.
    pub this_module: Option<StructModule>,
    /// Whether modules for it have a table of their exports' flags, told by the script that links them.
    #[serde(default)]
    pub has_export_flags: Option<bool>,
}

/// `/lib/modules/<kernel>` of a toolkit: what a node with that kernel has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTree {
    /// The modules of `modules.dep`, sorted by name (with `-` as `_`).
    pub modules: Vec<InTreeModule>,
    /// Names of the modules that are built into the kernel (with `-` as `_`), sorted.
    pub builtin: Vec<String>,
    /// Names of what is built into the kernel, modules and other parts of it, and has a folder in `/sys/module`; sorted.
    pub in_sysfs: Vec<String>,
}

/// One line of `modules.dep`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTreeModule {
    /// Its name, with `-` as `_`.
    pub name: String,
    /// Its path below `/lib/modules/<kernel>`.
    pub path: String,
    /// The paths of what it needs, as `modules.dep` has them.
    pub needs: Vec<String>,
}

impl InTree {
    /// The in-tree module of a name; `-` and `_` are equal.
    pub fn module(&self, name: &str) -> Option<&InTreeModule> {
        let name = name.replace('-', "_");
        let at = self.modules.binary_search_by(|m| m.name.as_str().cmp(&name)).ok()?;
        self.modules.get(at)
    }

    /// Whether a module of that name is built into the kernel; `-` and `_` are equal.
    pub fn is_builtin(&self, name: &str) -> bool {
        let name = name.replace('-', "_");
        self.builtin.binary_search(&name).is_ok()
    }

    /// Whether something of that name is built into the kernel and has a folder in `/sys/module`; `-` and `_` are equal.
    pub fn is_in_sysfs(&self, name: &str) -> bool {
        self.in_sysfs.binary_search(&name.replace('-', "_")).is_ok()
    }
}

/// What the driver toolkit has to say about the target kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolkitEvidence {
    /// None was named.
    NotGiven,
    /// It could not be read; why, in one sentence.
    Unreadable(String),
    /// It is a toolkit, but of these kernels.
    OtherKernel {
        /// The image.
        image: String,
        /// The kernels it is for; empty where it is no toolkit at all.
        kernels: Vec<String>,
    },
    /// It speaks of the target kernel.
    Found(Arc<Toolkit>),
}
