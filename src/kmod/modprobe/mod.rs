//! What modprobe would do on the node: which files it hands to the kernel, in which order, and with what.
//!
//! Facts from kmod 28 to 34: `tools/modprobe.c` ([`options`]) and `libkmod/libkmod-module.c` ([`lookup`]).

mod findings;
mod indexes;
mod lookup;
mod names;
mod options;

pub use findings::path_given;
pub use lookup::{NodeModules, Plan, Role, Source, Step, plan};
pub use names::{file_name_to_module, normalised};
pub use options::{Command, Force, Instead, SoftDependencies};
