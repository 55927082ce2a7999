//! One AdmissionReview v1: the bytes that the API server sends → the answer. Pure, and without side effects, so
//! a dry run is answered like any other request.
//!
//! What cannot be read as a review of this version has no answer ([`NotAReview`]). Everything else has one that
//! carries the request's uid: a request that is none of ours is refused by name, whatever leaves the spec as it is
//! passes untouched, and a deletion always passes.

mod answer;
mod reply;
mod request;

pub use answer::{Endpoint, answer};
pub use reply::{Answer, Outcome};
pub use request::{NotAReview, Operation};
