//! Whom to be at which registry: the Module's own pull secret, else what the user is logged in as.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

use crate::api::module::RegistryTls;
use crate::image::{LookFailure, LookFailureKind, Reference};
use crate::inspect::ImageRequest;
use crate::kernel::{Architecture, KernelVersion};
use crate::plan::Target;
use crate::registry::{Access, Keyring};

/// The keyrings of one run.
#[derive(Debug)]
pub struct Credentials {
    own: Arc<Keyring>,
    of_secrets: BTreeMap<(String, String), Arc<Keyring>>,
}
