//! Certificates for Kubernetes webhooks: issued, renewed and rotated without anybody's help and without a refused
//! handshake; or taken from mounted files, where somebody else issues them.
//!
//! An API server calls a webhook over TLS and verifies it with the `caBundle` of the webhook's configuration. So a
//! webhook needs a serving certificate, a CA that signed it, and that CA in every configuration, all of which end some
//! day. [`Keeper`] sees to it:
//!
//! - One **Secret**, shared by all replicas, holds everything. Whoever is first creates it; a lost race is normal.
//! - The CA and the serving certificate are replaced at two thirds of their lives ([`Policy`]).
//! - A new CA is **trusted before it serves**: see below.
//! - `caBundle` is put into the configurations by server-side apply, that field alone, and put back when somebody
//!   empties it.
//! - What is damaged, deleted, expired, from the future, for other names or half done **heals by itself**, by the
//!   smallest step that will do. While the API server is away, the certificate in memory serves on.
//!
//! [`MountedFiles`] is the other way: `tls.crt` and `tls.key` in a folder, from cert-manager, OpenShift's service CA or
//! a Secret of one's own.
//!
//! Both hand out a [`CertificateResolver`]. Connections keep the certificate they began with, so an exchange
//! disturbs nothing that is open.
//!
//! # The Secret
//!
//! | key | what it holds |
//! |---|---|
//! | `tls.crt`, `tls.key` | the serving certificate, under the names that `kubernetes.io/tls` has for it |
//! | `ca.crt` | the bundle: every CA to trust, the one that signs first; the text of `caBundle` |
//! | `ca.key` | private key of the CA that signs |
//! | `next-ca.crt`, `next-ca.key` | during a rotation: the CA that will sign |
//! | `former-tls.crt` | serving certificates that were replaced and have not expired; without their keys |
//!
//! Other keys, labels and annotations are left as they are. Keys are ECDSA P-256.
//!
//! # A rotation of the CA
//!
//! | step | bundle | served by | goes on when |
//! |---|---|---|---|
//! | (before) | old | old | two thirds of the old CA's life are over, or its key is lost |
//! | 1. publish | old, new | old | the bundle has stood in every configuration for [`Settings::settle`] |
//! | 2. serve | new, old | new | every certificate that the old CA is known to have signed has expired |
//! | 3. drop | new | new | |
//!
//! Each step is one write of the Secret, conditional on the version that was read. Any replica can take it, and a
//! replica that was killed in between loses nothing. In every state, whatever an API server has of the neighbouring
//! bundles verifies whatever a replica still serves. The old CA's private key is gone with step 2.
//!
//! To rotate by hand, delete the Secret: a replica that is running writes back what is served and starts at step 1.
//! To be rid of a CA at once (its key has leaked), stop all replicas, delete the Secret, and start them.
//!
//! # Using it
//!
//! ```no_run
//! # #![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "an example is an edge")]
//! use std::sync::Arc;
//! use webhook_certs::{Keeper, Names, Settings, WebhookConfiguration};
//!
//! # async fn serve(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let names = Names::of_service("my-webhook", "my-namespace")?;
//! let mut settings = Settings::new("my-namespace", "my-webhook-certs", names, "my-operator");
//! settings.configurations = vec![WebhookConfiguration::Validating("my-webhook".into())];
//!
//! let keeper = Keeper::new(client, settings, Box::new(jiff::Timestamp::now));
//! let resolver = keeper.resolver();
//! let keeping = tokio::spawn(keeper.run());
//!
//! // Ready as soon as there is a certificate.
//! resolver.states().wait_for(|state| state.expiry.is_some()).await?;
//! let tls = rustls::ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(resolver));
//! # drop((tls, keeping));
//! # Ok(())
//! # }
//! ```
//!
//! The permissions it takes are in `rbac.yaml` beside this crate's `Cargo.toml`.
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
