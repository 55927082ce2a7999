//! Round trips with the tools that people really use: skopeo, buildah and Docker's registry.
//!
//! `tests/run` installs them. Where one is missing a test says so and is skipped, but not in CI.

#[path = "support/upgrade.rs"]
mod upgrade;

#[path = "roundtrip/mod.rs"]
mod roundtrip;
