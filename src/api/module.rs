//! KMM's `Module`, as far as loading it matters. Device plugins, DRA and status are not read.
//!
//! The schema is upstream's (`kmm.sigs.x-k8s.io/v1beta1`); upstream owns the CRD, so none is derived here.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, Toleration};
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// What runs on the nodes that the selector picks.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "kmm.sigs.x-k8s.io",
    version = "v1beta1",
    kind = "Module",
    plural = "modules",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ModuleSpec {
    /// How the kernel module is loaded; absent for Modules that only bring a device plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_loader: Option<ModuleLoader>,
    /// The pull (and push) secret of the Module's images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_repo_secret: Option<LocalObjectReference>,
    /// Labels of the nodes it runs on.
    #[serde(default)]
    pub selector: BTreeMap<String, String>,
    /// Taints it tolerates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// The loader of a Module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleLoader {
    /// Images, mappings and the modprobe section.
    pub container: Container,
    /// The service account of the loader pods, whose pull secrets count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
}

/// Where the module comes from and how modprobe loads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// How to build an image that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// The image of every mapping that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_image: Option<String>,
    /// When nodes pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Deprecated form of `inTreeModulesToRemove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_tree_module_to_remove: Option<String>,
    /// In-tree modules to unload first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_tree_modules_to_remove: Option<Vec<String>>,
    /// Kernel → image, the first match wins.
    #[serde(default)]
    pub kernel_mappings: Vec<KernelMapping>,
    /// What modprobe is told.
    pub modprobe: Modprobe,
    /// How to talk to the image's registry.
    #[serde(rename = "registryTLS", skip_serializing_if = "Option::is_none")]
    pub registry_tls: Option<RegistryTls>,
    /// How to sign the modules of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// The version of ordered upgrades.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One entry of `kernelMappings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelMapping {
    /// Build options for these kernels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// The image for these kernels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_image: Option<String>,
    /// Deprecated form of `inTreeModulesToRemove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_tree_module_to_remove: Option<String>,
    /// In-tree modules to unload first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_tree_modules_to_remove: Option<Vec<String>>,
    /// Matches one kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub literal: Option<String>,
    /// Matches the kernels in which Go's `regexp` finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regexp: Option<String>,
    /// How to talk to this image's registry.
    #[serde(rename = "registryTLS", skip_serializing_if = "Option::is_none")]
    pub registry_tls: Option<RegistryTls>,
    /// Sign options for these kernels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
}

/// How to build an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// How to talk to the registry of the Dockerfile's base images.
    #[serde(rename = "baseImageRegistryTLS", skip_serializing_if = "Option::is_none")]
    pub base_image_registry_tls: Option<RegistryTls>,
    /// Arguments of the build, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_args: Vec<BuildArg>,
    /// The ConfigMap with the Dockerfile under the key `dockerfile`.
    pub dockerfile_config_map: LocalObjectReference,
    /// Secrets that the build sees under `/run/secrets/<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<LocalObjectReference>,
    /// Labels of the nodes that build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<BTreeMap<String, String>>,
}

/// One build argument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildArg {
    /// Its name.
    pub name: String,
    /// Its value, taken as it stands.
    pub value: String,
}

/// How to sign the modules of an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sign {
    /// The Secret with the certificate under the key `cert`.
    pub cert_secret: LocalObjectReference,
    /// Paths, templates and globs of the files to sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_to_sign: Vec<String>,
    /// The Secret with the private key under the key `key`.
    pub key_secret: LocalObjectReference,
    /// The image to sign where none is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsigned_image: Option<String>,
    /// How to talk to that image's registry.
    #[serde(rename = "unsignedImageRegistryTLS", skip_serializing_if = "Option::is_none")]
    pub unsigned_image_registry_tls: Option<RegistryTls>,
}

/// How to talk to a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryTls {
    /// Plain HTTP.
    #[serde(default)]
    pub insecure: bool,
    /// HTTPS with any certificate.
    #[serde(rename = "insecureSkipTLSVerify", default)]
    pub insecure_skip_tls_verify: bool,
}

/// The modprobe section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Modprobe {
    /// The module to load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_name: Option<String>,
    /// Its parameters, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
    /// The folder of the image that holds `lib/modules/<kernel>`.
    #[serde(default = "default_dir_name")]
    pub dir_name: String,
    /// Options for modprobe before the module's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<ModprobeArgs>,
    /// All of modprobe's arguments, instead of everything above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_args: Option<ModprobeArgs>,
    /// The folder of the image that holds firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_path: Option<String>,
    /// Modules in the order in which each needs the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules_loading_order: Vec<String>,
}

impl Default for Modprobe {
    fn default() -> Self {
        Self {
            module_name: None,
            parameters: Vec::new(),
            dir_name: default_dir_name(),
            args: None,
            raw_args: None,
            firmware_path: None,
            modules_loading_order: Vec::new(),
        }
    }
}

/// Arguments of modprobe when loading and when unloading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModprobeArgs {
    /// When loading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<String>,
    /// When unloading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unload: Vec<String>,
}

fn default_dir_name() -> String {
    "/opt".to_owned()
}
