//! Module + kernel → target; target + what was seen + now → verdict. Pure.
//!
//! [`resolve()`] answers what KMM would use for a Module on a kernel; [`decide()`] answers what that comes to, once
//! the image was looked at. Both are total: whatever is wrong with one Module is an answer, not an error.

mod build_args;
mod course;
mod decide;
mod evidence;
mod inputs;
mod looking;
mod making;
mod merge;
mod reason;
mod releases;
mod resolve;
mod soundness;
mod status;
mod supplies;
mod surroundings;
mod verdict;
pub mod work;

pub use build_args::build_args;
pub use decide::{Look, Pods, Subject, UNREACHABLE_PATIENCE, World, decide, decides, next, verdict};
pub use evidence::{Evidence, Loaders, NO_PRECEDENTS, Precedents, examples, kernels_today, wants_evidence};
pub use inputs::{inputs, making_secrets, secret_versions};
pub use releases::ReleasedToolkits;
pub use resolve::{Resolution, Target, resolve};
pub use status::{Answer, COMPLETE, CONTESTED, STATUS_LIMIT, Tally, VERIFIED, contested, fit, refused, status};
pub use supplies::{CERTIFICATE_KEY, DTK_AUTO, KnownSecret, ObjectName, Supplies};
pub use surroundings::{Node, Surroundings, Unreadable};
pub use verdict::Verdict;

#[cfg(test)]
pub(crate) mod tests;
