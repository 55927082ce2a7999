//! Kernel releases and the texts that depend on them: Go regexps and `${VAR}` templates. Pure.

mod architecture;

pub use architecture::Architecture;
