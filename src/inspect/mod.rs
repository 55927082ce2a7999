//! From an image to facts, by streaming only what is needed, and each layer once.

pub mod layer;
mod stage;
pub mod tree;

pub use stage::StageRequest;
