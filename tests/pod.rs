//! `kmm-preflight pod`: what runs in the containers of Jobs, here without containers.
#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "tests say what they expect"
)]

#[path = "pod/building/mod.rs"]
mod building;
#[path = "pod/judging.rs"]
mod judging;
#[path = "pod/placing.rs"]
mod placing;
#[path = "pod/pushing.rs"]
mod pushing;
#[path = "pod/stage.rs"]
mod stage;
mod support;
