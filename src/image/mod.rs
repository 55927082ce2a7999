//! Image references, digests and platforms: parse and compare. Pure.

mod failure;

pub use failure::{LookFailure, LookFailureKind};
