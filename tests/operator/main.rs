//! The operator as a process, against a real API server and a real registry.

mod reconcile;
mod stage;
