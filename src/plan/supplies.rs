//! What builds and signatures need besides the Module: Dockerfiles, keys and secrets, as far as they are known.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::resolve::Target;
use crate::api::module::{Build, Sign};

/// The key of a Dockerfile's ConfigMap (upstream `internal/constants`).
pub(super) const DOCKERFILE_KEY: &str = "dockerfile";
/// The key of a certificate's Secret.
pub const CERTIFICATE_KEY: &str = "cert";
/// The key of a private key's Secret.
pub(super) const PRIVATE_KEY_KEY: &str = "key";
/// A Dockerfile that mentions this word, even in a comment, is given the driver toolkit of its kernel
/// (upstream `internal/buildsign/resource/common.go`).
pub const DTK_AUTO: &str = "DTK_AUTO";

/// Namespace and name.
pub type ObjectName = (String, String);

/// The ConfigMaps and Secrets that are known. Of Secrets only the keys are kept, never what stands under them.
#[derive(Clone, Debug, Default)]
pub struct Supplies {
    /// Whether a ConfigMap that is listed nowhere here does not exist. Over files it may well exist in the cluster.
    pub dockerfiles_complete: bool,
    /// The Dockerfile of each ConfigMap, or `None` where the ConfigMap has no such key.
    pub dockerfiles: BTreeMap<ObjectName, Option<String>>,
    /// The ConfigMaps that could not be read. They may well exist.
    pub unread: BTreeSet<ObjectName>,
    /// What is known of each Secret.
    pub secrets: BTreeMap<ObjectName, KnownSecret>,
}

/// What is known of a Secret: never what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownSecret {
    /// There is none of that name.
    Absent,
    /// It exists; its keys were not asked for.
    Exists {
        /// Which content it has: `metadata.resourceVersion`, another one after every change.
        version: String,
    },
    /// It exists and has these keys.
    Keys {
        /// The keys.
        keys: BTreeSet<String>,
        /// Which content it has; empty where it stands in a file.
        version: String,
    },
}

impl KnownSecret {
    /// The keys of a Secret.
    pub fn keys_of(secret: &Secret) -> Self {
        let binary = secret.data.iter().flat_map(BTreeMap::keys);
        let text = secret.string_data.iter().flat_map(BTreeMap::keys);
        Self::Keys {
            keys: binary.chain(text).cloned().collect(),
            version: version(&secret.metadata),
        }
    }

    /// A Secret of which only the metadata was asked for.
    pub fn known_by(metadata: &ObjectMeta) -> Self {
        let version = version(metadata);
        Self::Exists { version }
    }

    /// Which content it has, where it exists.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Exists { version } | Self::Keys { version, .. } => Some(version),
        }
    }
}

/// What is built has a digest of its own.
fn nameless(target: &Target) -> Option<String> {
    let digest = target.image.digest()?;
    Some(format!(
        "containerImage names the digest {digest}, which nothing that is built could have: name a tag instead"
    ))
}

fn version(metadata: &ObjectMeta) -> String {
    metadata.resource_version.clone().unwrap_or_default()
}

impl Supplies {
    /// What stands in files. What does not may still be in the cluster.
    pub fn from_files(config_maps: &[ConfigMap], secrets: &[Secret]) -> Self {
        let name = |metadata: &ObjectMeta| {
            (
                metadata.namespace.clone().unwrap_or_default(),
                metadata.name.clone().unwrap_or_default(),
            )
        };
        let dockerfile = |map: &ConfigMap| map.data.as_ref().and_then(|data| data.get(DOCKERFILE_KEY)).cloned();
        Self {
            dockerfiles: config_maps
                .iter()
                .map(|map| (name(&map.metadata), dockerfile(map)))
                .collect(),
            secrets: secrets
                .iter()
                .map(|secret| (name(&secret.metadata), KnownSecret::keys_of(secret)))
                .collect(),
            ..Self::default()
        }
    }

    /// What is known to be missing for building or signing a target, each as a sentence; empty where nothing is.
    pub fn lacks(&self, target: &Target, toolkit_image: Option<&str>) -> Vec<String> {
        let mut lacks = Vec::new();
        if let Some(build) = &target.build {
            lacks.extend(self.dockerfile_lack(target, build, toolkit_image));
            lacks.extend(
                build
                    .secrets
                    .iter()
                    .filter_map(|secret| self.secret_lack(target, &secret.name, None)),
            );
        }
        if let Some(sign) = &target.sign {
            lacks.extend(self.sign_lacks(target, sign));
        }
        lacks.extend(
            target
                .pull_secret
                .iter()
                .filter_map(|name| self.secret_lack(target, name, None)),
        );
        lacks.extend(nameless(target));
        lacks
    }

    /// Whether the Dockerfile of a build is known and asks for the driver toolkit.
    pub fn wants_toolkit(&self, target: &Target, build: &Build) -> bool {
        let name = (target.namespace.clone(), build.dockerfile_config_map.name.clone());
        matches!(self.dockerfiles.get(&name), Some(Some(text)) if text.contains(DTK_AUTO))
    }

    fn dockerfile_lack(&self, target: &Target, build: &Build, toolkit_image: Option<&str>) -> Option<String> {
        let name = &build.dockerfile_config_map.name;
        let map = format!("ConfigMap {}/{name}", target.namespace);
        let key = (target.namespace.clone(), name.clone());
        match self.dockerfiles.get(&key) {
            None if self.dockerfiles_complete && !self.unread.contains(&key) => {
                Some(format!("the {map} does not exist"))
            }
            Some(None) => Some(format!("the {map} has no key `{DOCKERFILE_KEY}`")),
            Some(Some(text)) if text.contains(DTK_AUTO) && toolkit_image.is_none() => Some(format!(
                "the Dockerfile of {map} uses {DTK_AUTO}, and no driver toolkit is known for {}: set spec.dtkImage",
                target.kernel.raw()
            )),
            None | Some(Some(_)) => None,
        }
    }

    fn sign_lacks(&self, target: &Target, sign: &Sign) -> Vec<String> {
        let mut lacks: Vec<String> = [
            (&sign.key_secret, PRIVATE_KEY_KEY),
            (&sign.cert_secret, CERTIFICATE_KEY),
        ]
        .into_iter()
        .filter_map(|(secret, key)| self.secret_lack(target, &secret.name, Some(key)))
        .collect();
        if target.build.is_none() && sign.unsigned_image.is_none() {
            lacks.push(
                "there is nothing to sign: the Module has neither a build section nor sign.unsignedImage".to_owned(),
            );
        }
        lacks
    }

    fn secret_lack(&self, target: &Target, name: &str, key: Option<&str>) -> Option<String> {
        let namespace = &target.namespace;
        match (self.secrets.get(&(namespace.clone(), name.to_owned())), key) {
            (Some(KnownSecret::Absent), _) => Some(format!("the Secret {namespace}/{name} does not exist")),
            (Some(KnownSecret::Keys { keys, .. }), Some(key)) if !keys.contains(key) => {
                Some(format!("the Secret {namespace}/{name} has no key `{key}`"))
            }
            _ => None,
        }
    }
}
