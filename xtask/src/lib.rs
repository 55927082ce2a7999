//! The tasks of this project that are not the product: a throw-away Kubernetes and a registry, which tests and the
//! demo start, and the operator's image.

pub mod control_plane;
pub mod demo;
mod environment;
pub mod firmware;
mod folder;
pub mod image;
pub mod interrupt;
pub mod node;
mod pki;
mod port;
mod process;
pub mod programs;
pub mod registry;
pub mod truth;

pub use control_plane::ControlPlane;
pub use node::Node;
pub use registry::Registry;
