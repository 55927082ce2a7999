//! The options of a kernel's configuration that decide whether a module loads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The options of `include/config/auto.conf` (or `.config`) that some rule asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelConfig {
    options: BTreeMap<String, String>,
}

impl KernelConfig {
    /// Whether an option is `y`; `name` without `CONFIG_`.
    pub fn is_on(&self, name: &str) -> bool {
        self.options.get(name).is_some_and(|value| value == "y")
    }
}
