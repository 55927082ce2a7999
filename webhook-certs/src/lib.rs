//! Certificates for Kubernetes webhooks.
#![warn(missing_docs)]

mod authority;
mod call;
mod certificate;
mod content;
mod draft;
mod error;
mod files;
#[cfg(test)]
mod fixture;
mod injection;
mod keeper;
mod pace;
mod plan;
mod policy;
mod resolver;
mod step;
mod store;
mod watches;

pub use error::{FilesError, Flaw, IssueError, PassError, SettingsError};
pub use files::MountedFiles;
pub use injection::WebhookConfiguration;
pub use keeper::{Clock, Keeper, Settings};
pub use policy::{Fraction, Names, Policy};
pub use resolver::{CertificateResolver, CertificateState};
