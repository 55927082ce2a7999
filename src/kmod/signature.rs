//! Signatures of kernel modules: reading them, and verifying them against a certificate.

/// A certificate that signs kernel modules.
#[derive(Clone, Debug)]
pub struct Certificate {}
