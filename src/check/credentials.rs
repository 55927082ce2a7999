//! Whom to be at which registry: the Module's own pull secret, else what the user is logged in as.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

use crate::api::module::RegistryTls;
use crate::examine::keyring;
use crate::plan::Target;
use crate::registry::{Access, Keyring};

/// The keyrings of one run.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    own: Arc<Keyring>,
    of_secrets: BTreeMap<(String, String), Arc<Keyring>>,
}

impl Credentials {
    /// What the user is logged in as, and the pull secrets among the documents. What is wrong with a Secret comes
    /// back as a sentence; its Modules are looked at with the user's own credentials.
    pub fn new(own: Keyring, secrets: &[Secret]) -> (Self, Vec<String>) {
        let mut credentials = Self {
            own: Arc::new(own),
            of_secrets: BTreeMap::new(),
        };
        let mut complaints = Vec::new();
        for secret in secrets {
            match keyring(secret) {
                Some(Ok(keyring)) => {
                    credentials.of_secrets.insert(name(secret), Arc::new(keyring));
                }
                Some(Err(complaint)) => {
                    complaints.push(format!("{complaint}; its Modules' images are looked at without it"));
                }
                None => {}
            }
        }
        (credentials, complaints)
    }

    /// How to ask for a target's image.
    pub fn of(&self, target: &Target) -> Access {
        let secret = target
            .pull_secret
            .as_ref()
            .map(|secret| (target.namespace.clone(), secret.clone()));
        let keyring = secret.and_then(|name| self.of_secrets.get(&name)).unwrap_or(&self.own);
        Access::new(Arc::clone(keyring), target.registry_tls)
    }

    /// The pull secret that a target names and nobody gave, as `namespace/name`.
    pub fn absent_secret(&self, target: &Target) -> Option<String> {
        let name = (target.namespace.clone(), target.pull_secret.clone()?);
        (!self.of_secrets.contains_key(&name)).then(|| format!("{}/{}", name.0, name.1))
    }

    /// How to ask for an image that belongs to no Module: the driver toolkit.
    pub fn own(&self, tls: RegistryTls) -> Access {
        Access::new(Arc::clone(&self.own), tls)
    }
}

fn name(secret: &Secret) -> (String, String) {
    let metadata = &secret.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}
