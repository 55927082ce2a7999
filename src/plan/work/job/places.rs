//! Where the containers of a Job find what.

/// This program, for containers of foreign images.
pub(super) const BIN: &str = "/kmm-preflight/bin";
/// The very file.
pub(super) const PROGRAM: &str = "/kmm-preflight/bin/kmm-preflight";
/// What was read of the driver toolkit.
pub(super) const FACTS: &str = "/kmm-preflight/facts";
/// The very file.
pub(super) const TOOLKIT_FACTS: &str = "/kmm-preflight/facts/toolkit";
/// The layout with what was built.
pub(super) const BUILT: &str = "/kmm-preflight/work/built";
/// The layout with what was signed.
pub(super) const SIGNED: &str = "/kmm-preflight/work/signed";
/// The folder of the Dockerfile.
pub(super) const RECIPE: &str = "/kmm-preflight/recipe";
/// The very file.
pub(super) const DOCKERFILE: &str = "/kmm-preflight/recipe/dockerfile";
/// The folder above the build's secrets; each is `/run/secrets/<name>` for the Dockerfile's commands.
pub(super) const SECRETS: &str = "/kmm-preflight/secrets";
/// The folder with the credentials for registries.
pub(super) const AUTH: &str = "/kmm-preflight/auth";
/// The very file.
pub(super) const AUTHFILE: &str = "/kmm-preflight/auth/config.json";
/// The folder of the key.
pub(super) const KEY: &str = "/kmm-preflight/key";
/// The folder of the certificate.
pub(super) const CERT: &str = "/kmm-preflight/cert";
/// Where buildah keeps layers.
pub(super) const STORAGE: &str = "/var/lib/containers";
/// Where buildah, and this program, put what is too large for memory.
pub(super) const SCRATCH: &str = "/var/tmp";
/// Where programs put what is small.
pub(super) const TEMPORARY: &str = "/tmp";
/// Where a container leaves its termination message.
pub(super) const TERMINATION_LOG: &str = "/dev/termination-log";
