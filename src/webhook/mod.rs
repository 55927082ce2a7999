//! The admission webhook: reviews in, answers out, over TLS; and the plain port with health and metrics.
//!
//! [`review`] is a pure function of a request's bytes and the surroundings, [`router`] puts it behind HTTP with its
//! bounds, and [`serve`] puts a router behind TLS. What is right and wrong is decided in [`crate::validate`].

mod body;
pub mod probes;
pub mod review;
pub mod router;
pub mod serve;
mod trouble;

pub use review::{Endpoint, Operation, Outcome};
pub use router::{Bounds, Knowledge, MUTATE_PATH, Observation, Observer, VALIDATE_PATH};
pub use serve::{Limits, Server};
