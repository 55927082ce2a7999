//! Where the containers of a Job find what. None of it is below `/kmm-preflight`: in our own image that is this program.

/// This program, for containers of foreign images.
pub(super) const BIN: &str = "/preflight/bin";
/// The very file.
pub(super) const PROGRAM: &str = "/preflight/bin/kmm-preflight";
/// What was read of the driver toolkit.
pub(super) const FACTS: &str = "/preflight/facts";
/// The very file.
pub(super) const TOOLKIT_FACTS: &str = "/preflight/facts/toolkit";
/// The layout with what was built.
pub(super) const BUILT: &str = "/preflight/work/built";
/// The layout with what was signed.
pub(super) const SIGNED: &str = "/preflight/work/signed";
/// The folder of the certificates that are trusted beside those of an image.
pub(super) const TRUST: &str = "/preflight/trust";
/// The very file.
pub(super) const TRUSTED: &str = "/preflight/trust/ca.pem";
/// The folder of the Dockerfile.
pub(super) const RECIPE: &str = "/preflight/recipe";
/// The very file.
pub(super) const DOCKERFILE: &str = "/preflight/recipe/dockerfile";
/// The folder above the build's secrets; each is `/run/secrets/<name>` for the Dockerfile's commands.
pub(super) const SECRETS: &str = "/preflight/secrets";
/// The folder with the credentials for registries.
pub(super) const AUTH: &str = "/preflight/auth";
/// The very file.
pub(super) const AUTHFILE: &str = "/preflight/auth/config.json";
/// The folder of the key.
pub(super) const KEY: &str = "/preflight/key";
/// The folder of the certificate.
pub(super) const CERT: &str = "/preflight/cert";
/// Where buildah keeps layers.
pub(super) const STORAGE: &str = "/var/lib/containers";
/// Where buildah, and this program, put what is too large for memory.
pub(super) const SCRATCH: &str = "/var/tmp";
/// Where programs put what is small.
pub(super) const TEMPORARY: &str = "/tmp";
/// Where a container leaves its termination message.
pub(super) const TERMINATION_LOG: &str = "/dev/termination-log";
