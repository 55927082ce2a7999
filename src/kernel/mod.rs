//! Kernel releases and the texts that depend on them: Go regexps and `${VAR}` templates. Pure.

mod architecture;
pub mod regexp;
pub mod template;
mod version;
mod white_space;

pub use architecture::Architecture;
pub use regexp::{GoRegexp, RegexpError};
pub use template::{Template, TemplateError, Variables};
pub use version::{
    Components, ComponentsError, KernelVersion, KernelVersionError, MAX_LENGTH, components, dns_safe, normalize,
};
pub use white_space::{Place, WhiteSpace};
