//! The chart: what helm makes of it, and what a real API server makes of that.
#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "tests say what they expect"
)]

mod chart {
    mod helm;
    mod image;
    mod installed;
    mod kmm;
    mod monitoring;
    mod network;
    mod objects;
    mod openshift;
    mod operator;
    mod pods;
    mod release;
    mod rights;
    mod settings;
    mod silence;
    mod webhooks;
}
