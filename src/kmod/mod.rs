//! Would it load? The heart of the house.
//!
//! Three steps, all pure: bytes of files become facts ([`facts`], [`symvers`], [`config`], [`index`]); what
//! KMM's first step leaves on a node is a [`staged::StagedImage`]; and [`judge()`] walks through what
//! modprobe and the kernel would do with it, in their order, and returns what it found.
//!
//! Nothing here does I/O. Every size that comes from outside is checked before it is used.

pub mod config;
mod elf;
pub mod explain;
pub mod facts;
pub mod index;
pub mod intree;
mod judge;
pub mod load;
mod modinfo;
pub mod modprobe;
pub mod paths;
mod read;
pub mod signature;
pub mod signing;
pub mod staged;
pub mod symvers;
pub mod toolkit;
mod unpack;

pub use judge::{Ways, given_loaded, judge, unmet_dependencies, ways};
