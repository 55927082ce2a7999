//! Images: where they come from, where they go, and with which credentials. Manifests, blobs as streams, OCI layouts.
//!
//! Requests are sent by a `reqwest` client of our own ([`transport`] says why); what oci-distribution knows of the
//! protocol (media types, error envelopes) is taken from there.
//!
//! What holds whoever wrote the reference, and whatever a server answers:
//! - credentials go by the reference's registry and path alone, and never along a redirect to another host;
//! - a token service or a redirect is followed over TLS only (unless the registry itself speaks plain HTTP), and
//!   to private, link-local or loopback addresses only where the registry itself is there;
//! - of a server's words only a short, cleaned excerpt of a registry error reaches a message;
//! - every request has a deadline, every body a cap, every registry a bound of its own.

mod access;
mod blob;
mod body;
mod certificates;
mod challenge;
mod credential;
mod docker_config;
mod download;
mod excerpt;
mod exchange;
mod hashing;
mod helpers;
mod home;
mod keyring;
mod layout;
mod location;
mod manifest;
mod pattern;
mod place;
mod publish;
mod remote;
mod scope;
pub mod settings;
mod sources;
mod token;
mod transport;
mod trouble;
mod verifier;

pub use access::Access;
pub use blob::{Blob, BlobReader};
pub use certificates::ca_certificates;
pub use credential::{Credential, Fingerprint};
pub use keyring::{Candidates, Keyring, KeyringError, usual_files};
pub use layout::{Layout, LayoutError};
pub use location::{Location, LocationError};
pub use manifest::{Descriptor, MANIFEST_CAP, Manifest, is_index};
pub use pattern::RegistryPattern;
pub use place::Places;
pub use publish::{
    Cleaned, Destination, Held, LayoutWriter, NewBlob, Origin, PublishFailure, PublishFailureKind, Shipped, copy,
};
pub use settings::{Deadlines, Proxies, Settings, SettingsError};
pub use sources::Sources;
