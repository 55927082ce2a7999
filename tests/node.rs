//! On a real node, where pods run: from the image to the uninstall, and what is built, signed and looked at in Jobs.
//!
//! It takes root and the programs of a node (`cargo xtask kube --node`), and says so loudly where they are missing:
//!
//!     cargo test --test node -- --ignored
//!
//! `KMM_PREFLIGHT_STATIC=FILE` names the operator's program, linked statically; else it is compiled now.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

mod node {
    mod asking;
    mod confined;
    mod keys;
    mod killing;
    mod life;
    mod making;
    mod modules;
    mod release;
    mod standing;
}
