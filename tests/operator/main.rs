//! The operator as a process, against a real API server and a real registry.

mod admission;
mod attacks;
mod door;
mod reconcile;
mod rights;
mod stage;
#[path = "../support/mod.rs"]
mod support;
