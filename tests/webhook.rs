//! The admission webhook: reviews as the API server sends them, the router, and the port behind real handshakes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]
#![expect(
    clippy::disallowed_types,
    reason = "clients of the webhook, as the API server is one"
)]

#[path = "webhook/bounds.rs"]
mod bounds;
#[path = "webhook/drain.rs"]
mod drain;
#[path = "webhook/handshake.rs"]
mod handshake;
#[path = "webhook/probes.rs"]
mod probes;
#[path = "webhook/review.rs"]
mod review;
#[path = "webhook/routes.rs"]
mod routes;
#[path = "webhook/scarcity.rs"]
mod scarcity;
#[path = "webhook/service.rs"]
mod service;
