//! What this program does in the containers of its own Jobs: it places itself, reads a driver toolkit, builds and judges.
//!
//! Each step runs in a container of its own, of another image each time, and leaves to the next what it found in a folder
//! that they share. How it ended is said in the container's termination message, as a [`crate::plan::work::Testimony`].

pub mod build;
mod evidence;
mod failure;
mod judge;
mod place;
mod push;
mod toolkit;
mod whole;

pub use failure::Failure;
pub use judge::{Judged, Judging, Subject, judge};
pub use place::{place, place_certificates};
pub use push::{Pushing, push, remove};
pub use toolkit::{Reading, read_toolkit};
