//! Certificates for Kubernetes webhooks.
#![warn(missing_docs)]

mod authority;
mod certificate;
mod content;
mod draft;
mod error;
mod plan;
mod policy;
mod resolver;
mod step;

pub use error::{FilesError, Flaw, IssueError, PassError, SettingsError};
pub use policy::{Fraction, Names, Policy};
pub use resolver::{CertificateResolver, CertificateState};
