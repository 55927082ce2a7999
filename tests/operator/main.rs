//! The operator as a process, against a real API server and a real registry.

mod admission;
mod attacks;
mod beside_kmm;
mod door;
mod evidence;
mod hardship;
mod jobs;
mod kubelet;
mod reconcile;
mod rights;
mod stage;
#[expect(clippy::unwrap_used, reason = "tests say what they expect")]
#[path = "../support/mod.rs"]
mod support;
mod trust;
