//! Image references, digests and platforms: parse and compare. Pure.

mod digest;
mod failure;
mod platform;
mod reference;

pub use digest::{Digest, DigestAlgorithm, DigestError};
pub use failure::{LookFailure, LookFailureKind};
pub use platform::Platform;
pub use reference::{DEFAULT_REGISTRY, Reference, ReferenceError};
